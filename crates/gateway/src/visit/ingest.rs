//! This file is where what a look at a chart brought becomes versions of the working set: under the organisation's own ids, or
//! under ids derived for what others wrote.

use crate::working::{Class, Place, Version, WorkingError, WorkingSet, is_marked};
use client::{
    Record,
    open::{Look, Seen},
};
use fhir::{
    Limits,
    json::Document,
    stamp::{Stamp, stamp},
};
use primitives::{Millis, OrgId, domain, hash};
use std::collections::{BTreeMap, BTreeSet};

/// How ids begin that are kept for what other organisations wrote.
const FOREIGN: &str = "x.";

/// Length of such an id, in bytes.
const FOREIGN_BYTES: usize = 42;

/// The id under which a resource of another organisation is served here: its own ids may be taken already.
#[must_use]
pub fn foreign_id(writer: &OrgId, kind: &str, id: &str) -> String {
    let hash = hash(domain::BLOB, &[b"foreign id", writer.0.as_bytes(), kind.as_bytes(), id.as_bytes()]);
    let mut text = format!("{FOREIGN}{}", hex::encode(hash.as_bytes()));
    text.truncate(FOREIGN_BYTES);
    text
}

/// Whether an id is kept for what other organisations wrote: nobody here may write under it, be something there or not.
#[must_use]
pub fn is_foreign_id(id: &str) -> bool {
    id.len() == FOREIGN_BYTES
        && id.strip_prefix(FOREIGN).is_some_and(|rest| {
            rest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        })
}

/// An instant as FHIR spells it.
#[must_use]
pub fn instant(time: Millis) -> String {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| "9999-12-31T23:59:59.999Z".to_owned(), |time| format!("{time:.3}"))
}

/// The resource as it is served: under this place, version and time, with links that lead to what is served here.
///
/// `links` says what a link's text becomes, if anything.
#[must_use]
pub fn served(
    bytes: &[u8],
    place: &Place,
    version: u32,
    updated: Millis,
    links: impl Fn(&str) -> Option<String>,
) -> Option<Vec<u8>> {
    let document = Document::read(bytes, &Limits::default()).ok()?;
    let updated = instant(updated);
    let said = Stamp { id: &place.id, version, updated: &updated };
    Some(stamp(document.root(), &said, |link| links(&link.text)))
}

/// Takes what a look brought into the working set.
///
/// # Errors
/// [`WorkingError`].
pub(crate) fn ingest(set: &WorkingSet, own: &OrgId, look: &Look) -> Result<(), WorkingError> {
    let urls: BTreeSet<&str> = look
        .records
        .iter()
        .filter_map(|seen| seen.record.around.full_url.as_ref())
        .map(|url| &**url)
        .filter(|url| url.starts_with("urn:"))
        .collect();
    let mut batches: BTreeMap<([u8; 16], &str), Place> = BTreeMap::new();
    for seen in &look.records {
        if let (Some(url), Some(place)) = (&seen.record.around.full_url, place(own, seen))
            && urls.contains(&**url)
        {
            batches.insert((seen.record.around.batch, url), place);
        }
    }
    let mut versions = Vec::with_capacity(look.records.len());
    for seen in &look.records {
        let Some(place) = place(own, seen) else { continue };
        // Without its name a category can't be told; it is told with everything permitted.
        let Some(category) = seen.category.clone() else { continue };
        let is_own = seen.writer == *own;
        if place.kind == "AuditEvent" && pretends(&seen.record.bytes) {
            tracing::warn!(writer = %seen.writer, chart = %look.chart, "an AuditEvent pretends to be the ledger's");
            continue;
        }
        let Record { around, bytes } = &seen.record;
        let resolved: BTreeMap<&str, &str> =
            around.links.iter().map(|(text, target)| (text.as_str(), target.as_str())).collect();
        let links = |text: &str| -> Option<String> {
            let known = resolved.get(text).copied();
            if known.is_none() && text.starts_with("urn:") {
                return batches.get(&(around.batch, text)).map(ToString::to_string);
            }
            if is_own {
                return known.map(str::to_owned);
            }
            let text = known.unwrap_or(text);
            // What another organisation calls `Patient/1` is somebody else here.
            let (kind, id) = text.split_once('/')?;
            let kind = fhir::types::r4(kind)?;
            let id = id.split('/').next()?;
            Some(format!("{kind}/{}", foreign_id(&seen.writer, kind, id)))
        };
        let served = if around.deleted {
            Vec::new()
        } else {
            match served(bytes, &place, around.version, seen.time, links) {
                Some(served) => served,
                // Sealed by another organisation and no resource: it is told by `open`, here it can't be shown.
                None => continue,
            }
        };
        versions.push(Version {
            class: Class { chart: look.chart, category, writer: seen.writer.clone() },
            own: is_own,
            also: around.also.iter().copied().collect(),
            version: around.version,
            updated: seen.time,
            deleted: around.deleted,
            newest: seen.newest,
            full_url: around.full_url.as_deref().map(str::to_owned),
            bytes: served,
            source: seen.id.0.to_vec(),
            place,
        });
    }
    // What is erased goes before anything is served again; versions of it that stand come back right after.
    let erased: BTreeSet<Vec<u8>> = look.erased.iter().map(|record| record.id.0.to_vec()).collect();
    set.erase(&look.chart, &erased)?;
    set.put(&versions, &[(look.chart, look.lines)])
}

/// Whether an AuditEvent that somebody wrote past a gateway bears the marks of one that is rendered from the ledger.
fn pretends(bytes: &[u8]) -> bool {
    Document::read(bytes, &Limits::default()).is_ok_and(|document| is_marked(document.root()))
}

/// Where a record is served.
fn place(own: &OrgId, seen: &Seen) -> Option<Place> {
    let around = &seen.record.around;
    let kind = fhir::types::r4(&around.kind)?;
    let place = Place { kind, id: around.id.to_string() };
    // What somebody wrote past a gateway under an id that belongs to the ledger is served under another one.
    let is_kept = seen.writer == *own && place.access().is_none();
    Some(if is_kept { place } else { Place { kind, id: foreign_id(&seen.writer, kind, &place.id) } })
}
