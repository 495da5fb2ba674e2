//! This file is where it is remembered which signatures were verified: by id and signature, bounded.

use ledger::Signed;
use primitives::{Hash, domain, hash};
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

/// Entries per generation; two generations are kept.
const GENERATION: usize = 1 << 16;

/// Signatures found good at the pool's door, so that execution needn't check them again.
///
/// Keyed by id *and* signature: another signature over the same bytes has to be checked for itself.
#[derive(Default)]
pub(crate) struct Verified(Mutex<[HashSet<Hash>; 2]>);

fn key(signed: &Signed) -> Hash {
    hash(domain::TX_CACHE, &[signed.tx.id().as_bytes(), &signed.signature.0])
}

impl Verified {
    /// Remembers a transaction whose signature was verified.
    pub(crate) fn note(&self, signed: &Signed) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *guard;
        if young.len() >= GENERATION {
            *old = std::mem::take(young);
        }
        young.insert(key(signed));
    }

    /// Whether this very transaction and signature was remembered.
    pub(crate) fn has(&self, signed: &Signed) -> bool {
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(signed);
        guard.iter().any(|generation| generation.contains(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::{Blob, Millis, NetworkId, SecretKey, Signature};

    #[test]
    fn another_signature_over_the_same_bytes_is_not_remembered() {
        let key = SecretKey::from_seed(&[3; 32]);
        let tx = ledger::Transaction {
            network: NetworkId::default(),
            signer: key.public(),
            kind: 1,
            body: Blob::default(),
            valid_until: Millis(1),
            nonce: 7,
        };
        let signed = tx.sign(&key);
        let forged = Signed { signature: Signature([9; 64]), ..signed.clone() };
        let cache = Verified::default();
        cache.note(&signed);
        assert!(cache.has(&signed));
        assert!(!cache.has(&forged));
    }
}
