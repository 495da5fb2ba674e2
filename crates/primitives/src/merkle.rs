//! This file is where lists get a root and their items a proof: a binary Merkle tree in the shape of RFC 9162 §2.1.

use crate::{Hash, domain, hash};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};

/// A path from one leaf to the root of a tree of known length.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct MerkleProof {
    /// Index of the leaf.
    pub index: u64,
    /// Number of leaves.
    pub len: u64,
    /// Sibling hashes, from the leaf upward.
    pub path: Vec<Hash>,
}

/// All levels of a tree, for giving many proofs.
#[derive(Clone, Debug)]
pub struct MerkleTree {
    /// `levels[0]` are the hashed leaves; each further level halves, an odd last node moving up unchanged.
    levels: Vec<Vec<Hash>>,
}

fn leaf_hash(leaf: &[u8]) -> Hash {
    hash(domain::MERKLE_LEAF, &[leaf])
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    hash(domain::MERKLE_NODE, &[&left.0, &right.0])
}

fn root_hash(len: u64, top: &Hash) -> Hash {
    hash(domain::MERKLE_ROOT, &[&len.to_le_bytes(), &top.0])
}

fn level_above(level: &[Hash]) -> Vec<Hash> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => node_hash(left, right),
            [alone] => *alone,
            _ => Hash::default(),
        })
        .collect()
}

/// The root over `leaves`, bound to how many there are. An empty list has a root too.
#[must_use]
pub fn merkle_root<L: AsRef<[u8]>>(leaves: &[L]) -> Hash {
    MerkleTree::new(leaves).root()
}

impl MerkleTree {
    /// Hashes all of `leaves`.
    #[must_use]
    pub fn new<L: AsRef<[u8]>>(leaves: &[L]) -> Self {
        let mut level: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf.as_ref())).collect();
        let mut levels = Vec::new();
        while level.len() > 1 {
            let above = level_above(&level);
            levels.push(level);
            level = above;
        }
        levels.push(level);
        Self { levels }
    }

    fn len(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        let top = self.levels.last().and_then(|level| level.first()).copied().unwrap_or_default();
        root_hash(self.len(), &top)
    }

    /// The proof of the leaf at `index`, if there is one.
    #[must_use]
    pub fn prove(&self, index: u64) -> Option<MerkleProof> {
        if index >= self.len() {
            return None;
        }
        let mut at = usize::try_from(index).ok()?;
        let mut path = Vec::new();
        for level in &self.levels {
            if let Some(sibling) = level.get(at ^ 1) {
                path.push(*sibling);
            }
            at >>= 1;
        }
        Some(MerkleProof { index, len: self.len(), path })
    }
}

impl MerkleProof {
    /// The root that this proof leads to from `leaf`; `None` if the path doesn't fit index and length.
    #[must_use]
    pub fn root(&self, leaf: &[u8]) -> Option<Hash> {
        if self.index >= self.len {
            return None;
        }
        let (mut at, mut width) = (self.index, self.len);
        let mut node = leaf_hash(leaf);
        let mut path = self.path.iter();
        while width > 1 {
            let last = width.saturating_sub(1);
            if at & 1 == 1 {
                node = node_hash(path.next()?, &node);
            } else if at != last {
                node = node_hash(&node, path.next()?);
            }
            at >>= 1;
            width = width.div_ceil(2);
        }
        if path.next().is_some() { None } else { Some(root_hash(self.len, &node)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_leaf_proves_and_no_other_does(len in 1_usize..40, pick in 0_usize..40, flip in 0_usize..2000) {
            let leaves: Vec<Vec<u8>> = (0..len).map(|i| vec![i as u8; 3]).collect();
            let tree = MerkleTree::new(&leaves);
            let index = pick % len;
            let proof = tree.prove(index as u64).unwrap();
            prop_assert_eq!(proof.root(&leaves[index]), Some(tree.root()));
            prop_assert_ne!(proof.root(b"other"), Some(tree.root()));
            // Any one flipped bit of the encoded proof breaks it.
            let mut bytes = crate::encode(&proof);
            let bit = flip % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(bad) = crate::decode::<MerkleProof>(&bytes) {
                prop_assert_ne!(bad.root(&leaves[index]), Some(tree.root()));
            }
        }
    }

    #[test]
    fn the_length_is_bound() {
        let leaves = [b"a", b"b", b"c"];
        let proof = MerkleTree::new(&leaves).prove(2).unwrap();
        assert!(proof.root(b"c").is_some());
        assert_ne!(MerkleProof { len: 4, ..proof.clone() }.root(b"c"), proof.root(b"c"));
        assert!(MerkleTree::new(&leaves).prove(3).is_none());
        assert_ne!(merkle_root::<&[u8]>(&[]), merkle_root(&[b""]));
    }
}
