//! This file is where a category gets the opaque tag under which the ledger knows it in one chart.

use crate::kdf;
use primitives::{Hash, Tag, domain};
use rand_core::CryptoRng;
use std::fmt;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// A chart's tag key: without it nobody can tell which category a tag is. Wiped when dropped, never shown.
#[derive(Clone)]
pub struct TagKey(Zeroizing<[u8; 32]>);

impl TagKey {
    /// A fresh key, for a new chart.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut_slice());
        Self(key)
    }

    /// The key from the chart's index compartment.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The key's bytes, to be sealed into the chart's index compartment.
    #[must_use]
    pub const fn as_bytes(&self) -> &Zeroizing<[u8; 32]> {
        &self.0
    }

    /// The tag of a category, for example `PSY` (HL7 v3 ActCode).
    #[must_use]
    pub fn tag(&self, category: &str) -> Tag {
        Tag(Hash(*kdf::derive(domain::CATEGORY_TAG, &[self.0.as_slice(), category.as_bytes()])))
    }
}

impl ZeroizeOnDrop for TagKey {}

impl fmt::Debug for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TagKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_depends_on_chart_and_category() {
        let (one, two) = (TagKey::from_bytes(&[1; 32]), TagKey::from_bytes(&[2; 32]));
        assert_eq!(one.tag("PSY"), TagKey::from_bytes(one.as_bytes()).tag("PSY"));
        assert_ne!(one.tag("PSY"), one.tag("HIV"));
        assert_ne!(one.tag("PSY"), two.tag("PSY"));
        assert_eq!(format!("{one:?}"), "TagKey(…)");
    }
}
