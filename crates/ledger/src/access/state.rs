//! This file is where permitted accesses, counted denials and due reviews lie, and what others may ask of them.

use super::asked::{Emergency, Reader};
use crate::{Draft, Reject, Signer, Table, charts::Position, consent::Purpose, reject::rejects};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Hash, Millis, OrgId, PublicKey, State, Tag, TxId, domain, hash_borsh};

/// Accesses that were permitted, in part or whole. What was denied stands in the chart's log alone.
pub const ACCESSES: Table<TxId, Access> = Table::new(0x50);
/// How often the same access was denied in a row, by a hash of what makes it the same.
pub const DENIALS: Table<Hash, Denials> = Table::new(0x51);
/// Break-glass accesses of an organisation that nobody has reviewed yet, the oldest first.
pub const REVIEWS_DUE: Table<OrgId, Vec<(TxId, Millis)>> = Table::new(0x52);

/// Most break-glass accesses of one organisation that wait for review.
pub const REVIEWS_MAX: usize = 256;

rejects! {
    CLASS_UNKNOWN = 501, "nothing was written in this category by this organisation";
    ASK_EMPTY = 502, "the request names no class, or one twice";
    EMERGENCY_UNDECLARED = 503, "an emergency is declared by `access.break-glass`, not by a purpose of use";
    REVIEWS_OVERDUE = 504, "the organisation must review its earlier break-glass accesses first";
    ACCESS_UNKNOWN = 505, "there is no such access, or it was denied";
    REVIEW_NOT_NEEDED = 506, "the access was not a break-glass access";
    REVIEW_NOT_YOURS = 507, "a break-glass access is reviewed by its organisation, and by somebody else than who made it";
    REVIEW_REPEATED = 508, "the access has been reviewed already";
    CHARTS_ASKED = 509, "the request names no chart, or one twice, or of several charts something else than all";
    CLASSES_ASKED_TOO_MANY = 510, "the charts have more categories together than one request is decided for; ask for fewer";
    DENIALS_TOO_MANY = 511, "the access would be denied, and the organisation has been denied as many in this window as are recorded; nothing was asked";
}

/// A permitted access: what a trustee goes by.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Access {
    /// The chart.
    pub chart: ChartId,
    /// Who asked.
    pub signer: Signer,
    /// The key that signed. Once it stops speaking for the signer, nothing more is released.
    pub key: PublicKey,
    /// What for.
    pub purpose: Purpose,
    /// Whether it is about writing, so that only the index is released.
    pub writing: bool,
    /// The emergency, if one was declared.
    pub emergency: Option<Emergency>,
    /// Its place in the order of all transactions.
    pub at: Position,
    /// When it was decided.
    pub time: Millis,
    /// From when on nothing is released any more.
    pub expires: Millis,
    /// Hash of the X-Wing key to which shares are sealed.
    pub session_key: Hash,
    /// Hash of the audit record, which lies off the ledger.
    pub record: Hash,
    /// What is permitted.
    pub permitted: Vec<Permitted>,
    /// Whether the signer acted as or for the owner: then the chart's audit records are released, too.
    pub owner: bool,
    /// Whether somebody has reviewed it.
    pub reviewed: bool,
}

/// A class that was permitted, or the index if it names none.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Permitted {
    /// The category; none for the index alone.
    pub tag: Option<Tag>,
    /// The writing organisation.
    pub writer: OrgId,
    /// Whether the category is more sensitive than general.
    pub special: bool,
    /// The directive that it rests on, if it does.
    pub directive: Option<TxId>,
}

/// The same access, denied again and again.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Denials {
    /// The chart.
    pub chart: ChartId,
    /// Who asked.
    pub reader: Reader,
    /// The window in which they are counted.
    pub window: u64,
    /// The first of them, which is in the chart's log.
    pub first: TxId,
    /// How many there were in the window.
    pub count: u64,
    /// The count that the chart's log told last.
    pub told: u64,
}

/// The permitted access with this id.
#[must_use]
pub fn access(state: &dyn State, id: &TxId) -> Option<Access> {
    ACCESSES.get(state, id)
}

/// The permitted access to this chart that a transaction made, be it to this chart alone or to several.
#[must_use]
pub fn access_in(state: &dyn State, tx: &TxId, chart: &ChartId) -> Option<Access> {
    access(state, tx).filter(|access| access.chart == *chart).or_else(|| access(state, &beside(tx, chart)))
}

/// The id of the access to one of several charts that a transaction asked for together.
#[must_use]
pub fn beside(tx: &TxId, chart: &ChartId) -> TxId {
    TxId(hash_borsh(domain::ACCESS_SAME, &("beside", tx, chart)))
}

/// Break-glass accesses of the organisation that wait for review, and until when.
#[must_use]
pub fn reviews_due(state: &dyn State, org: &OrgId) -> Vec<(TxId, Millis)> {
    REVIEWS_DUE.get(state, org).unwrap_or_default()
}

/// Refuses break-glass while a review is overdue, or too many wait.
pub(super) fn check_reviews(draft: &Draft<'_>, org: &OrgId, now: Millis) -> Result<(), Reject> {
    let due = reviews_due(draft, org);
    if due.len() >= REVIEWS_MAX || due.iter().any(|(_, until)| *until < now) {
        return Err(REVIEWS_OVERDUE);
    }
    Ok(())
}
