//! This file is where secrets are derived from secrets, leaving no copy behind.

use blake3::Hasher;
use primitives::Domain;
use zeroize::{Zeroize as _, Zeroizing};

/// The same value as `primitives::hash(domain, parts)`, with every intermediate state wiped.
pub(crate) fn derive(domain: Domain, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut hasher = Hasher::new_derive_key(domain.as_str());
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut digest = hasher.finalize();
    let derived = Zeroizing::new(*digest.as_bytes());
    digest.zeroize();
    hasher.zeroize();
    derived
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::{domain, hash};

    #[test]
    fn it_is_the_hash_of_primitives() {
        for parts in [&[][..], &[&b""[..]], &[b"a", &[7; 5000], b"c"]] {
            assert_eq!(&*derive(domain::BLOB, parts), hash(domain::BLOB, parts).as_bytes());
        }
    }
}
