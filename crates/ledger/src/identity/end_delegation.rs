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

#[cfg(test)]
mod tests {
    use crate::identity::script::{acts_for, check};

    #[test]
    fn a_delegate_acts_until_it_ends() {
        let begun = "
            owner delegate owner 9 | DELEGATE_UNKNOWN
            owner delegate device 9 | DELEGATE_UNKNOWN
            owner delegate nobody 9 | DELEGATE_UNKNOWN
            owner delegate friend past | PERIOD_INVALID
            owner delegate friend 0 | PERIOD_INVALID
            riverside delegate friend 9 | NOT_FOR_SIGNER
            owner end-delegation friend | DELEGATE_UNKNOWN
            owner delegate friend 9 | ok";
        let world = check(begun);
        assert!(acts_for(&world, "friend", "owner"));
        assert!(!acts_for(&world, "owner", "friend"));
        assert!(!acts_for(&world, "friend", "ward"));
        let mut world = world;
        world.wait(primitives::Span::days(9));
        assert!(!acts_for(&world, "friend", "owner"));
        let ended = format!(
            "{begun}
            device end-delegation friend | NOT_FOR_SIGNER
            friend end-delegation friend | DELEGATE_UNKNOWN
            owner end-delegation friend | ok
            owner end-delegation friend | DELEGATE_UNKNOWN"
        );
        assert!(!acts_for(&check(&ended), "friend", "owner"));
    }
}
