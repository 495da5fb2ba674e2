//! What every other part of Horkos is made of: ids, one canonical encoding, domain-separated hashes, signatures,
//! Merkle proofs, block headers, time and bounds. Pure computation: no I/O, no clock, no randomness.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod bounded;
mod codec;
pub mod domain;
mod hash;
mod header;
mod id;
mod invariant;
mod merkle;
mod sign;
mod time;

pub use bounded::{Blob, List, Slug, Text};
pub use codec::{DecodeError, decode, decode_bounded, encode};
pub use domain::Domain;
pub use hash::{Hash, Hasher, hash, hash_borsh};
pub use header::{Executed, HEADER_BYTES, Header};
pub use id::{
    BlockHash, ChartId, CompartmentId, NetworkId, OrgId, PackRoot, PrincipalId, StateRoot, Tag, TxId,
};
pub use merkle::{MerkleProof, MerkleTree, merkle_root};
pub use sign::{PublicKey, SecretKey, Signature, SignatureError};
pub use time::{Millis, Span};
