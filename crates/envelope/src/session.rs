//! This file is where a reader's key for one access is born: fresh, named on the ledger by its hash, gone with the
//! visit.

use crate::boxes::{OpenKey, SealKey};
use primitives::{Hash, domain};
use rand_core::CryptoRng;
use zeroize::ZeroizeOnDrop;

/// The key pair to which the trustees release for one access.
#[derive(Debug)]
pub struct SessionKey(OpenKey);

impl ZeroizeOnDrop for SessionKey {}

/// The hash by which an access names its session key.
#[must_use]
pub fn session_hash(key: &SealKey) -> Hash {
    key.hash(domain::SESSION_KEY)
}

impl SessionKey {
    /// A fresh pair, for one access only.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(OpenKey::generate(rng))
    }

    /// What the trustees seal to.
    #[must_use]
    pub const fn public(&self) -> &SealKey {
        self.0.public()
    }

    /// What the access names.
    #[must_use]
    pub fn hash(&self) -> Hash {
        session_hash(self.public())
    }

    pub(crate) const fn open_key(&self) -> &OpenKey {
        &self.0
    }
}
