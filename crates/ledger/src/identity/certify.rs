//! This file is where an organisation certifies a practitioner's session: a key, a role, an end.

use super::state::{KEY_INVALID, KEY_TAKEN, KEYS, KeyOwner, PERIOD_INVALID};
use crate::{Ctx, Draft, Kind, Reject, Who, governance};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{Millis, PrincipalId, PublicKey, Slug};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Certifies that a key speaks for a practitioner of the signing organisation, in a role, until a time at most twelve
/// hours ahead. The practitioner's name stays with the organisation.
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
pub struct Certify {
    /// The practitioner, under a random id that the organisation keeps.
    pub practitioner: PrincipalId,
    /// The role, for example `physician`.
    pub role: Slug,
    /// The session's fresh public key.
    pub session: PublicKey,
    /// When the session ends.
    pub until: Millis,
}

impl Kind for Certify {
    const WHO: &'static [Who] = &[Who::Organisation];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { practitioner, role, session, until } = self;
        if !session.is_admissible() {
            return Err(KEY_INVALID);
        }
        if KEYS.has(draft, session) {
            return Err(KEY_TAKEN);
        }
        if *until <= ctx.now || *until > ctx.now.plus(governance::params(draft).session_max) {
            return Err(PERIOD_INVALID);
        }
        let org = ctx.signer.org().clone();
        let owner = KeyOwner::Session { practitioner: *practitioner, org, role: role.clone(), until: *until };
        KEYS.put(draft, session, &owner);
        Ok(())
    }
}
