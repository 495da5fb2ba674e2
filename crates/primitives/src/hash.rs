//! This file is where bytes become digests: BLAKE3 in key-derivation mode, one context per domain.

use crate::Domain;
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

/// A 32-byte BLAKE3 digest.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize, Arbitrary,
)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

crate::text_form::text_form!(Hash);

/// A running hash under one domain. Each part is prefixed with its length, so parts can't slide into each other.
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// A hasher for `domain`.
    #[must_use]
    pub fn new(domain: Domain) -> Self {
        Self(domain.hasher())
    }

    /// Adds one length-prefixed part.
    pub fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The digest so far.
    #[must_use]
    pub fn finish(&self) -> Hash {
        Hash(*self.0.finalize().as_bytes())
    }

    /// As many bytes of output as `bytes` has room for.
    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        self.0.finalize_xof().fill(bytes);
    }

    /// 64 bytes of output, for mapping to a group element.
    #[must_use]
    pub fn finish_wide(&self) -> [u8; 64] {
        let mut wide = [0; 64];
        self.0.finalize_xof().fill(&mut wide);
        wide
    }
}

/// Hashes `parts` under `domain`.
#[must_use]
pub fn hash(domain: Domain, parts: &[&[u8]]) -> Hash {
    let mut hasher = Hasher::new(domain);
    for part in parts {
        hasher.part(part);
    }
    hasher.finish()
}

/// Hashes the canonical encoding of `value` under `domain`.
#[must_use]
pub fn hash_borsh<T: BorshSerialize>(domain: Domain, value: &T) -> Hash {
    hash(domain, &[&crate::encode(value)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain;

    #[test]
    fn parts_and_domains_separate() {
        let one = hash(domain::BLOB, &[b"ab", b"c"]);
        assert_ne!(one, hash(domain::BLOB, &[b"a", b"bc"]));
        assert_ne!(one, hash(domain::BLOB, &[b"abc"]));
        assert_ne!(one, hash(domain::NETWORK, &[b"ab", b"c"]));
        assert_eq!(one, hash(domain::BLOB, &[b"ab", b"c"]));
    }
}
