//! This file is where the routes of authorisation answer: token, introspection, revocation, discovery.

use super::{
    assertion::Known,
    authority::{Authority, stored},
    client::Principal,
    discovery::configuration,
    form::{FORM_BYTES_MAX, Form},
    oauth::{OauthCode, OauthError, answer},
    paths::{CONFIGURATION, INTROSPECT, REVOKE, TOKEN},
    scopes::Scopes,
    token::{Grant, Secret, TooMany},
};
use crate::http::{Making, RequestId, Routes, read};
use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{Response, StatusCode, header},
};
use serde_json::{Value, json};
use std::sync::Arc;

type Shared = State<Arc<Authority>>;

/// The routes of authorisation, to be merged into the gateway's router.
pub fn router(authority: Arc<Authority>) -> Router {
    routes(authority).into_router()
}

/// The same, with their table.
pub fn routes(authority: Arc<Authority>) -> Routes {
    Making::new()
        .post(TOKEN, token)
        .post(INTROSPECT, introspect)
        .post(REVOKE, revoke)
        .get(CONFIGURATION, discover)
        .get(&format!("/fhir{CONFIGURATION}"), discover)
        .with_state(authority)
}

async fn discover(State(authority): Shared) -> Json<Value> {
    Json(configuration(&authority.public))
}

/// Reads the form of a request, or says in OAuth's words why it can't be.
async fn form(request: Request) -> Result<Form, OauthError> {
    let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
    let body = read(request, FORM_BYTES_MAX)
        .await
        .map_err(|refusal| OauthError::new(OauthCode::InvalidRequest, refusal.to_string()))?;
    Form::parse(content_type.as_ref().and_then(|value| value.to_str().ok()), &body)
}

async fn token(State(authority): Shared, request: Request) -> Result<Response<Body>, OauthError> {
    let id = request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
    let form = form(request).await?;
    match form.need("grant_type")? {
        "client_credentials" => {}
        _ => {
            return Err(OauthError::new(
                OauthCode::UnsupportedGrantType,
                "only `client_credentials` is served here",
            ));
        }
    }
    let known = authority.authenticate(&form, TOKEN).await?;
    let asked = form.get("scope").ok_or_else(|| {
        OauthError::new(OauthCode::InvalidScope, "name the scopes, as `system/Observation.rs`")
    })?;
    let scopes = Scopes::asked(asked)
        .and_then(|asked| asked.meet(&known.client.scopes))
        .map_err(|error| OauthError::new(OauthCode::InvalidScope, error.to_string()))?;
    if scopes.is_empty() {
        return Err(OauthError::new(
            OauthCode::InvalidScope,
            "the client is registered for none of these scopes",
        ));
    }
    let purpose = authority.purpose(&known)?;
    let authenticated = authority.authenticated(&known)?;
    let Known { client, .. } = known;
    let secret = Secret::of(&authority.random());
    let (tokens, now, life) = (authority.tokens.clone(), authority.host.now(), authority.settings.token_life);
    let body = json!({
        "access_token": secret.text(),
        "token_type": "Bearer",
        "expires_in": life.0 / 1000,
        "scope": scopes.to_string(),
    });
    let client_id = client.id.clone();
    let issued =
        stored(move || tokens.issue(&secret, &client, (&scopes, purpose, authenticated), now, life)).await?;
    let token = issued.map_err(|TooMany| {
        OauthError::throttled(
            10,
            "the client has too many live tokens; use one until it ends, or revoke some",
        )
    })?;
    tracing::info!(client = %client_id, %token, purpose = purpose.code(), request = id, "token issued");
    Ok(answer(StatusCode::OK, &body))
}

/// RFC 7662. A client learns of its own tokens; one that may introspect, of all.
async fn introspect(State(authority): Shared, request: Request) -> Result<Response<Body>, OauthError> {
    let form = form(request).await?;
    let Known { client, .. } = authority.authenticate(&form, INTROSPECT).await?;
    let found = match Secret::presented(form.need("token")?) {
        None => None,
        Some(secret) => {
            let (tokens, now) = (authority.tokens.clone(), authority.host.now());
            stored(move || tokens.find(&secret, now)).await?
        }
    };
    let seen = found.filter(|grant| client.may_introspect || grant.client == client.id);
    let body = seen.map_or_else(|| json!({ "active": false }), |grant| active(&authority, &grant));
    Ok(answer(StatusCode::OK, &body))
}

fn active(authority: &Authority, grant: &Grant) -> Value {
    let mut body = json!({
        "active": true,
        "scope": grant.scopes.to_string(),
        "client_id": grant.client.as_str(),
        "token_type": "Bearer",
        "iat": grant.issued.0 / 1000,
        "exp": grant.expires.0 / 1000,
        "sub": grant.client.as_str(),
        "aud": authority.public.fhir(),
        "iss": authority.public.as_str(),
        "extensions": { "hl7-b2b": { "purpose_of_use": [
            format!("urn:oid:2.16.840.1.113883.5.8#{}", grant.purpose.code())
        ] } },
    });
    if let Principal::Practitioner { profile, role } = &grant.principal {
        body["act_as"] = json!({ "profile": profile, "role": role });
    }
    // RFC 9470 §6.2.
    if let Some(at) = grant.authenticated {
        body["auth_time"] = json!(at.0 / 1000);
    }
    body
}

/// RFC 7009: whether there was such a token isn't told.
async fn revoke(State(authority): Shared, request: Request) -> Result<Response<Body>, OauthError> {
    let form = form(request).await?;
    let Known { client, .. } = authority.authenticate(&form, REVOKE).await?;
    if let Some(secret) = Secret::presented(form.need("token")?) {
        let tokens = authority.tokens.clone();
        stored(move || tokens.revoke(&secret, &client.id)).await?;
    }
    let mut response = answer(StatusCode::OK, &json!({}));
    *response.body_mut() = Body::empty();
    Ok(response)
}
