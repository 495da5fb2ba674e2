//! This file is where the routes of authorisation are described for the OpenAPI document.

use super::paths::{CONFIGURATION, INTROSPECT, REVOKE, TOKEN};
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";

/// The paths of authorisation, each with its operations; they need no token.
#[must_use]
pub fn openapi() -> Vec<(String, Value)> {
    let configuration = |name: &str| {
        json!({ "get": {
            "operationId": name, "summary": "How to get a token: the SMART configuration", "tags": ["about"],
            "security": [],
            "responses": {
                "200": answer("The configuration", &object(&["token_endpoint", "capabilities"])),
                "429": refused("Too many requests", true),
                "500": refused("A fault of the gateway's", true),
                "503": refused("Too busy", true),
            },
        } })
    };
    let text = json!({ "type": "string" });
    vec![
        (CONFIGURATION.to_owned(), configuration("smartConfiguration")),
        (format!("/fhir{CONFIGURATION}"), configuration("smartConfigurationOfFhir")),
        (
            TOKEN.to_owned(),
            post(
                "token",
                "Get a token (SMART Backend Services)",
                &json!({ "grant_type": { "const": "client_credentials" }, "scope": text }),
                &["grant_type", "scope"],
                &object(&["access_token", "token_type", "expires_in", "scope"]),
            ),
        ),
        (
            INTROSPECT.to_owned(),
            post(
                "introspect",
                "What a token stands for (RFC 7662)",
                &json!({ "token": text }),
                &["token"],
                &object(&["active"]),
            ),
        ),
        (
            REVOKE.to_owned(),
            post(
                "revoke",
                "Give a token back (RFC 7009)",
                &json!({ "token": text }),
                &["token"],
                &Value::Null,
            ),
        ),
    ]
}

fn object(required: &[&str]) -> Value {
    json!({ "type": "object", "required": required })
}

/// A route that takes a form with the client's assertion.
fn post(name: &str, summary: &str, own: &Value, needs: &[&str], gives: &Value) -> Value {
    let mut properties = json!({
        "client_assertion_type": { "const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" },
        "client_assertion": { "type": "string", "description": "A JWT signed with the client's key (RS384, ES384)" },
    });
    if let (Some(all), Some(own)) = (properties.as_object_mut(), own.as_object()) {
        all.extend(own.clone());
    }
    let required: Vec<&str> =
        ["client_assertion_type", "client_assertion"].iter().chain(needs).copied().collect();
    let done = if gives.is_null() { json!({ "description": "Done" }) } else { answer("Done", gives) };
    json!({ "post": {
        "operationId": name, "summary": summary, "tags": ["authorisation"], "security": [],
        "requestBody": { "required": true, "content": { FORM: { "schema": {
            "type": "object", "required": required, "properties": properties,
        } } } },
        "responses": {
            "200": done,
            "400": refused("The request isn't good, or asks for what can't be granted", false),
            "401": refused("The client hasn't shown who it is", false),
            "413": refused("The form is too long", false),
            "429": refused("Too many requests, or too many live tokens", false),
            "500": refused("A fault of the gateway's", false),
            "503": refused("Too busy", false),
        },
    } })
}

fn answer(says: &str, schema: &Value) -> Value {
    json!({ "description": says, "content": { "application/json": { "schema": schema } } })
}

/// A refusal in OAuth's words, or in FHIR's.
fn refused(says: &str, fhir: bool) -> Value {
    if fhir {
        let outcome = json!({ "$ref": "#/components/schemas/OperationOutcome" });
        return json!({ "description": says, "content": { "application/fhir+json": { "schema": outcome } } });
    }
    let error = json!({
        "type": "object", "required": ["error"],
        "properties": { "error": { "type": "string" }, "error_description": { "type": "string" } },
    });
    answer(says, &error)
}
