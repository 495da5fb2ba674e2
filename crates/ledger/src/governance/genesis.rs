//! This file is where a network begins: the genesis file, whose hash is the network's name.

use super::{
    propose::is_sane,
    state::{
        BOX_KEY_BYTES, MEMBERS, Member, MemberKind, PARAMS, POLICY, POLICY_BYTES_MAX, Params, Policy,
        put_member,
    },
};
use crate::{Draft, draft::Writes, identity, policy};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{Blob, List, Millis, NetworkId, OrgId, PublicKey, State, Text, domain, hash_borsh};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A network's beginning: what every member must have alike, and what an offline verifier starts from.
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
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Version of this format: 1.
    pub format: u32,
    /// What people call the network.
    pub name: Text<120>,
    /// Time of the genesis block.
    pub time: Millis,
    /// Whether this is a demonstration, in which an import may make keys for patients.
    pub demo: bool,
    /// The members, in the order of the committee.
    pub members: List<GenesisMember, 100>,
    /// The parameters.
    pub params: Params,
    /// The base policies: Cedar text.
    pub policy: Text<POLICY_BYTES_MAX>,
}

/// A member in the genesis file.
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
#[serde(deny_unknown_fields)]
pub struct GenesisMember {
    /// Its short name.
    pub org: OrgId,
    /// What it is.
    pub kind: MemberKind,
    /// Its name, as people know it.
    pub name: Text<120>,
    /// The key by which it acts.
    pub key: PublicKey,
    /// The key by which its validator votes.
    pub validator: PublicKey,
    /// X-Wing public key of its trustee (1216 bytes).
    pub box_key: Blob<BOX_KEY_BYTES>,
}

/// Why a genesis file can't begin a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The format isn't known.
    #[error("format {0} of the genesis file is not known to this version; it knows 1")]
    Format(u32),
    /// No members.
    #[error("the genesis file names no members")]
    Empty,
    /// A short name or key stands twice.
    #[error("`{0}` repeats a short name or a key of another member")]
    Repeated(OrgId),
    /// A key is malformed or of small order.
    #[error("a key of `{0}` is not admissible")]
    Key(OrgId),
    /// Parameters out of bounds.
    #[error("the parameters are out of bounds")]
    Params,
    /// The policies don't pass their checks.
    #[error("the base policies are not valid: {0}")]
    Policy(String),
}

impl Genesis {
    /// The network's id: hash of the canonical encoding.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        NetworkId(hash_borsh(domain::NETWORK, self))
    }

    /// Checks everything that a network needs of its genesis file.
    ///
    /// # Errors
    /// [`GenesisError`].
    pub fn check(&self) -> Result<(), GenesisError> {
        if self.format != 1 {
            return Err(GenesisError::Format(self.format));
        }
        if self.members.is_empty() {
            return Err(GenesisError::Empty);
        }
        let mut orgs = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for member in self.members.iter() {
            let fresh = orgs.insert(&member.org) && keys.insert(member.key) && keys.insert(member.validator);
            if !fresh {
                return Err(GenesisError::Repeated(member.org.clone()));
            }
            if !member.key.is_admissible()
                || !member.validator.is_admissible()
                || member.box_key.len() != BOX_KEY_BYTES
            {
                return Err(GenesisError::Key(member.org.clone()));
            }
        }
        if !is_sane(&self.params) {
            return Err(GenesisError::Params);
        }
        policy::check(&self.policy).map_err(|error| GenesisError::Policy(error.to_string()))
    }
}

/// The state that `genesis` begins with, over the empty state: what height 0 writes.
///
/// # Errors
/// [`GenesisError`].
pub fn found(empty: &dyn State, genesis: &Genesis) -> Result<Writes, GenesisError> {
    genesis.check()?;
    let mut draft = Draft::new(empty);
    let mut orgs = Vec::new();
    for (place, member) in (0_u32..).zip(genesis.members.iter()) {
        let GenesisMember { org, kind, name, key, validator, box_key } = member.clone();
        identity::enrol_organisation(&mut draft, &org, key);
        put_member(&mut draft, &org, &Member { kind, name, key, validator, box_key, place });
        orgs.push(org);
    }
    MEMBERS.put(&mut draft, &orgs);
    PARAMS.put(&mut draft, &genesis.params);
    POLICY.put(&mut draft, &Policy::new(genesis.policy.clone()));
    crate::HEAD.put(&mut draft, &crate::Head { height: 0, time: genesis.time });
    Ok(draft.into_parts().0)
}
