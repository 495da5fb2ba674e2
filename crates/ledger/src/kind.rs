//! This file is where a kind of transaction is declared: what it is, who may send it, and what it does.

use crate::{Draft, Reject};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{Millis, NetworkId, OrgId, PrincipalId, PublicKey, Slug, TxId};
use serde::{Serialize, de::DeserializeOwned};

/// What every kind knows when it is applied. All of it is agreed by consensus.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// The network.
    pub network: NetworkId,
    /// Height of the block.
    pub height: u64,
    /// Place of the transaction in the block.
    pub index: u32,
    /// Time of the block.
    pub now: Millis,
    /// The transaction's id: names the access, directive or proposal that it makes.
    pub tx: TxId,
    /// Who signed.
    pub signer: Signer,
}

/// A kind of signer, for saying who may send a kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// A member organisation, by its organisation key.
    Organisation,
    /// A practitioner in a session that the organisation certified.
    Practitioner,
    /// A natural person with a key: patient, delegate, guardian.
    Person,
    /// A device.
    Device,
}

impl Who {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Organisation, Self::Practitioner, Self::Person, Self::Device];
}

/// Who signed a transaction, as the state knows the key.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub enum Signer {
    /// A member organisation.
    Organisation(OrgId),
    /// A practitioner in a session.
    Practitioner {
        /// The practitioner, under a random id.
        principal: PrincipalId,
        /// The organisation that certified the session.
        org: OrgId,
        /// The role that it certified.
        role: Slug,
        /// The session's key.
        session: PublicKey,
    },
    /// A patient, delegate or guardian.
    Person {
        /// The person, under a random id.
        principal: PrincipalId,
        /// The organisation that answers for the person's traffic.
        org: OrgId,
    },
    /// A device.
    Device {
        /// The device.
        principal: PrincipalId,
        /// The organisation that answers for it.
        org: OrgId,
    },
}

impl Signer {
    /// The organisation that answers for the signer's traffic: its lane.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        match self {
            Self::Organisation(org)
            | Self::Practitioner { org, .. }
            | Self::Person { org, .. }
            | Self::Device { org, .. } => org,
        }
    }

    /// The signer's principal; an organisation has none.
    #[must_use]
    pub fn principal(&self) -> Option<PrincipalId> {
        match self {
            Self::Organisation(_) => None,
            Self::Practitioner { principal, .. }
            | Self::Person { principal, .. }
            | Self::Device { principal, .. } => Some(*principal),
        }
    }

    /// What kind of signer it is.
    #[must_use]
    pub fn who(&self) -> Who {
        match self {
            Self::Organisation(_) => Who::Organisation,
            Self::Practitioner { .. } => Who::Practitioner,
            Self::Person { .. } => Who::Person,
            Self::Device { .. } => Who::Device,
        }
    }
}

/// A kind of transaction: its fields, and what they do.
///
/// The kind's doc comment is its help text; its place in `kinds.rs` gives it tag and name.
pub trait Kind:
    BorshSerialize
    + BorshDeserialize
    + Serialize
    + DeserializeOwned
    + schemars::JsonSchema
    + for<'a> Arbitrary<'a>
{
    /// Who may send it. Others get `NOT_FOR_SIGNER` before `apply` is asked.
    const WHO: &'static [Who];

    /// Whether it overtakes others on the way into a block, as revocations do.
    const URGENT: bool = false;

    /// Refuses, or fills the draft.
    ///
    /// # Errors
    /// The first refusal in order of precedence; then the draft is dropped.
    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject>;
}
