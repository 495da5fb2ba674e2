//! This file is where the authenticated state is read, and where anyone verifies what it holds or doesn't hold.
//!
//! The state is a sparse Merkle tree over hashed keys in the shape of the Jellyfish Merkle tree (Gao, Hu, Wu 2021): a
//! subtree of one leaf is that leaf, an empty one is [`EMPTY`]. Only the verifying half stands here.

use crate::{Hash, List, StateRoot, domain, flat::is_flat, hash};
use borsh::{BorshDeserialize, BorshSerialize};

/// Depth of the tree in bits, so the greatest number of siblings in a proof.
pub const STATE_DEPTH_MAX: usize = 256;

/// Greatest encoded length of a [`StateProof`].
pub const STATE_PROOF_BYTES_MAX: usize = 1 + 64 + 4 + STATE_DEPTH_MAX * 33;

/// Stands for an empty subtree.
const EMPTY: Hash = Hash(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");

/// Root of the state before genesis: it holds nothing.
pub const EMPTY_STATE_ROOT: StateRoot = StateRoot(EMPTY);

/// Prefix of a hashed leaf.
const LEAF: &[u8] = b"JMT::LeafNode";

/// Prefix of a hashed inner node.
const INNER: &[u8] = b"JMT::IntrnalNode";

/// What the state machine reads. A failing disk is a fault: the implementation stops the process and never answers
/// "absent" for what it could not read.
pub trait State {
    /// The value under `key`, if there is one.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;
}

impl<S: State + ?Sized> State for &S {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        (**self).get(key)
    }
}

/// The hash function of the tree: BLAKE3 under [`domain::STATE_NODE`], over bytes that carry their own prefixes.
pub struct StateHasher(blake3::Hasher);

impl StateHasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(domain::STATE_NODE.hasher())
    }

    /// Adds `bytes` as they are, without their length.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// The digest so far.
    #[must_use]
    pub fn finish(&self) -> Hash {
        Hash(*self.0.finalize().as_bytes())
    }
}

impl Default for StateHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// Where `key` lies in the tree.
#[must_use]
pub fn state_key(key: &[u8]) -> Hash {
    hash(domain::STATE_KEY, &[key])
}

/// The digest that the tree takes in place of `value`.
#[must_use]
pub fn state_value(value: &[u8]) -> Hash {
    hash(domain::STATE_VALUE, &[value])
}

/// What a leaf holds of `value`: the tree hashes once more whatever it is given as a value.
#[must_use]
pub fn state_leaf_value(value: &[u8]) -> Hash {
    StateHasher::new().update(&state_value(value).0).finish()
}

/// The leaf in which the path of a proof ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateLeaf {
    /// [`state_key`] of the leaf's key.
    pub key: Hash,
    /// [`state_leaf_value`] of the leaf's value.
    pub value: Hash,
}

impl StateLeaf {
    fn hash(&self) -> Hash {
        StateHasher::new().update(LEAF).update(&self.key.0).update(&self.value.0).finish()
    }
}

/// Proof that a key has a value in the state under some root, or that it has none.
///
/// Bounded when decoded; whatever it holds, verifying costs at most [`STATE_DEPTH_MAX`] hashes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateProof {
    /// Where the path towards the key ends: its own leaf, another key's, or an empty place.
    pub leaf: Option<StateLeaf>,
    /// Sibling hashes from the leaf upward; an empty sibling is `None`.
    pub siblings: List<Option<Hash>, STATE_DEPTH_MAX>,
}

/// Why a [`StateProof`] proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateProofError {
    /// The path ends in the leaf of another key, or in an empty place, while a value is claimed.
    #[error("the proof does not end in the key's own leaf")]
    NotTheKey,
    /// The leaf holds another value.
    #[error("the proof is of another value")]
    NotTheValue,
    /// The key has a value, or the path leads elsewhere, while absence is claimed.
    #[error("the proof does not show that the key is absent")]
    NotAbsent,
    /// The path leads to another root.
    #[error("the proof leads to another state root")]
    NotTheRoot,
    /// The row is flat: it isn't in the tree, so its absence there says nothing.
    #[error("flat rows are not in the tree, nothing can be proven of them")]
    Flat,
    /// An empty sibling is spelled out, so the encoding isn't the one.
    #[error("the proof is not canonical")]
    NotCanonical,
}

impl StateProof {
    /// Checks that under `root` the value of `key` is `value`, or that `key` is absent if `value` is `None`.
    ///
    /// # Errors
    /// [`StateProofError`] if that isn't proven.
    pub fn verify(&self, root: StateRoot, key: &[u8], value: Option<&[u8]>) -> Result<(), StateProofError> {
        if is_flat(key) {
            return Err(StateProofError::Flat);
        }
        let path = state_key(key);
        match (value, &self.leaf) {
            (Some(_), None) => return Err(StateProofError::NotTheKey),
            (Some(value), Some(leaf)) => {
                if leaf.key != path {
                    return Err(StateProofError::NotTheKey);
                }
                if leaf.value != state_leaf_value(value) {
                    return Err(StateProofError::NotTheValue);
                }
            }
            (None, None) => {}
            // Another key's leaf shows absence only where it stands on the key's own path.
            (None, Some(leaf)) => {
                if leaf.key == path || common_bits(&leaf.key, &path) < self.siblings.len() {
                    return Err(StateProofError::NotAbsent);
                }
            }
        }
        let mut node = self.leaf.map_or(EMPTY, |leaf| leaf.hash());
        for (sibling, depth) in self.siblings.iter().zip((0..self.siblings.len()).rev()) {
            let sibling = match sibling {
                None => &EMPTY,
                Some(sibling) if *sibling == EMPTY => return Err(StateProofError::NotCanonical),
                Some(sibling) => sibling,
            };
            let (left, right) = if bit(&path, depth) { (sibling, &node) } else { (&node, sibling) };
            node = StateHasher::new().update(INNER).update(&left.0).update(&right.0).finish();
        }
        if StateRoot(node) == root { Ok(()) } else { Err(StateProofError::NotTheRoot) }
    }
}

/// The bit of `path` that decides between left (false) and right (true) at `depth`.
fn bit(path: &Hash, depth: usize) -> bool {
    path.0.get(depth >> 3).is_some_and(|byte| byte & (0x80 >> (depth & 7)) != 0)
}

fn common_bits(a: &Hash, b: &Hash) -> usize {
    let whole = a.0.iter().zip(&b.0).take_while(|(a, b)| a == b).count();
    let rest = a.0.iter().zip(&b.0).nth(whole).map_or(0, |(a, b)| (a ^ b).leading_zeros() as usize);
    whole.saturating_mul(8).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode_bounded, encode};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The tree by its definition: slow, and without a line in common with the verifier.
    fn prove(
        entries: &[(Hash, Hash)],
        path: &Hash,
        depth: usize,
    ) -> (Hash, Option<StateLeaf>, Vec<Option<Hash>>) {
        match entries {
            [] => (EMPTY, None, vec![]),
            [(key, value)] => {
                let leaf = StateLeaf { key: *key, value: *value };
                (leaf.hash(), Some(leaf), vec![])
            }
            _ => {
                let (left, right): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| !bit(key, depth));
                let (left, right) = (prove(&left, path, depth + 1), prove(&right, path, depth + 1));
                let top = StateHasher::new().update(INNER).update(&left.0.0).update(&right.0.0).finish();
                let ((_, leaf, mut siblings), other) =
                    if bit(path, depth) { (right, left.0) } else { (left, right.0) };
                siblings.push(if other == EMPTY { None } else { Some(other) });
                (top, leaf, siblings)
            }
        }
    }

    fn check(held: &BTreeMap<u16, u8>, asked: u16) -> (StateRoot, StateProof) {
        let mut entries: Vec<_> = held
            .iter()
            .map(|(key, value)| (state_key(&key.to_be_bytes()), state_leaf_value(&[*value])))
            .collect();
        entries.sort();
        let (root, leaf, siblings) = prove(&entries, &state_key(&asked.to_be_bytes()), 0);
        (StateRoot(root), StateProof { leaf, siblings: siblings.try_into().unwrap() })
    }

    proptest! {
        #[test]
        fn membership_and_absence_prove_and_nothing_else_does(
            held in prop::collection::btree_map(0_u16..64, any::<u8>(), 0..40),
            asked in 0_u16..64,
            flip in any::<prop::sample::Index>(),
        ) {
            let (root, proof) = check(&held, asked);
            let key = asked.to_be_bytes();
            let value = held.get(&asked).map(|value| vec![*value]);
            prop_assert_eq!(proof.verify(root, &key, value.as_deref()), Ok(()));
            prop_assert!(proof.verify(root, &key, Some(b"other")).is_err());
            prop_assert_eq!(proof.verify(root, &key, None).is_ok(), value.is_none());
            prop_assert!(proof.verify(StateRoot(state_key(b"x")), &key, value.as_deref()).is_err());
            // One flipped bit anywhere in the encoding proves nothing any more.
            let mut bytes = encode(&proof);
            prop_assert!(bytes.len() <= STATE_PROOF_BYTES_MAX);
            let at = flip.index(bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
            if let Ok(bad) = decode_bounded::<StateProof>(&bytes, STATE_PROOF_BYTES_MAX) {
                prop_assert!(bad.verify(root, &key, value.as_deref()).is_err());
            }
        }

        #[test]
        fn any_bytes_are_refused_or_harmless(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
            if let Ok(proof) = decode_bounded::<StateProof>(&bytes, STATE_PROOF_BYTES_MAX) {
                prop_assert!(proof.verify(EMPTY_STATE_ROOT, b"k", Some(b"v")).is_err());
            }
        }
    }

    #[test]
    fn nothing_is_proven_of_a_flat_row() {
        let nothing = StateProof { leaf: None, siblings: List::default() };
        assert_eq!(nothing.verify(EMPTY_STATE_ROOT, &[0x7f, 1], None), Ok(()));
        assert_eq!(nothing.verify(EMPTY_STATE_ROOT, &[0x80, 1], None), Err(StateProofError::Flat));
        let key = [0xff, 1];
        let leaf = StateLeaf { key: state_key(&key), value: state_leaf_value(b"v") };
        let proof = StateProof { leaf: Some(leaf), siblings: List::default() };
        assert_eq!(proof.verify(StateRoot(leaf.hash()), &key, Some(b"v")), Err(StateProofError::Flat));
    }

    #[test]
    fn a_length_alone_allocates_nothing() {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        assert!(decode_bounded::<StateProof>(&bytes, STATE_PROOF_BYTES_MAX).is_err());
    }

    #[test]
    fn an_empty_sibling_has_one_spelling() {
        let (root, mut proof) = check(&BTreeMap::from([(1, 1), (2, 2), (3, 3), (4, 4)]), 1);
        let siblings: Vec<_> = proof.siblings.iter().map(|s| Some(s.unwrap_or(EMPTY))).collect();
        let spelled = siblings.contains(&Some(EMPTY));
        proof.siblings = siblings.try_into().unwrap();
        assert_eq!(proof.verify(root, &1_u16.to_be_bytes(), Some(&[1])).is_err(), spelled);
        assert_eq!(
            StateProof { leaf: None, siblings: vec![Some(EMPTY)].try_into().unwrap() }
                .verify(root, b"k", None),
            Err(StateProofError::NotCanonical)
        );
    }
}
