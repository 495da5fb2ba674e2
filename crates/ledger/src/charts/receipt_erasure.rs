//! This file is where members confirm that what was to be erased is gone.

use super::state::{ERASURE_RECEIPTED, ERASURE_UNKNOWN, ERASURES};
use crate::{Ctx, Draft, Kind, Reject, Who, governance};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{OrgId, TxId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Confirms that the signing organisation's trustee and store hold nothing more of what was ordered to be erased.
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
pub struct ReceiptErasure {
    /// The transaction that ordered it.
    pub erasure: TxId,
}

/// A member has erased.
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
pub struct ErasureReceipted {
    /// The transaction that ordered it.
    pub erasure: TxId,
    /// The member.
    pub org: OrgId,
}

/// Enough members have erased that, even if as many as may lie do so, too few shares remain to open anything.
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
pub struct ErasureEffective {
    /// The transaction that ordered it.
    pub erasure: TxId,
}

/// All members have erased.
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
pub struct ErasureComplete {
    /// The transaction that ordered it.
    pub erasure: TxId,
}

impl Kind for ReceiptErasure {
    const WHO: &'static [Who] = &[Who::Organisation];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { erasure } = *self;
        let mut row = ERASURES.get(draft, &erasure).ok_or(ERASURE_UNKNOWN)?;
        let org = ctx.signer.org();
        let member = governance::member(draft, org).ok_or(ERASURE_UNKNOWN)?;
        if !row.receipted.add(member.place) {
            return Err(ERASURE_RECEIPTED);
        }
        let quorum = governance::quorum(draft);
        // n − t + 1 honest ones leave fewer than t shares; f of those who confirm may lie.
        let enough = quorum.n.saturating_sub(quorum.t).saturating_add(1).saturating_add(quorum.f);
        let was_effective = row.effective;
        row.effective = row.receipted.count() >= enough;
        row.complete = row.receipted.count() >= quorum.n;
        ERASURES.put(draft, &erasure, &row);
        draft.emit(row.chart, &ErasureReceipted { erasure, org: org.clone() });
        if row.effective && !was_effective {
            draft.emit(row.chart, &ErasureEffective { erasure });
        }
        if row.complete {
            draft.emit(row.chart, &ErasureComplete { erasure });
        }
        Ok(())
    }
}
