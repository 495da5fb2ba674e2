//! This file is where a person says who may together replace her key when it is lost.

use super::state::{
    HELPER_UNKNOWN, Helper, KEY_FRESH, PENDING, Plan, RECOVERY, RECOVERY_INVALID, RECOVERY_PENDING, is_fresh,
    is_person,
};
use crate::{Ctx, Draft, Kind, Reject, Who, governance};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{List, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Names helpers of whom so many together may put a fresh key in place of the signer's, after a waiting time in which
/// the signer can cancel. Replaces what was set before.
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
pub struct SetRecovery {
    /// Who may help.
    pub helpers: List<Helper, 16>,
    /// How many of them it takes.
    pub threshold: u8,
    /// How long the owner can still cancel, and how long after that the fresh key may not erase.
    pub wait: Span,
}

impl Kind for SetRecovery {
    const WHO: &'static [Who] = &[Who::Person];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { helpers, threshold, wait } = self;
        let owner = ctx.signer.principal().ok_or(crate::reject::NOT_FOR_SIGNER)?;
        let different = helpers.iter().collect::<BTreeSet<_>>().len() == helpers.len();
        let reachable = *threshold > 0 && usize::from(*threshold) <= helpers.len();
        if !different
            || !reachable
            || *wait < governance::params(draft).recovery_wait_min
            || *wait > Span::days(365)
        {
            return Err(RECOVERY_INVALID);
        }
        let known = helpers.iter().all(|helper| match helper {
            Helper::Organisation(org) => governance::member(draft, org).is_some(),
            Helper::Person(person) => *person != owner && is_person(draft, person),
        });
        if !known {
            return Err(HELPER_UNKNOWN);
        }
        if is_fresh(draft, &owner, ctx.now) {
            return Err(KEY_FRESH);
        }
        if PENDING.has(draft, &owner) {
            return Err(RECOVERY_PENDING);
        }
        RECOVERY.put(draft, &owner, &Plan { helpers: helpers.clone(), threshold: *threshold, wait: *wait });
        Ok(())
    }
}
