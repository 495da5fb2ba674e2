//! This file is where authorisation says no, in OAuth's own words (RFC 6749 §5.2).

use super::db::StoreError;
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use serde_json::json;

/// What OAuth calls the trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OauthCode {
    /// The request itself is malformed.
    InvalidRequest,
    /// The client didn't show who it is.
    InvalidClient,
    /// What it asserts beyond that can't be granted: its purpose of use.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// Another grant than is served here.
    UnsupportedGrantType,
    /// Nothing of what it asks for can be granted.
    InvalidScope,
    /// Too busy.
    TemporarilyUnavailable,
    /// Our fault.
    ServerError,
}

impl OauthCode {
    /// The code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope => StatusCode::BAD_REQUEST,
        }
    }
}

/// A refusal by an OAuth route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.code())]
pub struct OauthError {
    /// What kind.
    pub code: OauthCode,
    /// In words for the client's engineer.
    pub description: String,
    /// 429 and `Retry-After`, if it is only that there were too many.
    pub retry_secs: Option<u64>,
}

impl OauthError {
    /// A refusal.
    #[must_use]
    pub fn new(code: OauthCode, description: impl Into<String>) -> Self {
        Self { code, description: description.into(), retry_secs: None }
    }

    pub(super) fn throttled(retry_secs: u64, description: impl Into<String>) -> Self {
        Self { retry_secs: Some(retry_secs), ..Self::new(OauthCode::TemporarilyUnavailable, description) }
    }
}

impl From<StoreError> for OauthError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "authorisation can't use its store");
        Self::new(OauthCode::ServerError, "the gateway met a fault; its operator finds the cause in the log")
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response<Body> {
        // RFC 6749 §5.2: printable ASCII without quote and backslash.
        let description: String = self
            .description
            .chars()
            .map(|c| if matches!(c, ' ' | '!' | '#'..='[' | ']'..='~') { c } else { '?' })
            .collect();
        let status =
            if self.retry_secs.is_some() { StatusCode::TOO_MANY_REQUESTS } else { self.code.status() };
        let mut response =
            answer(status, &json!({ "error": self.code.code(), "error_description": description }));
        if let Some(secs) = self.retry_secs {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }
}

/// An answer of an OAuth route: JSON that nobody keeps.
pub(super) fn answer(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
