//! This file is where an organisation ends a practitioner's session early.

use super::state::{KEYS, KeyOwner, SESSION_UNKNOWN};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::PublicKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ends a session of the signing organisation at once, as when somebody leaves or loses a device.
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
pub struct EndSession {
    /// The session's public key.
    pub session: PublicKey,
}

impl Kind for EndSession {
    const WHO: &'static [Who] = &[Who::Organisation];
    const URGENT: bool = true;

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { session } = self;
        match KEYS.get(draft, session) {
            Some(KeyOwner::Session { org, .. }) if org == *ctx.signer.org() => {
                KEYS.put(draft, session, &KeyOwner::Retired);
                Ok(())
            }
            Some(_) | None => Err(SESSION_UNKNOWN),
        }
    }
}
