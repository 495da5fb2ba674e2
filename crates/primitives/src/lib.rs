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

mod attest;
mod bounded;
mod codec;
pub mod domain;
mod flat;
mod hash;
mod header;
mod id;
mod invariant;
mod merkle;
mod sign;
mod state;
mod text_form;
mod time;

pub use attest::{
    Acknowledgement, COMPARTMENTS_MAX, Commitment, CompartmentBody, StorageReceipt, TRUSTEES_MAX,
    compartments_hash,
};
pub use bounded::{Blob, List, Slug, Text};
pub use codec::{DecodeError, decode, decode_bounded, encode};
pub use domain::Domain;
pub use flat::{FLAT_DIGEST_BYTES, FLAT_KEY, FlatDigest, is_flat};
pub use hash::{Hash, Hasher, hash, hash_borsh};
pub use header::{Executed, HEADER_BYTES, Header};
pub use id::{
    BlockHash, ChartId, CompartmentId, NetworkId, OrgId, PackRoot, PrincipalId, StateRoot, Tag, TxId,
};
pub use merkle::{MerkleProof, MerkleTree, merkle_root};
pub use sign::{PublicKey, SecretKey, Signature, SignatureError};
pub use state::{
    EMPTY_STATE_ROOT, STATE_DEPTH_MAX, STATE_PROOF_BYTES_MAX, State, StateHasher, StateLeaf, StateProof,
    StateProofError, state_key, state_leaf_value, state_value,
};
pub use time::{Millis, Span};
