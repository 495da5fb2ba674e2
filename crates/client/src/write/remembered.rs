//! This file is where it stands what is remembered of a resource that the organisation wrote.

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{Hash, domain, hash};

/// What the organisation remembers of a resource that it wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Remembered {
    /// The newest version that it wrote.
    pub version: u32,
    /// Tells whether a content is the same; see [`Remembered::digest`].
    pub content: [u8; 16],
}

impl Remembered {
    /// What is kept of a content: enough to tell it from others.
    #[must_use]
    pub fn digest(deleted: bool, bytes: &[u8]) -> [u8; 16] {
        let Hash(all) = hash(domain::BLOB, &[&[u8::from(deleted)], bytes]);
        let mut short = [0; 16];
        short.copy_from_slice(&all[..16]);
        short
    }
}
