//! This file is where every request and answer passes: named, counted, timed, and dressed as its route speaks.

use super::{
    bounds::{BodyMax, CorsOrigin, Options},
    limiter::Limiter,
    peer::Peer,
    refusal::{IssueCode, Refusal},
    request_id::RequestId,
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, Response, StatusCode, header},
    middleware::{self, Next},
    response::IntoResponse,
};
use client::Host;
use futures::FutureExt as _;
use primitives::Millis;
use serde_json::json;
use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tower_http::{
    compression::{CompressionLayer, Predicate, predicate::SizeAbove},
    cors::{AllowOrigin, CorsLayer},
};

/// Where routes speak OAuth.
const OAUTH: &str = "/auth/";
/// Answers shorter than this aren't worth compressing, in bytes.
const COMPRESS_FROM: u16 = 1024;

struct Guard {
    answer: Duration,
    body_bytes_max: usize,
    per_address: Option<Limiter<IpAddr>>,
    encrypted: bool,
    host: Arc<dyn Host>,
}

/// Puts all of it around the routes.
pub(super) fn around(routes: Router, options: &Options, host: Arc<dyn Host>) -> Router {
    let bounds = &options.bounds;
    let guard = Arc::new(Guard {
        answer: bounds.answer,
        body_bytes_max: bounds.body_bytes_max,
        per_address: bounds.per_address.map(Limiter::new),
        encrypted: options.public.is_encrypted(),
        host,
    });
    // The last layer is the outermost: an answer is judged, compressed, given to web pages or not, and named.
    routes
        .layer(middleware::from_fn_with_state(Arc::clone(&guard), judge))
        .layer(CompressionLayer::new().compress_when(Worthwhile(SizeAbove::new(COMPRESS_FROM))))
        .layer(cors(&options.cors))
        .layer(middleware::from_fn_with_state(guard, name))
}

/// What may be compressed: not what authorisation says, whose length must tell nothing of its secrets.
#[derive(Clone, Copy)]
struct Worthwhile(SizeAbove);

/// Marks an answer that isn't compressed.
#[derive(Clone, Copy)]
struct Plain;

impl Predicate for Worthwhile {
    fn should_compress<B: hyper::body::Body>(&self, response: &Response<B>) -> bool {
        response.extensions().get::<Plain>().is_none() && self.0.should_compress(response)
    }
}

fn cors(origins: &[CorsOrigin]) -> CorsLayer {
    let headers = |names: &[&'static str]| -> Vec<HeaderName> {
        names.iter().copied().map(HeaderName::from_static).collect()
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().map(|origin| origin.0.clone())))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(headers(&[
            "accept",
            "authorization",
            "content-type",
            "if-match",
            "if-modified-since",
            "if-none-exist",
            "if-none-match",
            "prefer",
            "x-break-glass",
            "x-request-id",
        ]))
        .expose_headers(headers(&[
            "content-location",
            "etag",
            "last-modified",
            "location",
            "retry-after",
            "www-authenticate",
            "x-progress",
            "x-request-id",
        ]))
        .max_age(Duration::from_secs(600))
}

/// Names the request, and dresses whatever answer it gets.
async fn name(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response<Body> {
    let Some(id) = RequestId::of(request.headers()).or_else(|| RequestId::random().ok()) else {
        // A machine without randomness can make no tokens either.
        tracing::error!("the machine gives no randomness");
        return Refusal::fault().into_response();
    };
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(BodyMax(guard.body_bytes_max));
    let method = request.method().clone();
    let began = guard.host.now();
    let mut response = next.run(request).await;
    dress(&mut response, &id, guard.encrypted);
    // Neither path nor query: they name patients.
    tracing::info!(
        request = id.as_str(),
        %method,
        status = response.status().as_u16(),
        millis = guard.host.now().since(began).0,
        "answered"
    );
    response
}

fn dress(response: &mut Response<Body>, id: &RequestId, encrypted: bool) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(RequestId::HEADER, value);
    }
    let fixed = |value| HeaderValue::from_static(value);
    // Health data and tokens stay out of caches unless a route knows better.
    headers.entry(header::CACHE_CONTROL).or_insert(fixed("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, fixed("DENY"));
    headers.insert(header::REFERRER_POLICY, fixed("no-referrer"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(fixed("default-src 'none'; frame-ancestors 'none'"));
    if encrypted {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, fixed("max-age=31536000"));
    }
}

/// Lets a request through or not, and sees to it that a refusal is said as its route says it.
async fn judge(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response<Body> {
    let oauth = request.uri().path().starts_with(OAUTH);
    let mut response = match guard.admit(&request, guard.host.now()) {
        Err(refusal) => refusal.into_response(),
        Ok(()) => guard.run(request, next).await,
    };
    if let Some(refusal) = raised(&mut response) {
        let mut dressed = if oauth { in_oauth(&refusal) } else { refusal.into_response() };
        // What a route or router added, as `Allow`, stays.
        for (name, value) in response.headers() {
            if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
                dressed.headers_mut().entry(name).or_insert(value.clone());
            }
        }
        response = dressed;
    }
    if oauth {
        response.extensions_mut().insert(Plain);
    }
    response
}

impl Guard {
    fn admit(&self, request: &Request, now: Millis) -> Result<(), Refusal> {
        let Some(limiter) = &self.per_address else { return Ok(()) };
        // Without an address there is nobody to count, and nothing came over the network.
        let Some(peer) = request.extensions().get::<Peer>() else { return Ok(()) };
        Ok(limiter.take(peer.network(), now)?)
    }

    async fn run(&self, request: Request, next: Next) -> Response<Body> {
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
        match tokio::time::timeout(self.answer, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                // What it panicked about is on stderr; it may hold what the request held.
                tracing::error!("a request made the gateway panic");
                Refusal::fault().into_response()
            }
            Err(_) => Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                IssueCode::Timeout,
                "the answer took too long; ask for less, or try again",
            )
            .retry_after(5)
            .into_response(),
        }
    }
}

/// The refusal behind an answer: the one that made it, or one for what routing itself refused in plain text.
fn raised(response: &mut Response<Body>) -> Option<Refusal> {
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        return Some(refusal);
    }
    let status = response.status();
    let bare = match response.headers().get(header::CONTENT_TYPE) {
        None => true,
        Some(content_type) => content_type.as_bytes().starts_with(b"text/plain"),
    };
    if !bare || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let (code, words) = match status {
        StatusCode::NOT_FOUND => (IssueCode::NotFound, "there is nothing here; the FHIR base ends in /fhir"),
        StatusCode::METHOD_NOT_ALLOWED => (IssueCode::NotSupported, "this method isn't served here"),
        StatusCode::PAYLOAD_TOO_LARGE => (IssueCode::TooLong, "the body is too long"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (IssueCode::NotSupported, "this media type isn't taken here"),
        status if status.is_client_error() => (IssueCode::Invalid, "the request is malformed"),
        _ => return Some(Refusal { status, ..Refusal::fault() }),
    };
    Some(Refusal::new(status, code, words))
}

/// RFC 6749 §5.2, for what the plumbing refuses before authorisation sees it.
fn in_oauth(refusal: &Refusal) -> Response<Body> {
    let error = match refusal.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    };
    let description = refusal.issues.first().map_or("", |issue| issue.diagnostics.as_str());
    let body = json!({ "error": error, "error_description": description.replace(['"', '\\'], "'") });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = refusal.status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &refusal.headers {
        response.headers_mut().append(name, value.clone());
    }
    response
}
