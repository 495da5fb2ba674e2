//! This file is where a set of algorithms has one number, so that what was sealed today can still be read after the
//! next set came.

use hpke::{aead::AesGcm256, kdf::HkdfSha256, kem::XWing};

/// A cryptographic suite. Its number stands in everything that is sealed, shared or released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Suite {
    /// X-Wing (X25519 with ML-KEM-768), HKDF-SHA256 and AES-256-GCM through HPKE (RFC 9180); Pedersen sharing over
    /// ristretto255 (RFC 9496); BLAKE3; zstd.
    #[default]
    V1,
}

/// The number names no suite that this build knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("suite {0} is unknown, update this program")]
pub struct UnknownSuite(pub u16);

impl Suite {
    /// The suite's number.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::V1 => 1,
        }
    }
}

impl TryFrom<u16> for Suite {
    type Error = UnknownSuite;
    fn try_from(id: u16) -> Result<Self, UnknownSuite> {
        match id {
            1 => Ok(Self::V1),
            unknown => Err(UnknownSuite(unknown)),
        }
    }
}

pub(crate) type Kem = XWing;
pub(crate) type Kdf = HkdfSha256;
pub(crate) type Aead = AesGcm256;
