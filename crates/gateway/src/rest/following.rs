//! This file is where an AuditEvent or Provenance that names no patient is found to belong to one: whose resource it speaks of.

use super::{
    change::Change,
    gateway::{Gateway, told},
    interaction::logical_id,
    request::Request,
};
use crate::{
    http::Refusal,
    working::{Held, Place},
};
use fhir::{
    Limits,
    json::Document,
    references::{LinkKind, links},
};
use primitives::ChartId;

/// Types that speak of other resources.
const FOLLOWING: &[&str] = &["AuditEvent", "Provenance"];

/// References that are looked at, at most.
const LINKS_MAX: usize = 100;

impl Gateway {
    /// The chart of the first resource that an AuditEvent or Provenance refers to, of those that the caller may see.
    pub(crate) fn followed(&self, request: &Request, change: &Change) -> Result<Option<ChartId>, Refusal> {
        if !FOLLOWING.contains(&change.place.kind) {
            return Ok(None);
        }
        let Ok(document) = Document::read(&change.bytes[..], &Limits::default()) else { return Ok(None) };
        let sight = self.sight(&request.asking)?;
        let all = links(document.root());
        for link in all.iter().filter(|link| link.kind == LinkKind::Reference).take(LINKS_MAX) {
            let Some(place) = self.own_place_of(&link.text) else { continue };
            // What the caller may not see is as if it weren't there.
            if fhir::types::is_directory(place.kind)
                || self.set.get(&place, &sight).map_err(told)? == Held::Nothing
            {
                continue;
            }
            if let Some(lies) = self.set.lies(&place).map_err(told)? {
                return Ok(Some(lies.chart));
            }
        }
        Ok(None)
    }

    fn own_place_of(&self, text: &str) -> Option<Place> {
        let relative =
            text.strip_prefix(self.base.as_str()).map_or(text, |rest| rest.trim_start_matches('/'));
        let mut parts = relative.split('/');
        let kind = fhir::types::r4(parts.next()?)?;
        let id = logical_id(parts.next()?).ok()?;
        Some(Place { kind, id })
    }
}
