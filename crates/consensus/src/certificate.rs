//! This file is where a certificate is: the signatures of a quorum of validators over one header's hash, verified here
//! by the engine's own rules, offline too.

use crate::block::{Digest, Scheme, digest, engine_key};
use borsh::{BorshDeserialize, BorshSerialize};
use commonware_codec::{Copying, Decode as _, Encode as _};
use commonware_consensus::simplex::types::Finalization;
use commonware_cryptography::{certificate::Verifier as _, ed25519};
use commonware_parallel::Sequential;
use commonware_utils::{TryCollect as _, ordered::Set};
use primitives::{Header, NetworkId, PublicKey, domain, hash};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

/// The most bytes that a certificate has: a committee of 64 signs in under 5 kB.
pub const CERTIFICATE_BYTES_MAX: usize = 8 << 10;

/// A quorum's signatures over one header, in the engine's encoding.
///
/// There are many valid ones for a header: never hash one, never put one into state.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Certificate(Vec<u8>);

/// Why a certificate proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The committee is empty, too large, has a key twice or one that isn't admissible.
    #[error("the committee's keys are not admissible")]
    Committee,
    /// The bytes are no certificate of a committee of this size.
    #[error("the certificate is malformed")]
    Malformed,
    /// It certifies something else.
    #[error("the certificate is for another block")]
    Header,
    /// The signatures don't hold, or are too few.
    #[error("the certificate's signatures do not verify")]
    Signatures,
}

impl Certificate {
    /// A certificate from its bytes, which [`verify`] will judge.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] if it is too long.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, CertificateError> {
        if bytes.len() > CERTIFICATE_BYTES_MAX { Err(CertificateError::Malformed) } else { Ok(Self(bytes)) }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn of(finalization: &Finalization<Scheme, Digest>) -> Self {
        Self(finalization.encode().to_vec())
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({} bytes)", self.0.len())
    }
}

/// Checks that a quorum of `committee` certified `header` in `network`. The order of the keys doesn't matter.
///
/// # Errors
/// [`CertificateError`].
pub fn verify(
    certificate: &Certificate,
    header: &Header,
    committee: &[PublicKey],
    network: NetworkId,
) -> Result<(), CertificateError> {
    let scheme = Scheme::verifier(&namespace(network), participants(committee)?);
    let finalization = Finalization::<Scheme, Digest>::decode_cfg(
        Copying(&certificate.0),
        &scheme.certificate_codec_config(),
    )
    .map_err(|_| CertificateError::Malformed)?;
    if finalization.proposal.payload != digest(header.hash().0)
        || finalization.proposal.round.epoch().get() != header.epoch
    {
        return Err(CertificateError::Header);
    }
    // The engine checks signatures in a batch with random factors (ZIP215, cofactored, so that batch and single checks
    // agree). Factors derived from all that is checked are as good as random ones: whoever could choose signatures to
    // fit them would have to choose the factors' seed too.
    let keys = primitives::encode(&committee.to_vec());
    let seed = hash(domain::CONSENSUS, &[&network.0.0, &keys, &primitives::encode(header), &certificate.0]);
    let mut rng = ChaCha20Rng::from_seed(seed.0);
    if finalization.verify(&mut rng, &scheme, &Sequential) {
        Ok(())
    } else {
        Err(CertificateError::Signatures)
    }
}

/// What all votes of a network are signed under.
pub(crate) fn namespace(network: NetworkId) -> Vec<u8> {
    hash(domain::CONSENSUS, &[&network.0.0]).0.to_vec()
}

/// A committee as the engine knows it: admissible keys, each once, sorted.
pub(crate) fn participants(committee: &[PublicKey]) -> Result<Set<ed25519::PublicKey>, CertificateError> {
    crate::check_committee(committee).map_err(|_| CertificateError::Committee)?;
    let keys: Option<Vec<_>> = committee.iter().map(engine_key).collect();
    keys.ok_or(CertificateError::Committee)?
        .into_iter()
        .try_collect()
        .map_err(|_| CertificateError::Committee)
}
