//! This file is where HTTP meets FHIR: a request is read, its caller known, what it asks for done and answered.

use super::{
    answer::{Answer, refused},
    gateway::Gateway,
    interaction::{Interaction, Operation},
    negotiate::{body_is_form, body_is_json, body_is_json_patch, wishes},
    openapi,
    refusals::{invalid, media_type},
    request::{Preconditions, Request, form, pairs},
    table,
};
use crate::{
    http::{IssueCode, Payload, Refusal, RequestId, Route, Routes},
    smart::{Grant, Principal},
    visit::{Asking, BreakGlass, UserError},
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{FromRequest as _, Request as HttpRequest, State},
    http::{HeaderMap, Method, Response, StatusCode, header},
    routing::{any, get},
};
use ledger::consent::Purpose;
use std::sync::Arc;

/// The header by which an emergency is declared: the reason in words.
pub(crate) const BREAK_GLASS: &str = "x-break-glass";

/// Where load balancers ask how the gateway is.
const HEALTH: &str = "/healthz";

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 2000;

/// The FHIR routes.
pub fn routes(gateway: Arc<Gateway>) -> Routes {
    // It is the same for everybody, and stays the same as long as the gateway runs.
    let document = Bytes::from(gateway.openapi().to_string());
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=3600")];
    let router = Router::new()
        .route(HEALTH, get(health))
        .route(openapi::PATH, get(async move || (headers, document)))
        .route("/fhir", any(handle))
        .route("/fhir/", any(handle))
        .route("/fhir/{*path}", any(handle))
        .with_state(gateway);
    let mut table = table::routes();
    table.push(Route::new("GET", HEALTH));
    table.push(Route::new("GET", openapi::PATH));
    Routes::of(router, table)
}

/// Whether there is anything to be had here now: 503 while the newest final block is too old.
async fn health(State(gateway): State<Arc<Gateway>>) -> (StatusCode, String) {
    match gateway.visits.fresh(gateway.now()) {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(refusal) => (refusal.status, format!("{refusal}\n")),
    }
}

async fn handle(State(gateway): State<Arc<Gateway>>, request: HttpRequest) -> Response<Body> {
    let head = request.method() == Method::HEAD;
    let pretty = request.uri().query().is_some_and(|query| query.contains("_pretty=true"));
    match answer(&gateway, request).await {
        Ok(answer) => answer.into_response(&gateway.base, pretty, head),
        Err(refusal) => refused(refusal, head),
    }
}

async fn answer(gateway: &Arc<Gateway>, request: HttpRequest) -> Result<Answer, Refusal> {
    let method = request.method().clone();
    let began = gateway.now();
    let uri = request.uri().clone();
    let headers = request.headers().clone();
    let path = uri.path().strip_prefix("/fhir").unwrap_or_default();
    let path = percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| invalid("the path isn't UTF-8"))?;
    let interaction = Interaction::of(method.as_str(), &path)?;
    let mut query = pairs(uri.query().unwrap_or_default());
    let wishes = wishes(&headers, &query)?;
    if interaction == Interaction::Capabilities {
        return Ok(Answer::of(gateway.statement().to_vec()));
    }
    let grant = gateway.authority.bearer(&headers).await?;
    let mut asking = asking(gateway, &grant, &headers).await?;
    asking.request = request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| client::RequestName::try_from(id.as_str()).ok());
    let Payload(body) = Payload::from_request(request, &()).await?;
    let mut is_json_patch = false;
    match &interaction {
        Interaction::Search(_) if method == Method::POST => {
            if !body.is_empty() && !body_is_form(&headers) {
                return Err(media_type("application/x-www-form-urlencoded"));
            }
            query.extend(form(&body)?);
        }
        Interaction::Patch(_) | Interaction::PatchWhere(_) => {
            body_is_json_patch(&headers)?;
            is_json_patch = true;
        }
        Interaction::Operation(Operation::Validate, _)
        | Interaction::Bundle
        | Interaction::Create(_)
        | Interaction::Update(_)
        | Interaction::UpdateWhere(_) => body_is_json(&headers)?,
        _ => {}
    }
    let request = Request {
        asking,
        scopes: grant.scopes,
        wishes,
        interaction,
        began,
        query,
        conditions: Preconditions::of(&headers),
        body: body.to_vec(),
        is_json_patch,
    };
    if request.interaction == Interaction::Bundle {
        return gateway.bundle(&request).await;
    }
    gateway.perform(&request).await
}

/// In whose name and for what a request is made.
async fn asking(gateway: &Gateway, grant: &Grant, headers: &HeaderMap) -> Result<Asking, Refusal> {
    let user = gateway.users.of(&grant.principal).await.map_err(|error| match error {
        UserError::Name(_) | UserError::Role(_) => {
            tracing::error!(%error, client = %grant.client, "a client's user can't be taken up");
            Refusal::new(
                StatusCode::FORBIDDEN,
                IssueCode::Forbidden,
                "the client's registration doesn't fit its user any more; ask the gateway's operator",
            )
        }
        UserError::Connect { .. } => {
            tracing::warn!(%error, client = %grant.client, "a client's user can't be taken up");
            super::refusals::stale()
        }
    })?;
    let emergency = match headers.get(BREAK_GLASS) {
        None => None,
        Some(reason) => {
            let reason =
                reason.to_str().map_err(|_| invalid("`X-Break-Glass` is a reason in plain words"))?.trim();
            if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
                return Err(invalid("`X-Break-Glass` needs a reason of at most 2000 bytes"));
            }
            if !matches!(grant.principal, Principal::Practitioner { .. }) {
                return Err(Refusal::new(
                    StatusCode::FORBIDDEN,
                    IssueCode::Forbidden,
                    "break-glass is for practitioners",
                ));
            }
            Some(BreakGlass { reason: reason.to_owned(), step_up: gateway.authority.step_up(grant) })
        }
    };
    let purpose = if emergency.is_some() { Purpose::BreakGlass } else { grant.purpose };
    Ok(Asking { user, purpose, emergency, request: None })
}
