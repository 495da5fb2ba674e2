//! This file is where a recovery whose waiting time has passed puts the fresh key in place.

use super::{
    approve_recovery::helper,
    state::{
        KEY_TAKEN, KEYS, KeyOwner, NOT_A_HELPER, PENDING, PRINCIPAL_UNKNOWN, PRINCIPALS, Principal, RECOVERY,
        RECOVERY_NOT_PENDING, RECOVERY_NOT_READY, RECOVERY_NOT_SET,
    },
};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::PrincipalId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Puts the fresh key in place of the lost one. Any helper may send it once the waiting time has passed.
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
pub struct FinishRecovery {
    /// Whose key is recovered.
    pub person: PrincipalId,
}

impl Kind for FinishRecovery {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Person];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { person } = self;
        let plan = RECOVERY.get(draft, person).ok_or(RECOVERY_NOT_SET)?;
        let pending = PENDING.get(draft, person).ok_or(RECOVERY_NOT_PENDING)?;
        if !helper(&ctx.signer).is_some_and(|helper| plan.helpers.contains(&helper)) {
            return Err(NOT_A_HELPER);
        }
        if pending.ready.is_none_or(|ready| ctx.now < ready) {
            return Err(RECOVERY_NOT_READY);
        }
        if KEYS.has(draft, &pending.key) {
            return Err(KEY_TAKEN);
        }
        let row = PRINCIPALS.get(draft, person).ok_or(PRINCIPAL_UNKNOWN)?;
        KEYS.put(draft, &row.key, &KeyOwner::Retired);
        KEYS.put(draft, &pending.key, &KeyOwner::Principal(*person));
        let fresh_until = ctx.now.plus(plan.wait);
        PRINCIPALS.put(draft, person, &Principal { key: pending.key, fresh_until, ..row });
        PENDING.remove(draft, person);
        Ok(())
    }
}
