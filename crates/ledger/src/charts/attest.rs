//! This file is where what members signed over a write is checked and counted.

use super::state::{
    ACKNOWLEDGEMENT_INVALID, ACKNOWLEDGEMENTS_TOO_FEW, Pack, RECEIPT_INVALID, RECEIPTS_TOO_FEW,
};
use crate::{Ctx, Reject, governance};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{Acknowledgement, Hash, PackRoot, Signature, State, StorageReceipt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The committee's epoch; there is one until membership can change.
const EPOCH: u64 = 0;

/// A member's signature, by its place in the committee.
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
pub struct Attested {
    /// The member's place.
    pub place: u32,
    /// Its signature.
    pub signature: Signature,
}

/// Checks attestations over the pack and enters who gave them.
pub(super) fn attest(
    state: &dyn State,
    ctx: &Ctx,
    root: &PackRoot,
    row: &mut Pack,
    acknowledgements: &[Attested],
    receipts: &[Attested],
) -> Result<(), Reject> {
    let members = governance::members(state);
    let member = |place: u32| usize::try_from(place).ok().and_then(|place| members.get(place));
    let acknowledgement = Acknowledgement {
        network: ctx.network,
        epoch: EPOCH,
        writer: row.writer.clone(),
        chart: row.chart,
        pack: *root,
        dealing: row.dealing,
        keep_until: row.keep_until,
    };
    for Attested { place, signature } in acknowledgements {
        let (_, trustee) = member(*place).ok_or(ACKNOWLEDGEMENT_INVALID)?;
        acknowledgement.verify(&trustee.key, signature).map_err(|_| ACKNOWLEDGEMENT_INVALID)?;
        if row.dealing == Hash::default() || !row.acknowledged.add(*place) {
            return Err(ACKNOWLEDGEMENT_INVALID);
        }
    }
    for Attested { place, signature } in receipts {
        let (storer, storing) = member(*place).ok_or(RECEIPT_INVALID)?;
        let receipt = StorageReceipt {
            network: ctx.network,
            pack: *root,
            chart: row.chart,
            writer: row.writer.clone(),
            storer: storer.clone(),
            bytes: row.bytes,
            records: row.records,
            compartments: row.compartments,
            keep_until: row.keep_until,
        };
        receipt.verify(&storing.key, signature).map_err(|_| RECEIPT_INVALID)?;
        if *storer == row.writer || !row.stored.add(*place) {
            return Err(RECEIPT_INVALID);
        }
    }
    Ok(())
}

/// Whether enough members have attested for the write to become final.
pub(super) fn check_enough(state: &dyn State, row: &Pack, opens: bool) -> Result<(), Reject> {
    let quorum = governance::quorum(state);
    if opens && row.acknowledged.count() < quorum.t {
        return Err(ACKNOWLEDGEMENTS_TOO_FEW);
    }
    // A network of one has nobody else to store.
    let storers = quorum.f.saturating_add(1).min(quorum.n.saturating_sub(1));
    if row.stored.count() < storers {
        return Err(RECEIPTS_TOO_FEW);
    }
    Ok(())
}
