//! This file is where changes become final: whose chart each belongs to, sealed and committed, then taken into the working
//! set. Nothing is answered before it is final.

use super::{
    auditing::writable_as,
    gateway::{Gateway, told},
    refusals::{conflict, invalid, precondition, stale, unprocessable},
    request::Request,
};
use crate::{
    http::{IssueCode, Refusal},
    visit::served,
    working::{Class, Place, Stored, Version},
};
use axum::http::StatusCode;
use client::{Around, NewChart, NewRecord, Placed, Plain, Record, SubmitError, WriteError};
use fhir::{
    Bundle, Limits,
    assign::{Group, assign},
    category::Category,
    json::Document,
};
use primitives::{ChartId, List, Text};
use std::collections::{BTreeMap, BTreeSet};

/// One change, decided on and not yet final.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Its entry in the bundle from which charts are assigned; none of a deletion.
    pub(crate) entry: Option<usize>,
    pub(crate) place: Place,
    /// The version that it makes.
    pub(crate) version: u32,
    /// The submitted bytes; empty of a deletion.
    pub(crate) bytes: Vec<u8>,
    pub(crate) full_url: Option<String>,
    /// Method and url, as they came.
    pub(crate) request: (String, String),
    /// The chart in which it lies already.
    pub(crate) lies: Option<(ChartId, String)>,
    /// Whether the caller said which version is to be replaced: then another one isn't.
    pub(crate) matched: bool,
}

/// Where a change goes.
struct Home {
    chart: ChartId,
    also: Vec<ChartId>,
}

impl Gateway {
    /// Makes changes final, and gives each as it is served from now on.
    ///
    /// `bundle` is what the changes came in, for assigning them to charts; `links` says what a reference becomes.
    pub(crate) async fn commit(
        &self,
        request: &Request,
        bundle: Option<&Bundle>,
        changes: &[Change],
        links: &BTreeMap<String, String>,
    ) -> Result<Vec<Stored>, Refusal> {
        self.visits.fresh(self.now())?;
        for change in changes {
            writable_as(&change.place, &change.bytes)?;
        }
        let homes = self.homes(request, bundle, changes, links).await?;
        let mut batch = [0; 16];
        self.host.fill(&mut batch);
        let author = request.asking.user.client().actor().practitioner();
        let mut by_chart: BTreeMap<ChartId, Vec<(usize, NewRecord)>> = BTreeMap::new();
        let mut categories = Vec::with_capacity(changes.len());
        for (at, (change, home)) in changes.iter().zip(&homes).enumerate() {
            let category = category(change)?;
            let text = |text: &str| {
                Text::<4096>::try_from(text).map_err(|_| invalid("a URL is longer than 4096 bytes"))
            };
            let around = Around {
                batch,
                ordinal: u32::try_from(change.entry.unwrap_or(at)).unwrap_or(u32::MAX),
                kind: Text::try_from(change.place.kind).unwrap_or_default(),
                id: Text::try_from(change.place.id.as_str()).unwrap_or_default(),
                version: change.version,
                deleted: change.bytes.is_empty(),
                full_url: change.full_url.as_deref().map(text).transpose()?,
                request: Some((
                    Text::try_from(change.request.0.as_str()).unwrap_or_default(),
                    text(&change.request.1)?,
                )),
                author,
                also: List::try_from(home.also.clone())
                    .map_err(|_| invalid("a resource names more patients than one record may"))?,
                links: resolved(change, links)?,
            };
            let bytes = Plain::new(change.bytes.clone()).map_err(|_| too_long())?;
            categories.push(category.to_string());
            let record = NewRecord { category, record: Record { around, bytes } };
            by_chart.entry(home.chart).or_default().push((at, record));
        }
        // One chart or several: it becomes final at once or not at all.
        let (order, writes): (Vec<_>, BTreeMap<ChartId, Vec<NewRecord>>) = by_chart
            .into_iter()
            .map(|(chart, records)| {
                let (places, records): (Vec<usize>, Vec<NewRecord>) = records.into_iter().unzip();
                ((chart, places), (chart, records))
            })
            .unzip();
        let written = request.asking.user.client().write_together(writes).await;
        let written = written.map_err(|error| {
            let order = order.iter().flat_map(|(_, places)| places);
            refused(&error, &order.filter_map(|at| changes.get(*at)).collect::<Vec<_>>())
        })?;
        let mut placed: BTreeMap<usize, Placed> = BTreeMap::new();
        for (chart, places) in &order {
            let of_chart = written.get(chart).into_iter().flatten().copied();
            placed.extend(places.iter().copied().zip(of_chart));
        }
        self.keep(changes, &homes, &categories, &placed, links).await
    }

    /// Takes what is final into the working set.
    async fn keep(
        &self,
        changes: &[Change],
        homes: &[Home],
        categories: &[String],
        placed: &BTreeMap<usize, Placed>,
        links: &BTreeMap<String, String>,
    ) -> Result<Vec<Stored>, Refusal> {
        let mut versions = Vec::with_capacity(changes.len());
        let mut stored = Vec::with_capacity(changes.len());
        for (at, ((change, home), category)) in changes.iter().zip(homes).zip(categories).enumerate() {
            let Some(placed) = placed.get(&at) else { return Err(Refusal::fault()) };
            let deleted = change.bytes.is_empty();
            let bytes = if deleted {
                Vec::new()
            } else {
                let links = |text: &str| links.get(text).cloned();
                served(&change.bytes, &change.place, change.version, placed.time, links)
                    .ok_or_else(Refusal::fault)?
            };
            stored.push(Stored {
                place: change.place.clone(),
                version: change.version,
                updated: placed.time,
                deleted,
                bytes: bytes.clone(),
            });
            versions.push(Version {
                place: change.place.clone(),
                class: Class { chart: home.chart, category: category.clone(), writer: self.own.clone() },
                own: true,
                also: home.also.clone(),
                version: change.version,
                updated: placed.time,
                deleted,
                newest: true,
                full_url: change.full_url.clone(),
                bytes,
                source: placed.record.0.to_vec(),
            });
        }
        let classes: BTreeSet<Class> = versions.iter().map(|version| version.class.clone()).collect();
        self.blocking(move |set| set.put(&versions, &[])).await?;
        self.visits.written(&classes);
        Ok(stored)
    }

    /// Says for each change into which chart it goes; makes charts of patients who have none yet.
    async fn homes(
        &self,
        request: &Request,
        bundle: Option<&Bundle>,
        changes: &[Change],
        links: &BTreeMap<String, String>,
    ) -> Result<Vec<Home>, Refusal> {
        let by_entry: BTreeMap<usize, &Change> =
            changes.iter().filter_map(|change| Some((change.entry?, change))).collect();
        let mut homes: BTreeMap<usize, Home> = BTreeMap::new();
        if let Some(bundle) = bundle {
            let assignment = assign(bundle);
            let nobodys = assignment.groups.iter().filter(|group| group.is_unknown());
            for assigned in nobodys.flat_map(|group| &group.entries) {
                if let Some(change) = by_entry.get(&assigned.entry)
                    && let Some(chart) = self.followed(request, change)?
                {
                    homes.insert(assigned.entry, Home { chart, also: Vec::new() });
                }
            }
            let mut charts = Vec::with_capacity(assignment.groups.len());
            for group in &assignment.groups {
                let touched = group.entries.iter().any(|assigned| {
                    by_entry.contains_key(&assigned.entry) && !homes.contains_key(&assigned.entry)
                });
                let named = assignment.groups.iter().flat_map(|group| &group.entries);
                let also = named
                    .flat_map(|assigned| &assigned.also)
                    .any(|also| assignment.groups.get(*also).is_some_and(|other| other.key == group.key));
                charts.push(if touched || also {
                    Some(self.chart_for(request, group, &by_entry, links).await?)
                } else {
                    None
                });
            }
            for (group, chart) in assignment.groups.iter().zip(&charts) {
                let Some(chart) = chart else { continue };
                for assigned in &group.entries {
                    let also = assigned.also.iter().filter_map(|also| charts.get(*also).copied().flatten());
                    let also = also.filter(|also| also != chart).collect();
                    homes.entry(assigned.entry).or_insert(Home { chart: *chart, also });
                }
            }
            if assignment.directory.iter().any(|entry| by_entry.contains_key(entry)) {
                let chart = request
                    .asking
                    .user
                    .client()
                    .directory_chart()
                    .await
                    .map_err(|error| refused(&error, &[]))?;
                for entry in &assignment.directory {
                    homes.insert(*entry, Home { chart, also: Vec::new() });
                }
            }
        }
        let mut all = Vec::with_capacity(changes.len());
        for change in changes {
            let home = change.entry.and_then(|entry| homes.remove(&entry));
            all.push(match (home, &change.lies) {
                (Some(home), Some((lies, _))) if home.chart != *lies => {
                    return Err(unprocessable(
                        "a resource can't be moved to another patient; delete it there and create it here",
                    ));
                }
                (Some(home), _) => home,
                (None, Some((chart, _))) => Home { chart: *chart, also: Vec::new() },
                (None, None) => return Err(Refusal::fault()),
            });
        }
        Ok(all)
    }

    /// The chart of a patient of whom a bundle speaks.
    async fn chart_for(
        &self,
        request: &Request,
        group: &Group,
        by_entry: &BTreeMap<usize, &Change>,
        links: &BTreeMap<String, String>,
    ) -> Result<ChartId, Refusal> {
        let asking = &request.asking;
        let client = asking.user.client();
        // A Patient that comes along says itself whose chart it is.
        let patients: Vec<&&Change> = group.patients.iter().filter_map(|entry| by_entry.get(entry)).collect();
        if let Some((chart, _)) = patients.iter().find_map(|patient| patient.lies.as_ref()) {
            return Ok(*chart);
        }
        let identified = group.identifiers.iter().filter(|identifier| !identifier.system.is_empty());
        let mut tokens: Vec<String> = identified.map(fhir::assign::Identifier::token).collect();
        if patients.is_empty() {
            // Found by a condition, or by the `urn:` under which the patient came in before.
            let found = links.get(&group.key).and_then(|found| found.strip_prefix("Patient/"));
            if let Some(id) = found {
                let place = Place { kind: "Patient", id: id.to_owned() };
                if let Some(chart) = self.chart_of(asking, &place).await? {
                    return Ok(chart);
                }
            }
            if let Some(id) = self.own_patient(&group.key) {
                let place = Place { kind: "Patient", id: id.clone() };
                if let Some(chart) = self.chart_referred_to(asking, &place).await? {
                    return Ok(chart);
                }
                if self.settings.check_references {
                    return Err(Refusal::new(
                        StatusCode::UNPROCESSABLE_ENTITY,
                        IssueCode::NotFound,
                        "the patient who is referred to isn't here; create the Patient first",
                    ));
                }
                tokens.push(self.patient_token(&id));
            } else if group.is_unknown() {
                // What speaks of somebody without saying of whom lies apart, in one chart that nobody can claim.
                tokens.push(format!("{}/Patient?unknown", self.base));
            } else if tokens.is_empty() {
                tokens.push(group.key.clone());
            }
        }
        tokens.extend(patients.iter().map(|patient| self.patient_token(&patient.place.id)));
        tokens
            .extend(group.full_url.clone().filter(|url| url.starts_with("urn:uuid:") || url.contains("://")));
        let new = NewChart { tokens, name: group.name.clone(), directory: false, id: None };
        let made = client.create_chart(&new).await.map_err(|error| refused(&error, &[]))?;
        Ok(made.chart)
    }

    /// The id in a reference to a Patient of this server.
    fn own_patient(&self, key: &str) -> Option<String> {
        let relative = key.strip_prefix(self.base.as_str()).map_or(key, |rest| rest.trim_start_matches('/'));
        let id = relative.strip_prefix("Patient/")?;
        super::interaction::logical_id(id).ok()
    }
}

/// What references of a change lead to, where their text doesn't say it.
fn resolved(
    change: &Change,
    links: &BTreeMap<String, String>,
) -> Result<List<(Text<4096>, Text<200>), { client::LINKS_MAX }>, Refusal> {
    if change.bytes.is_empty() || links.is_empty() {
        return Ok(List::default());
    }
    let document =
        Document::read(&change.bytes[..], &Limits::default()).map_err(|error| invalid(error.to_string()))?;
    let texts: BTreeSet<String> =
        fhir::references::links(document.root()).into_iter().map(|link| link.text.into_owned()).collect();
    let mut found = Vec::new();
    let leading = texts.iter().filter_map(|text| Some((text, links.get(text)?)));
    for (text, target) in leading.filter(|(text, target)| text != target) {
        let text = Text::try_from(text.as_str());
        let text = text.map_err(|_| invalid("a reference is longer than 4096 bytes"))?;
        found.push((text, Text::try_from(target.as_str()).map_err(|_| Refusal::fault())?));
    }
    List::try_from(found).map_err(|_| invalid("a resource has more references than one record may"))
}

/// The category of a change: of what it says, or of a deletion that of what it deletes.
fn category(change: &Change) -> Result<Category, Refusal> {
    if change.bytes.is_empty() {
        let of = change.lies.as_ref().map(|(_, category)| category.as_str()).unwrap_or_default();
        return Category::parse(of).ok_or_else(Refusal::fault);
    }
    let document =
        Document::read(&change.bytes[..], &Limits::default()).map_err(|error| invalid(error.to_string()))?;
    Ok(Category::of(document.root()))
}

fn too_long() -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        IssueCode::TooLong,
        "a resource is larger than a record may be",
    )
}

/// 413: nothing of it was written.
fn too_costly(said: &str) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, IssueCode::TooCostly, said)
}

/// How a write that didn't become final is told; `changes` in the order in which they were handed in.
fn refused(error: &WriteError, changes: &[&Change]) -> Refusal {
    match error {
        WriteError::Conflict { at, .. } => {
            let matched = changes.get(*at).is_some_and(|change| change.matched);
            let said = "somebody else wrote a newer version meanwhile; read it and try again";
            if matched { precondition(said) } else { conflict(said) }
        }
        WriteError::TwoCharts { .. } => {
            conflict("the identifiers belong to two different patients; correct them")
        }
        WriteError::TooLarge(_) => too_long(),
        WriteError::Malformed { reason, .. } => unprocessable(*reason),
        WriteError::TooMuch { packs, max } => too_costly(&format!(
            "it takes {packs} charts or parts of charts, and at most {max} can become final at once; split it"
        )),
        WriteError::Submit(error) if error.reject().is_some() => {
            let said = format!("the ledger refuses the write: {error}");
            Refusal::new(StatusCode::FORBIDDEN, IssueCode::BusinessRule, said)
        }
        WriteError::Submit(SubmitError::TooLong(_)) => {
            too_costly("it is more than can become final at once; split it")
        }
        WriteError::Call(_) | WriteError::Submit(_) | WriteError::Stopped => {
            tracing::warn!(%error, "a write didn't become final");
            stale()
        }
        WriteError::Unknown(_)
        | WriteError::NotAWriter
        | WriteError::Index(_)
        | WriteError::Seal(_)
        | WriteError::Deal(_)
        | WriteError::Partly { .. } => {
            tracing::error!(%error, "a write failed");
            Refusal::fault()
        }
    }
}

/// Where a resource lies here, for those who are about to change it: the chart, and the category of what is current.
pub(crate) fn lies(gateway: &Gateway, place: &Place) -> Result<Option<crate::working::Lies>, Refusal> {
    gateway.set.lies(place).map_err(told)
}
