//! This file is where ids are newtypes: 32 bytes that say what they name, shown as lower-case hex.

use crate::{Slug, hash::Hash, text_form::text_form};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize, Arbitrary,
        )]
        pub struct $name(pub Hash);

        impl $name {
            /// The id's bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }
        }

        impl From<Hash> for $name {
            fn from(hash: Hash) -> Self {
                Self(hash)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        text_form!($name);
    )*};
}

ids! {
    /// A network: hash of its genesis file.
    NetworkId;
    /// A transaction: hash of its signed bytes. An access and a directive are named by their transaction's id.
    TxId;
    /// A chart: one patient's longitudinal record. Random; says nothing about the patient.
    ChartId;
    /// Whoever can sign, across key rotations: hash of the first public key.
    PrincipalId;
    /// What one key opens: hash of chart, tag, writer, public key and commitments.
    CompartmentId;
    /// All that one write sealed: Merkle root over its records.
    PackRoot;
    /// A block: hash of its header.
    BlockHash;
    /// Root of the authenticated state after some height.
    StateRoot;
    /// A category of a chart, opaque to all who lack the chart's tag key.
    Tag;
}

/// An organisation, by its short name in the network, for example `riverside-hospital`.
#[derive(
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct OrgId(pub Slug);

impl fmt::Debug for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrgId({})", self.0)
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::str::FromStr for OrgId {
    type Err = crate::bounded::SlugError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
