//! This file is where the store's own entries have their shape: head, per-block record, trail, receipts and events.

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{BlockHash, ChartId, Hash, Hasher, StateRoot, TxId, domain};

/// The newest block that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Head {
    pub(crate) height: u64,
    pub(crate) state_root: StateRoot,
    /// [`Record::chain`] of that height.
    pub(crate) chain: Hash,
    /// Lowest height whose state can still be read and proven.
    pub(crate) states_from: u64,
}

/// What stays of a block for good, apart from its header, receipts and events: digests of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Record {
    pub(crate) block: BlockHash,
    pub(crate) state_root: StateRoot,
    pub(crate) receipts: u32,
    pub(crate) receipts_digest: Hash,
    pub(crate) events: u32,
    pub(crate) events_digest: Hash,
    /// [`Trail::digest`], for as long as the trail is kept.
    pub(crate) trail_digest: Hash,
    /// Digest over everything above and the chain before it.
    pub(crate) chain: Hash,
}

/// What a block's writes replaced; kept while the state before it can still be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Trail {
    /// State keys that the block changed.
    pub(crate) keys: Vec<Vec<u8>>,
    /// Storage keys of the tree nodes that nothing newer refers to.
    pub(crate) stale: Vec<Vec<u8>>,
}

/// A receipt as it lies under its height and index.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct StoredReceipt {
    pub(crate) tx: TxId,
    pub(crate) bytes: Vec<u8>,
}

/// One event of a chart's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The chart.
    pub chart: ChartId,
    /// Position in the chart's log, from 0.
    pub index: u64,
    /// The event, opaque to the store.
    pub bytes: Vec<u8>,
}

impl Trail {
    pub(crate) fn digest(&self) -> Hash {
        primitives::hash_borsh(domain::STORE_RECORD, self)
    }
}

impl Record {
    pub(crate) fn new(
        before: &Hash,
        block: BlockHash,
        state_root: StateRoot,
        receipts: &[(TxId, Vec<u8>)],
        events: &[Event],
        trail_digest: Hash,
    ) -> Self {
        let mut all = Hasher::new(domain::STORE_RECORD);
        for (tx, bytes) in receipts {
            all.part(tx.as_bytes()).part(bytes);
        }
        let receipts_digest = all.finish();
        let mut all = Hasher::new(domain::STORE_RECORD);
        for Event { chart, index, bytes } in events {
            all.part(chart.as_bytes()).part(&index.to_be_bytes()).part(bytes);
        }
        let mut record = Self {
            block,
            state_root,
            // A block of more than u32::MAX receipts can't exist: blocks are bounded far below.
            receipts: u32::try_from(receipts.len()).unwrap_or(u32::MAX),
            receipts_digest,
            events: u32::try_from(events.len()).unwrap_or(u32::MAX),
            events_digest: all.finish(),
            trail_digest,
            chain: Hash::default(),
        };
        record.chain = record.chained(before);
        record
    }

    /// What [`Self::chain`] must be after `before`.
    pub(crate) fn chained(&self, before: &Hash) -> Hash {
        let own = Self { chain: *before, ..*self };
        primitives::hash_borsh(domain::STORE_RECORD, &own)
    }
}
