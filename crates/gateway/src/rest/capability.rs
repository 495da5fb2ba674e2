//! This file is where the gateway says what it can do: no more and no less.

use super::gateway::Gateway;
use crate::{http::PublicUrl, smart};
use conformance::search::{ParamType, Parameter, parameters, resource_types};
use primitives::OrgId;
use serde_json::{Value, json};

/// When what is said here last changed.
const RELEASED: &str = "2026-11-21";

/// The operation that says why a caller may see a resource; nobody else has defined it.
const EXPLAIN_ACCESS: &str = "urn:horkos:operation:explain-access";

/// What every type can do.
const INTERACTIONS: &[&str] = &[
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
];

impl Gateway {
    /// The CapabilityStatement as it is sent.
    pub(crate) fn statement(&self) -> &[u8] {
        self.statement.get_or_init(|| statement(&self.own, &self.public, self.cors).to_string().into_bytes())
    }
}

fn statement(own: &OrgId, public: &PublicUrl, cors: bool) -> Value {
    let resources: Vec<Value> = resource_types().map(of_type).collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": RELEASED,
        "kind": "instance",
        "software": { "name": "Horkos", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": format!("{own} on a Horkos network"), "url": public.fhir() },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "patchFormat": ["application/json-patch+json"],
        "rest": [{
            "mode": "server",
            "security": smart::security(public, cors),
            "resource": resources,
            "interaction": [{ "code": "transaction" }, { "code": "batch" }, { "code": "search-system" }],
            "searchParam": common()
                .map(search_param)
                .chain([json!({ "name": "_type", "type": "special" })])
                .collect::<Vec<_>>(),
        }],
    })
}

fn of_type(kind: &'static str) -> Value {
    let of_type = || parameters(kind).filter(|param| param.kind != ParamType::Special);
    let references = || of_type().filter(|param| param.kind == ParamType::Reference);
    let mut operations = vec![json!({
        "name": "validate",
        "definition": "http://hl7.org/fhir/OperationDefinition/Resource-validate",
    })];
    operations.push(json!({ "name": "explain-access", "definition": EXPLAIN_ACCESS }));
    if kind == "Patient" {
        operations.push(json!({
            "name": "everything",
            "definition": "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        }));
    }
    let mut resource = json!({
        "type": kind,
        "interaction": INTERACTIONS.iter().map(|code| json!({ "code": code })).collect::<Vec<_>>(),
        "versioning": "versioned-update",
        "readHistory": true,
        "updateCreate": true,
        // R4 has no element for it.
        "documentation": "Patches may be conditional.",
        "conditionalCreate": true,
        "conditionalRead": "full-support",
        "conditionalUpdate": true,
        "conditionalDelete": "single",
        "searchParam": of_type().map(search_param).collect::<Vec<_>>(),
        "operation": operations,
    });
    let includes: Vec<String> = references().map(|param| format!("{kind}:{}", param.code)).collect();
    let reverse: Vec<String> = resource_types()
        .flat_map(|source| parameters(source).map(move |param| (source, param)))
        .filter(|(_, param)| param.kind == ParamType::Reference && param.targets.contains(&kind))
        .map(|(source, param)| format!("{source}:{}", param.code))
        .collect();
    // FHIR forbids empty arrays.
    for (name, list) in [("searchInclude", includes), ("searchRevInclude", reverse)] {
        if let (Some(object), false) = (resource.as_object_mut(), list.is_empty()) {
            object.insert(name.into(), json!(list));
        }
    }
    resource
}

/// Parameters of all types.
pub(super) fn common() -> impl Iterator<Item = &'static Parameter> {
    parameters("Basic").filter(|param| param.code.starts_with('_'))
}

fn search_param(param: &'static Parameter) -> Value {
    json!({ "name": param.code, "type": param.kind.code() })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{interaction::Interaction, table::ROUTES},
        *,
    };
    use conformance::{
        search::{Options, Strictness, parse},
        validate,
    };
    use fhir::{Limits, json::Document};

    fn made() -> Value {
        let public: PublicUrl = "https://fhir.riverside.example".parse().unwrap();
        statement(&"riverside".parse().unwrap(), &public, true)
    }

    fn each<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
        value.get(name).and_then(Value::as_array).into_iter().flatten()
    }

    #[test]
    fn it_is_a_valid_capability_statement() {
        let text = made().to_string();
        let document = Document::read(text.as_bytes(), &Limits::default()).unwrap();
        let issues = validate::check(document.root(), &validate::Options::default());
        let wrong: Vec<_> = issues.iter().filter(|issue| issue.refuses()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn what_it_lists_is_there() {
        let statement = made();
        let rest = &statement["rest"][0];
        let options = Options { strictness: Strictness::Strict, ..Options::default() };
        let (mut params, mut includes) = (0, 0);
        let asks = |kind: &str, name: String, value: &str| {
            parse(Some(kind), &[(name.clone(), value.to_owned())], &options)
                .unwrap_or_else(|error| panic!("{kind}?{name}={value}: {error}"));
        };
        for resource in each(rest, "resource") {
            let kind = resource["type"].as_str().unwrap();
            for param in each(resource, "searchParam") {
                asks(kind, format!("{}:missing", param["name"].as_str().unwrap()), "true");
                params += 1;
            }
            for (list, name) in [("searchInclude", "_include"), ("searchRevInclude", "_revinclude")] {
                for value in each(resource, list) {
                    asks(kind, name.to_owned(), value.as_str().unwrap());
                    includes += 1;
                }
            }
            for operation in each(resource, "operation") {
                let name = operation["name"].as_str().unwrap();
                assert!(Interaction::of("POST", &format!("/{kind}/1/${name}")).is_ok(), "{kind} {name}");
            }
        }
        assert!(params > 1700 && includes > 1000, "{params} {includes}");
    }

    /// Which code of the statement answers for a route.
    fn code(name: &str) -> &'static str {
        match name {
            "read" => "read",
            "vread" => "vread",
            "update" => "update",
            "updateWhere" => "conditionalUpdate",
            "patch" => "patch",
            "patchWhere" => "documentation",
            "delete" => "delete",
            "deleteWhere" => "conditionalDelete",
            "history" => "history-instance",
            "historyOfType" => "history-type",
            "create" => "create",
            "search" | "searchByForm" => "search-type",
            "searchSystem" | "searchSystemByForm" => "search-system",
            "transaction" => "transaction",
            "validate" | "validateInstance" => "validate",
            "everything" | "everythingByPost" => "everything",
            "explainAccess" | "explainAccessByPost" => "explain-access",
            "capabilities" => "fhirVersion",
            name => panic!("{name} has a route, and nothing says it of in the CapabilityStatement"),
        }
    }

    #[test]
    fn what_is_there_is_listed() {
        let statement = made();
        let rest = &statement["rest"][0];
        let patient = each(rest, "resource").find(|one| one["type"] == "Patient").unwrap();
        let coded = |value: &'static str| {
            each(patient, "interaction").chain(each(rest, "interaction")).any(|one| one["code"] == value)
                || each(patient, "operation").any(|one| one["name"] == value)
                || patient.get(value).is_some()
                || statement.get(value).is_some()
        };
        for route in ROUTES {
            assert!(coded(code(route.name)), "{}", route.name);
        }
        // And the other way round: no interaction without a route.
        for one in each(patient, "interaction").chain(each(rest, "interaction")) {
            let listed = one["code"].as_str().unwrap();
            let routed = ROUTES.iter().any(|route| code(route.name) == listed);
            assert!(routed || listed == "batch", "{listed}");
        }
    }
}
