//! This file is where an organisation records who is the legal guardian of a ward.

use super::{
    enrol::of_organisation,
    state::{
        DELEGATE_UNKNOWN, DELEGATIONS, GUARDIAN_NOT_FOR_ADULT, PERIOD_INVALID, PrincipalKind, is_person,
    },
};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{Millis, PrincipalId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Records that a person is the legal guardian of a ward whom the signing organisation enrolled, until a date, as a
/// child's majority. A date in the past ends the guardianship.
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
pub struct AppointGuardian {
    /// The child, or the person without capacity.
    pub ward: PrincipalId,
    /// The guardian.
    pub guardian: PrincipalId,
    /// Until when.
    pub until: Millis,
}

impl Kind for AppointGuardian {
    const WHO: &'static [Who] = &[Who::Organisation];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { ward, guardian, until } = self;
        let row = of_organisation(draft, ward, &ctx.signer)?;
        if row.kind != PrincipalKind::Ward {
            return Err(GUARDIAN_NOT_FOR_ADULT);
        }
        if guardian == ward || !is_person(draft, guardian) {
            return Err(DELEGATE_UNKNOWN);
        }
        if *until <= ctx.now && !DELEGATIONS.has(draft, &(*ward, *guardian)) {
            return Err(PERIOD_INVALID);
        }
        DELEGATIONS.put(draft, &(*ward, *guardian), until);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::identity::script::{acts_for, check};

    #[test]
    fn a_guardian_is_for_wards() {
        let appointed = "
            riverside appoint-guardian nobody friend 900 | PRINCIPAL_UNKNOWN
            lakeside appoint-guardian ward friend 900 | NOT_OF_THIS_ORGANISATION
            lakeside carry ward by ward | ok
            lakeside appoint-guardian ward friend 900 | NOT_OF_THIS_ORGANISATION
            riverside appoint-guardian owner friend 900 | GUARDIAN_NOT_FOR_ADULT
            riverside appoint-guardian device friend 900 | GUARDIAN_NOT_FOR_ADULT
            riverside appoint-guardian ward ward 900 | DELEGATE_UNKNOWN
            riverside appoint-guardian ward device 900 | DELEGATE_UNKNOWN
            riverside appoint-guardian ward nobody 900 | DELEGATE_UNKNOWN
            riverside appoint-guardian ward friend past | PERIOD_INVALID
            owner appoint-guardian ward owner 900 | NOT_FOR_SIGNER
            riverside appoint-guardian ward friend 900 | ok";
        let world = check(appointed);
        assert!(acts_for(&world, "friend", "ward"));
        let ended = format!("{appointed}\nriverside appoint-guardian ward friend past | ok");
        assert!(!acts_for(&check(&ended), "friend", "ward"));
        let grown = format!("{appointed}\ndays 900\nowner delegate friend 1 | ok");
        assert!(!acts_for(&check(&grown), "friend", "ward"));
    }
}
