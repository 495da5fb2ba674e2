//! This file is where the refusals stand that FHIR's interactions share, each with its status and issue code.
//!
//! Source: FHIR R4 http.html, and the value set `issue-type`.

use crate::http::{IssueCode, Refusal};
use axum::http::{HeaderValue, StatusCode, header};

/// 404: what isn't there, and just so what the caller may not see.
pub(crate) fn not_found(said: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, IssueCode::NotFound, said)
}

/// 404 of an instance, the same words whether it is hidden or absent.
pub(crate) fn no_resource() -> Refusal {
    not_found("there is no such resource")
}

/// 410: it was there, and the caller may know that.
pub(crate) fn gone() -> Refusal {
    Refusal::new(StatusCode::GONE, IssueCode::Deleted, "the resource is deleted; its history has what it was")
}

/// 400.
pub(crate) fn invalid(said: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, IssueCode::Invalid, said)
}

/// 405.
pub(crate) fn no_method(method: &str, path: &str) -> Refusal {
    let place = if path.is_empty() { "the base" } else { "this path" };
    let method: String = method.chars().filter(char::is_ascii_uppercase).take(10).collect();
    let said = format!("{place} doesn't take {method}; see `metadata` for what it takes");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, IssueCode::NotSupported, said)
}

/// 406: only JSON is spoken.
pub(crate) fn not_acceptable() -> Refusal {
    let said = "only JSON is spoken here; ask for `application/fhir+json`";
    Refusal::new(StatusCode::NOT_ACCEPTABLE, IssueCode::NotSupported, said)
}

/// 415: a body of another kind.
pub(crate) fn media_type(takes: &str) -> Refusal {
    let said = format!("a body must come as `{takes}`");
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, IssueCode::NotSupported, said)
}

/// 412: the version or the search of a condition doesn't fit.
pub(crate) fn precondition(said: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::PRECONDITION_FAILED, IssueCode::Conflict, said)
}

/// 412: a condition finds several.
pub(crate) fn several() -> Refusal {
    let said = "the condition finds more than one resource; narrow it down";
    Refusal::new(StatusCode::PRECONDITION_FAILED, IssueCode::MultipleMatches, said)
}

/// 409: somebody else was faster, or it can't be as things stand.
pub(crate) fn conflict(said: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, IssueCode::Conflict, said)
}

/// 422: it was understood and can't be kept.
pub(crate) fn unprocessable(said: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, IssueCode::Processing, said)
}

/// 403: the token doesn't reach so far.
pub(crate) fn scope(said: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, IssueCode::Forbidden, said)
}

/// 403: the caller knows the chart, but not all of it. The same words however much is hidden.
pub(crate) fn suppressed() -> Refusal {
    let said = "consent doesn't permit this; what is permitted in the chart can be read";
    Refusal::new(StatusCode::FORBIDDEN, IssueCode::Suppressed, said)
}

/// 503: the ledger can't be reached or is behind; nothing is served unrecorded.
pub(crate) fn stale() -> Refusal {
    let said = "the ledger can't be reached or is behind; nothing is served unrecorded, try again soon";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, IssueCode::Transient, said)
        .with_header(header::RETRY_AFTER, HeaderValue::from(5))
}
