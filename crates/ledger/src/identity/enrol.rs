//! This file is where an organisation enrols a person or a device.

use super::state::{
    KEY_INVALID, KEY_TAKEN, KEYS, KeyOwner, NOT_OF_THIS_ORGANISATION, PRINCIPALS, Principal, PrincipalKind,
};
use crate::{Ctx, Draft, Kind, Reject, Signer, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{List, Millis, PrincipalId, PublicKey, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Enrols a person or device with the signing organisation, which from then on answers for its traffic. A further
/// organisation gives it a second way to the ledger by `identity.carry`.
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
pub struct Enrol {
    /// What it is.
    pub kind: PrincipalKind,
    /// Its first public key. Its hash becomes the principal's id.
    pub key: PublicKey,
}

/// What [`Enrol`] made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enrolled(pub PrincipalId);

impl Enrol {
    /// The id that the enrolled principal has.
    #[must_use]
    pub fn makes(&self) -> Enrolled {
        Enrolled(self.key.principal())
    }
}

impl Kind for Enrol {
    const WHO: &'static [Who] = &[Who::Organisation];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { kind, key } = self;
        if !key.is_admissible() {
            return Err(KEY_INVALID);
        }
        let id = key.principal();
        let org = ctx.signer.org().clone();
        if KEYS.has(draft, key) {
            return Err(KEY_TAKEN);
        }
        let orgs = List::try_from(vec![org]).map_err(|_| NOT_OF_THIS_ORGANISATION)?;
        let row = Principal { kind: kind.clone(), orgs, key: *key, fresh_until: Millis(0) };
        KEYS.put(draft, key, &KeyOwner::Principal(id));
        PRINCIPALS.put(draft, &id, &row);
        Ok(())
    }
}

/// Whether `org` answers for the principal; rejects tell unknown from foreign.
pub(super) fn of_organisation(
    state: &dyn State,
    id: &PrincipalId,
    signer: &Signer,
) -> Result<Principal, Reject> {
    let row = PRINCIPALS.get(state, id).ok_or(super::PRINCIPAL_UNKNOWN)?;
    if row.orgs.first() == Some(signer.org()) { Ok(row) } else { Err(NOT_OF_THIS_ORGANISATION) }
}

#[cfg(test)]
mod tests {
    use crate::identity::script::check;

    #[test]
    fn a_key_is_given_out_once() {
        check(
            "
            riverside enrol person zero | KEY_INVALID
            riverside enrol person new | ok
            riverside enrol person new | KEY_TAKEN
            lakeside enrol person new | KEY_TAKEN
            lakeside enrol person riverside | KEY_TAKEN
            owner enrol person newer | NOT_FOR_SIGNER
            device enrol person newer | NOT_FOR_SIGNER
            nobody enrol person newer | SIGNER_UNKNOWN
            ",
        );
    }
}
