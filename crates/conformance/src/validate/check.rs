//! This file is where validating begins, with a text that was read or with bytes.

use super::issue::{Code, Issue, Severity};
use super::options::Options;
use super::walk::Walk;
use fhir::json::{Document, Value};
use fhir::{Limits, ReadError};

/// What came of checking bytes.
pub struct Checked {
    /// The text, unless it could not be read.
    pub document: Option<Document>,
    /// The findings, in the order of the text.
    pub issues: Vec<Issue>,
}

/// Checks one resource, be it a Bundle or any other, and gives the findings in the order of the text.
///
/// It never panics, and is the same for the same input. Duplicate keys, depth and size were refused when the text was
/// read.
#[must_use]
pub fn check(resource: Value<'_>, options: &Options) -> Vec<Issue> {
    Walk::new(options).run(resource)
}

/// Reads and checks one resource. What cannot be read is one issue of severity fatal.
pub fn check_bytes(bytes: impl Into<Vec<u8>>, limits: &Limits, options: &Options) -> Checked {
    match Document::read(bytes, limits) {
        Ok(document) => {
            let issues = check(document.root(), options);
            Checked { document: Some(document), issues }
        }
        Err(error) => Checked { document: None, issues: vec![unread(&error)] },
    }
}

/// A failure to read as an issue.
fn unread(error: &ReadError) -> Issue {
    let code = match error {
        ReadError::TooLarge { .. } | ReadError::ResourceTooLarge { .. } => Code::TooLong,
        ReadError::TooManyEntries { .. } | ReadError::TooDeep { .. } => Code::TooCostly,
        ReadError::Xml | ReadError::WrongVersion { .. } => Code::NotSupported,
        _ => Code::Structure,
    };
    Issue {
        severity: Severity::Fatal,
        code,
        expression: String::new(),
        diagnostics: error.to_string(),
        rule: None,
    }
}
