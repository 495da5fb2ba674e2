//! This file is where a block's header is: fixed size, so that a proof carries a header and never a body.

use crate::{BlockHash, Hash, Millis, PublicKey, StateRoot, domain, hash_borsh};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};

/// Encoded length of every [`Header`].
pub const HEADER_BYTES: usize = 8 + 8 + 32 + 8 + 32 + 32 + 8 + 8 + 8 + 32 + 32;

/// Up to where the proposer had executed, and the state root it got there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Executed {
    /// Height whose execution gave `state_root`. Never decreases along a chain.
    pub height: u64,
    /// Root of the authenticated state after `height`.
    pub state_root: StateRoot,
}

/// What a block's hash covers. The body is bound by `txs_root`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Header {
    /// The engine's epoch in which the block was proposed.
    pub epoch: u64,
    /// The engine's view in which the block was proposed.
    pub view: u64,
    /// The proposer.
    pub leader: PublicKey,
    /// The view of the block that the proposal extends, as the engine counts.
    pub parent_view: u64,
    /// The digest that the engine's context names as parent; equals `parent` but for the first block of an epoch.
    pub parent_payload: Hash,
    /// Hash of the parent's header.
    pub parent: BlockHash,
    /// 0 for the genesis block, then parent's height and one.
    pub height: u64,
    /// Above the parent's, at most now and skew when verified.
    pub time: Millis,
    /// The lagging state root.
    pub executed: Executed,
    /// Merkle root over the block's transactions, see [`crate::merkle_root`].
    pub txs_root: Hash,
}

impl Header {
    /// The block's name.
    #[must_use]
    pub fn hash(&self) -> BlockHash {
        BlockHash(hash_borsh(domain::HEADER, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;

    #[test]
    fn the_size_is_fixed() {
        let header = Header {
            epoch: u64::MAX,
            view: 1,
            leader: PublicKey([7; 32]),
            parent_view: 0,
            parent_payload: Hash([1; 32]),
            parent: BlockHash::default(),
            height: 3,
            time: Millis(5),
            executed: Executed::default(),
            txs_root: Hash([2; 32]),
        };
        assert_eq!(encode(&header).len(), HEADER_BYTES);
        assert_ne!(header.hash(), Header { height: 4, ..header }.hash());
    }
}
