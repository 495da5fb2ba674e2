//! This file is where a user opens a chart and gets what is permitted, in the order in which it was submitted, and is
//! told what isn't.

use super::{
    Ask, Damaged, Distrust, Found, OpenError, Timings, Visit,
    release::withheld_in_words,
    unseal::{self, Unsealed},
    visit::Asked,
};
use crate::{
    client::Client,
    names::{Names, tags_within},
    read::AsOf,
    record::Record,
};
use fhir::{
    Limits,
    collect::{self, Form},
};
use ledger::{
    access::{Decided, Extent},
    charts::{self, Role},
    consent::{Decision, Purpose},
};
use primitives::{ChartId, List, OrgId, PackRoot, Tag, TxId};
use std::collections::{BTreeMap, BTreeSet};

/// A class of the chart, and what was decided for it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassSaid {
    /// The category, opaque.
    pub tag: Tag,
    /// Its name, if the reader got the chart's tag key.
    pub category: Option<String>,
    /// The writing organisation.
    pub writer: OrgId,
    /// Whether it is more sensitive than general.
    pub special: bool,
    /// The decision.
    pub decision: Decision,
}

/// A record that was opened.
#[derive(Clone)]
pub struct OpenedRecord {
    /// Its pack.
    pub pack: PackRoot,
    /// Its place in the pack.
    pub at: u32,
    /// Its category, if its name is known.
    pub category: Option<String>,
    /// The writing organisation.
    pub writer: OrgId,
    /// The record.
    pub record: Record,
}

/// Why something permitted isn't shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// It names another patient, in whose chart the reader isn't permitted to look.
    OtherPatient,
    /// The trustees withheld its key meanwhile.
    Withheld(String),
}

/// Something permitted that isn't shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotShown {
    /// How many records.
    pub records: usize,
    /// Why.
    pub why: WhyNot,
}

/// What opening a chart came to.
#[derive(Clone)]
pub struct Opened {
    /// The chart.
    pub chart: ChartId,
    /// The access.
    pub access: TxId,
    /// The block in which it was decided.
    pub as_of: AsOf,
    /// The purpose recorded.
    pub purpose: Purpose,
    /// Whether anything was permitted.
    pub permitted: bool,
    /// If the same was denied before in a row: how often by now.
    pub repeated: Option<u64>,
    /// The classes asked for, without the chart's own index and audit.
    pub classes: Vec<ClassSaid>,
    /// What was opened, in the order of submission.
    pub records: Vec<OpenedRecord>,
    /// What is permitted and yet not shown.
    pub not_shown: Vec<NotShown>,
    /// Permitted records that are erased.
    pub erased: usize,
    /// Records that don't read.
    pub damaged: Vec<Damaged>,
    /// Trustees that lied.
    pub distrust: Vec<Distrust>,
    /// How long it took.
    pub timings: Timings,
}

impl Opened {
    /// The opened resources as a FHIR Bundle of type collection: the submitted bytes with their fullUrls.
    ///
    /// # Errors
    /// If a record of another organisation isn't one resource.
    pub fn bundle(&self) -> Result<Vec<u8>, collect::CollectError> {
        let records = self.records.iter().map(|opened| collect::Record {
            full_url: opened.record.around.full_url.as_deref(),
            resource: &opened.record.bytes,
        });
        collect::collect(Form::Collection, records, &Limits::default())
    }

    /// The classes that were denied.
    pub fn denied(&self) -> impl Iterator<Item = &ClassSaid> {
        self.classes.iter().filter(|class| !class.decision.permit)
    }

    /// Whether there is something to read.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.records.is_empty()
    }
}

impl Client {
    /// Opens a chart: asks the ledger, gathers keys, reads what is permitted. That all is denied is an answer too.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(&self, ask: &Ask) -> Result<Opened, OpenError> {
        let extent = self.extent(ask).await?;
        let mut visit = self.visit(&Asked::of(ask, extent), &[Role::Records, Role::Index]).await?;
        let began = self.now();
        let unsealed = unseal::unseal(self, &visit, false).await?;
        visit.timings.decrypt = self.now().since(began);
        self.opened(visit, unsealed).await
    }

    async fn opened(&self, visit: Visit, unsealed: Unsealed) -> Result<Opened, OpenError> {
        let Unsealed { found, erased, damaged, tag_key, other: _ } = unsealed;
        let names = match &tag_key {
            Some(key) => Names::of(key),
            None => self
                .chart_note(&visit.chart)
                .await
                .ok()
                .flatten()
                .map(|note| Names::of(&note.tag_key))
                .unwrap_or_default(),
        };
        let mut not_shown = withheld(&visit);
        let (found, hidden) = self.without_strangers(&visit, found).await?;
        if hidden > 0 {
            not_shown.push(NotShown { records: hidden, why: WhyNot::OtherPatient });
        }
        let records = found.into_iter().filter_map(|found| {
            let kept = visit.contents.compartments.get(&found.compartment)?;
            Some(OpenedRecord {
                pack: found.pack,
                at: found.at,
                category: names.get(&kept.tag).map(str::to_owned),
                writer: kept.writer.clone(),
                record: found.record,
            })
        });
        Ok(Opened {
            chart: visit.chart,
            access: visit.done.tx,
            as_of: AsOf { height: visit.done.height, time: visit.done.time },
            purpose: visit.decided.purpose,
            permitted: visit.decided.permitted(),
            repeated: visit.repeated,
            classes: classes(&visit.decided, &names, |tag| visit.contents.is_service(tag)),
            records: records.collect(),
            not_shown,
            erased: erased.len(),
            damaged,
            distrust: visit.keys.distrust.clone(),
            timings: visit.timings,
        })
    }

    /// How much is asked for: categories named are turned into the classes that there are.
    pub(crate) async fn extent(&self, ask: &Ask) -> Result<Extent, OpenError> {
        if ask.categories.is_empty() {
            return Ok(Extent::All);
        }
        let key = self.tag_key(ask).await?;
        let tags = tags_within(&key, &ask.categories);
        let (classes, _) = self.view(|state| charts::classes(state, &ask.chart)).await?;
        let named: Vec<(Tag, OrgId)> = classes
            .into_iter()
            .filter(|class| tags.contains(&class.tag))
            .map(|class| (class.tag, class.writer))
            .collect();
        if named.is_empty() {
            return Err(OpenError::NothingThere);
        }
        Ok(Extent::Classes(List::try_from(named).map_err(|_| OpenError::NothingThere)?))
    }

    /// Takes out what names other patients in whose charts the reader may not look.
    pub(crate) async fn without_strangers(
        &self,
        visit: &Visit,
        found: Vec<Found>,
    ) -> Result<(Vec<Found>, usize), OpenError> {
        let others: BTreeSet<ChartId> =
            found.iter().flat_map(|found| found.record.around.also.iter().copied()).collect();
        let mut allowed: BTreeMap<ChartId, bool> = BTreeMap::new();
        for chart in others {
            allowed.insert(chart, self.may_look(chart, visit.decided.purpose).await?);
        }
        let before = found.len();
        let is_allowed = |found: &Found| {
            found.record.around.also.iter().all(|chart| allowed.get(chart).copied().unwrap_or(false))
        };
        let found: Vec<Found> = found.into_iter().filter(is_allowed).collect();
        let hidden = before - found.len();
        Ok((found, hidden))
    }

    /// Whether the reader is permitted anything of another patient's chart: asked and recorded there like any access.
    async fn may_look(&self, chart: ChartId, purpose: Purpose) -> Result<bool, OpenError> {
        // An emergency of one patient opens nobody else's chart.
        if purpose == Purpose::BreakGlass {
            return Ok(false);
        }
        let reason = Some("a record of another patient names this one".to_owned());
        let asked = Asked { chart, purpose, extent: Extent::General, emergency: None, reason };
        match self.visit(&asked, &[]).await {
            Ok(visit) => Ok(visit.decided.permitted()),
            Err(OpenError::Unknown(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The classes decided, named where possible.
pub(crate) fn classes(decided: &Decided, names: &Names, is_service: impl Fn(&Tag) -> bool) -> Vec<ClassSaid> {
    let classes = decided.classes.iter().filter(|class| !is_service(&class.tag));
    classes
        .map(|class| ClassSaid {
            tag: class.tag,
            category: names.get(&class.tag).map(str::to_owned),
            writer: class.writer.clone(),
            special: class.special,
            decision: class.decision.clone(),
        })
        .collect()
}

/// What is permitted but was withheld by the trustees, and why.
fn withheld(visit: &Visit) -> Vec<NotShown> {
    let mut by_reason: BTreeMap<u16, usize> = BTreeMap::new();
    for (id, reasons) in &visit.keys.withheld {
        let holds = |(manifest, _): &(std::sync::Arc<envelope::Manifest>, _)| {
            let position = manifest.compartment_ids().iter().position(|found| found == id);
            let of = |at: usize| {
                manifest.entries().iter().filter(|entry| usize::from(entry.compartment) == at).count()
            };
            position.map_or(0, of)
        };
        let records: usize = visit.fetched.packs.values().map(holds).sum();
        if let Some(reason) = reasons.first() {
            *by_reason.entry(*reason).or_default() += records;
        }
    }
    let said = |(code, records)| NotShown { records, why: WhyNot::Withheld(withheld_in_words(code)) };
    by_reason.into_iter().map(said).collect()
}
