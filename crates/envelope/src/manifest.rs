//! This file is where a pack says what it holds: the head (chart, writer, compartments), one entry per record, and the
//! Merkle root over all of them, which survives the erasure of any record.

use crate::{
    boxes::ENCAPSULATED_BYTES,
    compartment::Compartment,
    record::{self, RANDOM_BYTES, RecordId},
    suite::{Suite, UnknownSuite},
};
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{
    COMPARTMENTS_MAX, ChartId, CompartmentId, Hash, List, MerkleTree, OrgId, PackRoot, decode, domain,
    encode, hash,
};
use std::{collections::BTreeSet, ops::Range};

/// Most records of one pack.
pub const RECORDS_MAX: usize = 10_000;

/// Most bytes of a pack's manifest.
pub const MANIFEST_BYTES_MAX: usize = 4 << 20;

/// Most bytes of a pack's ciphertexts, manifest not counted.
pub const PACK_BYTES_MAX: usize = 64 << 20;

const LEN_BYTES: usize = 4;
/// First part of a leaf, so that the head's leaf is never a record's.
const HEAD_LEAF: &[u8] = b"head";
const RECORD_LEAF: &[u8] = b"record";

/// A compartment as sealed into by one write.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SealedTo {
    /// The compartment.
    pub compartment: Compartment,
    /// The write's HPKE encapsulated key for it.
    pub encapsulated: Box<[u8; ENCAPSULATED_BYTES]>,
}

/// What a pack holds of one record version.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Entry {
    /// Position of its compartment in the manifest.
    pub compartment: u16,
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
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Head {
    pub(crate) suite: u16,
    pub(crate) chart: ChartId,
    pub(crate) writer: OrgId,
    pub(crate) compartments: List<SealedTo, COMPARTMENTS_MAX>,
}

/// A pack's table of contents, checked against the pack's root.
#[derive(Clone, Debug)]
pub struct Manifest {
    suite: Suite,
    head: Head,
    ids: Vec<CompartmentId>,
    entries: Vec<Entry>,
    /// Where each ciphertext starts in the ciphertexts blob; one more for the end.
    starts: Vec<usize>,
    tree: MerkleTree,
}

/// Why bytes are no manifest, or not the expected pack's.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Too short, too long or not a canonical encoding.
    #[error("the manifest is malformed")]
    Malformed,
    /// A suite from the future.
    #[error(transparent)]
    Suite(#[from] UnknownSuite),
    /// A compartment appears twice, or of another chart or suite, or its key isn't the one its id names.
    #[error("compartment {0} of the pack is inconsistent")]
    Compartment(usize),
    /// A record version appears twice, has no compartment or an impossible size.
    #[error("entry {0} of the pack is inconsistent")]
    Entry(usize),
    /// Nothing inside, or more than fits.
    #[error("the pack holds nothing, or more than {PACK_BYTES_MAX} bytes")]
    Size,
    /// Another pack, or a changed one.
    #[error("the manifest has root `{found}`, not `{expected}`")]
    Root {
        /// Root expected.
        expected: PackRoot,
        /// Root of these bytes.
        found: PackRoot,
    },
}

pub(crate) fn random_hash(random: &[u8]) -> Hash {
    hash(domain::RECORD_RANDOM, &[random])
}

pub(crate) fn ciphertext_hash(ciphertext: &[u8]) -> Hash {
    hash(domain::BLOB, &[ciphertext])
}

fn head_leaf(head: &Head) -> Hash {
    hash(domain::PACK_LEAF, &[HEAD_LEAF, &encode(head)])
}

pub(crate) fn record_leaf(compartment: &CompartmentId, entry: &Entry) -> Hash {
    // The compartment by its id: its position means nothing outside this manifest.
    let Entry { compartment: _, record, version, bytes, random, ciphertext, commitment } = entry;
    hash(
        domain::PACK_LEAF,
        &[
            RECORD_LEAF,
            compartment.as_bytes(),
            &record.0,
            &version.to_le_bytes(),
            &bytes.to_le_bytes(),
            random.as_bytes(),
            ciphertext.as_bytes(),
            commitment.as_bytes(),
        ],
    )
}

impl Manifest {
    /// Checks head and entries, and computes offsets and root.
    pub(crate) fn new(head: Head, entries: Vec<Entry>) -> Result<Self, ManifestError> {
        let suite = Suite::try_from(head.suite)?;
        let mut ids = Vec::new();
        for (at, sealed_to) in head.compartments.iter().enumerate() {
            let Compartment { body, key: _ } = &sealed_to.compartment;
            let id = body.id();
            let fits = body.chart == head.chart
                && body.suite == head.suite
                && sealed_to.compartment.is_consistent()
                && !ids.contains(&id);
            if !fits {
                return Err(ManifestError::Compartment(at));
            }
            ids.push(id);
        }
        if ids.is_empty() || entries.is_empty() || entries.len() > RECORDS_MAX {
            return Err(ManifestError::Size);
        }
        let mut leaves = vec![head_leaf(&head).0];
        let mut starts = vec![manifest_bytes(&head, entries.len())];
        let mut end = manifest_bytes(&head, entries.len());
        let end_max = end.saturating_add(PACK_BYTES_MAX);
        let mut seen = BTreeSet::new();
        for (at, entry) in entries.iter().enumerate() {
            let id = ids.get(usize::from(entry.compartment)).ok_or(ManifestError::Entry(at))?;
            let bytes = entry.bytes as usize;
            if !record::is_ciphertext_size(bytes) || !seen.insert((entry.record, entry.version)) {
                return Err(ManifestError::Entry(at));
            }
            leaves.push(record_leaf(id, entry).0);
            end = end.saturating_add(bytes);
            starts.push(end);
        }
        if end > end_max {
            return Err(ManifestError::Size);
        }
        Ok(Self { suite, head, ids, entries, starts, tree: MerkleTree::new(&leaves) })
    }

    /// Reads the manifest at the start of a ciphertexts blob, and checks it against the pack's root. Bytes after the
    /// manifest aren't looked at, so a prefix of the blob will do.
    ///
    /// # Errors
    /// [`ManifestError`] if it isn't the manifest of pack `root`, byte for byte.
    pub fn read(root: PackRoot, ciphertexts: &[u8]) -> Result<Self, ManifestError> {
        let bytes = Self::bytes_needed(ciphertexts)
            .and_then(|needed| ciphertexts.get(LEN_BYTES..needed))
            .ok_or(ManifestError::Malformed)?;
        let (head, entries): (Head, List<Entry, RECORDS_MAX>) =
            decode(bytes).map_err(|_| ManifestError::Malformed)?;
        let manifest = Self::new(head, entries.into_vec())?;
        let found = manifest.root();
        if found == root { Ok(manifest) } else { Err(ManifestError::Root { expected: root, found }) }
    }

    /// How many bytes of a ciphertexts blob hold the manifest, told by the first four; `None` if they say nonsense.
    #[must_use]
    pub fn bytes_needed(prefix: &[u8]) -> Option<usize> {
        let len = u32::from_le_bytes(*prefix.first_chunk::<LEN_BYTES>()?) as usize;
        (len <= MANIFEST_BYTES_MAX).then_some(LEN_BYTES + len)
    }

    /// The manifest's bytes, as a ciphertexts blob starts with them.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let body = encode(&(&self.head, &self.entries));
        let mut bytes = encode(&(body.len() as u32));
        bytes.extend_from_slice(&body);
        bytes
    }

    /// The pack's root.
    #[must_use]
    pub fn root(&self) -> PackRoot {
        PackRoot(self.tree.root())
    }

    /// The suite that the pack was sealed with.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The chart written into.
    #[must_use]
    pub const fn chart(&self) -> &ChartId {
        &self.head.chart
    }

    /// The organisation that wrote.
    #[must_use]
    pub const fn writer(&self) -> &OrgId {
        &self.head.writer
    }

    /// The compartments written into.
    #[must_use]
    pub fn compartments(&self) -> &[SealedTo] {
        &self.head.compartments
    }

    /// The compartments' ids, in the same order.
    #[must_use]
    pub fn compartment_ids(&self) -> &[CompartmentId] {
        &self.ids
    }

    /// All record versions, erased ones too.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Position of a record version.
    #[must_use]
    pub fn find(&self, record: &RecordId, version: u32) -> Option<usize> {
        self.entries.iter().position(|entry| entry.record == *record && entry.version == version)
    }

    /// The compartment of the entry at `at`.
    #[must_use]
    pub fn compartment_of(&self, at: usize) -> Option<&CompartmentId> {
        self.ids.get(usize::from(self.entries.get(at)?.compartment))
    }

    /// Where in the ciphertexts blob the ciphertext of the entry at `at` lies.
    #[must_use]
    pub fn ciphertext_range(&self, at: usize) -> Option<Range<usize>> {
        Some(*self.starts.get(at)?..*self.starts.get(at.checked_add(1)?)?)
    }

    /// Where in the randoms blob the random part of the entry at `at` lies.
    #[must_use]
    pub fn random_range(&self, at: usize) -> Option<Range<usize>> {
        let start = at.checked_mul(RANDOM_BYTES)?;
        (at < self.entries.len()).then_some(start..start.checked_add(RANDOM_BYTES)?)
    }

    /// Bytes of the whole ciphertexts blob.
    #[must_use]
    pub fn ciphertexts_bytes(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }

    /// Bytes of the whole randoms blob.
    #[must_use]
    pub fn randoms_bytes(&self) -> usize {
        self.entries.len().saturating_mul(RANDOM_BYTES)
    }

    pub(crate) const fn tree(&self) -> &MerkleTree {
        &self.tree
    }
}

/// Bytes of an encoded entry.
const ENTRY_BYTES: usize = 2 + 16 + 4 + 4 + 3 * 32;

fn manifest_bytes(head: &Head, entries: usize) -> usize {
    LEN_BYTES + encode(head).len() + LEN_BYTES + entries * ENTRY_BYTES
}
