//! This file is where all routes stand in one table, from which `/openapi.json` is made; a test holds it to what is routed.

use crate::http;

/// A method on a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    /// Below the FHIR base; `{type}` is any resource type, `{id}` and `{version}` are ids.
    pub(super) path: &'static str,
    /// Its name for generated clients.
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) takes: Takes,
    pub(super) query: Params,
    pub(super) headers: &'static [Header],
    /// What comes back if it isn't refused.
    pub(super) gives: &'static [(u16, Gives)],
    /// Refusals of its own, besides those of all routes.
    pub(super) refuses: &'static [u16],
}

/// The body that a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Resource,
    /// Something that may be a valid resource, or Parameters that hold it.
    Checked,
    /// The same; without one the stored resource is meant.
    MaybeChecked,
    Bundle,
    Patch,
    Form,
}

/// The query parameters that a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Params {
    None,
    /// Of a search.
    Search,
    /// Of a condition: the same, and at least one.
    Condition,
    History,
    Everything,
    Read,
    Validate,
}

/// A header that changes what is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    IfMatch,
    IfNoneMatch,
    IfModifiedSince,
    IfNoneExist,
    Prefer,
}

/// What a route gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    Nothing,
    Resource,
    /// A resource, its outcome, or nothing: as `Prefer` says.
    Written,
    Bundle,
    Outcome,
    Capabilities,
    Parameters,
}

use Gives as G;
use Header::{IfMatch, IfModifiedSince, IfNoneExist, IfNoneMatch, Prefer};
use Params as P;
use Takes as T;

macro_rules! routes {
    ($($method:literal $path:literal $name:ident: $summary:literal,
        $takes:expr, $query:expr, $headers:expr => $gives:expr, $refuses:expr;)*) => {
        &[$(Route {
            method: $method, path: $path, name: stringify!($name), summary: $summary, takes: $takes, query: $query,
            headers: &$headers, gives: &$gives, refuses: &$refuses,
        }),*]
    };
}

/// All FHIR routes. `HEAD` is taken wherever `GET` is.
pub(super) const ROUTES: &[Route] = routes! {
    "GET" "/metadata" capabilities: "What the server can do: its CapabilityStatement",
        T::Nothing, P::None, [] => [(200, G::Capabilities)], [];
    "POST" "" transaction: "A batch, or a transaction: all of it or nothing",
        T::Bundle, P::None, [] => [(200, G::Bundle)], [404, 409, 410, 412, 422];
    "GET" "" searchSystem: "Search in all types",
        T::Nothing, P::Search, [] => [(200, G::Bundle)], [];
    "POST" "/_search" searchSystemByForm: "Search in all types, the parameters in a form",
        T::Form, P::None, [] => [(200, G::Bundle)], [];
    "GET" "/{type}" search: "Search in a type; its parameters stand in the CapabilityStatement",
        T::Nothing, P::Search, [] => [(200, G::Bundle)], [];
    "POST" "/{type}/_search" searchByForm: "Search in a type, the parameters in a form",
        T::Form, P::None, [] => [(200, G::Bundle)], [];
    "POST" "/{type}" create: "Create a resource under an id of the server's, unless `If-None-Exist` finds one",
        T::Resource, P::None, [IfNoneExist, Prefer] => [(201, G::Written), (200, G::Written)], [409, 412, 422];
    "PUT" "/{type}" updateWhere: "Update the one resource that a search finds, or create one",
        T::Resource, P::Condition, [IfMatch, IfNoneMatch, Prefer]
        => [(200, G::Written), (201, G::Written)], [409, 412, 422];
    "PATCH" "/{type}" patchWhere: "Patch the one resource that a search finds",
        T::Patch, P::Condition, [IfMatch, Prefer] => [(200, G::Written)], [409, 410, 412, 422];
    "DELETE" "/{type}" deleteWhere: "Delete the one resource that a search finds",
        T::Nothing, P::Condition, [IfMatch] => [(204, G::Nothing)], [409, 412];
    "GET" "/{type}/_history" historyOfType: "All versions of all resources of a type, the newest first",
        T::Nothing, P::History, [] => [(200, G::Bundle)], [];
    "POST" "/{type}/$validate" validate: "Whether a resource is valid; nothing is kept",
        T::Checked, P::Validate, [] => [(200, G::Outcome)], [];
    "GET" "/{type}/{id}" read: "A resource as it is",
        T::Nothing, P::Read, [IfNoneMatch, IfModifiedSince] => [(200, G::Resource), (304, G::Nothing)], [410];
    "PUT" "/{type}/{id}" update: "Update a resource, or create it under this id",
        T::Resource, P::None, [IfMatch, IfNoneMatch, Prefer]
        => [(200, G::Written), (201, G::Written)], [409, 412, 422];
    "PATCH" "/{type}/{id}" patch: "Patch a resource (RFC 6902)",
        T::Patch, P::None, [IfMatch, Prefer] => [(200, G::Written)], [409, 410, 412, 422];
    "DELETE" "/{type}/{id}" delete: "Delete a resource; its history stays",
        T::Nothing, P::None, [IfMatch] => [(204, G::Nothing)], [409, 412];
    "GET" "/{type}/{id}/_history" history: "All versions of a resource, the newest first",
        T::Nothing, P::History, [] => [(200, G::Bundle)], [];
    "GET" "/{type}/{id}/_history/{version}" vread: "A version of a resource",
        T::Nothing, P::None, [] => [(200, G::Resource)], [410];
    "POST" "/{type}/{id}/$validate" validateInstance: "Whether a resource is valid; without one, the stored resource",
        T::MaybeChecked, P::Validate, [] => [(200, G::Outcome)], [410];
    "GET" "/{type}/{id}/$explain-access" explainAccess: "Why the caller may see a resource",
        T::Nothing, P::None, [] => [(200, G::Parameters)], [410];
    "POST" "/{type}/{id}/$explain-access" explainAccessByPost: "Why the caller may see a resource",
        T::Nothing, P::None, [] => [(200, G::Parameters)], [410];
    "GET" "/Patient/{id}/$everything" everything: "All that the caller may see in a patient's chart",
        T::Nothing, P::Everything, [] => [(200, G::Bundle)], [410];
    "POST" "/Patient/{id}/$everything" everythingByPost: "All that the caller may see in a patient's chart",
        T::Nothing, P::Everything, [] => [(200, G::Bundle)], [410];
};

/// All routes under the FHIR base, `HEAD` among them, as they stand in the gateway's whole table.
pub(super) fn routes() -> Vec<http::Route> {
    let mut routes = Vec::new();
    for Route { method, path, .. } in ROUTES {
        let path = format!("/fhir{path}");
        if *method == "GET" {
            routes.push(http::Route::new("HEAD", path.clone()));
        }
        routes.push(http::Route::new(method, path));
    }
    routes
}

/// The methods that a path below the FHIR base takes, as the header `Allow` lists them (RFC 9110 §10.2.1).
pub(super) fn allowed(path: &str) -> String {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let mut methods: Vec<&str> = Vec::new();
    for route in ROUTES {
        let wanted: Vec<&str> = route.path.split('/').filter(|step| !step.is_empty()).collect();
        let is_one = |(wanted, step): (&&str, &&str)| {
            // What the server names itself is no id and no type.
            wanted == step
                || (wanted.starts_with('{') && !step.starts_with(['_', '$']) && **step != *"metadata")
        };
        if wanted.len() == steps.len()
            && wanted.iter().zip(&steps).all(is_one)
            && !methods.contains(&route.method)
        {
            methods.push(route.method);
        }
    }
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_given_once() {
        let names: BTreeSet<&str> = ROUTES.iter().map(|route| route.name).collect();
        assert_eq!(names.len(), ROUTES.len());
    }

    #[test]
    fn methods_of_a_path() {
        for (path, methods) in [
            ("/metadata", "GET, HEAD"),
            ("", "POST, GET, HEAD"),
            ("/Patient/", "GET, POST, PUT, PATCH, DELETE, HEAD"),
            ("/Patient/_search", "POST"),
            ("/Patient/1", "GET, PUT, PATCH, DELETE, HEAD"),
            ("/Patient/$validate", "POST"),
            ("/Patient/1/_history/2", "GET, HEAD"),
            ("/a/b/c/d/e", ""),
        ] {
            assert_eq!(allowed(path), methods, "{path}");
        }
    }
}
