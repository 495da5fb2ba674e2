//! This file is where a category gets the opaque tag under which the ledger knows it in one chart, and a resource the
//! opaque id under which a chart knows it.

use crate::{kdf, record::RecordId};
use primitives::{Hash, OrgId, Tag, domain};
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

    /// The record id of a resource of this type and id, as written by this organisation: the same for all its versions,
    /// so that a new one needs no look-up, and other organisations' resources of the same name are others.
    ///
    /// It tells nothing to whoever lacks the key. Who has it can test a guess of type and id against a pack's manifest:
    /// the organisation should give ids that aren't guessed.
    #[must_use]
    pub fn record_id(&self, writer: &OrgId, kind: &str, id: &str) -> RecordId {
        let parts = [self.0.as_slice(), writer.0.as_bytes(), kind.as_bytes(), id.as_bytes()];
        let derived = kdf::derive(domain::RECORD_ID, &parts);
        let mut short = [0; 16];
        short.iter_mut().zip(derived.iter()).for_each(|(to, from)| *to = *from);
        RecordId(short)
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

    #[test]
    fn a_record_id_depends_on_all_that_names_the_resource() {
        let (one, two) = (TagKey::from_bytes(&[1; 32]), TagKey::from_bytes(&[2; 32]));
        let org = |name: &str| name.parse::<OrgId>().unwrap();
        let (here, there) = (org("here"), org("there"));
        let id = one.record_id(&here, "Patient", "1");
        assert_eq!(id, one.record_id(&here, "Patient", "1"));
        let others = [
            two.record_id(&here, "Patient", "1"),
            one.record_id(&there, "Patient", "1"),
            one.record_id(&here, "Observation", "1"),
            one.record_id(&here, "Patient", "2"),
            // Parts don't run into one another.
            one.record_id(&here, "Patient1", ""),
        ];
        assert!(others.iter().all(|other| *other != id));
    }
}
