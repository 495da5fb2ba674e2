//! This file is where it is read from method and path what a request asks for; a batch's entries are read the same way.

use super::{
    refusals::{invalid, no_method, not_found},
    table::allowed,
};
use crate::http::Refusal;
use axum::http::{HeaderValue, StatusCode, header};
use fhir::types;

/// Most bytes of a logical id. Source: FHIR R4 datatypes.html#id.
const ID_BYTES_MAX: usize = 64;

/// What is asked for. Source: FHIR R4 http.html.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Interaction {
    /// What the server can do.
    Capabilities,
    /// A batch or transaction.
    Bundle,
    /// One resource as it is now.
    Read(Instance),
    /// One resource as it was.
    VersionRead(Instance, String),
    /// All versions of one resource.
    HistoryOf(Instance),
    /// All versions of all resources of a type.
    HistoryOfType(&'static str),
    /// Search in one type, or in all.
    Search(Option<&'static str>),
    /// A new resource.
    Create(&'static str),
    /// A resource under the client's id.
    Update(Instance),
    /// The one resource that a search finds.
    UpdateWhere(&'static str),
    /// Changes to one resource.
    Patch(Instance),
    /// Changes to the one resource that a search finds.
    PatchWhere(&'static str),
    /// One resource.
    Delete(Instance),
    /// The one resource that a search finds.
    DeleteWhere(&'static str),
    /// An operation.
    Operation(Operation, Scope),
}

/// A resource by type and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
}

/// On what an operation is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Type(&'static str),
    Instance(Instance),
}

/// The operations there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `$validate`: is it right?
    Validate,
    /// `Patient/$everything`: the whole chart.
    Everything,
    /// `$explain-access`: why may the caller see it?
    ExplainAccess,
}

impl Operation {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Validate, Self::Everything, Self::ExplainAccess];

    /// With its `$`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Validate => "$validate",
            Self::Everything => "$everything",
            Self::ExplainAccess => "$explain-access",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

impl std::fmt::Display for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

impl Interaction {
    /// What a request asks for.
    ///
    /// `path` is relative to the FHIR base, without query; a slash at its end doesn't matter, some clients send one.
    ///
    /// # Errors
    /// 404 for a type, operation or path that isn't there, 400 for an id that can't be one, 405 for a method that the
    /// place doesn't take.
    pub(crate) fn of(method: &str, path: &str) -> Result<Self, Refusal> {
        Self::read(method, path).map_err(|refusal| {
            if refusal.status != StatusCode::METHOD_NOT_ALLOWED {
                return refusal;
            }
            match HeaderValue::from_str(&allowed(path)) {
                Ok(methods) => refusal.with_header(header::ALLOW, methods),
                Err(_) => refusal,
            }
        })
    }

    fn read(method: &str, path: &str) -> Result<Self, Refusal> {
        let path = path.trim_matches('/');
        let steps: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
        match (method, steps.as_slice()) {
            ("GET" | "HEAD", ["metadata"]) => Ok(Self::Capabilities),
            ("POST", []) => Ok(Self::Bundle),
            ("GET" | "HEAD", []) | ("POST", ["_search"]) => Ok(Self::Search(None)),
            (_, ["metadata" | "_search"] | []) => Err(no_method(method, path)),
            (_, [name, rest @ ..]) => Self::of_type(method, path, kind(name)?, rest),
        }
    }

    fn of_type(method: &str, path: &str, kind: &'static str, rest: &[&str]) -> Result<Self, Refusal> {
        let is_get = matches!(method, "GET" | "HEAD");
        Ok(match (method, rest) {
            (_, []) if is_get => Self::Search(Some(kind)),
            ("POST", []) => Self::Create(kind),
            ("PUT", []) => Self::UpdateWhere(kind),
            ("PATCH", []) => Self::PatchWhere(kind),
            ("DELETE", []) => Self::DeleteWhere(kind),
            ("POST", ["_search"]) => Self::Search(Some(kind)),
            (_, ["_history"]) if is_get => Self::HistoryOfType(kind),
            (_, [name]) if name.starts_with('$') => {
                let scope = Scope::Type(kind);
                return operation(method, path, name, scope);
            }
            (_, ["_search" | "_history"]) => return Err(no_method(method, path)),
            (_, [id, rest @ ..]) => {
                let of = Instance { kind, id: logical_id(id)? };
                return Self::of_instance(method, path, of, rest);
            }
            (_, []) => return Err(no_method(method, path)),
        })
    }

    fn of_instance(method: &str, path: &str, of: Instance, rest: &[&str]) -> Result<Self, Refusal> {
        let is_get = matches!(method, "GET" | "HEAD");
        match (method, rest) {
            (_, []) if is_get => Ok(Self::Read(of)),
            ("PUT", []) => Ok(Self::Update(of)),
            ("PATCH", []) => Ok(Self::Patch(of)),
            ("DELETE", []) => Ok(Self::Delete(of)),
            (_, ["_history"]) if is_get => Ok(Self::HistoryOf(of)),
            (_, ["_history", version]) if is_get => Ok(Self::VersionRead(of, logical_id(version)?)),
            (_, [name]) if name.starts_with('$') => operation(method, path, name, Scope::Instance(of)),
            (_, [] | ["_history"] | ["_history", _]) => Err(no_method(method, path)),
            (_, _) => Err(not_found("there is no such path; see `metadata` for what there is")),
        }
    }
}

fn operation(method: &str, path: &str, name: &str, scope: Scope) -> Result<Interaction, Refusal> {
    let known = Operation::of(name).filter(|operation| match (operation, &scope) {
        (Operation::Validate, _) => true,
        (Operation::Everything, Scope::Instance(of)) => of.kind == "Patient",
        (Operation::ExplainAccess, Scope::Instance(_)) => true,
        (Operation::Everything | Operation::ExplainAccess, Scope::Type(_)) => false,
    });
    let Some(operation) = known else {
        return Err(not_found("this operation is not there; see `metadata` for those that are"));
    };
    let fits = match operation {
        Operation::Validate => method == "POST",
        Operation::Everything | Operation::ExplainAccess => matches!(method, "GET" | "HEAD" | "POST"),
    };
    if fits { Ok(Interaction::Operation(operation, scope)) } else { Err(no_method(method, path)) }
}

/// The R4 resource type of this name.
fn kind(name: &str) -> Result<&'static str, Refusal> {
    types::r4(name)
        .ok_or_else(|| not_found("this is no resource type of FHIR R4 (they are spelled as in `Patient`)"))
}

/// A logical id. Source: FHIR R4 datatypes.html#id.
pub(crate) fn logical_id(text: &str) -> Result<String, Refusal> {
    let fits = (1..=ID_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if fits { Ok(text.to_owned()) } else { Err(invalid("an id has 1 to 64 letters, digits, `-` and `.`")) }
}

#[cfg(test)]
mod tests {
    use super::{super::table::ROUTES, *};
    use std::collections::BTreeSet;

    fn of(kind: &'static str, id: &str) -> Instance {
        Instance { kind, id: id.to_owned() }
    }

    #[test]
    fn requests_are_read() {
        for (method, path, expected) in [
            ("GET", "/metadata", Interaction::Capabilities),
            ("POST", "/", Interaction::Bundle),
            ("POST", "", Interaction::Bundle),
            ("GET", "", Interaction::Search(None)),
            ("POST", "_search", Interaction::Search(None)),
            ("GET", "Patient", Interaction::Search(Some("Patient"))),
            ("GET", "Patient/", Interaction::Search(Some("Patient"))),
            ("POST", "Patient/_search", Interaction::Search(Some("Patient"))),
            ("POST", "Patient", Interaction::Create("Patient")),
            ("GET", "Patient/1", Interaction::Read(of("Patient", "1"))),
            ("HEAD", "Patient/1", Interaction::Read(of("Patient", "1"))),
            ("PUT", "Patient/1", Interaction::Update(of("Patient", "1"))),
            ("PUT", "Patient", Interaction::UpdateWhere("Patient")),
            ("PATCH", "Patient/1", Interaction::Patch(of("Patient", "1"))),
            ("PATCH", "Patient", Interaction::PatchWhere("Patient")),
            ("DELETE", "Patient/1", Interaction::Delete(of("Patient", "1"))),
            ("DELETE", "Patient", Interaction::DeleteWhere("Patient")),
            ("GET", "Patient/1/_history", Interaction::HistoryOf(of("Patient", "1"))),
            ("GET", "Patient/1/_history/2", Interaction::VersionRead(of("Patient", "1"), "2".to_owned())),
            ("GET", "Patient/_history", Interaction::HistoryOfType("Patient")),
            (
                "POST",
                "Patient/$validate",
                Interaction::Operation(Operation::Validate, Scope::Type("Patient")),
            ),
            (
                "GET",
                "Patient/1/$everything",
                Interaction::Operation(Operation::Everything, Scope::Instance(of("Patient", "1"))),
            ),
        ] {
            assert_eq!(Interaction::of(method, path).ok(), Some(expected), "{method} {path}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for (method, path, status) in [
            ("GET", "patient", 404),
            ("GET", "Nothing/1", 404),
            ("GET", "Patient/1/2", 404),
            ("GET", "Patient/$nothing", 404),
            ("GET", "Patient/$everything", 404),
            ("GET", "Observation/1/$everything", 404),
            ("GET", "Patient/a_b", 400),
            ("GET", &format!("Patient/{}", "a".repeat(65)), 400),
            ("PUT", "", 405),
            ("DELETE", "metadata", 405),
            ("POST", "Patient/1", 405),
            ("PUT", "Patient/_search", 405),
            ("GET", "Patient/$validate", 405),
            ("DELETE", "Patient/1/_history", 405),
            ("GET", "Patient/1/_history/2/3", 404),
        ] {
            let refused = Interaction::of(method, path).err().map(|refusal| refusal.status.as_u16());
            assert_eq!(refused, Some(status), "{method} {path}");
        }
    }

    fn filled(path: &str, kind: &str) -> String {
        path.replace("{type}", kind).replace("{id}", "a-1").replace("{version}", "2")
    }

    #[test]
    fn every_row_of_the_table_is_routed_and_every_route_has_a_row() {
        let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
        let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
        for (kind, path) in
            ["Patient", "Observation"].into_iter().flat_map(|kind| paths.iter().map(move |path| (kind, path)))
        {
            let url = filled(path, kind);
            for method in methods {
                let row =
                    ROUTES.iter().any(|route| route.method == method && filled(route.path, kind) == url);
                match Interaction::of(method, &url) {
                    Ok(interaction) => assert!(row, "{method} {url}: {interaction:?}"),
                    Err(refusal) => {
                        assert!(!row, "{method} {url}: {refusal}");
                        assert_eq!(refusal.status, 405, "{method} {url}");
                        let listed = refusal.headers.iter().find(|(name, _)| *name == header::ALLOW);
                        assert_eq!(listed.map(|(_, value)| value.as_bytes()), Some(allowed(&url).as_bytes()));
                    }
                }
            }
            assert_eq!(Interaction::of("HEAD", &url).is_ok(), Interaction::of("GET", &url).is_ok(), "{url}");
        }
        // Paths that look like routes and are none.
        for path in [
            "/{type}/$everything",
            "/{type}/$explain-access",
            "/_history",
            "/$validate",
            "/{type}/{id}/_search",
        ] {
            for method in methods {
                assert!(Interaction::of(method, &filled(path, "Patient")).is_err(), "{method} {path}");
            }
        }
    }
}
