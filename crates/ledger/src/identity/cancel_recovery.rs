//! This file is where the owner stops a recovery that she did not ask for.

use super::state::{PENDING, RECOVERY_NOT_PENDING};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stops the recovery of the signer's key, at any time before it is finished.
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
pub struct CancelRecovery {}

impl Kind for CancelRecovery {
    const WHO: &'static [Who] = &[Who::Person];
    const URGENT: bool = true;

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let owner = ctx.signer.principal().ok_or(crate::reject::NOT_FOR_SIGNER)?;
        if !PENDING.has(draft, &owner) {
            return Err(RECOVERY_NOT_PENDING);
        }
        PENDING.remove(draft, &owner);
        Ok(())
    }
}
