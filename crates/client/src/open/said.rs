//! This file is where it is said what was decided class by class, and what is permitted and yet isn't given.

use super::{Visit, release::withheld_in_words};
use crate::names::Names;
use ledger::{access::Decided, consent::Decision};
use primitives::{OrgId, Tag};
use std::collections::BTreeMap;

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
pub(super) fn withheld(visit: &Visit) -> Vec<NotShown> {
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
