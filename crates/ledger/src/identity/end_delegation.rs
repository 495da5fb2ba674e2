//! This file is where a patient ends a delegation.

use super::state::{DELEGATE_UNKNOWN, DELEGATIONS};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::PrincipalId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ends what the signer allowed by `identity.delegate`, at once.
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
pub struct EndDelegation {
    /// The person who may no longer act.
    pub delegate: PrincipalId,
}

impl Kind for EndDelegation {
    const WHO: &'static [Who] = &[Who::Person];
    const URGENT: bool = true;

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { delegate } = self;
        let owner = ctx.signer.principal().ok_or(crate::reject::NOT_FOR_SIGNER)?;
        if !DELEGATIONS.has(draft, &(owner, *delegate)) {
            return Err(DELEGATE_UNKNOWN);
        }
        DELEGATIONS.remove(draft, &(owner, *delegate));
        Ok(())
    }
}
