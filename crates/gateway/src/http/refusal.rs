//! This file is where the gateway says no: a status, one or more coded issues, headers, and an OperationOutcome of them.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;

/// The media type of FHIR in JSON, as answers carry it.
pub const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

macro_rules! issue_codes {
    ($($name:ident $code:literal;)*) => {
        /// What kind of trouble it is: FHIR R4 value set `issue-type`, as far as a server raises it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        pub enum IssueCode {
            $(#[doc = concat!("`", $code, "`")] #[serde(rename = $code)] $name,)*
        }

        impl IssueCode {
            /// The code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

issue_codes! {
    Invalid "invalid";
    Structure "structure";
    Required "required";
    Value "value";
    Invariant "invariant";
    Security "security";
    Login "login";
    Unknown "unknown";
    Expired "expired";
    Forbidden "forbidden";
    Suppressed "suppressed";
    Processing "processing";
    NotSupported "not-supported";
    Duplicate "duplicate";
    MultipleMatches "multiple-matches";
    NotFound "not-found";
    Deleted "deleted";
    TooLong "too-long";
    CodeInvalid "code-invalid";
    Extension "extension";
    TooCostly "too-costly";
    BusinessRule "business-rule";
    Conflict "conflict";
    Transient "transient";
    LockError "lock-error";
    NoStore "no-store";
    Exception "exception";
    Timeout "timeout";
    Incomplete "incomplete";
    Throttled "throttled";
    Informational "informational";
}

/// How bad an issue is: FHIR R4 value set `issue-severity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The request couldn't be read at all.
    Fatal,
    /// The request wasn't done because of this.
    Error,
    /// It was done, but.
    Warning,
    /// Nothing is wrong.
    Information,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// How bad.
    pub severity: Severity,
    /// What kind.
    pub code: IssueCode,
    /// In words for the caller's engineer; nothing that the caller may not see.
    pub diagnostics: String,
    /// Where in the resource, as simple FHIRPath.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expression: Vec<String>,
}

impl Issue {
    /// An error.
    #[must_use]
    pub fn error(code: IssueCode, diagnostics: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, diagnostics: diagnostics.into(), expression: Vec::new() }
    }
}

/// Why a request isn't done; becomes a response with an OperationOutcome, or OAuth JSON on the routes of authorisation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {}", issues.first().map_or("no issue", |issue| issue.diagnostics.as_str()))]
pub struct Refusal {
    /// The HTTP status; 4xx or 5xx.
    pub status: StatusCode,
    /// What is wrong; never empty when made by [`Refusal::new`].
    pub issues: Vec<Issue>,
    /// Headers to send along, as `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OperationOutcome<'a> {
    resource_type: &'static str,
    issue: &'a [Issue],
}

impl Refusal {
    /// A refusal for one reason.
    #[must_use]
    pub fn new(status: StatusCode, code: IssueCode, diagnostics: impl Into<String>) -> Self {
        Self { status, issues: vec![Issue::error(code, diagnostics)], headers: Vec::new() }
    }

    /// Another issue.
    #[must_use]
    pub fn and(mut self, issue: Issue) -> Self {
        self.issues.push(issue);
        self
    }

    /// One header more.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Come back after so many seconds.
    #[must_use]
    pub fn retry_after(self, secs: u64) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(secs))
    }

    /// 500: our fault. The cause belongs in the log, not in the answer.
    #[must_use]
    pub fn fault() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            IssueCode::Exception,
            "the gateway met a fault; its operator finds the cause in the log under this request's id",
        )
    }

    /// The OperationOutcome, as JSON.
    #[must_use]
    pub fn outcome(&self) -> Vec<u8> {
        let outcome = OperationOutcome { resource_type: "OperationOutcome", issue: &self.issues };
        // Strings and enums always serialise; an empty body would still be refused by its status.
        serde_json::to_vec(&outcome).unwrap_or_default()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.outcome()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
        for (name, value) in &self.headers {
            response.headers_mut().append(name, value.clone());
        }
        // The plumbing reads it again where the route speaks OAuth.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_an_operation_outcome() {
        let refusal = Refusal::new(StatusCode::NOT_FOUND, IssueCode::NotFound, "there is no such \"thing\"");
        let outcome: serde_json::Value = serde_json::from_slice(&refusal.outcome()).unwrap();
        assert_eq!(
            outcome,
            serde_json::json!({
                "resourceType": "OperationOutcome",
                "issue": [{
                    "severity": "error",
                    "code": "not-found",
                    "diagnostics": "there is no such \"thing\"",
                }],
            })
        );
        let response = refusal.retry_after(7).into_response();
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.headers()["content-type"], FHIR_JSON);
    }
}
