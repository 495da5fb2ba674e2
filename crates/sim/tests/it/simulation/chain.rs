//! This file is where the members' blocks are held against each other: one chain, one state, one answer to each
//! transaction.

use bytes::Bytes;
use ledger::{Outcome, Receipt};
use primitives::{Hash, Header, StateRoot, decode, domain, encode, hash};
use store::View;

/// A block as one member has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) header: Header,
    pub(super) root: StateRoot,
    pub(super) txs: Vec<Bytes>,
    pub(super) receipts: Vec<Receipt>,
}

impl Block {
    /// The block of `height` from a member's disk.
    pub(super) fn read(view: &View, height: u64) -> Self {
        let receipts = view.receipts(height).unwrap();
        let receipts: Vec<Receipt> = receipts.iter().map(|(_, bytes)| decode(bytes).unwrap()).collect();
        let block = Self {
            header: view.header(height).unwrap().unwrap(),
            root: view.state_root(height).unwrap().unwrap(),
            txs: view.txs(height).unwrap().unwrap(),
            receipts,
        };
        assert_eq!((block.header.height, block.txs.len()), (height, block.receipts.len()));
        block
    }
}

/// What is final, by whoever had it first; from height 1 on.
#[derive(Default)]
pub(super) struct Chain {
    blocks: Vec<Block>,
    trace: Hash,
}

impl Chain {
    /// Takes a member's block: the next one, or one that must be the same as before.
    pub(super) fn hear(&mut self, place: usize, block: &Block) {
        let height = block.header.height;
        self.note(&encode(&(place as u64, height, block.header.hash(), block.root)));
        match self.at(height) {
            Some(known) => assert_eq!(known, block, "member {place} has another block {height}"),
            None => {
                assert_eq!(height, self.height() + 1, "member {place} skipped a block");
                let parent = self.at(height - 1).map(|parent| parent.header.hash());
                assert!(parent.is_none_or(|parent| parent == block.header.parent));
                // What a header says of the state is what everybody executed.
                let said = block.header.executed;
                let executed = self.at(said.height).map(|executed| executed.root);
                assert!(
                    executed.is_none_or(|root| root == said.state_root),
                    "block {height} lies of the state"
                );
                self.blocks.push(block.clone());
            }
        }
    }

    /// The newest height.
    pub(super) fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// The block of a height above 0.
    pub(super) fn at(&self, height: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(height.checked_sub(1)?).ok()?)
    }

    /// All blocks, in order.
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// How many receipts say this.
    pub(super) fn count(&self, outcome: Outcome) -> usize {
        let receipts = self.blocks.iter().flat_map(|block| &block.receipts);
        receipts.filter(|receipt| receipt.outcome == outcome).count()
    }

    /// Makes something part of what a replay must repeat.
    pub(super) fn note(&mut self, bytes: &[u8]) {
        self.trace = hash(domain::GOLDEN, &[&self.trace.0, bytes]);
    }

    /// Stands for all that was noted.
    pub(super) fn trace(&self) -> Hash {
        self.trace
    }
}
