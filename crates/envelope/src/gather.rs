//! This file is where a reader gathers releases until its compartments open: every share checked against the ledger's
//! commitments, a trustee that lies named, the key checked against the compartment's.

use crate::{
    boxes::{OpenBoxError, OpenKey},
    compartment::{self, KeyMismatch},
    deal,
    release::Release,
    session::SessionKey,
    sharing::{self, CombineError, Share, ShareError},
    suite::{Suite, UnknownSuite},
};
use primitives::{Commitment, CompartmentBody, CompartmentId, List, NetworkId, TRUSTEES_MAX, TxId, domain};
use rand_core::CryptoRng;
use std::{collections::BTreeMap, fmt};

/// A compartment that the access permits, with the commitments that its shares must fit now.
#[derive(Clone, Debug)]
pub struct Wanted {
    body: CompartmentBody,
    commitments: List<Commitment, TRUSTEES_MAX>,
}

/// The releases for one access, as they come in.
pub struct Gathering<'a> {
    network: NetworkId,
    access: TxId,
    epoch: u64,
    session: &'a SessionKey,
    wanted: BTreeMap<CompartmentId, (Wanted, Vec<Share>)>,
}

/// What one release brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// True shares that weren't there yet.
    pub fresh: usize,
    /// Shares that don't fit their commitments: to be logged against the trustee.
    pub false_shares: Vec<FalseShare>,
}

/// A share by which a trustee lied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FalseShare {
    /// The trustee's 1-based place in its committee.
    pub trustee: u16,
    /// The compartment.
    pub compartment: CompartmentId,
}

/// Why a release is refused as a whole, or a compartment doesn't open yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatherError {
    /// A suite from the future.
    #[error(transparent)]
    Suite(#[from] UnknownSuite),
    /// Made for another access, session or committee, or by another trustee than the one that was asked.
    #[error("the release of trustee {0} is for something else")]
    Terms(u16),
    /// Its box doesn't open.
    #[error(transparent)]
    Open(#[from] OpenBoxError),
    /// Its shares or a compartment's commitments are malformed.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The compartment isn't wanted here.
    #[error("compartment `{0}` isn't part of this access")]
    Compartment(CompartmentId),
    /// Not enough shares yet.
    #[error(transparent)]
    Combine(#[from] CombineError),
    /// The writer dealt shares that don't lead to the compartment's key.
    #[error(transparent)]
    Key(#[from] KeyMismatch),
}

impl Wanted {
    /// A compartment whose shares are those that its writer dealt.
    #[must_use]
    pub fn new(body: CompartmentBody) -> Self {
        let commitments = body.commitments.clone();
        Self { body, commitments }
    }

    /// A compartment that was reshared since, with its commitments of now.
    #[must_use]
    pub const fn reshared(body: CompartmentBody, commitments: List<Commitment, TRUSTEES_MAX>) -> Self {
        Self { body, commitments }
    }
}

impl<'a> Gathering<'a> {
    /// Begins to gather for `access`, whose session key is `session`, from the committee of `epoch`.
    #[must_use]
    pub fn new(
        network: NetworkId,
        access: TxId,
        epoch: u64,
        session: &'a SessionKey,
        wanted: impl IntoIterator<Item = Wanted>,
    ) -> Self {
        let wanted = wanted.into_iter().map(|wanted| (wanted.body.id(), (wanted, Vec::new()))).collect();
        Self { network, access, epoch, session, wanted }
    }

    /// Takes the release that trustee `from` (its 1-based place) answered with. Compartments that aren't wanted are
    /// passed over, and so are shares already there.
    ///
    /// # Errors
    /// [`GatherError`] if the release as a whole is of no use; then ask another trustee.
    pub fn accept(
        &mut self,
        rng: &mut impl CryptoRng,
        from: u16,
        release: &Release,
    ) -> Result<Gathered, GatherError> {
        Suite::try_from(release.suite)?;
        let terms = &release.terms;
        let meant = terms.network == self.network
            && terms.access == self.access
            && terms.epoch == self.epoch
            && terms.trustee == from
            && terms.session == self.session.hash();
        if !meant {
            return Err(GatherError::Terms(from));
        }
        let (key, count) = (self.session.open_key(), release.compartments.len());
        let shares = deal::open_shares(domain::RELEASE, key, &release.aad(), from, count, &release.sealed)??;
        let mut pairs = Vec::new();
        for (id, share) in release.compartments.iter().zip(&shares) {
            let Some((wanted, held)) = self.wanted.get(id) else { continue };
            if held.iter().all(|held| held.index() != from) {
                pairs.push((*id, &*wanted.commitments, share));
            }
        }
        let batch: Vec<_> = pairs.iter().map(|(_, commitments, share)| (*commitments, *share)).collect();
        let all_true = match sharing::verify_batch(rng, &batch) {
            Ok(()) => true,
            Err(ShareError::False(_)) => false,
            Err(malformed) => return Err(malformed.into()),
        };
        let mut gathered = Gathered::default();
        let mut fresh = Vec::new();
        for (compartment, commitments, share) in pairs {
            if all_true || share.verify(commitments).is_ok() {
                fresh.push((compartment, share.clone()));
            } else {
                gathered.false_shares.push(FalseShare { trustee: from, compartment });
            }
        }
        for (id, share) in fresh {
            if let Some((_, held)) = self.wanted.get_mut(&id) {
                held.push(share);
                gathered.fresh += 1;
            }
        }
        Ok(gathered)
    }

    /// The compartments for which more shares are needed.
    #[must_use]
    pub fn missing(&self) -> Vec<CompartmentId> {
        let short = |(_, (wanted, held)): &(_, &(Wanted, Vec<Share>))| held.len() < wanted.commitments.len();
        self.wanted.iter().filter(short).map(|(id, _)| *id).collect()
    }

    /// The key of a compartment for which there are enough shares.
    ///
    /// # Errors
    /// [`GatherError`] if there aren't enough, or if what the writer dealt isn't the compartment's key.
    pub fn open_key(&self, id: &CompartmentId) -> Result<OpenKey, GatherError> {
        let (wanted, held) = self.wanted.get(id).ok_or(GatherError::Compartment(*id))?;
        let shares: Vec<_> = held.iter().collect();
        let secret = sharing::combine(&shares, wanted.commitments.len())?;
        Ok(compartment::open_key(&secret, &wanted.body)?)
    }
}

impl fmt::Debug for Gathering<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held: Vec<_> = self.wanted.iter().map(|(id, (_, held))| (id, held.len())).collect();
        f.debug_struct("Gathering").field("access", &self.access).field("held", &held).finish_non_exhaustive()
    }
}
