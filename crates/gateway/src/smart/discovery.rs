//! This file is where the gateway says how to get a token: the SMART configuration, and what a CapabilityStatement says
//! of security.

use super::{
    jwks::Algorithm,
    paths::{INTROSPECT, REVOKE, TOKEN},
};
use crate::http::PublicUrl;
use serde_json::{Value, json};

/// The document at `/.well-known/smart-configuration` (SMART App Launch 2.2, conformance).
///
/// It tells what is there: no authorization endpoint as long as people don't sign in here.
#[must_use]
pub fn configuration(public: &PublicUrl) -> Value {
    json!({
        "token_endpoint": public.at(TOKEN),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": Algorithm::NAMES,
        "introspection_endpoint": public.at(INTROSPECT),
        "introspection_endpoint_auth_methods_supported": ["private_key_jwt"],
        "introspection_endpoint_auth_signing_alg_values_supported": Algorithm::NAMES,
        "revocation_endpoint": public.at(REVOKE),
        "revocation_endpoint_auth_methods_supported": ["private_key_jwt"],
        "revocation_endpoint_auth_signing_alg_values_supported": Algorithm::NAMES,
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["system/*.cruds", "system/*.rs", "user/*.cruds", "user/*.rs"],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        "code_challenge_methods_supported": ["S256"],
    })
}

/// The `security` of a CapabilityStatement's `rest` (`oauth-uris` extension included, for clients that read only that).
///
/// Web pages may call only if `cors` says so.
#[must_use]
pub fn security(public: &PublicUrl, cors: bool) -> Value {
    json!({
        "cors": cors,
        "service": [{
            "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                "code": "SMART-on-FHIR",
                "display": "SMART-on-FHIR",
            }],
            "text": "OAuth 2.0 with the SMART Backend Services profile",
        }],
        "description": "Clients authenticate with a signed assertion (private_key_jwt) that names their purpose of use.",
        "extension": [{
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": [
                { "url": "token", "valueUri": public.at(TOKEN) },
                { "url": "introspect", "valueUri": public.at(INTROSPECT) },
                { "url": "revoke", "valueUri": public.at(REVOKE) },
            ],
        }],
    })
}
