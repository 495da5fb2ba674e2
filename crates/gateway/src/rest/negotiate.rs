//! This file is where it is read in what form the caller wants the answer, and in what form a body has come.
//!
//! Source: FHIR R4 http.html#mime-type and #return.

use super::refusals::{media_type, not_acceptable};
use crate::http::Refusal;
use axum::http::{HeaderMap, header};

/// What `Prefer: return=` asks for after a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Return {
    /// Headers only.
    Minimal,
    /// The resource as it is now.
    #[default]
    Representation,
    /// What the server has to say.
    OperationOutcome,
}

/// How a caller wants to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// With line breaks and indents.
    pub(crate) pretty: bool,
    pub(crate) returns: Return,
    /// What to do with search parameters that aren't known, if it is said: `true` refuses.
    pub(crate) strict: Option<bool>,
}

/// Media types that mean FHIR in JSON.
const JSON: &[&str] =
    &["application/fhir+json", "application/json", "json", "application/json+fhir", "text/json"];

/// The wishes in headers and query; `_format` wins over `Accept`.
///
/// # Errors
/// 406 if only forms are accepted that aren't spoken here.
pub(crate) fn wishes(headers: &HeaderMap, query: &[(String, String)]) -> Result<Wishes, Refusal> {
    let named = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match named("_format") {
        Some(format) => {
            // A `+` in a query that wasn't escaped has become a blank.
            let format = bare(format).replace(' ', "+");
            if !JSON.contains(&format.as_str()) {
                return Err(not_acceptable());
            }
        }
        None => accepts(headers)?,
    }
    let mut wishes = Wishes { pretty: named("_pretty") == Some("true"), ..Wishes::default() };
    for value in headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()) {
        for wish in value.split([',', ';']).map(str::trim) {
            match wish {
                "return=minimal" => wishes.returns = Return::Minimal,
                "return=representation" => wishes.returns = Return::Representation,
                "return=OperationOutcome" => wishes.returns = Return::OperationOutcome,
                "handling=strict" => wishes.strict = Some(true),
                "handling=lenient" => wishes.strict = Some(false),
                // RFC 7240 §2: what isn't known is passed over.
                _ => {}
            }
        }
    }
    Ok(wishes)
}

fn accepts(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut asked = false;
    for value in headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()) {
        for range in value.split(',') {
            asked = true;
            let refused = range
                .split(';')
                .skip(1)
                .any(|parameter| matches!(parameter.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            let range = bare(range);
            if !refused && (JSON.contains(&range.as_str()) || range == "*/*" || range == "application/*") {
                return Ok(());
            }
        }
    }
    if asked { Err(not_acceptable()) } else { Ok(()) }
}

/// A media type without its parameters, in lower case.
fn bare(text: &str) -> String {
    text.split(';').next().unwrap_or(text).trim().to_ascii_lowercase()
}

/// Checks that a body has come as FHIR in JSON.
///
/// # Errors
/// 415.
pub(crate) fn body_is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    match content_type(headers) {
        Some(found) if JSON.contains(&found.as_str()) => Ok(()),
        // RFC 9110 §8.3: without the header the recipient may look at the bytes, and what is no JSON is refused then.
        None => Ok(()),
        Some(_) => Err(media_type("application/fhir+json")),
    }
}

/// Checks that a body has come as JSON Patch (RFC 6902).
///
/// # Errors
/// 415.
pub(crate) fn body_is_json_patch(headers: &HeaderMap) -> Result<(), Refusal> {
    match content_type(headers).as_deref() {
        Some("application/json-patch+json") => Ok(()),
        Some(_) | None => Err(media_type("application/json-patch+json")),
    }
}

/// Whether a body has come as a form.
pub(crate) fn body_is_form(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(|found| found == "application/x-www-form-urlencoded")
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))])
    }

    #[test]
    fn only_json_is_spoken() {
        for (header, format, fits) in [
            ("application/fhir+json", None, true),
            ("application/json", None, true),
            ("application/fhir+json; fhirVersion=4.0", None, true),
            ("text/html, */*;q=0.1", None, true),
            ("application/fhir+xml, application/fhir+json;q=0.5", None, true),
            ("application/fhir+xml", None, false),
            ("application/fhir+xml", Some("json"), true),
            ("application/json", Some("xml"), false),
            ("application/json", Some("application/fhir json"), true),
            ("application/json;q=0", None, false),
            ("text/turtle", None, false),
        ] {
            let query: Vec<_> =
                format.map(|format| ("_format".to_owned(), format.to_owned())).into_iter().collect();
            assert_eq!(wishes(&accept(header), &query).is_ok(), fits, "{header} {format:?}");
        }
        assert!(wishes(&HeaderMap::new(), &[]).is_ok());
    }

    #[test]
    fn preferences_are_read() {
        let mut headers = HeaderMap::new();
        headers.append("prefer", HeaderValue::from_static("return=minimal; handling=strict"));
        headers.append("prefer", HeaderValue::from_static("respond-async"));
        let read = wishes(&headers, &[("_pretty".to_owned(), "true".to_owned())]).ok();
        let expected = Wishes { pretty: true, returns: Return::Minimal, strict: Some(true) };
        assert_eq!(read, Some(expected));
    }
}
