//! This file is where one record of a pack is proved to somebody without the compartment's key: an offline verifier
//! needs the pack's root from the ledger, the plaintext, and this.

use crate::{
    manifest::{self, Entry, Manifest},
    open::{OpenError, Opener},
    record::{self, RecordId},
};
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{CompartmentId, Hash, MerkleProof, PackRoot};
use zeroize::Zeroizing;

/// Proves that a pack holds, or held, a record version. Says nothing about its content.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LeafProof {
    /// The record's compartment.
    pub compartment: CompartmentId,
    /// The record.
    pub record: RecordId,
    /// Its version.
    pub version: u32,
    /// Bytes of its ciphertext.
    pub bytes: u32,
    /// Hash of its random part.
    pub random: Hash,
    /// Hash of its ciphertext.
    pub ciphertext: Hash,
    /// Keyed commitment to its plaintext.
    pub commitment: Hash,
    /// From the record's leaf to the pack's root.
    pub path: MerkleProof,
}

/// Proves that a plaintext is what a pack holds as a record version. Reveals nothing about any other record.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Opening {
    /// The record's place in the pack.
    pub leaf: LeafProof,
    /// The key of its commitment: whoever has it can test guesses at this one plaintext.
    commit_key: [u8; 32],
}

/// Why an opening proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// The leaf isn't in the pack.
    #[error("the record isn't in the pack with this root")]
    Leaf,
    /// The plaintext isn't what was committed to.
    #[error("the plaintext isn't the record's")]
    Plaintext,
}

impl Manifest {
    /// Proves the record version at `at`, erased or not.
    #[must_use]
    pub fn prove(&self, at: usize) -> Option<LeafProof> {
        let Entry { compartment: _, record, version, bytes, random, ciphertext, commitment } =
            self.entries().get(at)?.clone();
        // The head has the first leaf.
        let path = self.tree().prove(at as u64 + 1)?;
        let compartment = *self.compartment_of(at)?;
        Some(LeafProof { compartment, record, version, bytes, random, ciphertext, commitment, path })
    }
}

impl LeafProof {
    /// Checks that the pack with this root holds, or held, this record version.
    ///
    /// # Errors
    /// [`OpeningError::Leaf`].
    pub fn verify(&self, root: PackRoot) -> Result<(), OpeningError> {
        let Self { compartment, record, version, bytes, random, ciphertext, commitment, path } = self;
        let entry = Entry {
            compartment: 0,
            record: *record,
            version: *version,
            bytes: *bytes,
            random: *random,
            ciphertext: *ciphertext,
            commitment: *commitment,
        };
        let leaf = manifest::record_leaf(compartment, &entry);
        if path.root(leaf.as_bytes()) == Some(root.0) { Ok(()) } else { Err(OpeningError::Leaf) }
    }
}

impl Opener<'_> {
    /// Opens the record version at `at`, with the proof by which others can check the plaintext.
    ///
    /// # Errors
    /// As for [`Opener::open`].
    pub fn open_and_prove(
        &self,
        at: usize,
        ciphertext: &[u8],
        random: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, Opening), OpenError> {
        let (plaintext, keys) = self.open_with_keys(at, ciphertext, random)?;
        let leaf = self.manifest().prove(at).ok_or(OpenError::Entry(at))?;
        Ok((plaintext, Opening { leaf, commit_key: *keys.commit }))
    }
}

impl Opening {
    /// Checks that `plaintext` is what the pack with this root holds as this record version.
    ///
    /// # Errors
    /// [`OpeningError`].
    pub fn verify(&self, root: PackRoot, plaintext: &[u8]) -> Result<(), OpeningError> {
        self.leaf.verify(root)?;
        let commitment = record::plaintext_commitment(&self.commit_key, plaintext);
        if commitment == self.leaf.commitment { Ok(()) } else { Err(OpeningError::Plaintext) }
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").field("leaf", &self.leaf).finish_non_exhaustive()
    }
}
