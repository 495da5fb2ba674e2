//! This file is where keys and principals lie, and what others may ask of them.

use crate::{Draft, Reject, Signer, Table, reject::rejects};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{List, Millis, OrgId, PrincipalId, PublicKey, Slug, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose a key is. A key is never given out twice, so a retired one stays.
pub const KEYS: Table<PublicKey, KeyOwner> = Table::new(0x20);
/// Persons and devices.
pub const PRINCIPALS: Table<PrincipalId, Principal> = Table::new(0x21);
/// Until when the second may act for the first.
pub(super) const DELEGATIONS: Table<(PrincipalId, PrincipalId), Millis> = Table::new(0x22);
pub(super) const RECOVERY: Table<PrincipalId, Plan> = Table::new(0x23);
pub(super) const PENDING: Table<PrincipalId, Pending> = Table::new(0x24);

rejects! {
    KEY_TAKEN = 201, "the key is or was in use; make a fresh one";
    KEY_INVALID = 202, "the key is malformed or of small order, or the proof that it is held does not verify";
    PRINCIPAL_UNKNOWN = 203, "there is no such person or device";
    PERIOD_INVALID = 204, "the period is over, ends before it begins, or is longer than allowed";
    SESSION_UNKNOWN = 205, "there is no such session of this organisation";
    NOT_OF_THIS_ORGANISATION = 206, "the person or device is enrolled with another organisation";
    DELEGATE_UNKNOWN = 207, "the delegate is not an enrolled person, or is the signer";
    GUARDIAN_NOT_FOR_ADULT = 208, "a guardian can be appointed only for somebody enrolled as a ward";
    RECOVERY_INVALID = 209, "a recovery needs 1 to 16 different helpers, a threshold among them and the minimum waiting time";
    RECOVERY_NOT_SET = 210, "no recovery was set up";
    RECOVERY_PENDING = 211, "a recovery is under way; cancel it first";
    RECOVERY_NOT_PENDING = 212, "no recovery is under way";
    RECOVERY_NOT_READY = 213, "too few helpers have approved, or the waiting time has not passed";
    NOT_A_HELPER = 214, "the signer is not one of the recovery's helpers";
    HELPER_REPEATED = 215, "the helper has approved already";
    HELPER_UNKNOWN = 216, "a helper is neither a member nor an enrolled person, or is the owner";
    KEY_FRESH = 217, "the owner's key was recovered a short while ago; wait until its waiting time has passed";
    CONSENT_INVALID = 218, "the person's signature that lets the organisation carry its traffic does not verify";
    CARRIERS_FULL = 219, "the organisation carries this person already, or four others do";
    CARRIER_LAST = 220, "the organisation does not carry this person, or is the only one that does";
    CARRIAGE_NOT_YOURS = 221, "it is for the person or device that is carried, or for the organisation that carries it, to end this";
}

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub enum KeyOwner {
    /// A member organisation's.
    Organisation(OrgId),
    /// A person's or device's.
    Principal(PrincipalId),
    /// A practitioner's, for one session.
    Session {
        /// The practitioner, under a random id of the organisation's choice.
        practitioner: PrincipalId,
        /// The organisation that certified the session.
        org: OrgId,
        /// The role that it certified.
        role: Slug,
        /// When the session ends.
        until: Millis,
    },
    /// Nobody's any more.
    Retired,
}

/// What a principal is.
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
#[serde(rename_all = "kebab-case")]
pub enum PrincipalKind {
    /// A natural person: patient, delegate, guardian.
    Person,
    /// A person for whom a guardian may be appointed: a child, or somebody without capacity.
    Ward,
    /// A device.
    Device,
}

/// A person or device.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Principal {
    /// What it is.
    pub kind: PrincipalKind,
    /// The organisations that answer for its traffic; the first is asked first.
    pub orgs: List<OrgId, 4>,
    /// The key in force.
    pub key: PublicKey,
    /// Until then a recovered key may not erase or change recovery.
    pub fresh_until: Millis,
}

/// Who helps to recover a key.
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
    PartialOrd,
    Ord,
)]
#[serde(rename_all = "kebab-case")]
pub enum Helper {
    /// A member organisation.
    Organisation(OrgId),
    /// An enrolled person.
    Person(PrincipalId),
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Plan {
    pub(super) helpers: List<Helper, 16>,
    pub(super) threshold: u8,
    pub(super) wait: primitives::Span,
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Pending {
    pub(super) key: PublicKey,
    pub(super) approvals: List<Helper, 16>,
    /// When it may be finished; set by the last approval needed.
    pub(super) ready: Option<Millis>,
}

/// Who signs with `key` at `now`, if anybody does.
#[must_use]
pub fn signer(state: &dyn State, key: &PublicKey, now: Millis) -> Option<Signer> {
    match KEYS.get(state, key)? {
        KeyOwner::Organisation(org) => Some(Signer::Organisation(org)),
        KeyOwner::Session { practitioner, org, role, until } => (now < until)
            .then_some(Signer::Practitioner { principal: practitioner, org, role, session: *key }),
        KeyOwner::Principal(id) => {
            let principal = PRINCIPALS.get(state, &id)?;
            let org = principal.orgs.first()?.clone();
            Some(match principal.kind {
                PrincipalKind::Person | PrincipalKind::Ward => Signer::Person { principal: id, org },
                PrincipalKind::Device => Signer::Device { principal: id, org },
            })
        }
        KeyOwner::Retired => None,
    }
}

/// Charges something to the signer's organisation or, once its share is used up, to the next that answers for the
/// signer's traffic.
///
/// # Errors
/// What `charge` refuses the first of them with, when none has room.
pub(crate) fn charge(
    draft: &mut Draft<'_>,
    signer: &Signer,
    charge: &dyn Fn(&mut Draft<'_>, &OrgId) -> Result<(), Reject>,
) -> Result<(), Reject> {
    let Err(refused) = charge(draft, signer.org()) else { return Ok(()) };
    let further = other_orgs(draft, signer);
    if further.iter().any(|org| charge(draft, org).is_ok()) { Ok(()) } else { Err(refused) }
}

/// The further organisations that answer for a signer's traffic, once the first one's share is used up.
#[must_use]
pub fn other_orgs(state: &dyn State, signer: &Signer) -> Vec<OrgId> {
    match signer {
        Signer::Organisation(_) | Signer::Practitioner { .. } => Vec::new(),
        Signer::Person { principal, .. } | Signer::Device { principal, .. } => PRINCIPALS
            .get(state, principal)
            .map(|row| row.orgs.iter().skip(1).cloned().collect())
            .unwrap_or_default(),
    }
}

/// The person or device with this id.
#[must_use]
pub fn principal(state: &dyn State, id: &PrincipalId) -> Option<Principal> {
    PRINCIPALS.get(state, id)
}

/// Whether `id` is an enrolled natural person.
#[must_use]
pub fn is_person(state: &dyn State, id: &PrincipalId) -> bool {
    match principal(state, id) {
        Some(row) => row.kind != PrincipalKind::Device,
        None => false,
    }
}

/// Whether `actor` is `owner`, or may act for `owner` at `now` as delegate or guardian.
#[must_use]
pub fn acts_for(state: &dyn State, actor: &PrincipalId, owner: &PrincipalId, now: Millis) -> bool {
    actor == owner || DELEGATIONS.get(state, &(*owner, *actor)).is_some_and(|until| now < until)
}

/// Whether the key of `owner` was recovered so recently that it may not yet erase or change recovery.
#[must_use]
pub fn is_fresh(state: &dyn State, owner: &PrincipalId, now: Millis) -> bool {
    principal(state, owner).is_some_and(|row| now < row.fresh_until)
}

/// Enters a member's key at genesis.
pub(crate) fn enrol_organisation(draft: &mut Draft<'_>, org: &OrgId, key: PublicKey) {
    KEYS.put(draft, &key, &KeyOwner::Organisation(org.clone()));
}
