//! This file is where the links of a resource are found in its bytes, and replaced without touching any other byte.

use crate::definitions::URI_ELEMENTS;
use crate::json::{Kind, Value, escape};
use crate::types;
use std::borrow::Cow;
use std::ops::Range;

/// Where a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// `Reference.reference`.
    Reference,
    /// An element of type uri, url, oid or uuid that may mean an entry: `urn:uuid:`, `urn:oid:`, or ending in `Type/id`.
    Uri,
    /// The same in an `href` or `src` of the narrative.
    Narrative,
}

/// A link of a resource.
#[derive(Clone)]
pub struct Link<'d> {
    /// Where it stands.
    pub kind: LinkKind,
    /// The bytes to replace, counted from the resource's first byte: the text without its quotes.
    pub range: Range<usize>,
    /// What it says, escapes resolved.
    pub text: Cow<'d, str>,
    /// The object that holds it: for a reference, the whole Reference.
    pub holder: Value<'d>,
}

/// Every link of a resource that a server may have to rewrite when it has assigned ids, in document order.
///
/// Source: FHIR R4 http.html#transaction: references, elements of type uri, url, oid and uuid (not canonical), and
/// `href` and `src` in the narrative. Which of them mean an entry of the file is for the caller to decide, by its fullUrl.
#[must_use]
pub fn links<'d>(resource: Value<'d>) -> Vec<Link<'d>> {
    let mut links = Vec::new();
    let base = resource.range().start;
    for (key, value) in resource.members_deep() {
        let (Some(name), Some(holder)) = (key.spelled(), key.parent()) else { continue };
        match (name, value.kind()) {
            ("reference", Kind::String | Kind::EscapedString) => {
                push(&mut links, LinkKind::Reference, base, value, holder);
            }
            ("div", Kind::String | Kind::EscapedString) => narrative(&mut links, base, value, holder),
            (_, Kind::String | Kind::EscapedString | Kind::Array) if !holder_is_plain(name) => {
                for item in value.each() {
                    push(&mut links, LinkKind::Uri, base, item, holder);
                }
            }
            _ => {}
        }
    }
    links
}

fn holder_is_plain(name: &str) -> bool {
    URI_ELEMENTS.binary_search(&name).is_err()
}

fn push<'d>(links: &mut Vec<Link<'d>>, kind: LinkKind, base: usize, value: Value<'d>, holder: Value<'d>) {
    let Some(text) = value.text() else { return };
    if kind == LinkKind::Uri && !may_mean_an_entry(&text) {
        return;
    }
    let Range { start, end } = value.range();
    links.push(Link { kind, range: start + 1 - base..end - 1 - base, text, holder });
}

fn may_mean_an_entry(text: &str) -> bool {
    // HL7's own definitions are no entries, and as extension urls they are everywhere.
    let is_definition =
        text.starts_with("http://hl7.org/") || text.starts_with("http://terminology.hl7.org/");
    !is_definition
        && (text.starts_with("urn:uuid:") || text.starts_with("urn:oid:") || types::named(text).is_some())
}

/// Finds `href="…"` and `src='…'` in the spelling of a narrative, where a double quote is `\"`.
fn narrative<'d>(links: &mut Vec<Link<'d>>, base: usize, value: Value<'d>, holder: Value<'d>) {
    let Some(spelled) = value.spelled() else { return };
    let start = value.range().start + 1 - base;
    for (at, _) in spelled.match_indices('=') {
        let (Some(before), Some(after)) = (spelled.get(..at), spelled.get(at + 1..)) else { continue };
        let name = before.trim_end();
        if !(name.ends_with("href") || name.ends_with("src")) {
            continue;
        }
        let quoted = after.trim_start();
        let (quote, from) = match (quoted.strip_prefix("\\\""), quoted.strip_prefix('\'')) {
            (Some(from), _) => ("\\\"", from),
            (None, Some(from)) => ("'", from),
            (None, None) => continue,
        };
        let Some((link, _)) = from.split_once(quote) else { continue };
        // A link in the narrative that is spelled with other escapes than `\/` is none of ours.
        let text = link.replace("\\/", "/");
        if text.contains('\\') || !may_mean_an_entry(&text) {
            continue;
        }
        let at = start + spelled.len() - from.len();
        links.push(Link {
            kind: LinkKind::Narrative,
            range: at..at + link.len(),
            text: Cow::Owned(text),
            holder,
        });
    }
}

/// A replacement of bytes inside a JSON string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What goes, counted from the resource's first byte.
    pub range: Range<usize>,
    /// What comes, as text; it is escaped for JSON.
    pub text: String,
}

/// Why edits do not fit the bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("edit {index} at bytes {}..{} overlaps the one before it or lies outside the resource", range.start, range.end)]
pub struct SpliceError {
    /// Which of the edits, in order of place.
    pub index: usize,
    /// Its range.
    pub range: Range<usize>,
}

/// The resource with the edits applied and every other byte as it was.
///
/// # Errors
/// If edits overlap or lie outside.
pub fn splice(resource: &[u8], mut edits: Vec<Edit>) -> Result<Vec<u8>, SpliceError> {
    edits.sort_by_key(|edit| edit.range.start);
    let mut spliced = Vec::with_capacity(resource.len() + 64);
    let mut done = 0;
    for (index, Edit { range, text }) in edits.into_iter().enumerate() {
        let kept = resource
            .get(done..range.start)
            .filter(|_| range.end <= resource.len() && range.start <= range.end);
        let Some(kept) = kept else { return Err(SpliceError { index, range }) };
        spliced.extend_from_slice(kept);
        escape(&text, &mut spliced);
        done = range.end;
    }
    spliced.extend_from_slice(resource.get(done..).unwrap_or_default());
    Ok(spliced)
}

/// The resource's bytes with each link replaced by what `rewritten` says of it, if anything.
///
/// ```
/// # use fhir::{json::Document, references::rewrite, Limits};
/// let resource = br#"{"resourceType":"Observation","valueQuantity":{"value":1.10},"subject":{"reference":"urn:uuid:1"}}"#;
/// let document = Document::read(resource, &Limits::default())?;
/// let rewritten = rewrite(document.root(), |link| (link.text == "urn:uuid:1").then(|| "Patient/7".to_owned()));
/// let expected = br#"{"resourceType":"Observation","valueQuantity":{"value":1.10},"subject":{"reference":"Patient/7"}}"#;
/// assert_eq!(rewritten, expected);
/// # Ok::<(), fhir::ReadError>(())
/// ```
#[must_use]
pub fn rewrite(resource: Value<'_>, mut rewritten: impl FnMut(&Link<'_>) -> Option<String>) -> Vec<u8> {
    let edits = links(resource)
        .into_iter()
        .filter_map(|link| rewritten(&link).map(|text| Edit { range: link.range, text }))
        .collect();
    let bytes = resource.raw().as_bytes();
    // Links are found in order and never overlap, so that this cannot fail; the bytes unchanged are the safe answer.
    splice(bytes, edits).unwrap_or_else(|_| bytes.to_vec())
}
