//! This file is where the rows of the state that lie outside of its tree are summed up, so that one leaf stands for all.
//!
//! The digest is a sum of hashes in a lattice (Bellare and Micciancio 1997; its parameters after Lewi and others,
//! "Securing update propagation with homomorphic hashing", 2019): every row is hashed to 1,024 numbers of 16 bits, which
//! are added lane by lane. Rows are added and taken away in any order, at a cost that doesn't depend on how many there
//! are, and whoever has all rows can compute it afresh. Finding two sets with one sum takes more than 2^200 steps, as long
//! as no row is in a set twice, which keys see to.

use crate::{Hasher, domain};

/// Where the digest of the flat rows lies in the tree; no table may have this tag.
pub const FLAT_KEY: &[u8] = &[0];

/// Numbers in the sum.
const LANES: usize = 1024;

/// Length of an encoded [`FlatDigest`].
pub const FLAT_DIGEST_BYTES: usize = LANES * 2;

/// Whether the row under `key` is flat: on disk, the same on every node, but summed up instead of a leaf of its own.
#[must_use]
pub fn is_flat(key: &[u8]) -> bool {
    key.first().is_some_and(|tag| *tag >= 0x80)
}

/// The digest of a set of flat rows, whatever order they came and went in.
#[derive(Clone, PartialEq, Eq)]
pub struct FlatDigest(Box<[u16; LANES]>);

impl Default for FlatDigest {
    /// That of no rows.
    fn default() -> Self {
        Self(Box::new([0; LANES]))
    }
}

impl std::fmt::Debug for FlatDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FlatDigest({:?})", crate::hash(domain::STATE_FLAT, &[&self.to_bytes()]))
    }
}

/// A row's place in the lattice, as little-endian numbers.
fn summand(key: &[u8], value: &[u8]) -> [u8; FLAT_DIGEST_BYTES] {
    let mut bytes = [0; FLAT_DIGEST_BYTES];
    Hasher::new(domain::STATE_FLAT).part(key).part(value).fill(&mut bytes);
    bytes
}

impl FlatDigest {
    /// The encoding: every number, little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|lane| lane.to_le_bytes()).collect()
    }

    /// The digest that `bytes` encode; `None` if they have another length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; FLAT_DIGEST_BYTES] = bytes.try_into().ok()?;
        let mut digest = Self::default();
        digest.combine(bytes, |_, read| read);
        Some(digest)
    }

    /// Takes in a row that isn't among the rows.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.combine(&summand(key, value), u16::wrapping_add);
    }

    /// Takes out a row that is among the rows.
    pub fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.combine(&summand(key, value), u16::wrapping_sub);
    }

    fn combine(&mut self, bytes: &[u8; FLAT_DIGEST_BYTES], with: impl Fn(u16, u16) -> u16) {
        let (pairs, _) = bytes.as_chunks::<2>();
        for (lane, pair) in self.0.iter_mut().zip(pairs) {
            *lane = with(*lane, u16::from_le_bytes(*pair));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn of(rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> FlatDigest {
        let mut digest = FlatDigest::default();
        rows.iter().for_each(|(key, value)| digest.add(key, value));
        digest
    }

    proptest! {
        #[test]
        fn it_tells_sets_apart_and_not_histories(
            changes in prop::collection::vec((0_u8..8, prop::option::of(0_u8..4)), 0..40),
            other in prop::collection::btree_map(0_u8..8, 0_u8..4, 0..8),
        ) {
            let mut rows = BTreeMap::<Vec<u8>, Vec<u8>>::new();
            let mut digest = FlatDigest::default();
            for (key, value) in changes {
                let (key, value) = (vec![0x80, key], value.map(|value| vec![value]));
                if let Some(old) = rows.remove(&key) {
                    digest.remove(&key, &old);
                }
                if let Some(value) = value {
                    digest.add(&key, &value);
                    rows.insert(key, value);
                }
            }
            prop_assert_eq!(&digest, &of(&rows));
            prop_assert_eq!(FlatDigest::from_bytes(&digest.to_bytes()).unwrap(), digest.clone());
            let other: BTreeMap<_, _> =
                other.into_iter().map(|(key, value)| (vec![0x80, key], vec![value])).collect();
            prop_assert_eq!(digest == of(&other), rows == other);
        }
    }

    #[test]
    fn key_and_value_cannot_slide_into_each_other() {
        let row = |key: &[u8], value: &[u8]| of(&BTreeMap::from([(key.to_vec(), value.to_vec())]));
        assert_ne!(row(b"ab", b"c"), row(b"a", b"bc"));
        assert_eq!(FlatDigest::from_bytes(&[0; FLAT_DIGEST_BYTES]).unwrap(), FlatDigest::default());
        assert!(FlatDigest::from_bytes(&[0; FLAT_DIGEST_BYTES - 1]).is_none());
    }

    #[test]
    fn tags_from_0x80_on_are_flat() {
        assert!(![&[][..], FLAT_KEY, &[0x7f, 0xff]].into_iter().any(is_flat));
        assert!([&[0x80][..], &[0xff, 0]].into_iter().all(is_flat));
    }
}
