//! This file is where a resource gets the id, version and time under which a server serves it, and its links point to
//! what the server knows, every other byte as it was.

use crate::json::{Value, escape};
use crate::references::{Link, links};
use std::ops::Range;

/// What a server says of the version that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// The logical id.
    pub id: &'a str,
    /// `meta.versionId`.
    pub version: u32,
    /// `meta.lastUpdated`, an instant as FHIR spells it.
    pub updated: &'a str,
}

/// One replacement of raw bytes.
struct Splice {
    range: Range<usize>,
    bytes: Vec<u8>,
}

/// The resource under the server's id, version and time, with each link replaced by what `rewritten` says of it, if
/// anything.
///
/// ```
/// # use fhir::{json::Document, stamp::{stamp, Stamp}, Limits};
/// let resource = br#"{"resourceType":"Observation","meta":{"tag":[]},"valueQuantity":{"value":1.10}}"#;
/// let document = Document::read(resource, &Limits::default())?;
/// let served = stamp(document.root(), &Stamp { id: "7", version: 2, updated: "2026-01-01T00:00:00Z" }, |_| None);
/// assert_eq!(
///     String::from_utf8_lossy(&served),
///     r#"{"resourceType":"Observation","id":"7","meta":{"versionId":"2","lastUpdated":"2026-01-01T00:00:00Z","tag":[]},"valueQuantity":{"value":1.10}}"#
/// );
/// # Ok::<(), fhir::ReadError>(())
/// ```
#[must_use]
pub fn stamp(
    resource: Value<'_>,
    stamp: &Stamp<'_>,
    mut rewritten: impl FnMut(&Link<'_>) -> Option<String>,
) -> Vec<u8> {
    let base = resource.range().start;
    let mut splices: Vec<Splice> = links(resource)
        .into_iter()
        .filter_map(|link| rewritten(&link).map(|text| Splice { range: link.range, bytes: spelled(&text) }))
        .collect();

    let mut added = Vec::new();
    match resource.get("id") {
        Some(id) => splices.push(replace(base, id, quoted(stamp.id))),
        None => added.extend_from_slice(&member("id", &quoted(stamp.id))),
    }
    let version = quoted(&stamp.version.to_string());
    let updated = quoted(stamp.updated);
    match resource.get("meta") {
        Some(meta) if meta.is_object() => {
            let mut first = Vec::new();
            for (key, value) in [("versionId", &version), ("lastUpdated", &updated)] {
                match meta.get(key) {
                    Some(found) => splices.push(replace(base, found, value.clone())),
                    None => {
                        first.extend_from_slice(member(key, value).get(1..).unwrap_or_default());
                        first.push(b',');
                    }
                }
            }
            if meta.members().next().is_none() {
                first.pop();
            }
            let at = meta.range().start + 1 - base;
            splices.push(Splice { range: at..at, bytes: first });
        }
        // A `meta` that is no object would be refused by whoever validates; here it is replaced.
        found => {
            let mut meta = b"{\"versionId\":".to_vec();
            meta.extend_from_slice(&version);
            meta.extend_from_slice(b",\"lastUpdated\":");
            meta.extend_from_slice(&updated);
            meta.push(b'}');
            match found {
                Some(found) => splices.push(replace(base, found, meta)),
                None => added.extend_from_slice(&member("meta", &meta)),
            }
        }
    }
    let after = resource.get("resourceType").map_or(base + 1, |kind| kind.range().end) - base;
    splices.push(Splice { range: after..after, bytes: added });
    apply(resource.raw().as_bytes(), splices)
}

fn replace(base: usize, value: Value<'_>, bytes: Vec<u8>) -> Splice {
    let Range { start, end } = value.range();
    Splice { range: start - base..end - base, bytes }
}

fn spelled(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    escape(text, &mut bytes);
    bytes
}

fn quoted(text: &str) -> Vec<u8> {
    let mut bytes = vec![b'"'];
    escape(text, &mut bytes);
    bytes.push(b'"');
    bytes
}

/// `,"name":value`.
fn member(name: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b','];
    bytes.extend_from_slice(&quoted(name));
    bytes.push(b':');
    bytes.extend_from_slice(value);
    bytes
}

fn apply(resource: &[u8], mut splices: Vec<Splice>) -> Vec<u8> {
    // Stable: what is put in at one place stays in the order in which it was said.
    splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
    let mut bytes = Vec::with_capacity(resource.len() + 128);
    let mut done = 0;
    for Splice { range, bytes: new } in splices {
        // Places come from one document and none lies within another; one that did would be left out, not guessed at.
        let Some(kept) = resource.get(done..range.start) else { continue };
        bytes.extend_from_slice(kept);
        bytes.extend_from_slice(&new);
        done = range.end;
    }
    bytes.extend_from_slice(resource.get(done..).unwrap_or_default());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::json::Document;

    fn check(resource: &str, expected: &str) {
        let document = Document::read(resource, &Limits::default()).unwrap();
        let said = Stamp { id: "a-1", version: 3, updated: "2026-01-01T00:00:00.000Z" };
        let served =
            stamp(document.root(), &said, |link| (link.text == "urn:uuid:1").then(|| "Patient/7".to_owned()));
        assert_eq!(String::from_utf8(served).unwrap(), expected);
    }

    #[test]
    fn id_version_and_time_are_put_in_or_replaced() {
        let meta = r#""versionId":"3","lastUpdated":"2026-01-01T00:00:00.000Z""#;
        for (resource, expected) in [
            (
                r#"{"resourceType":"Basic"}"#.to_owned(),
                format!(r#"{{"resourceType":"Basic","id":"a-1","meta":{{{meta}}}}}"#),
            ),
            (
                r#"{ "id" : "x" , "resourceType" : "Basic" }"#.to_owned(),
                format!(r#"{{ "id" : "a-1" , "resourceType" : "Basic","meta":{{{meta}}} }}"#),
            ),
            (
                r#"{"resourceType":"Basic","meta":{}}"#.to_owned(),
                format!(r#"{{"resourceType":"Basic","id":"a-1","meta":{{{meta}}}}}"#),
            ),
            (
                r#"{"resourceType":"Basic","id":"x","meta":{"lastUpdated":"1999","versionId":"9"}}"#.to_owned(),
                r#"{"resourceType":"Basic","id":"a-1","meta":{"lastUpdated":"2026-01-01T00:00:00.000Z","versionId":"3"}}"#
                    .to_owned(),
            ),
            (
                r#"{"resourceType":"Basic","subject":{"reference":"urn:uuid:1"},"id":"x","meta":{"versionId":"1"}}"#
                    .to_owned(),
                r#"{"resourceType":"Basic","subject":{"reference":"Patient/7"},"id":"a-1","meta":{"lastUpdated":"2026-01-01T00:00:00.000Z","versionId":"3"}}"#
                    .to_owned(),
            ),
        ] {
            check(&resource, &expected);
        }
    }
}
