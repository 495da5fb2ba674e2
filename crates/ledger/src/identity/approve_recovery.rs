//! This file is where a further helper approves a recovery.

use super::state::{
    HELPER_REPEATED, Helper, NOT_A_HELPER, PENDING, RECOVERY, RECOVERY_NOT_PENDING, RECOVERY_NOT_SET,
};
use crate::{Ctx, Draft, Kind, Reject, Signer, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{PrincipalId, PublicKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Approves a recovery that is under way. With the last approval needed the waiting time begins.
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
pub struct ApproveRecovery {
    /// Whose key is recovered.
    pub person: PrincipalId,
    /// The fresh key that the signer has checked with the person.
    pub key: PublicKey,
}

impl Kind for ApproveRecovery {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Person];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { person, key } = self;
        approve(ctx, draft, person, key)
    }
}

pub(super) fn approve(
    ctx: &Ctx,
    draft: &mut Draft<'_>,
    person: &PrincipalId,
    key: &PublicKey,
) -> Result<(), Reject> {
    let plan = RECOVERY.get(draft, person).ok_or(RECOVERY_NOT_SET)?;
    let mut pending = PENDING.get(draft, person).filter(|row| row.key == *key).ok_or(RECOVERY_NOT_PENDING)?;
    let helper = helper(&ctx.signer).filter(|helper| plan.helpers.contains(helper)).ok_or(NOT_A_HELPER)?;
    if pending.approvals.contains(&helper) {
        return Err(HELPER_REPEATED);
    }
    let mut approvals = pending.approvals.into_vec();
    approvals.push(helper);
    if approvals.len() == usize::from(plan.threshold) {
        pending.ready = Some(ctx.now.plus(plan.wait));
    }
    pending.approvals = approvals.try_into().map_err(|_| HELPER_REPEATED)?;
    PENDING.put(draft, person, &pending);
    Ok(())
}

/// The signer as a helper.
pub(super) fn helper(signer: &Signer) -> Option<Helper> {
    match signer {
        Signer::Organisation(org) => Some(Helper::Organisation(org.clone())),
        Signer::Person { principal, .. } => Some(Helper::Person(*principal)),
        Signer::Practitioner { .. } | Signer::Device { .. } => None,
    }
}
