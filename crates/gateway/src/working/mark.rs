//! This file is where it stands by what a rendered AuditEvent is told from one that an app posted.

use fhir::json::Value;

/// The extension that leads from a rendered AuditEvent to its proof.
pub const PROOF: &str = "urn:horkos:ledger-proof";

/// System of the tag that every rendered AuditEvent bears.
pub(crate) const ORIGIN: &str = "urn:horkos:origin";

/// The tag's code.
pub(crate) const LEDGER: &str = "ledger";

/// Whether a resource bears what only a rendered AuditEvent may: its tag, or an extension that leads to a proof.
#[must_use]
pub fn is_marked(resource: Value<'_>) -> bool {
    let named =
        |value: Value<'_>, key: &str, wanted: &str| value.get(key).is_some_and(|found| found.is(wanted));
    let tags = resource.get("meta").and_then(|meta| meta.get("tag"));
    let tagged = tags.into_iter().flat_map(Value::each).any(|tag| named(tag, "system", ORIGIN));
    let extensions = resource.get("extension").into_iter().flat_map(Value::each);
    tagged || extensions.into_iter().any(|extension| named(extension, "url", PROOF))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::{Limits, json::Document};

    #[test]
    fn marks() {
        for (resource, marked) in [
            (r#"{"resourceType":"AuditEvent"}"#, false),
            (r#"{"resourceType":"AuditEvent","meta":{"tag":[{"system":"urn:x","code":"ledger"}]}}"#, false),
            (r#"{"resourceType":"AuditEvent","meta":{"tag":[{},{"system":"urn:horkos:origin"}]}}"#, true),
            (r#"{"resourceType":"AuditEvent","extension":[{"url":"urn:x"}]}"#, false),
            (r#"{"resourceType":"AuditEvent","extension":[{"url":"urn:horkos:ledger-proof"}]}"#, true),
            (r#"{"resourceType":"AuditEvent","meta":[],"extension":{}}"#, false),
        ] {
            let document = Document::read(resource.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(is_marked(document.root()), marked, "{resource}");
        }
    }
}
