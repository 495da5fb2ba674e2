//! This file is where an organisation, person or device puts a fresh key in place of its old one.

use super::state::{KEY_INVALID, KEY_TAKEN, KEYS, KeyOwner, PRINCIPAL_UNKNOWN, PRINCIPALS, Principal};
use crate::{Ctx, Draft, Kind, Reject, Signer, Who, governance};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{PublicKey, SecretKey, Signature, domain, encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Replaces the signer's key. The old key is retired for good; what it signed stays valid.
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
pub struct Rotate {
    /// The key to retire: the one that signs this transaction.
    pub old: PublicKey,
    /// The fresh key.
    pub new: PublicKey,
    /// Signature by the fresh key over both keys: shows that it is held.
    pub proof: Signature,
}

impl Rotate {
    /// The act that replaces `old` with the key `new`.
    #[must_use]
    pub fn to(old: PublicKey, new: &SecretKey) -> Self {
        let proof = new.sign(domain::KEY_ROTATION, &encode(&(old, new.public())));
        Self { old, new: new.public(), proof }
    }
}

impl Kind for Rotate {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Person, Who::Device];
    const URGENT: bool = true;

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { old, new, proof } = self;
        let held = new.verify(domain::KEY_ROTATION, &encode(&(*old, *new)), proof).is_ok();
        if !new.is_admissible() || !held {
            return Err(KEY_INVALID);
        }
        if KEYS.has(draft, new) {
            return Err(KEY_TAKEN);
        }
        let owner = match &ctx.signer {
            Signer::Organisation(org) => {
                if governance::member(draft, org).is_none_or(|member| member.key != *old) {
                    return Err(KEY_INVALID);
                }
                governance::set_member_key(draft, org, *new);
                KeyOwner::Organisation(org.clone())
            }
            Signer::Person { principal, .. } | Signer::Device { principal, .. } => {
                let row = PRINCIPALS.get(draft, principal).ok_or(PRINCIPAL_UNKNOWN)?;
                if row.key != *old {
                    return Err(KEY_INVALID);
                }
                PRINCIPALS.put(draft, principal, &Principal { key: *new, ..row });
                KeyOwner::Principal(*principal)
            }
            Signer::Practitioner { .. } => return Err(crate::reject::NOT_FOR_SIGNER),
        };
        KEYS.put(draft, old, &KeyOwner::Retired);
        KEYS.put(draft, new, &owner);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::identity::script::check;

    #[test]
    fn a_key_is_replaced_for_good() {
        check(
            "
            owner rotate owner zero | KEY_INVALID
            owner rotate owner fresh by other | KEY_INVALID
            owner rotate friend fresh | KEY_INVALID
            owner rotate owner friend | KEY_TAKEN
            owner rotate owner owner | KEY_TAKEN
            owner rotate owner fresh | ok
            owner delegate friend 1 | SIGNER_UNKNOWN
            fresh delegate friend 1 | ok
            fresh rotate owner newer | KEY_INVALID
            fresh rotate fresh owner | KEY_TAKEN
            fresh rotate fresh newer | ok
            device rotate device device2 | ok
            riverside certify adams 12 | ok
            adams rotate adams adams2 | NOT_FOR_SIGNER
            riverside rotate owner new-hospital | KEY_INVALID
            riverside rotate riverside new-hospital | ok
            riverside enrol person new | SIGNER_UNKNOWN
            new-hospital enrol person new | ok
            new-hospital end-session adams | ok
            ",
        );
    }
}
