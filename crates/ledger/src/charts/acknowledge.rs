//! This file is where later acknowledgements and storage receipts reach the ledger, until all members have given theirs.

use super::{
    attest::{Attested, attest},
    state::{ACKNOWLEDGEMENTS_TOO_FEW, PACK_UNKNOWN, PACKS, Places},
};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{List, PackRoot, TRUSTEES_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Brings acknowledgements and storage receipts that came after the commit. Each must be new and verify.
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
pub struct Acknowledge {
    /// The pack.
    pub pack: PackRoot,
    /// What trustees signed.
    pub acknowledgements: List<Attested, TRUSTEES_MAX>,
    /// What storing organisations signed.
    pub receipts: List<Attested, TRUSTEES_MAX>,
}

/// A write is safer than it was.
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
pub struct Acknowledged {
    /// The pack.
    pub pack: PackRoot,
    /// Trustees that hold its shares now.
    pub acknowledged: Places,
    /// Organisations that store it now, besides the writer.
    pub stored: Places,
}

impl Kind for Acknowledge {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Practitioner];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { pack, acknowledgements, receipts } = self;
        let mut row =
            PACKS.get(draft, pack).filter(|row| row.writer == *ctx.signer.org()).ok_or(PACK_UNKNOWN)?;
        if acknowledgements.is_empty() && receipts.is_empty() {
            return Err(ACKNOWLEDGEMENTS_TOO_FEW);
        }
        attest(draft, ctx, pack, &mut row, acknowledgements, receipts)?;
        PACKS.put(draft, pack, &row);
        let (chart, acknowledged, stored) = (row.chart, row.acknowledged, row.stored);
        draft.emit(chart, &Acknowledged { pack: *pack, acknowledged, stored });
        Ok(())
    }
}
