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

#[cfg(test)]
mod tests {
    use crate::{
        identity::{is_fresh, script::check},
        testing::key,
    };
    use primitives::Span;

    #[test]
    fn helpers_are_named_by_the_owner() {
        check(
            "
            owner set-recovery 1 - 7 | RECOVERY_INVALID
            owner set-recovery 0 riverside 7 | RECOVERY_INVALID
            owner set-recovery 2 riverside 7 | RECOVERY_INVALID
            owner set-recovery 1 riverside,riverside 7 | RECOVERY_INVALID
            owner set-recovery 1 riverside 6 | RECOVERY_INVALID
            owner set-recovery 1 riverside 366 | RECOVERY_INVALID
            owner set-recovery 1 nowhere 7 | HELPER_UNKNOWN
            owner set-recovery 1 owner 7 | HELPER_UNKNOWN
            owner set-recovery 1 device 7 | HELPER_UNKNOWN
            owner set-recovery 1 nobody 7 | HELPER_UNKNOWN
            riverside set-recovery 1 riverside 7 | NOT_FOR_SIGNER
            device set-recovery 1 riverside 7 | NOT_FOR_SIGNER
            owner set-recovery 2 riverside,lakeside,friend 7 | ok
            owner set-recovery 1 friend 365 | ok
            ",
        );
    }

    const BEGUN: &str = "
            riverside recover owner fresh | RECOVERY_NOT_SET
            riverside approve-recovery owner fresh | RECOVERY_NOT_SET
            riverside finish-recovery owner | RECOVERY_NOT_SET
            owner set-recovery 2 riverside,lakeside,friend 7 | ok
            riverside approve-recovery owner fresh | RECOVERY_NOT_PENDING
            riverside finish-recovery owner | RECOVERY_NOT_PENDING
            owner cancel-recovery | RECOVERY_NOT_PENDING
            ward recover owner fresh | NOT_A_HELPER
            owner recover owner fresh | NOT_A_HELPER
            device recover owner fresh | NOT_FOR_SIGNER
            riverside recover owner zero | KEY_INVALID
            riverside recover owner friend | KEY_TAKEN
            riverside recover owner fresh | ok
            lakeside recover owner other | RECOVERY_PENDING
            owner set-recovery 1 ward 7 | RECOVERY_PENDING
            riverside approve-recovery owner fresh | HELPER_REPEATED
            lakeside approve-recovery owner other | RECOVERY_NOT_PENDING
            ward approve-recovery owner fresh | NOT_A_HELPER
            days 30
            riverside finish-recovery owner | RECOVERY_NOT_READY
            friend approve-recovery owner fresh | ok
            days 6
            riverside finish-recovery owner | RECOVERY_NOT_READY";

    #[test]
    fn a_lost_key_is_replaced_after_the_waiting_time() {
        let mut world = check(&format!(
            "{BEGUN}
            lakeside approve-recovery owner fresh | ok
            days 1
            ward finish-recovery owner | NOT_A_HELPER
            device finish-recovery owner | NOT_FOR_SIGNER
            lakeside finish-recovery owner | ok
            lakeside finish-recovery owner | RECOVERY_NOT_PENDING
            owner delegate friend 1 | SIGNER_UNKNOWN
            fresh delegate friend 1 | ok
            fresh set-recovery 1 friend 7 | KEY_FRESH"
        ));
        let owner = key("owner").public().principal();
        assert!(is_fresh(&world.state, &owner, world.now));
        world.wait(Span::days(7));
        assert!(!is_fresh(&world.state, &owner, world.now));
    }

    #[test]
    fn the_waiting_time_begins_with_the_approval_that_suffices() {
        check(&format!(
            "{BEGUN}
            days 1
            lakeside finish-recovery owner | ok
            days 8
            fresh set-recovery 1 friend 7 | ok"
        ));
    }

    #[test]
    fn the_owner_stops_a_recovery_at_any_time() {
        check(&format!(
            "{BEGUN}
            friend cancel-recovery | RECOVERY_NOT_PENDING
            riverside cancel-recovery | NOT_FOR_SIGNER
            days 30
            owner cancel-recovery | ok
            riverside finish-recovery owner | RECOVERY_NOT_PENDING
            owner delegate friend 1 | ok"
        ));
    }

    #[test]
    fn a_key_that_was_taken_meanwhile_is_not_put_in_place() {
        check(&format!(
            "{BEGUN}
            lakeside enrol person fresh | ok
            days 1
            riverside finish-recovery owner | KEY_TAKEN
            owner cancel-recovery | ok"
        ));
    }
}
