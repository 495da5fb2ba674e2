//! This file is where a trustee hands its shares over: for one permitted access, in one box, to the fresh session key
//! that the access names. Whether it may is decided by the caller, from its latest final state.

use crate::{
    boxes::{self, SealKey},
    deal, session,
    sharing::{SHARE_BYTES, Share},
    suite::Suite,
};
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{Blob, BlockHash, CompartmentId, Hash, List, NetworkId, TxId, domain, hash_borsh};
use rand_core::CryptoRng;
use std::collections::BTreeSet;

/// Most shares in one release; what is above goes into another.
pub const RELEASE_SHARES_MAX: usize = 4096;

const RELEASE_BYTES_MAX: usize =
    boxes::ENCAPSULATED_BYTES + RELEASE_SHARES_MAX * SHARE_BYTES + boxes::AEAD_TAG_BYTES;

/// For what a release is made.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReleaseTerms {
    /// The network.
    pub network: NetworkId,
    /// The access: the id of the transaction that asked for it.
    pub access: TxId,
    /// Hash of the session key that the access names.
    pub session: Hash,
    /// The epoch of the trustee's committee.
    pub epoch: u64,
    /// The trustee's 1-based place in it.
    pub trustee: u16,
    /// The final block on whose state the trustee relied.
    pub header: BlockHash,
}

/// A trustee's shares for one access, sealed to its session key.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Release {
    /// Cryptographic suite.
    pub suite: u16,
    /// For what it is made.
    pub terms: ReleaseTerms,
    /// The compartments, in the order of the shares in the box.
    pub compartments: List<CompartmentId, RELEASE_SHARES_MAX>,
    /// The box.
    pub sealed: Blob<RELEASE_BYTES_MAX>,
}

/// Why a release can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The key isn't the one that the access names.
    #[error("the session key isn't the one that the access names")]
    SessionKey,
    /// No shares, too many, or two of one compartment.
    #[error("{0} shares in one release, 1 to {RELEASE_SHARES_MAX} of different compartments may be")]
    Shares(usize),
    /// A share of another trustee.
    #[error("the share of compartment `{0}` is another trustee's")]
    Trustee(CompartmentId),
}

impl Release {
    /// What binds the box to all else in the release.
    pub(crate) fn aad(&self) -> Hash {
        let Self { suite, terms, compartments, sealed: _ } = self;
        hash_borsh(domain::RELEASE, &(suite, terms, compartments))
    }
}

/// Seals `shares`, each of the compartment named with it, to `session`.
///
/// # Errors
/// [`ReleaseError`] if key, shares and terms don't belong together.
pub fn release(
    rng: &mut impl CryptoRng,
    terms: ReleaseTerms,
    session: &SealKey,
    shares: &[(CompartmentId, &Share)],
) -> Result<Release, ReleaseError> {
    if session::session_hash(session) != terms.session {
        return Err(ReleaseError::SessionKey);
    }
    if let Some((id, _)) = shares.iter().find(|(_, share)| share.index() != terms.trustee) {
        return Err(ReleaseError::Trustee(*id));
    }
    let ids: Vec<_> = shares.iter().map(|(id, _)| *id).collect();
    let distinct: BTreeSet<_> = ids.iter().collect();
    if ids.is_empty() || distinct.len() != ids.len() {
        return Err(ReleaseError::Shares(ids.len()));
    }
    let mut release = Release {
        suite: Suite::V1.id(),
        terms,
        compartments: List::try_from(ids).map_err(|_| ReleaseError::Shares(shares.len()))?,
        sealed: Blob::default(),
    };
    let shares: Vec<_> = shares.iter().map(|(_, share)| *share).collect();
    let sealed = deal::seal_shares(rng, domain::RELEASE, session, &release.aad(), &shares)
        .map_err(|_| ReleaseError::SessionKey)?;
    release.sealed = Blob::try_from(sealed).map_err(|_| ReleaseError::Shares(shares.len()))?;
    Ok(release)
}
