//! This file is where an answer has its form, whether it goes out by itself or as an entry of a batch.

use super::negotiate::{Return, Wishes};
use crate::{
    http::{FHIR_JSON, Refusal},
    visit::instant,
    working::Stored,
};
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse as _,
};
use primitives::Millis;

/// What a request came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) version: Option<u32>,
    pub(crate) modified: Option<Millis>,
    /// Of a write: `Patient/1/_history/2`.
    pub(crate) location: Option<String>,
    /// A resource or Bundle in JSON.
    pub(crate) body: Option<Vec<u8>>,
}

impl Answer {
    /// A resource or Bundle made by the server.
    pub(crate) fn of(body: Vec<u8>) -> Self {
        Self { body: Some(body), ..Self::default() }
    }

    /// A version as it is kept.
    pub(crate) fn stored(status: StatusCode, stored: Stored) -> Self {
        let Stored { place: _, version, updated, deleted: _, bytes } = stored;
        Self { status, version: Some(version), modified: Some(updated), location: None, body: Some(bytes) }
    }

    /// With the body that the caller prefers after a write.
    pub(crate) fn preferred(mut self, wishes: &Wishes) -> Self {
        match wishes.returns {
            Return::Representation => {}
            Return::Minimal => self.body = None,
            Return::OperationOutcome => {
                let text = match self.status {
                    StatusCode::CREATED => "created, final on the ledger",
                    _ => "done, final on the ledger",
                };
                let outcome = serde_json::json!({
                    "resourceType": "OperationOutcome",
                    "issue": [{ "severity": "information", "code": "informational", "diagnostics": text }],
                });
                self.body = Some(outcome.to_string().into_bytes());
            }
        }
        self
    }

    /// As a response of its own; `base` is the FHIR base.
    pub(crate) fn into_response(self, base: &str, pretty: bool, head: bool) -> Response<Body> {
        let Self { status, version, modified, location, body } = self;
        let has_body = body.is_some();
        let body = body.filter(|_| !head).map(|body| if pretty { indented(body) } else { body });
        let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if has_body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
        }
        // What is shown depends on who asks, and on what is permitted at this moment.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("Authorization, Accept"));
        let put = |headers: &mut axum::http::HeaderMap, name, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        };
        if let Some(version) = version {
            put(headers, header::ETAG, etag(version));
        }
        if let Some(modified) = modified {
            put(headers, header::LAST_MODIFIED, http_date(modified));
        }
        if let Some(location) = location {
            put(headers, header::LOCATION, format!("{base}/{location}"));
            put(headers, header::CONTENT_LOCATION, format!("{base}/{location}"));
        }
        response
    }

    /// As an entry of a response Bundle, after the comma.
    pub(crate) fn into_entry(self, full_url: Option<&str>) -> Vec<u8> {
        let Self { status, version, modified, location, body } = self;
        let mut response = serde_json::Map::new();
        response.insert("status".into(), status_line(status).into());
        if let Some(location) = location {
            response.insert("location".into(), location.into());
        }
        if let Some(version) = version {
            response.insert("etag".into(), etag(version).into());
        }
        if let Some(modified) = modified {
            response.insert("lastModified".into(), instant(modified).into());
        }
        entry(full_url, body.as_deref(), response)
    }
}

/// What a refused entry of a batch comes to: the same outcome as that of the single call.
pub(crate) fn refused_entry(refusal: &Refusal) -> Vec<u8> {
    let mut response = serde_json::Map::new();
    response.insert("status".into(), status_line(refusal.status).into());
    // It was made by us, as JSON.
    if let Ok(outcome) = serde_json::from_slice(&refusal.outcome()) {
        response.insert("outcome".into(), outcome);
    }
    entry(None, None, response)
}

fn entry(
    full_url: Option<&str>,
    resource: Option<&[u8]>,
    response: serde_json::Map<String, serde_json::Value>,
) -> Vec<u8> {
    let mut bytes = b"{".to_vec();
    if let Some(full_url) = full_url {
        bytes.extend_from_slice(b"\"fullUrl\":");
        bytes.extend_from_slice(serde_json::Value::from(full_url).to_string().as_bytes());
        bytes.push(b',');
    }
    if let Some(resource) = resource {
        bytes.extend_from_slice(b"\"resource\":");
        bytes.extend_from_slice(resource);
        bytes.push(b',');
    }
    bytes.extend_from_slice(b"\"response\":");
    bytes.extend_from_slice(serde_json::Value::from(response).to_string().as_bytes());
    bytes.push(b'}');
    bytes
}

fn status_line(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// A weak ETag of a version. Source: FHIR R4 http.html#versioning.
pub(crate) fn etag(version: u32) -> String {
    format!("W/\"{version}\"")
}

/// The version that an ETag names, weak or not.
pub(crate) fn version_of(etag: &str) -> Option<u32> {
    let etag = etag.trim();
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"').parse().ok()
}

/// A time as HTTP spells it: IMF-fixdate, to the second. Source: RFC 9110 §5.6.7.
pub(crate) fn http_date(time: Millis) -> String {
    let seconds = i64::try_from(time.0 / 1000).unwrap_or(0);
    jiff::Timestamp::from_second(seconds)
        .map(|time| jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time))
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default()
}

/// The time that such a text names.
pub(crate) fn of_http_date(text: &str) -> Option<Millis> {
    let time = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    u64::try_from(time.as_millisecond()).ok().map(Millis)
}

/// JSON with line breaks and indents, numbers digit for digit.
fn indented(body: Vec<u8>) -> Vec<u8> {
    let value: Result<serde_json::Value, _> = serde_json::from_slice(&body);
    value.ok().and_then(|value| serde_json::to_vec_pretty(&value).ok()).unwrap_or(body)
}

/// A refusal as a response; HEAD has no body.
pub(crate) fn refused(refusal: Refusal, head: bool) -> Response<Body> {
    let mut response = refusal.into_response();
    if head {
        *response.body_mut() = Body::empty();
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_tags() {
        assert_eq!(http_date(Millis(784_111_777_123)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(of_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Millis(784_111_777_000)));
        assert_eq!(of_http_date("yesterday"), None);
        for (text, version) in [("W/\"3\"", Some(3)), ("\"3\"", Some(3)), ("3", Some(3)), ("W/\"x\"", None)] {
            assert_eq!(version_of(text), version, "{text}");
        }
    }
}
