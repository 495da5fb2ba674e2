//! This file is where it stands what is handed in to be written, and how much of it fits into one pack.

use super::{Remembered, WriteError};
use crate::record::Record;
use fhir::category::Category;
use primitives::{COMPARTMENTS_MAX, Text};
use std::{collections::BTreeSet, sync::Arc};
use zeroize::Zeroizing;

/// Plaintext of one pack, in bytes: about 4 MiB once it is compressed and sealed.
pub(crate) const PACK_PLAINTEXT_MAX: usize = 12 << 20;

/// Records of one pack.
pub(crate) const PACK_RECORDS_MAX: usize = 4_000;

/// Categories of one pack: index and audit may be opened with it.
const PACK_CATEGORIES_MAX: usize = COMPARTMENTS_MAX - 2;

/// One version of a resource, to be written.
#[derive(Clone)]
pub struct NewRecord {
    /// The category whose compartment it goes into; see [`Category::of`].
    pub category: Category,
    /// The version, with what stands around it.
    pub record: Record,
}

/// A record on its way into a pack.
pub(super) struct Item {
    pub(super) category: Category,
    pub(super) kind: Text<64>,
    pub(super) id: Text<64>,
    pub(super) version: u32,
    /// For the organisation's memory.
    pub(super) content: [u8; 16],
    pub(super) plaintext: Zeroizing<Vec<u8>>,
}

impl Item {
    /// Takes what was handed in at this place, if it is a record at all.
    pub(super) fn of(at: usize, new: NewRecord) -> Result<Self, WriteError> {
        let NewRecord { category, record } = new;
        let around = &record.around;
        let malformed = |reason| Err(WriteError::Malformed { at, reason });
        if around.kind.is_empty() || around.id.is_empty() {
            return malformed("it has no resource type or no id");
        }
        if around.version == 0 {
            return malformed("versions count from 1");
        }
        if around.deleted != record.bytes.is_empty() {
            return malformed("a deletion has no bytes, and everything else has");
        }
        if around.also.len() > crate::record::ALSO_MAX {
            return malformed("it names more patients than one record may");
        }
        Ok(Self {
            category,
            kind: around.kind.clone(),
            id: around.id.clone(),
            version: around.version,
            content: Remembered::digest(around.deleted, &record.bytes),
            plaintext: record.to_plaintext(),
        })
    }

    /// What a pack may not hold twice.
    pub(super) fn key(&self) -> (&str, &str, u32) {
        (&self.kind, &self.id, self.version)
    }
}

/// What fits into one pack, as it is gathered.
#[derive(Default)]
pub(super) struct Load<'a> {
    bytes: usize,
    records: usize,
    categories: BTreeSet<&'a Category>,
    keys: BTreeSet<(&'a str, &'a str, u32)>,
}

impl<'a> Load<'a> {
    /// Adds these if they still fit with what is there; false, and nothing added, if they don't.
    pub(super) fn add(&mut self, items: &'a [Arc<Item>]) -> bool {
        let bytes = items.iter().fold(self.bytes, |sum, item| sum.saturating_add(item.plaintext.len()));
        let records = self.records.saturating_add(items.len());
        let mut categories = self.categories.clone();
        categories.extend(items.iter().map(|item| &item.category));
        let full = bytes > PACK_PLAINTEXT_MAX
            || records > PACK_RECORDS_MAX
            || categories.len() > PACK_CATEGORIES_MAX
            || items.iter().any(|item| self.keys.contains(&item.key()));
        if full && self.records > 0 {
            return false;
        }
        self.bytes = bytes;
        self.records = records;
        self.categories = categories;
        self.keys.extend(items.iter().map(|item| item.key()));
        true
    }
}

/// Deals the items into packs of bounded size, in order.
pub(super) fn packs(items: &[Arc<Item>]) -> Vec<&[Arc<Item>]> {
    let mut packs = Vec::new();
    let mut rest = items;
    while !rest.is_empty() {
        let mut load = Load::default();
        let fit = rest.iter().take_while(|item| load.add(std::slice::from_ref(*item))).count();
        // The first always fits: it is bounded by itself.
        let (pack, others) = rest.split_at(fit.max(1));
        packs.push(pack);
        rest = others;
    }
    packs
}
