//! This file is where the OpenAPI document is made, of the table of routes and the types that the definitions know.

use super::{
    capability::common,
    gateway::Gateway,
    table::{Gives, Header, Params, ROUTES, Route, Takes},
};
use crate::{http::PublicUrl, smart};
use conformance::search::{Parameter, resource_types};
use primitives::OrgId;
use serde_json::{Map, Value, json};

/// Where the document is served.
pub(super) const PATH: &str = "/openapi.json";

/// What any FHIR route may refuse: a malformed request, no token, too small a token, nothing there for the caller, no JSON
/// asked for, too many requests, a fault, a ledger out of reach.
const REFUSES: &[u16] = &[400, 401, 403, 404, 406, 429, 500, 503];
/// What a route with a body may refuse besides.
const BODY_REFUSES: &[u16] = &[413, 415];
/// What a route without a token may refuse.
const OPEN_REFUSES: &[u16] = &[400, 406, 429, 500, 503];

const FHIR: &str = "application/fhir+json";
const FORM: &str = "application/x-www-form-urlencoded";
const PATCH: &str = "application/json-patch+json";

impl Gateway {
    /// The OpenAPI document.
    pub(super) fn openapi(&self) -> Value {
        document(&self.own, &self.public)
    }
}

fn document(own: &OrgId, public: &PublicUrl) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        add(&mut paths, &format!("/fhir{}", route.path), route.method, operation(route));
    }
    for (path, item) in smart::openapi() {
        paths.insert(path, item);
    }
    add(
        &mut paths,
        PATH,
        "GET",
        json!({
            "operationId": "openapi", "summary": "This document", "security": [], "tags": ["about"],
            "responses": open_answers(json!({ "type": "object", "required": ["openapi", "paths"] }), "application/json"),
        }),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("FHIR R4 at {}", own),
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A FHIR R4 server on a Horkos network: consent is enforced and every access is final on the \
                ledger before a byte leaves. Which search parameters a type has, its CapabilityStatement says \
                (`/fhir/metadata`). What the caller may not see answers like what does not exist.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": public.as_str() }],
        "security": [{ "smart": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "smart": {
                "type": "oauth2",
                "description": "SMART Backend Services: a client proves itself with a signed assertion \
                    (private_key_jwt, RS384 or ES384) that names its purpose of use.",
                "flows": { "clientCredentials": {
                    "tokenUrl": public.at(smart::TOKEN),
                    "scopes": {
                        "system/*.cruds": "everything, as the organisation's system",
                        "system/*.rs": "reading and searching, as the organisation's system",
                        "user/*.cruds": "everything, for a practitioner",
                        "user/*.rs": "reading and searching, for a practitioner",
                    },
                } },
            } },
            "parameters": parameters(),
            "headers": headers(),
            "responses": responses(),
            "schemas": schemas(),
        },
    })
}

/// Adds an operation to a path's item.
fn add(paths: &mut Map<String, Value>, path: &str, method: &str, operation: Value) {
    let item = paths.entry(path).or_insert_with(|| json!({}));
    if let Some(item) = item.as_object_mut() {
        item.insert(method.to_ascii_lowercase(), operation);
    }
}

fn operation(route: &Route) -> Value {
    let Route { method: _, path, name, summary, takes, query, headers, gives, refuses } = route;
    let is_open = matches!(gives, [(_, Gives::Capabilities)]);
    let mut params: Vec<Value> = Vec::new();
    for (place, param) in [("{type}", "type"), ("{id}", "id"), ("{version}", "version")] {
        if path.contains(place) {
            params.push(refer("parameters", param));
        }
    }
    params.extend(queried(*query).iter().map(|name| refer("parameters", name)));
    params.extend(headers.iter().map(|header| refer("parameters", header_name(*header))));
    let mut answers: Map<String, Value> =
        gives.iter().map(|(status, gives)| (status.to_string(), answer(*status, *gives))).collect();
    let body = if *takes == Takes::Nothing { &[] } else { BODY_REFUSES };
    let common = if is_open { OPEN_REFUSES } else { REFUSES };
    for status in common.iter().chain(body).chain(*refuses) {
        answers.insert(status.to_string(), refer("responses", &status.to_string()));
    }
    let mut operation = json!({
        "operationId": name, "summary": summary, "parameters": params, "responses": answers,
        "tags": [if is_open { "about" } else { "fhir" }],
    });
    if let Some(object) = operation.as_object_mut() {
        if is_open {
            object.insert("security".into(), json!([]));
        }
        if let Some(body) = taken(*takes) {
            object.insert("requestBody".into(), body);
        }
    }
    operation
}

fn taken(takes: Takes) -> Option<Value> {
    let of = |media: &str, schema: Value, required: bool| {
        Some(json!({ "required": required, "content": { media: { "schema": schema } } }))
    };
    match takes {
        Takes::Nothing => None,
        Takes::Resource => of(FHIR, refer("schemas", "Resource"), true),
        Takes::Checked => of(FHIR, json!({ "type": "object" }), true),
        Takes::MaybeChecked => of(FHIR, json!({ "type": "object" }), false),
        Takes::Bundle => of(FHIR, refer("schemas", "Transaction"), true),
        Takes::Patch => of(PATCH, refer("schemas", "Patch"), true),
        Takes::Form => {
            let form = json!({ "type": "object", "additionalProperties": { "type": "string" } });
            of(FORM, form, false)
        }
    }
}

fn answer(status: u16, gives: Gives) -> Value {
    let schema = match gives {
        Gives::Nothing => None,
        Gives::Resource | Gives::Written => Some("Resource"),
        Gives::Bundle => Some("Bundle"),
        Gives::Outcome => Some("OperationOutcome"),
        Gives::Capabilities => Some("CapabilityStatement"),
        Gives::Parameters => Some("Parameters"),
    };
    let text = match (status, gives) {
        (201, _) => "Created, and final on the ledger",
        (204, _) => "Done, and final on the ledger; or there was nothing to do",
        (304, _) => "The caller has this version",
        (_, Gives::Written) => "Done, and final on the ledger",
        (_, _) => "What was asked for",
    };
    let mut answer = json!({ "description": text });
    if let (Some(object), Some(schema)) = (answer.as_object_mut(), schema) {
        object.insert("content".into(), json!({ FHIR: { "schema": refer("schemas", schema) } }));
    }
    let named: &[&str] = match gives {
        Gives::Written => &["ETag", "Last-Modified", "Location"],
        Gives::Resource => &["ETag", "Last-Modified"],
        Gives::Nothing | Gives::Bundle | Gives::Outcome | Gives::Capabilities | Gives::Parameters => &[],
    };
    if let (Some(object), false) = (answer.as_object_mut(), named.is_empty()) {
        let headers: Map<String, Value> =
            named.iter().map(|name| ((*name).to_owned(), refer("headers", name))).collect();
        object.insert("headers".into(), Value::Object(headers));
    }
    answer
}

/// The answers of a route that needs no token.
fn open_answers(schema: Value, media: &str) -> Value {
    json!({
        "200": { "description": "What was asked for", "content": { media: { "schema": schema } } },
        "429": refer("responses", "429"),
        "500": refer("responses", "500"),
        "503": refer("responses", "503"),
    })
}

fn refer(part: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{part}/{name}") })
}

fn queried(query: Params) -> &'static [&'static str] {
    match query {
        Params::None => &[],
        Params::Search => &[
            "parameters",
            "_id",
            "_lastUpdated",
            "_count",
            "_sort",
            "_include",
            "_revinclude",
            "_total",
            "_summary",
            "_elements",
            "_cursor",
        ],
        Params::Condition => &["condition"],
        Params::History => &["_since", "_count", "_cursor"],
        Params::Everything => &["_since", "_types", "start", "end", "_count", "_cursor"],
        Params::Read => &["_summary", "_elements"],
        Params::Validate => &["mode"],
    }
}

fn header_name(header: Header) -> &'static str {
    match header {
        Header::IfMatch => "If-Match",
        Header::IfNoneMatch => "If-None-Match",
        Header::IfModifiedSince => "If-Modified-Since",
        Header::IfNoneExist => "If-None-Exist",
        Header::Prefer => "Prefer",
    }
}

fn parameters() -> Value {
    let kinds: Vec<&str> = resource_types().collect();
    let path = |name: &str, schema: Value, example: &str| json!({ "name": name, "in": "path", "required": true, "schema": schema, "example": example });
    let query = |name: &str, schema: Value, says: &str| json!({ "name": name, "in": "query", "required": false, "schema": schema, "description": says });
    let header = |name: &str, schema: Value, says: &str| json!({ "name": name, "in": "header", "required": false, "schema": schema, "description": says });
    let text = || json!({ "type": "string" });
    let any = |name: &str, says: &str| {
        json!({
            "name": name, "in": "query", "required": false, "style": "form", "explode": true, "description": says,
            "schema": { "type": "object" },
        })
    };
    let id = json!({ "type": "string", "pattern": "^[A-Za-z0-9.\\-]{1,64}$" });
    let mut all = json!({
        "type": path("type", json!({ "type": "string", "enum": kinds }), "Patient"),
        "id": path("id", id, "example"),
        "version": path("version", json!({ "type": "string", "pattern": "^[1-9][0-9]{0,8}$" }), "1"),
        "parameters": any("parameters", "Search parameters of the type, with modifiers and prefixes, as `name:exact=Eve`"),
        "condition": any("condition", "Search parameters that find the one resource meant"),
        "_count": query("_count", json!({ "type": "integer", "minimum": 0 }), "How many matches a page has, at most"),
        "_sort": query("_sort", text(), "Parameters to sort by, `-` before those from last to first"),
        "_include": query("_include", text(), "What matches refer to, as `Observation:subject`"),
        "_revinclude": query("_revinclude", text(), "What refers to matches, as `Provenance:target`"),
        "_total": query("_total", json!({ "type": "string", "enum": ["none", "estimate", "accurate"] }), "Whether matches are counted"),
        "_summary": query("_summary", json!({ "type": "string", "enum": ["true", "false", "text", "data", "count"] }), "A part of each resource"),
        "_elements": query("_elements", text(), "Elements to give, separated by commas"),
        "_cursor": query("_cursor", json!({ "type": "string", "minLength": 1 }), "A page's place, as a link `next` has it"),
        "_since": query("_since", json!({ "type": "string", "format": "date-time" }), "Only what changed at or after this instant"),
        "_types": { "name": "_type", "in": "query", "required": false, "schema": text(), "description": "Types to give, separated by commas" },
        "start": query("start", json!({ "type": "string", "format": "date" }), "Care from this day on"),
        "end": query("end", json!({ "type": "string", "format": "date" }), "Care until this day"),
        "mode": query("mode", json!({ "type": "string", "enum": ["create", "update", "delete", "profile"] }), "What the resource is to be valid for"),
        "If-Match": header("If-Match", text(), "Only if this version is current, as `W/\"3\"`"),
        "If-None-Match": header("If-None-Match", text(), "Only if another version is current; `*`: only if there is none"),
        "If-Modified-Since": header("If-Modified-Since", text(), "Only if it changed after this time"),
        "If-None-Exist": header("If-None-Exist", text(), "Only if this search finds nothing"),
        "Prefer": header(
            "Prefer",
            text(),
            "What comes back after a write: `return=representation`, `return=minimal` (nothing) or `return=OperationOutcome`",
        ),
    });
    // Those of all types, as the definitions know them.
    if let Some(all) = all.as_object_mut() {
        for param in common() {
            let Parameter { code, kind, .. } = param;
            let says = format!("A search parameter of all types ({})", kind.code());
            all.insert((*code).to_owned(), query(code, text(), &says));
        }
    }
    all
}

fn headers() -> Value {
    let of = |says: &str| json!({ "description": says, "schema": { "type": "string" } });
    json!({
        "ETag": of("The version, as `W/\"3\"`"),
        "Last-Modified": of("When the version was written"),
        "Location": of("Where the version is"),
    })
}

fn responses() -> Value {
    let of = |says: &str| json!({ "description": says, "content": { FHIR: { "schema": refer("schemas", "OperationOutcome") } } });
    json!({
        "400": of("The request is malformed"),
        "401": of("There is no token, or it isn't good"),
        "403": of("The token's scopes or the organisation's rules don't allow it, or it costs too much"),
        "404": of("There is nothing there that the caller may see"),
        "406": of("Only JSON is spoken"),
        "409": of("It can't be done as things stand"),
        "410": of("It is deleted"),
        "412": of("A condition doesn't hold"),
        "413": of("The body is too long"),
        "415": of("The body's media type isn't taken"),
        "422": of("It was understood and can't be kept; every issue is listed"),
        "429": of("Too many requests; `Retry-After` says when to come back"),
        "500": of("A fault of the gateway's"),
        "503": of("The ledger can't be reached or is behind; nothing is served unrecorded"),
    })
}

fn schemas() -> Value {
    let resource = |kind: &str, more: Value| {
        let mut properties = json!({ "resourceType": { "const": kind } });
        if let (Some(properties), Value::Object(more)) = (properties.as_object_mut(), more) {
            properties.extend(more);
        }
        json!({ "type": "object", "required": ["resourceType"], "properties": properties })
    };
    let kinds: Vec<&str> = resource_types().collect();
    let mut outcome = resource(
        "OperationOutcome",
        json!({ "issue": { "type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["severity", "code"],
            "properties": {
                "severity": { "enum": ["fatal", "error", "warning", "information"] },
                "code": { "type": "string" },
                "diagnostics": { "type": "string" },
                "expression": { "type": "array", "items": { "type": "string" } },
            },
        } } }),
    );
    if let Some(outcome) = outcome.as_object_mut() {
        outcome.insert("required".into(), json!(["resourceType", "issue"]));
    }
    let link = json!({ "type": "array", "minItems": 1, "items": {
        "type": "object", "required": ["relation", "url"],
        "properties": { "relation": { "type": "string" }, "url": { "type": "string" } },
    } });
    let mut bundle = resource(
        "Bundle",
        json!({
            "type": { "enum": ["searchset", "history", "batch-response", "transaction-response"] },
            "total": { "type": "integer", "minimum": 0 },
            "link": link,
            "entry": { "type": "array", "minItems": 1, "items": { "type": "object", "properties": {
                "fullUrl": { "type": "string" },
                "resource": refer("schemas", "Resource"),
                "search": { "type": "object", "properties": { "mode": { "enum": ["match", "include", "outcome"] } } },
                "request": { "type": "object", "required": ["method", "url"] },
                "response": { "type": "object", "required": ["status"] },
            } } },
        }),
    );
    if let Some(bundle) = bundle.as_object_mut() {
        bundle.insert("required".into(), json!(["resourceType", "type"]));
    }
    let mut transaction = resource(
        "Bundle",
        json!({
            "type": { "enum": ["batch", "transaction"] },
            "entry": { "type": "array", "items": {
                "type": "object", "required": ["request"],
                "properties": {
                    "fullUrl": { "type": "string" },
                    // Each entry of a batch is answered by itself, whatever it holds.
                "resource": { "type": "object" },
                    "request": {
                        "type": "object", "required": ["method", "url"],
                        "properties": {
                            "method": { "type": "string" },
                            "url": { "type": "string" },
                        },
                    },
                },
            } },
        }),
    );
    if let Some(transaction) = transaction.as_object_mut() {
        transaction.insert("required".into(), json!(["resourceType", "type"]));
    }
    json!({
        "Resource": {
            "type": "object",
            "description": "A resource of FHIR R4; https://hl7.org/fhir/R4 has the elements of each type.",
            "required": ["resourceType"],
            "properties": {
                "resourceType": { "type": "string", "enum": kinds },
                "id": { "type": "string" },
                "meta": { "type": "object" },
            },
        },
        "OperationOutcome": outcome,
        "Bundle": bundle,
        "Transaction": transaction,
        "CapabilityStatement": resource("CapabilityStatement", json!({ "rest": { "type": "array" } })),
        "Parameters": resource("Parameters", json!({ "parameter": { "type": "array" } })),
        "Patch": { "type": "array", "items": {
            "type": "object", "required": ["op", "path"],
            "properties": {
                "op": { "enum": ["add", "remove", "replace", "move", "copy", "test"] },
                "path": { "type": "string" },
                "from": { "type": "string" },
                "value": {},
            },
        } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Value {
        let public: PublicUrl = "https://fhir.riverside.example".parse().unwrap();
        document(&"riverside".parse().unwrap(), &public)
    }

    /// All texts under the key `$ref`.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(array) => array.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_described_and_every_reference_leads_somewhere() {
        let document = made();
        for route in ROUTES {
            let operation =
                &document["paths"][format!("/fhir{}", route.path)][route.method.to_ascii_lowercase()];
            assert_eq!(operation["operationId"], route.name, "{route:?}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(route.gives.iter().all(|(status, _)| answers.contains_key(&status.to_string())));
            assert!(["429", "503"].iter().all(|status| answers.contains_key(*status)));
            assert_eq!(operation.get("requestBody").is_some(), route.takes != Takes::Nothing);
        }
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 200);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn it_is_small_and_knows_the_types() {
        let document = made();
        let kinds = document["components"]["parameters"]["type"]["schema"]["enum"].as_array().unwrap();
        assert_eq!(kinds.len(), 146);
        assert_eq!(document["security"], json!([{ "smart": [] }]));
        assert!(document["components"]["parameters"]["_tag"].is_object());
        assert!(document.to_string().len() < 64 << 10);
    }
}
