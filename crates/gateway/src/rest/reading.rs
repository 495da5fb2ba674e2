//! This file is where single resources, their versions and histories are read.

use super::{
    answer::Answer,
    bundles::Bundle,
    gateway::{Gateway, told},
    interaction::Instance,
    refusals::{gone, invalid, no_resource},
    request::{Preconditions, Request},
    searching::projected,
};
use crate::{
    http::Refusal,
    smart::{Filter, Interaction},
    visit::instant,
    working::{Held, HistoryAsk, Place, Stored},
};
use axum::http::StatusCode;
use conformance::search::{Nowhere, Query, Summary, index, matches_all};
use fhir::{Limits, json::Document};
use primitives::Millis;

impl Gateway {
    /// Reads what is current.
    pub(crate) async fn read(&self, request: &Request, of: &Instance) -> Result<Answer, Refusal> {
        let filters = request.allowed(of.kind, Interaction::Read)?;
        let stored = match self.current_at_once(request, of, &filters)? {
            Some(stored) => stored,
            None => {
                self.touch(&request.asking, of).await?;
                self.current(request, of, &filters)?
            }
        };
        if not_modified(&request.conditions, &stored) {
            let Stored { version, updated, .. } = stored;
            return Ok(Answer {
                status: StatusCode::NOT_MODIFIED,
                version: Some(version),
                modified: Some(updated),
                ..Answer::default()
            });
        }
        self.cut(request, Answer::stored(StatusCode::OK, stored))
    }

    /// What is current, as far as the caller may see it and the filters reach.
    ///
    /// # Errors
    /// 404, 410.
    pub(crate) fn current(
        &self,
        request: &Request,
        of: &Instance,
        filters: &[Filter],
    ) -> Result<Stored, Refusal> {
        let place = Place { kind: of.kind, id: of.id.clone() };
        let sight = self.sight(&request.asking)?;
        match self.set.get(&place, &sight).map_err(told)? {
            Held::Current(stored) if self.passes(&stored, filters)? => Ok(stored),
            Held::Gone(_) if filters.is_empty() => Err(gone()),
            Held::Current(_) | Held::Gone(_) | Held::Nothing => Err(no_resource()),
        }
    }

    /// What is current, if a visit that lasts lets it be seen: then nothing has to be opened.
    fn current_at_once(
        &self,
        request: &Request,
        of: &Instance,
        filters: &[Filter],
    ) -> Result<Option<Stored>, Refusal> {
        let place = Place { kind: of.kind, id: of.id.clone() };
        match self.set.get(&place, &self.sight(&request.asking)?).map_err(told)? {
            Held::Current(stored) if self.passes(&stored, filters)? => Ok(Some(stored)),
            Held::Current(_) | Held::Gone(_) | Held::Nothing => Ok(None),
        }
    }

    /// Whether one of the filters lets a resource through; without filters everything passes.
    pub(crate) fn passes(&self, stored: &Stored, filters: &[Filter]) -> Result<bool, Refusal> {
        if filters.is_empty() {
            return Ok(true);
        }
        let Ok(document) = Document::read(&stored.bytes[..], &Limits::default()) else { return Ok(false) };
        let Some(index) = index(document.root()) else { return Ok(false) };
        for filter in filters {
            let pairs: Vec<(String, String)> =
                filter.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            // A filter that isn't understood lets nothing through.
            if let Ok(query) = self.query(Some(stored.place.kind), &pairs, true)
                && matches_all(&query, &index, &Nowhere)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// With what `_summary` and `_elements` ask for.
    fn cut(&self, request: &Request, mut answer: Answer) -> Result<Answer, Refusal> {
        if let (Some(query), Some(body)) = (self.cutting(request)?, &answer.body) {
            answer.body = projected(body, &query).map(String::into_bytes).or(answer.body);
        }
        Ok(answer)
    }

    /// What `_summary` and `_elements` ask for, if they ask for less than all.
    ///
    /// # Errors
    /// 400 if that isn't understood, or is `_summary=count`, which is for searches.
    pub(crate) fn cutting(&self, request: &Request) -> Result<Option<Query>, Refusal> {
        let wanted = |(name, _): &&(String, String)| matches!(name.as_str(), "_summary" | "_elements");
        let pairs: Vec<(String, String)> = request.query.iter().filter(wanted).cloned().collect();
        if pairs.is_empty() {
            return Ok(None);
        }
        let query = self.query(None, &pairs, true)?;
        if query.summary == Some(Summary::Count) {
            return Err(invalid("`_summary=count` is for searches"));
        }
        Ok((query.summary.is_some() || !query.elements.is_empty()).then_some(query))
    }

    /// Reads one version.
    pub(crate) async fn version_read(
        &self,
        request: &Request,
        of: &Instance,
        version: &str,
    ) -> Result<Answer, Refusal> {
        let filters = request.allowed(of.kind, Interaction::Read)?;
        self.touch(&request.asking, of).await?;
        let number = version.parse().map_err(|_| no_resource())?;
        let place = Place { kind: of.kind, id: of.id.clone() };
        let sight = self.sight(&request.asking)?;
        let stored = self.set.get_version(&place, number, &sight).map_err(told)?.ok_or_else(no_resource)?;
        if stored.deleted {
            return Err(gone());
        }
        if !self.passes(&stored, &filters)? {
            return Err(no_resource());
        }
        self.cut(request, Answer::stored(StatusCode::OK, stored))
    }

    /// The history of a resource or of a type, the newest first.
    pub(crate) async fn history(
        &self,
        request: &Request,
        kind: &'static str,
        of: Option<&Instance>,
    ) -> Result<Answer, Refusal> {
        let wanted = if of.is_some() { Interaction::Read } else { Interaction::Search };
        let filters = request.allowed(kind, wanted)?;
        if !filters.is_empty() && of.is_none() {
            return Err(super::refusals::scope("a restricted scope doesn't allow the history of a type"));
        }
        // What is malformed opens no chart.
        let count = count(request, self.settings.page, self.settings.page_max)?;
        let ask = HistoryAsk {
            kind: Some(kind),
            place: of.map(|of| Place { kind: of.kind, id: of.id.clone() }),
            since: request.parameter("_since").map(since).transpose()?,
            after: self.cursor(request)?.as_deref().map(after).transpose()?,
            count: count.saturating_add(1),
        };
        if let Some(of) = of {
            self.touch(&request.asking, of).await?;
        } else if kind == "AuditEvent" {
            self.audit_all(&request.asking).await?;
        }
        let sight = self.sight(&request.asking)?;
        let first = ask.after.is_none();
        let mut versions = self.blocking(move |set| set.history(&ask, &sight)).await?;
        if of.is_some() && first {
            let newest = versions.first().map(|(_, stored)| stored);
            // Without a version that may be seen there is nothing to tell, be there one or not.
            let seen = match newest {
                Some(newest) => self.passes(newest, &filters)? || newest.deleted,
                None => false,
            };
            if !seen && request.parameter("_since").is_none() {
                return Err(no_resource());
            }
        }
        let more = versions.len() > count;
        versions.truncate(count);
        let path = of.map_or_else(|| kind.to_owned(), ToString::to_string);
        let url = |cursor: Option<String>| {
            let kept = request
                .query
                .iter()
                .filter(|(name, _)| matches!(name.as_str(), "_since" | "_count" | "_summary" | "_elements"));
            let kept = kept.cloned().chain(cursor.map(|cursor| ("_cursor".to_owned(), cursor)));
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
            let mark = if query.is_empty() { "" } else { "?" };
            format!("{}/{path}/_history{mark}{query}", self.base)
        };
        let mut bundle = Bundle::new("history");
        // A whole history is counted; a page of it isn't.
        bundle.total((first && !more).then_some(versions.len() as u64));
        bundle.link("self", url(request.parameter("_cursor").map(str::to_owned)));
        if let Some(((at, rid, version), _)) = versions.last().filter(|_| more) {
            let next = self.cursors.seal(&request.asking, &format!("{at:x}.{rid:x}.{version:x}"))?;
            bundle.link("next", url(Some(next)));
        }
        let cutting = self.cutting(request)?;
        for (_, stored) in &versions {
            bundle.raw(&self.of_history(stored, cutting.as_ref()));
        }
        Ok(Answer::of(bundle.into_bytes()))
    }

    fn of_history(&self, stored: &Stored, cutting: Option<&Query>) -> Vec<u8> {
        let Stored { place, version, updated, deleted, bytes } = stored;
        let cut = cutting.filter(|_| !deleted).and_then(|query| projected(bytes, query));
        let bytes = cut.as_ref().map_or(&bytes[..], |cut| cut.as_bytes());
        let (method, status) = match (deleted, version) {
            (true, _) => ("DELETE", "204 No Content"),
            (false, 1) => ("POST", "201 Created"),
            (false, _) => ("PUT", "200 OK"),
        };
        let url = if method == "POST" { place.kind.to_owned() } else { place.to_string() };
        let about = serde_json::json!({
            "request": { "method": method, "url": url },
            "response": {
                "status": status,
                "etag": super::answer::etag(*version),
                "lastModified": instant(*updated),
            },
        });
        let mut entry = format!("{{\"fullUrl\":\"{}/{place}\",", self.base).into_bytes();
        if !deleted {
            entry.extend_from_slice(b"\"resource\":");
            entry.extend_from_slice(bytes);
            entry.push(b',');
        }
        let about = about.to_string();
        entry.extend_from_slice(about.get(1..).unwrap_or_default().as_bytes());
        entry
    }
}

/// How many versions a page is to have.
pub(crate) fn count(request: &Request, page: u32, page_max: u32) -> Result<usize, Refusal> {
    let count = match request.parameter("_count") {
        None => page,
        Some(text) => text.parse::<u32>().map_err(|_| invalid("`_count` is a number"))?.clamp(1, page_max),
    };
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// A FHIR instant.
pub(crate) fn since(text: &str) -> Result<Millis, Refusal> {
    let time: jiff::Timestamp =
        text.parse().map_err(|_| invalid("`_since` is an instant, as 2026-01-31T12:00:00Z"))?;
    Ok(Millis(u64::try_from(time.as_millisecond()).unwrap_or(0)))
}

fn after(text: &str) -> Result<(i64, i64, u32), Refusal> {
    let mut parts = text.split('.');
    let mut number = || i64::from_str_radix(parts.next().unwrap_or_default(), 16).ok();
    let found = (number(), number(), number().and_then(|version| u32::try_from(version).ok()));
    match found {
        (Some(at), Some(rid), Some(version)) => Ok((at, rid, version)),
        _ => Err(invalid("the page's cursor isn't one of a history")),
    }
}

/// Whether the caller has this version already. Source: FHIR R4 http.html#cread.
fn not_modified(conditions: &Preconditions, stored: &Stored) -> bool {
    if !conditions.if_none_match.is_empty() || conditions.if_none_match_any {
        return conditions.if_none_match_any || conditions.if_none_match.contains(&stored.version);
    }
    // HTTP's times have whole seconds.
    conditions.if_modified_since.is_some_and(|since| stored.updated.0 / 1000 <= since.0 / 1000)
}
