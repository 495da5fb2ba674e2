//! This file is where it stands why an export can't be made, and what exactly is wrong with one that doesn't verify.

use crate::{open::OpenError, proof::ProofError};
use fhir::collect::CollectError;
use primitives::{NetworkId, PackRoot};

/// Why an export can't be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The chart doesn't open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its log or state isn't proven.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A record isn't a resource.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// More than the format holds.
    #[error("the chart is larger than one export holds: {0}")]
    TooLarge(&'static str),
    /// The file that was made doesn't verify: nothing is handed out.
    #[error("the export doesn't verify: {0}")]
    Verify(#[from] VerifyError),
}

/// What is wrong with an export.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It needs its passphrase first.
    #[error("the file is encrypted; its passphrase is needed")]
    Encrypted,
    /// Not a FHIR Bundle.
    #[error("the file can't be read: {0}")]
    Fhir(#[from] fhir::ReadError),
    /// No proof at the end.
    #[error(
        "the file's last entry isn't a Binary with `{expected}`: it is no export, or its proof was taken out"
    )]
    NoProof {
        /// The content type expected.
        expected: &'static str,
    },
    /// A newer version.
    #[error("the proof is of version {0}; this program knows {known}, update it", known = super::VERSION)]
    Version(String),
    /// Not a proof.
    #[error("the proof is malformed: {0}")]
    Malformed(&'static str),
    /// Of another network.
    #[error("the export is of network {found}, not of {expected}, which the genesis file begins")]
    OtherNetwork {
        /// The export's.
        found: NetworkId,
        /// The genesis file's.
        expected: NetworkId,
    },
    /// Certificate, state root, rows or log.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The state and the log disagree.
    #[error("the state doesn't bear out the log: {0}")]
    State(&'static str),
    /// Packs are missing or too many.
    #[error("the log tells of {expected} packs, the proof of {found}")]
    Packs {
        /// Packs of the log.
        expected: usize,
        /// Packs of the proof.
        found: usize,
    },
    /// Records of a pack are missing or too many.
    #[error("pack {pack} has {expected} records, the proof tells of {found}")]
    Records {
        /// The pack.
        pack: PackRoot,
        /// Records of the pack.
        expected: u32,
        /// Records of the proof.
        found: usize,
    },
    /// A record isn't the one that the pack holds at its place.
    #[error("record {at} of pack {pack}: {reason}")]
    Record {
        /// The pack.
        pack: PackRoot,
        /// The record's place in it.
        at: usize,
        /// What is wrong.
        reason: String,
    },
    /// An entry isn't what was sealed.
    #[error("entry[{entry}] isn't the resource that was written: it or its fullUrl was changed")]
    Entry {
        /// The entry.
        entry: usize,
    },
    /// An entry that no record of the chart stands for.
    #[error("entry[{entry}] isn't a record of this chart")]
    Stranger {
        /// The entry.
        entry: usize,
    },
    /// Something between the records was changed.
    #[error("the file was changed at byte {at}, outside of the records: it isn't as it was exported")]
    Layout {
        /// The first byte that differs.
        at: usize,
    },
    /// The checkpoint is of another chain.
    #[error(
        "at height {height} the export's block isn't the checkpoint's: one of the two is of a forked or false chain"
    )]
    Checkpoint {
        /// The height of both.
        height: u64,
    },
}
