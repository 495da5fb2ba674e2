//! This file is where Ed25519 signatures are made and checked: strictly, one at a time, under a domain.

use crate::{Domain, PrincipalId, domain, hash};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use std::fmt;

/// An Ed25519 public key, as 32 bytes that are checked when used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct PublicKey(pub [u8; 32]);

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Signature(pub [u8; 64]);

/// An Ed25519 secret key; wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

/// The signature isn't one of this key over this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct SignatureError;

impl PublicKey {
    /// The key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The principal whose first key this is.
    #[must_use]
    pub fn principal(&self) -> PrincipalId {
        PrincipalId(hash(domain::PRINCIPAL, &[&self.0]))
    }

    /// Whether this is a point of the curve, encoded canonically and of no small order: what admission asks of a key.
    #[must_use]
    pub fn is_admissible(&self) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            // `is_weak` covers pure small-order points; a mixed key has a torsion part too and is refused with it.
            !key.is_weak()
                && key.to_edwards().is_torsion_free()
                && key.to_edwards().compress().to_bytes() == self.0
        })
    }

    /// Checks `signature` over `message` strictly (RFC 8032 with small-order keys and non-canonical points refused).
    ///
    /// # Errors
    /// [`SignatureError`] if it doesn't verify.
    pub fn verify(
        &self,
        domain: Domain,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| SignatureError)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(&prefixed(domain, message), &signature).map_err(|_| SignatureError)
    }
}

impl SecretKey {
    /// The key with this seed (RFC 8032 §5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, for a key file. Wipe it after use.
    #[must_use]
    pub fn to_seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` under `domain`.
    #[must_use]
    pub fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        Signature(self.0.sign(&prefixed(domain, message)).to_bytes())
    }
}

fn prefixed(domain: Domain, message: &[u8]) -> Vec<u8> {
    // The length keeps one domain from being a prefix of another.
    let name = domain.as_str().as_bytes();
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&(name.len() as u64).to_le_bytes());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(message);
    bytes
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

crate::text_form::text_form!(PublicKey);

impl serde::Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> serde::Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        hex::decode_to_slice(text, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

impl schemars::JsonSchema for Signature {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Signature".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{128}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_one_key_domain_and_message() {
        let key = SecretKey::from_seed(&[1; 32]);
        let signature = key.sign(domain::TX_SIGN, b"message");
        assert!(key.public().verify(domain::TX_SIGN, b"message", &signature).is_ok());
        assert!(key.public().verify(domain::TX_SIGN, b"massage", &signature).is_err());
        assert!(key.public().verify(domain::RPC, b"message", &signature).is_err());
        let other = SecretKey::from_seed(&[2; 32]).public();
        assert!(other.verify(domain::TX_SIGN, b"message", &signature).is_err());
    }

    #[test]
    fn keys_with_a_small_order_part_are_not_admissible() {
        assert!(SecretKey::from_seed(&[1; 32]).public().is_admissible());
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(!PublicKey(identity).is_admissible());
        assert!(!PublicKey([0; 32]).is_admissible());
        assert!(!PublicKey([0xff; 32]).is_admissible());
    }

    #[test]
    fn a_secret_is_never_shown() {
        let key = SecretKey::from_seed(&[0xab; 32]);
        assert!(!format!("{key:?}").contains("abab"));
    }
}
