//! This file is where a patient lets another person act for her.

use super::state::{DELEGATE_UNKNOWN, DELEGATIONS, PERIOD_INVALID, is_person};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{Millis, PrincipalId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lets another enrolled person act for the signer until a time: grant and revoke consent, read the log, open the chart.
/// A delegate can't delegate, erase, or change recovery.
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
pub struct Delegate {
    /// The person who may act.
    pub delegate: PrincipalId,
    /// Until when.
    pub until: Millis,
}

impl Kind for Delegate {
    const WHO: &'static [Who] = &[Who::Person];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { delegate, until } = self;
        let owner = ctx.signer.principal().ok_or(crate::reject::NOT_FOR_SIGNER)?;
        if *delegate == owner || !is_person(draft, delegate) {
            return Err(DELEGATE_UNKNOWN);
        }
        if *until <= ctx.now {
            return Err(PERIOD_INVALID);
        }
        DELEGATIONS.put(draft, &(owner, *delegate), until);
        Ok(())
    }
}
