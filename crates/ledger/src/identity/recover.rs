//! This file is where a helper begins to recover a person's key.

use super::state::{
    KEY_INVALID, KEY_TAKEN, KEYS, PENDING, Pending, RECOVERY, RECOVERY_NOT_SET, RECOVERY_PENDING,
};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{List, PrincipalId, PublicKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Begins to replace the key of a person who lost it. The signer must be one of the person's helpers; this counts as
/// the helper's approval.
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
pub struct Recover {
    /// Whose key was lost.
    pub person: PrincipalId,
    /// The fresh key that the person made.
    pub key: PublicKey,
}

impl Kind for Recover {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Person];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { person, key } = self;
        if !RECOVERY.has(draft, person) {
            return Err(RECOVERY_NOT_SET);
        }
        if PENDING.has(draft, person) {
            return Err(RECOVERY_PENDING);
        }
        if !key.is_admissible() {
            return Err(KEY_INVALID);
        }
        if KEYS.has(draft, key) {
            return Err(KEY_TAKEN);
        }
        PENDING.put(draft, person, &Pending { key: *key, approvals: List::default(), ready: None });
        super::approve_recovery::approve(ctx, draft, person, key)
    }
}
