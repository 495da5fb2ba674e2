//! This file is where the state tree is built by its definition: slow, and without a line in common with the verifier.

use primitives::{Hash, StateHasher, StateLeaf, StateProof, StateRoot, state_key, state_leaf_value};
use std::collections::BTreeMap;

const EMPTY: Hash = Hash(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");

fn bit(path: &Hash, depth: usize) -> bool {
    path.0[depth / 8] & (0x80 >> (depth % 8)) != 0
}

fn leaf_hash(leaf: &StateLeaf) -> Hash {
    StateHasher::new().update(b"JMT::LeafNode").update(&leaf.key.0).update(&leaf.value.0).finish()
}

fn inner(left: &Hash, right: &Hash) -> Hash {
    StateHasher::new().update(b"JMT::IntrnalNode").update(&left.0).update(&right.0).finish()
}

/// A tree over the rows that are authenticated.
pub(crate) struct Tree(Vec<StateLeaf>);

impl Tree {
    pub(crate) fn new(rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        let provable = rows.iter().filter(|(key, _)| key[0] < 0x80);
        let mut leaves: Vec<StateLeaf> = provable
            .map(|(key, value)| StateLeaf { key: state_key(key), value: state_leaf_value(value) })
            .collect();
        leaves.sort_by_key(|leaf| leaf.key);
        Self(leaves)
    }

    pub(crate) fn root(&self) -> StateRoot {
        StateRoot(hash(&self.0, 0))
    }

    pub(crate) fn prove(&self, key: &[u8]) -> StateProof {
        let path = state_key(key);
        let mut siblings = Vec::new();
        let (mut leaves, mut depth) = (&self.0[..], 0);
        while leaves.len() > 1 {
            let (left, right) = leaves.split_at(leaves.partition_point(|leaf| !bit(&leaf.key, depth)));
            let (own, other) = if bit(&path, depth) { (right, left) } else { (left, right) };
            let sibling = hash(other, depth + 1);
            siblings.push((sibling != EMPTY).then_some(sibling));
            (leaves, depth) = (own, depth + 1);
        }
        siblings.reverse();
        StateProof { leaf: leaves.first().copied(), siblings: siblings.try_into().unwrap() }
    }
}

fn hash(leaves: &[StateLeaf], depth: usize) -> Hash {
    match leaves {
        [] => EMPTY,
        [leaf] => leaf_hash(leaf),
        _ => {
            let (left, right) = leaves.split_at(leaves.partition_point(|leaf| !bit(&leaf.key, depth)));
            inner(&hash(left, depth + 1), &hash(right, depth + 1))
        }
    }
}
