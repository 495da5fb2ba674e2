//! This file is where the gateway says what it can do: no more and no less.

use super::gateway::Gateway;
use crate::smart;
use conformance::search::{ParamType, Parameter, parameters, resource_types};
use serde_json::{Value, json};

/// When what is said here last changed.
const RELEASED: &str = "2026-11-21";

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
    /// The CapabilityStatement.
    pub(crate) fn capabilities(&self) -> Value {
        let resources: Vec<Value> = resource_types().map(|kind| self.of_type(kind)).collect();
        json!({
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": RELEASED,
            "kind": "instance",
            "software": { "name": "Horkos", "version": env!("CARGO_PKG_VERSION") },
            "implementation": { "description": format!("{} on a Horkos network", self.own), "url": self.base },
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json", "json"],
            "patchFormat": ["application/json-patch+json"],
            "rest": [{
                "mode": "server",
                "security": smart::security(&self.public, self.cors),
                "resource": resources,
                "interaction": [{ "code": "transaction" }, { "code": "batch" }, { "code": "search-system" }],
                "searchParam": common().map(search_param).collect::<Vec<_>>(),
            }],
        })
    }

    fn of_type(&self, kind: &str) -> Value {
        let of_type = || parameters(kind).filter(|param| param.kind != ParamType::Special);
        let references = || of_type().filter(|param| param.kind == ParamType::Reference);
        let mut operations = vec![json!({
            "name": "validate",
            "definition": "http://hl7.org/fhir/OperationDefinition/Resource-validate",
        })];
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
            "conditionalCreate": true,
            "conditionalRead": "full-support",
            "conditionalUpdate": true,
            "conditionalDelete": "single",
            "searchParam": of_type().map(search_param).collect::<Vec<_>>(),
            "operation": operations,
        });
        let includes: Vec<String> = references().map(|param| format!("{kind}:{}", param.code)).collect();
        if let (Some(object), false) = (resource.as_object_mut(), includes.is_empty()) {
            object.insert("searchInclude".into(), json!(includes));
        }
        resource
    }
}

/// Parameters of all types.
fn common() -> impl Iterator<Item = &'static Parameter> {
    parameters("Basic").filter(|param| param.code.starts_with('_'))
}

fn search_param(param: &'static Parameter) -> Value {
    json!({ "name": param.code, "type": param.kind.code() })
}
