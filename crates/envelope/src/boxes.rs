//! This file is where bytes are sealed to one holder's X-Wing key: a single HPKE message (RFC 9180 §6.1, base mode).

use crate::suite::{Aead, Kdf, Kem};
use borsh::{BorshDeserialize, BorshSerialize};
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _, single_shot_open};
use primitives::{Domain, Hash, domain, hash};
use rand_core::CryptoRng;
use std::fmt;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Bytes of a [`SealKey`]: an ML-KEM-768 encapsulation key, then an X25519 public key.
pub const SEAL_KEY_BYTES: usize = 1216;

/// Bytes of an HPKE encapsulated key of X-Wing.
pub const ENCAPSULATED_BYTES: usize = 1120;

/// Bytes by which AES-256-GCM makes a message longer.
pub(crate) const AEAD_TAG_BYTES: usize = 16;

type HpkePublic = <Kem as hpke::Kem>::PublicKey;
type HpkePrivate = <Kem as hpke::Kem>::PrivateKey;
type HpkeEncapsulated = <Kem as hpke::Kem>::EncappedKey;

/// The public half of an X-Wing pair: whoever has it can seal to its holder. Checked when used.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct SealKey(Box<[u8; SEAL_KEY_BYTES]>);

/// The secret half of an X-Wing pair: opens what was sealed to its [`SealKey`]. Wiped when dropped, never shown.
pub struct OpenKey {
    private: HpkePrivate,
    public: SealKey,
}

/// The bytes are no X-Wing public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an x-wing public key")]
pub struct SealKeyError;

/// The box wasn't sealed to this key for this use, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the box doesn't open: sealed to another key, for another use, or changed")]
pub struct OpenBoxError;

impl SealKey {
    /// The key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SEAL_KEY_BYTES] {
        &self.0
    }

    /// Its hash under a domain that says what the key is for.
    pub(crate) fn hash(&self, domain: Domain) -> Hash {
        hash(domain, &[self.0.as_slice()])
    }

    /// Whether the bytes are an X-Wing public key at all (FIPS 203 §7.2: every coefficient below the modulus).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.parse().is_ok()
    }

    pub(crate) fn parse(&self) -> Result<HpkePublic, SealKeyError> {
        HpkePublic::from_bytes(self.0.as_slice()).map_err(|_| SealKeyError)
    }
}

impl TryFrom<&[u8]> for SealKey {
    type Error = SealKeyError;

    fn try_from(bytes: &[u8]) -> Result<Self, SealKeyError> {
        let bytes: [u8; SEAL_KEY_BYTES] = bytes.try_into().map_err(|_| SealKeyError)?;
        let key = Self(Box::new(bytes));
        key.parse().map(|_| key)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.hash(domain::COMPARTMENT_KEY))
    }
}

impl OpenKey {
    /// A fresh pair.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        Self::from_seed(&seed)
    }

    /// The pair with this seed (draft-connolly-cfrg-xwing-kem §5.2, `GenerateKeyPairDerand`).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let private = HpkePrivate::from_bytes(seed);
        // Any 32 bytes are a seed.
        primitives::invariant!(private.is_ok());
        let Ok(private) = private else { unreachable!() };
        let mut public = Box::new([0; SEAL_KEY_BYTES]);
        Kem::sk_to_pk(&private).write_exact(public.as_mut_slice());
        Self { private, public: SealKey(public) }
    }

    /// The seed, for a key file.
    #[must_use]
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        let mut seed = Zeroizing::new([0; 32]);
        self.private.write_exact(seed.as_mut_slice());
        seed
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &SealKey {
        &self.public
    }

    pub(crate) const fn private(&self) -> &HpkePrivate {
        &self.private
    }
}

// The private half wipes itself; the public one needs no wiping.
impl ZeroizeOnDrop for OpenKey {}

impl fmt::Debug for OpenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenKey(of {:?})", self.public)
    }
}

/// Seals `plaintext` to `to`: encapsulated key, then ciphertext. `aad` says what for, and is needed to open.
pub(crate) fn seal_box(
    rng: &mut impl CryptoRng,
    domain: Domain,
    to: &SealKey,
    aad: &Hash,
    plaintext: &[u8],
) -> Result<Vec<u8>, SealKeyError> {
    let (encapsulated, ciphertext) = hpke::single_shot_seal_with_rng::<Aead, Kdf, Kem>(
        &OpModeS::Base,
        &to.parse()?,
        domain.as_str().as_bytes(),
        plaintext,
        aad.as_bytes(),
        rng,
    )
    .map_err(|_| SealKeyError)?;
    let mut bytes = vec![0; ENCAPSULATED_BYTES];
    encapsulated.write_exact(&mut bytes);
    bytes.extend_from_slice(&ciphertext);
    Ok(bytes)
}

/// Opens what [`seal_box`] made.
pub(crate) fn open_box(
    domain: Domain,
    key: &OpenKey,
    aad: &Hash,
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenBoxError> {
    let (encapsulated, ciphertext) = bytes.split_at_checked(ENCAPSULATED_BYTES).ok_or(OpenBoxError)?;
    let encapsulated = HpkeEncapsulated::from_bytes(encapsulated).map_err(|_| OpenBoxError)?;
    single_shot_open::<Aead, Kdf, Kem>(
        &OpModeR::Base,
        &key.private,
        &encapsulated,
        domain.as_str().as_bytes(),
        ciphertext,
        aad.as_bytes(),
    )
    .map(Zeroizing::new)
    .map_err(|_| OpenBoxError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    #[test]
    fn a_box_opens_for_its_key_use_and_bytes_only() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let key = OpenKey::generate(&mut rng);
        let aad = hash(domain::BLOB, &[b"for"]);
        let sealed = seal_box(&mut rng, domain::RELEASE, key.public(), &aad, b"plain").unwrap();
        assert_eq!(sealed.len(), ENCAPSULATED_BYTES + 5 + AEAD_TAG_BYTES);
        assert_eq!(&**open_box(domain::RELEASE, &key, &aad, &sealed).unwrap(), b"plain");
        assert!(open_box(domain::DEAL_BOX, &key, &aad, &sealed).is_err());
        assert!(open_box(domain::RELEASE, &key, &Hash::default(), &sealed).is_err());
        assert!(open_box(domain::RELEASE, &OpenKey::generate(&mut rng), &aad, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 0x80;
            assert!(open_box(domain::RELEASE, &key, &aad, &bad).is_err(), "byte {at}");
        }
        for len in [0, 31, ENCAPSULATED_BYTES, sealed.len() - 1] {
            assert!(open_box(domain::RELEASE, &key, &aad, &sealed[..len]).is_err());
        }
    }

    #[test]
    fn a_key_survives_its_seed_and_its_bytes() {
        let key = OpenKey::generate(&mut ChaCha20Rng::seed_from_u64(2));
        assert_eq!(OpenKey::from_seed(&key.to_seed()).public(), key.public());
        assert_eq!(&SealKey::try_from(key.public().as_bytes().as_slice()).unwrap(), key.public());
        assert!(SealKey::try_from([0xff; SEAL_KEY_BYTES].as_slice()).is_err());
        assert!(SealKey::try_from([0; 5].as_slice()).is_err());
        assert!(!format!("{key:?}").contains(&hex::encode(&key.to_seed()[..4])));
    }
}
