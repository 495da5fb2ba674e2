//! This file is where charts, classes, compartments, packs and erasures lie, and what others may ask of them.

use crate::{Ctx, Draft, Table, reject::rejects};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{
    ChartId, CompartmentId, Hash, List, Millis, OrgId, PackRoot, PrincipalId, State, Tag, TxId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most classes of one chart.
pub const CLASSES_MAX: usize = 256;

/// Charts.
pub const CHARTS: Table<ChartId, Chart> = Table::new(0x40);
const CLASS: Table<ClassId, Class> = Table::new(0x41);
const CLASS_LIST: Table<ChartId, Vec<ClassId>> = Table::new(0x42);
/// Compartments.
pub const COMPARTMENTS: Table<CompartmentId, Compartment> = Table::new(0x43);
/// Packs that were committed.
pub const PACKS: Table<PackRoot, Pack> = Table::new(0x44);
/// Erasures, by the transaction that ordered them.
pub const ERASURES: Table<TxId, Erasure> = Table::new(0x45);

rejects! {
    CHART_EXISTS = 401, "a chart with this id exists";
    CHART_UNKNOWN = 402, "there is no such chart";
    CHART_CLAIMED = 403, "the chart has an owner already";
    CHART_UNCLAIMED = 404, "the chart has no owner yet, so nothing of it can be erased";
    CLAIM_NOT_OFFERED = 405, "this claim was not offered to the signer, or its time has run out";
    NOT_CUSTODIAN = 406, "only the chart's custodian, or a patient body or regulator in its stead, may do this";
    NOT_OWNER = 407, "only the chart's owner may do this";
    WRITE_NOT_ALLOWED = 408, "the organisation may not write into this chart";
    COMPARTMENT_UNKNOWN = 409, "there is no such compartment in this chart";
    COMPARTMENT_EXISTS = 410, "a compartment with this id exists";
    COMPARTMENT_READ = 411, "the class was read after this compartment was opened; open a fresh one and write again";
    COMPARTMENT_FOREIGN = 412, "the compartment belongs to another organisation or chart";
    COMPARTMENT_MALFORMED = 413, "the compartment's id, commitments or suite do not fit";
    COMPARTMENT_ERASED = 414, "the compartment was erased";
    PACK_EXISTS = 415, "a pack with this root was committed before";
    PACK_UNKNOWN = 416, "there is no such pack in this chart";
    ACKNOWLEDGEMENTS_TOO_FEW = 417, "fewer trustees than needed have acknowledged their shares";
    ACKNOWLEDGEMENT_INVALID = 418, "an acknowledgement does not verify, is repeated, or comes from nobody in the committee";
    RECEIPTS_TOO_FEW = 419, "fewer other organisations than needed have confirmed to store the pack";
    RECEIPT_INVALID = 420, "a storage receipt does not verify, is repeated, or comes from the writer or a stranger";
    KEEP_UNTIL_PASSED = 421, "the time until which shares and pack are kept has passed; deal and store again";
    CLASSES_TOO_MANY = 422, "the chart has as many classes as it may have";
    ERASURE_UNKNOWN = 423, "there is no such erasure";
    ERASURE_RECEIPTED = 424, "the organisation has confirmed this erasure already";
    ERASURE_TARGET = 425, "what is to be erased does not lie in this chart";
    OFFER_INVALID = 427, "the named person is not enrolled, or the offer ends before it begins";
    NOTHING_WRITTEN = 426, "a commit needs a compartment to write into and at least one record";
}

/// A place in the order of all transactions.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
    Copy,
    PartialOrd,
    Ord,
    Hash,
    Default,
)]
pub struct Position {
    /// Height of the block.
    pub height: u64,
    /// Place in the block.
    pub index: u32,
}

impl From<&Ctx> for Position {
    fn from(ctx: &Ctx) -> Self {
        Self { height: ctx.height, index: ctx.index }
    }
}

/// What an access is decided for: a category of a chart, as written by one organisation.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
    PartialOrd,
    Ord,
)]
pub struct ClassId {
    /// The chart.
    pub chart: ChartId,
    /// The category, opaque.
    pub tag: Tag,
    /// The writing organisation.
    pub writer: OrgId,
}

/// What a compartment is for.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
    Copy,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Records of a class.
    Records,
    /// The chart's tag key; released with every permitted access, and exempt from rotation.
    Index,
    /// Who opened the chart in plain words; released to the owner, and exempt from rotation.
    Audit,
}

/// A chart.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Chart {
    /// The organisation that made it, and speaks for it until it is claimed.
    pub custodian: OrgId,
    /// Whether it holds an organisation's directory instead of a patient's record: readable by every member.
    pub directory: bool,
    /// The claim on offer.
    pub offer: Option<Offer>,
    /// The newest `index` compartment.
    pub index: Option<CompartmentId>,
    /// The newest `audit` compartment.
    pub audit: Option<CompartmentId>,
    /// Everything opened up to this place is erased.
    pub erased: Option<Position>,
}

/// A claim on offer: who may take the chart over, and when.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Offer {
    /// The named person.
    pub person: PrincipalId,
    /// Not before; later than the offer if a patient body or regulator stands in, so that the custodian can object.
    pub from: Millis,
    /// Not after.
    pub until: Millis,
}

/// A class: who wrote and whether it is sensitive.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Class {
    /// Whether the category is more sensitive than general.
    pub special: bool,
    /// The newest permitted access. A compartment opened before it takes no more records.
    pub read: Option<Position>,
    /// Everything of the class opened up to this place is erased.
    pub erased: Option<Position>,
}

/// A compartment: what one key opens.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Compartment {
    /// The chart.
    pub chart: ChartId,
    /// The category, opaque.
    pub tag: Tag,
    /// The writing organisation.
    pub writer: OrgId,
    /// What it is for.
    pub role: Role,
    /// The pack that it was opened with.
    pub pack: PackRoot,
    /// Hash over all dealings of the write that opened it.
    pub dealing: Hash,
    /// When it was opened.
    pub opened: Position,
    /// Whether it was erased by name.
    pub erased: bool,
}

impl Compartment {
    /// The class that it belongs to.
    #[must_use]
    pub fn class(&self) -> ClassId {
        ClassId { chart: self.chart, tag: self.tag, writer: self.writer.clone() }
    }
}

/// A set of places in the committee.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
    Copy,
    Default,
)]
pub struct Places(pub u128);

impl Places {
    /// Adds a place; false if it was there, or is none.
    pub fn add(&mut self, place: u32) -> bool {
        let Some(bit) = 1_u128.checked_shl(place) else { return false };
        let fresh = self.0 & bit == 0;
        self.0 |= bit;
        fresh
    }

    /// Whether the place is in the set.
    #[must_use]
    pub fn has(&self, place: u32) -> bool {
        1_u128.checked_shl(place).is_some_and(|bit| self.0 & bit != 0)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.count_ones()
    }
}

/// A pack on the ledger.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Pack {
    /// The chart.
    pub chart: ChartId,
    /// The writing organisation.
    pub writer: OrgId,
    /// How many records it has.
    pub records: u32,
    /// Hash over all dealings of the write; zero if it opened no compartment.
    pub dealing: Hash,
    /// Until when shares and bytes were promised to be kept uncommitted.
    pub keep_until: Millis,
    /// Bytes of all parts.
    pub bytes: u64,
    /// The compartments that its records lie in, as a set; see [`primitives::compartments_hash`].
    pub compartments: Hash,
    /// When it was committed.
    pub committed: Position,
    /// Trustees that have acknowledged.
    pub acknowledged: Places,
    /// Members that have confirmed to store it.
    pub stored: Places,
    /// Records erased by name, as indices in the pack, ascending.
    pub erased: List<u32, 10000>,
}

/// What an erasure is about.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Everything written so far.
    Chart,
    /// What one organisation wrote so far in one category.
    Class {
        /// The category.
        tag: Tag,
        /// The writing organisation.
        org: OrgId,
    },
    /// One compartment.
    Compartment(CompartmentId),
    /// Single records of one pack.
    Records {
        /// The pack.
        pack: PackRoot,
        /// Their places in it, ascending.
        records: List<u32, 10000>,
    },
}

/// An erasure under way or complete.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Erasure {
    /// The chart.
    pub chart: ChartId,
    /// What is erased.
    pub target: Target,
    /// When it was ordered.
    pub ordered: Position,
    /// Members whose trustee and store have confirmed.
    pub receipted: Places,
    /// Whether enough have confirmed that fewer than needed shares can remain.
    pub effective: bool,
    /// Whether all have confirmed.
    pub complete: bool,
}

/// The chart with this id.
#[must_use]
pub fn chart(state: &dyn State, id: &ChartId) -> Option<Chart> {
    CHARTS.get(state, id)
}

/// The class with this id.
#[must_use]
pub fn class(state: &dyn State, id: &ClassId) -> Option<Class> {
    CLASS.get(state, id)
}

/// The chart's classes, in the order of their first writing.
#[must_use]
pub fn classes(state: &dyn State, chart: &ChartId) -> Vec<ClassId> {
    CLASS_LIST.get(state, chart).unwrap_or_default()
}

/// The compartment with this id.
#[must_use]
pub fn compartment(state: &dyn State, id: &CompartmentId) -> Option<Compartment> {
    COMPARTMENTS.get(state, id)
}

/// The pack with this root.
#[must_use]
pub fn pack(state: &dyn State, root: &PackRoot) -> Option<Pack> {
    PACKS.get(state, root)
}

/// Whether the compartment's key may never be given out again: erased by name, with its class, or with its chart.
#[must_use]
pub fn is_erased(state: &dyn State, compartment: &Compartment) -> bool {
    let before = |erased: Option<Position>| erased.is_some_and(|position| compartment.opened <= position);
    compartment.erased
        || before(chart(state, &compartment.chart).and_then(|chart| chart.erased))
        || (compartment.role == Role::Records
            && before(class(state, &compartment.class()).and_then(|class| class.erased)))
}

/// Records that a permitted access opened the class.
pub(crate) fn mark_read(draft: &mut Draft<'_>, id: &ClassId, at: Position) {
    if let Some(row) = class(draft, id) {
        CLASS.put(draft, id, &Class { read: row.read.max(Some(at)), ..row });
    }
}

pub(super) fn put_class(draft: &mut Draft<'_>, id: &ClassId, row: &Class) {
    CLASS.put(draft, id, row);
}

/// Enters a class that is new to its chart.
pub(super) fn add_class(draft: &mut Draft<'_>, id: &ClassId, special: bool) -> Result<(), crate::Reject> {
    let mut list = classes(draft, &id.chart);
    if list.len() >= CLASSES_MAX {
        return Err(CLASSES_TOO_MANY);
    }
    list.push(id.clone());
    CLASS_LIST.put(draft, &id.chart, &list);
    CLASS.put(draft, id, &Class { special, read: None, erased: None });
    Ok(())
}
