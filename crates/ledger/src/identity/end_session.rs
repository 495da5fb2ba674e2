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

#[cfg(test)]
mod tests {
    use crate::identity::script::check;

    #[test]
    fn a_session_begins_and_ends() {
        check(
            "
            riverside certify zero 12 | KEY_INVALID
            riverside certify owner 12 | KEY_TAKEN
            riverside certify adams past | PERIOD_INVALID
            riverside certify adams 0 | PERIOD_INVALID
            riverside certify adams 13 | PERIOD_INVALID
            owner certify adams 12 | NOT_FOR_SIGNER
            adams enrol person new | SIGNER_UNKNOWN
            riverside certify adams 12 | ok
            adams enrol person new | NOT_FOR_SIGNER
            riverside certify adams 12 | KEY_TAKEN
            lakeside end-session adams | SESSION_UNKNOWN
            riverside end-session owner | SESSION_UNKNOWN
            riverside end-session nobody | SESSION_UNKNOWN
            adams end-session adams | NOT_FOR_SIGNER
            riverside end-session adams | ok
            riverside end-session adams | SESSION_UNKNOWN
            adams enrol person new | SIGNER_UNKNOWN
            riverside certify adams 12 | KEY_TAKEN
            riverside certify baker 12 | ok
            days 1
            baker enrol person new | SIGNER_UNKNOWN
            ",
        );
    }
}
