//! This file is where it is found out which charts a request touches, and each is opened before anything of it is shown.

use super::{
    gateway::{Gateway, told},
    interaction::Instance,
    request::Request,
};
use crate::{
    http::{IssueCode, Refusal},
    visit::Asking,
    working::{Held, Lies, Place},
};
use axum::http::StatusCode;
use client::About;
use conformance::search::{Condition, Match, ParamType, Query, Test};
use primitives::{ChartId, Hash, Span};
use std::collections::BTreeSet;

/// Identifier system under which a chart's own id is looked up: how a member opens another's chart.
pub(crate) const CHART_SYSTEM: &str = "urn:horkos:chart";

impl Gateway {
    /// Opens the chart in which a resource lies, if it is known here, and those of the other patients whom it names.
    pub(crate) async fn touch(&self, asking: &Asking, of: &Instance) -> Result<(), Refusal> {
        let place = Place { kind: of.kind, id: of.id.clone() };
        let lies = self.set.lies(&place).map_err(told)?;
        match self.chart_where(asking, &place, lies.as_ref()).await? {
            Some(chart) => {
                self.open(asking, chart).await?;
                if place.access().is_some() {
                    return self.audit_chart(asking, chart).await;
                }
                self.touch_others(asking, &place, (chart, lies)).await
            }
            // It may lie in a directory that nobody has opened yet.
            None if fhir::types::is_directory(place.kind) => self.open_directories(asking).await,
            None => self.visits.may_ask(asking, self.now()),
        }
    }

    /// Opens the charts of the other patients whom a resource names, if nothing else keeps it from being shown and the visit
    /// doesn't know how they stand, as of one that was written since: it is shown only to whom each of them permits
    /// something, and each sees who looked. An emergency opens the one that is named.
    async fn touch_others(
        &self,
        asking: &Asking,
        place: &Place,
        (chart, lies): (ChartId, Option<Lies>),
    ) -> Result<(), Refusal> {
        let lies = match lies {
            Some(lies) => Some(lies),
            // It came in with the visit, if that permits anything.
            None if self.visits.permits(asking, &chart) => self.set.lies(place).map_err(told)?,
            None => None,
        };
        match lies {
            Some(lies) if !lies.also.is_empty() && asking.emergency.is_none() => {
                let others = lies.beside(&self.sight(asking)?);
                self.open_all(asking, others).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The chart in which a resource lies.
    pub(crate) async fn chart_of(&self, asking: &Asking, place: &Place) -> Result<Option<ChartId>, Refusal> {
        let lies = self.set.lies(place).map_err(told)?;
        self.chart_where(asking, place, lies.as_ref()).await
    }

    /// The same, for whom it is known already where it lies.
    async fn chart_where(
        &self,
        asking: &Asking,
        place: &Place,
        lies: Option<&Lies>,
    ) -> Result<Option<ChartId>, Refusal> {
        let lies = lies.map(|lies| lies.chart);
        if place.access().is_some() && lies.is_none() {
            return self.chart_of_access(asking, place).await;
        }
        if place.kind != "Patient" || self.sees(asking, place)? {
            return Ok(lies);
        }
        // Its chart may be known though nobody has opened it yet. Asked of a patient too who is known here and hidden: one
        // who isn't known mustn't differ in what it costs.
        let known = self.chart_of_token(asking, &self.patient_token(&place.id)).await?;
        Ok(lies.or(known))
    }

    /// Whether the caller may see what is there now, or that it was deleted.
    pub(crate) fn sees(&self, asking: &Asking, place: &Place) -> Result<bool, Refusal> {
        let sight = self.sight(asking)?;
        Ok(!matches!(self.set.get(place, &sight).map_err(told)?, Held::Nothing))
    }

    /// The chart of what a caller refers to in a write: what was written here, or elsewhere and is permitted to be seen (what
    /// others wrote is opened for that), or a patient who is known here by this id. To others there is no such resource.
    pub(crate) async fn chart_referred_to(
        &self,
        asking: &Asking,
        place: &Place,
    ) -> Result<Option<ChartId>, Refusal> {
        match self.set.lies(place).map_err(told)? {
            Some(lies) if lies.own => return Ok(Some(lies.chart)),
            Some(lies) => {
                self.open(asking, lies.chart).await?;
                if self.sees(asking, place)? {
                    return Ok(Some(lies.chart));
                }
            }
            None => {}
        }
        if place.kind == "Patient" {
            return self.chart_of_token(asking, &self.patient_token(&place.id)).await;
        }
        Ok(None)
    }

    /// Waits until so much time has passed since the request came as it takes at least to say that something isn't there.
    pub(crate) async fn as_if_missing(&self, request: &Request) {
        let until = request.began.plus(self.visits.settings().missing_min);
        let left = until.since(self.now());
        if left > Span(0) {
            self.host.sleep(left).await;
        }
    }

    /// What came in earlier under this `urn:`, as far as the caller may see it: charts that may hold it are opened.
    pub(crate) async fn named(&self, asking: &Asking, url: &str) -> Result<Vec<Place>, Refusal> {
        let known = |sight| self.set.named(url, &sight).map_err(told);
        let found = known(self.sight(asking)?)?;
        if !found.is_empty() {
            return Ok(found);
        }
        let charts = [self.chart_of_token(asking, url).await?, self.directory(asking).await?];
        for chart in charts.into_iter().flatten() {
            self.open(asking, chart).await?;
        }
        known(self.sight(asking)?)
    }

    /// The token under which the organisation finds the chart of its patient with this id.
    pub(crate) fn patient_token(&self, id: &str) -> String {
        format!("{}/Patient/{id}", self.base)
    }

    pub(crate) async fn chart_of_token(
        &self,
        asking: &Asking,
        token: &str,
    ) -> Result<Option<ChartId>, Refusal> {
        asking.user.client().chart_of_token(token).await.map_err(|error| {
            tracing::warn!(%error, "the node doesn't say which chart it is");
            super::refusals::stale()
        })
    }

    /// The organisation's directory chart, if it has one yet.
    pub(crate) async fn directory(&self, asking: &Asking) -> Result<Option<ChartId>, Refusal> {
        asking.user.client().known_chart(About::Directory).await.map_err(|error| {
            tracing::warn!(%error, "the node doesn't say which chart is the directory");
            super::refusals::stale()
        })
    }

    /// Opens a chart. One that isn't there shows nothing, which is no error here.
    pub(crate) async fn open(&self, asking: &Asking, chart: ChartId) -> Result<(), Refusal> {
        match self.visits.open(asking, chart).await {
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(()),
            result => result,
        }
    }

    /// Opens charts: one by itself, several by one access.
    ///
    /// # Errors
    /// 403 `too-costly` for more than one request may open.
    pub(super) async fn open_all(&self, asking: &Asking, charts: BTreeSet<ChartId>) -> Result<(), Refusal> {
        let most = self.visits.settings().batch_max;
        let visited = if charts.len() > most { self.visits.visited(asking) } else { BTreeSet::new() };
        if charts.difference(&visited).count() > most {
            return Err(too_costly(most));
        }
        // Each emergency is one of its own, with a review.
        if charts.len() > 1 && asking.emergency.is_none() {
            return self.visits.open_together(asking, charts).await;
        }
        for chart in charts {
            self.open(asking, chart).await?;
        }
        Ok(())
    }

    /// Opens the charts that a search names. One that names none covers the charts under a visit, and up to so many more.
    pub(crate) async fn touch_for(&self, request: &Request, query: &Query) -> Result<Named, Refusal> {
        let asking = &request.asking;
        self.visits.fresh(self.now())?;
        let mut charts = BTreeSet::new();
        let mut names = false;
        let places = places(query);
        for place in &places {
            names = true;
            charts.extend(self.chart_of(asking, place).await?);
        }
        let identifiers = identifiers(request, query);
        let identified = !identifiers.is_empty();
        for (system, value) in identifiers {
            names = true;
            if system == CHART_SYSTEM {
                charts.extend(chart_id(&value));
            } else {
                charts.extend(self.chart_of_token(asking, &format!("{system}|{value}")).await?);
            }
        }
        let all_directory =
            !query.types.is_empty() && query.types.iter().all(|kind| fhir::types::is_directory(kind));
        if all_directory || self.leads_to_directories(query) {
            charts.extend(self.directories(asking).await?);
        }
        if all_directory {
            // Nothing else is searched.
        } else if !names {
            let sight = self.sight(asking)?;
            let most = self.visits.settings().batch_max;
            // What is visited and shows nothing mustn't stand in the way of what isn't visited yet.
            let visited = self.visits.visited(asking);
            let count = most.saturating_add(visited.len()).saturating_add(1);
            let others = self.set.charts_beyond(&sight, count).map_err(told)?;
            let others: BTreeSet<ChartId> =
                others.into_iter().filter(|chart| !visited.contains(chart)).collect();
            if asking.emergency.is_some() && !others.is_empty() {
                let said = "break-glass opens the chart that is named; name the patient";
                return Err(Refusal::new(StatusCode::FORBIDDEN, IssueCode::TooCostly, said));
            }
            charts.extend(others);
        }
        if charts.is_empty() && names {
            self.visits.may_ask(asking, self.now())?;
        }
        self.open_all(asking, charts).await?;
        for place in &places {
            if !self.sees(asking, place)? {
                return Ok(Named::Missing);
            }
        }
        Ok(if identified { Named::ByIdentifier } else { Named::Seen })
    }
}

/// What became of that which a search names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// All of it may be seen, or nothing is named.
    Seen,
    /// Whether somebody is behind an identifier shows in what is found.
    ByIdentifier,
    /// Something of it isn't there, or may not be seen.
    Missing,
}

impl Named {
    /// Whether an answer with so many matches says that something isn't there.
    pub(crate) fn is_missing(self, matches: usize) -> bool {
        match self {
            Self::Missing => true,
            Self::ByIdentifier => matches == 0,
            Self::Seen => false,
        }
    }
}

fn too_costly(most: usize) -> Refusal {
    let said =
        format!("the search would open more than {most} charts; name the patient, or ask for an export");
    Refusal::new(StatusCode::FORBIDDEN, IssueCode::TooCostly, said)
}

/// The resources that a search names by id: its own, or a patient by reference.
pub(super) fn places(query: &Query) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    for condition in &query.conditions {
        let Condition::Param { param, test: Test::Any(wanted) } = condition else { continue };
        for wanted in wanted {
            match wanted {
                Match::Token { key: Some(id), .. } if param.code == "_id" => {
                    let kinds = query.types.iter().map(|kind| Place { kind, id: id.clone() });
                    places.extend(kinds);
                }
                Match::Reference { kind: None | Some("Patient"), id, .. }
                    if param.kind == ParamType::Reference && param.targets.contains(&"Patient") =>
                {
                    places.insert(Place { kind: "Patient", id: id.clone() });
                }
                _ => {}
            }
        }
    }
    places
}

/// The identifiers by which a search names patients: of the Patient searched, or behind a reference to one.
fn identifiers(request: &Request, query: &Query) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, value) in &request.query {
        let of_patient = name == "identifier" && query.types == ["Patient"];
        let chained = name.strip_suffix(".identifier").is_some_and(|reference| {
            let (reference, kind) =
                reference.split_once(':').map_or((reference, None), |(name, kind)| (name, Some(kind)));
            kind.is_none_or(|kind| kind == "Patient")
                && query.types.iter().any(|of| {
                    conformance::search::parameter(of, reference)
                        .is_some_and(|param| param.targets.contains(&"Patient"))
                })
        });
        if of_patient || chained {
            let tokens = value.split(',').filter_map(|token| token.split_once('|'));
            found.extend(tokens.map(|(system, value)| (system.to_owned(), value.to_owned())));
        }
    }
    found
}

/// A chart's id in hexadecimal.
pub(crate) fn chart_id(text: &str) -> Option<ChartId> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(ChartId(Hash(bytes)))
}
