//! This file is where a committee hands over to the next: t old trustees share their shares anew, the new ones check
//! and add up what they get, the secret is never in one place and stays what it was.

use crate::{
    boxes::{OpenBoxError, OpenKey, SealKey},
    deal::{self, BOX_BYTES_MAX},
    sharing::{self, CombineError, Share, ShareError, Sharing, Threshold},
    suite::{Suite, UnknownSuite},
};
use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::{RistrettoPoint, traits::VartimeMultiscalarMul as _};
use primitives::{
    Blob, COMPARTMENTS_MAX, Commitment, CompartmentId, Hash, List, NetworkId, TRUSTEES_MAX, domain, hash,
    hash_borsh,
};
use rand_core::CryptoRng;

/// The handover that an old trustee deals for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReshareTerms {
    /// The network.
    pub network: NetworkId,
    /// The epoch of the old committee.
    pub from: u64,
    /// The epoch of the new one.
    pub to: u64,
    /// The dealer's 1-based place in the old committee.
    pub dealer: u16,
}

/// What an old trustee publishes: commitments to the sharing of each of its shares, and hashes of the boxes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Resharing {
    /// Cryptographic suite.
    pub suite: u16,
    /// The handover.
    pub terms: ReshareTerms,
    /// Each compartment with the commitments to the sharing of the dealer's share.
    pub compartments: List<(CompartmentId, List<Commitment, TRUSTEES_MAX>), COMPARTMENTS_MAX>,
    /// Hash of each new trustee's box.
    pub boxes: List<Hash, TRUSTEES_MAX>,
}

/// A resharing with all its boxes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ResharingDealt {
    /// What is published.
    pub resharing: Resharing,
    /// What each new trustee gets.
    pub boxes: List<Blob<BOX_BYTES_MAX>, TRUSTEES_MAX>,
}

/// Why a resharing can't be made, accepted or added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReshareError {
    /// A suite from the future.
    #[error(transparent)]
    Suite(#[from] UnknownSuite),
    /// Other compartments, numbers or trustees than those of the handover.
    #[error("the resharing of trustee {0} doesn't fit the handover")]
    Terms(u16),
    /// The dealer shared something else than its share.
    #[error("trustee {dealer} reshared something else than its share of compartment {at}")]
    NotTheShare {
        /// The dealer's place in the old committee.
        dealer: u16,
        /// The compartment's position.
        at: usize,
    },
    /// A new trustee's box key is malformed.
    #[error("the box key of new trustee {0} is malformed")]
    TrusteeKey(usize),
    /// The box isn't the published one.
    #[error("the box isn't the one published for new trustee {0}")]
    Box(u16),
    /// The box doesn't open.
    #[error(transparent)]
    Open(#[from] OpenBoxError),
    /// A share or a commitment is malformed or false.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// Parts of one dealer twice, or none.
    #[error(transparent)]
    Combine(#[from] CombineError),
}

impl Resharing {
    fn aad(&self, index: u16) -> Hash {
        let Self { suite, terms, compartments, boxes } = self;
        hash_borsh(domain::RESHARE, &(suite, terms, compartments, boxes.len() as u64, index))
    }

    /// Checks what is published: the dealer reshared its true shares, for the new committee's numbers. `old` are the
    /// compartments of the handover with their commitments so far.
    ///
    /// # Errors
    /// [`ReshareError`] if not.
    pub fn check(
        &self,
        threshold: Threshold,
        old: &[(CompartmentId, &[Commitment])],
    ) -> Result<(), ReshareError> {
        Suite::try_from(self.suite)?;
        let dealer = self.terms.dealer;
        let fits = (1..=TRUSTEES_MAX).contains(&usize::from(dealer))
            && self.boxes.len() == usize::from(threshold.of())
            && self.compartments.len() == old.len()
            && !old.is_empty();
        if !fits {
            return Err(ReshareError::Terms(dealer));
        }
        for (at, ((id, new), (old_id, old))) in self.compartments.iter().zip(old).enumerate() {
            if id != old_id || new.len() != usize::from(threshold.needed()) {
                return Err(ReshareError::Terms(dealer));
            }
            // The new constant term commits to the very share that the old commitments give for the dealer.
            let share = sharing::evaluate(&sharing::decompress(old)?, dealer);
            if sharing::decompress(new)?.first() != Some(&share) {
                return Err(ReshareError::NotTheShare { dealer, at });
            }
        }
        Ok(())
    }
}

/// The old trustee's side: shares each of its shares among the new `trustees`, given by their box keys.
///
/// # Errors
/// [`ReshareError`] if numbers don't fit or a box key is malformed.
pub fn reshare(
    rng: &mut impl CryptoRng,
    terms: ReshareTerms,
    threshold: Threshold,
    shares: &[(CompartmentId, &Share)],
    trustees: &[SealKey],
) -> Result<ResharingDealt, ReshareError> {
    let unfit = ReshareError::Terms(terms.dealer);
    let mine = shares.iter().all(|(_, share)| share.index() == terms.dealer);
    if shares.is_empty() || !mine || trustees.len() != usize::from(threshold.of()) {
        return Err(unfit);
    }
    let mut compartments = Vec::new();
    let mut dealt: Vec<Vec<Share>> = Vec::new();
    for (id, share) in shares {
        let (value, blinding) = share.value_and_blinding();
        let Sharing { commitments, shares } =
            sharing::split_with(rng, value, blinding, threshold, sharing::second_generator());
        compartments.push((*id, commitments));
        dealt.push(shares);
    }
    let mut resharing = Resharing {
        suite: Suite::V1.id(),
        terms,
        compartments: compartments.try_into().map_err(|_| unfit)?,
        boxes: vec![Hash::default(); trustees.len()].try_into().map_err(|_| unfit)?,
    };
    let mut boxes = Vec::new();
    for (at, (index, trustee)) in (1..).zip(trustees).enumerate() {
        let shares: Vec<_> = dealt.iter().filter_map(|shares| shares.get(at)).collect();
        let sealed = deal::seal_shares(rng, domain::RESHARE, trustee, &resharing.aad(index), &shares)
            .map_err(|_| ReshareError::TrusteeKey(at))?;
        boxes.push(Blob::try_from(sealed).map_err(|_| unfit)?);
    }
    let hashes: Vec<_> =
        boxes.iter().map(|sealed: &Blob<BOX_BYTES_MAX>| hash(domain::BLOB, &[sealed])).collect();
    resharing.boxes = hashes.try_into().map_err(|_| unfit)?;
    Ok(ResharingDealt { resharing, boxes: boxes.try_into().map_err(|_| unfit)? })
}

/// The new trustee's side: opens the box that one old trustee sealed for new trustee `index`, and checks all of it.
/// The result are parts of shares, in the order of the compartments.
///
/// # Errors
/// [`ReshareError`] if anything published or sealed is wrong; then the handover needs another old trustee.
pub fn accept_resharing(
    rng: &mut impl CryptoRng,
    resharing: &Resharing,
    threshold: Threshold,
    old: &[(CompartmentId, &[Commitment])],
    index: u16,
    key: &OpenKey,
    sealed: &[u8],
) -> Result<Vec<Share>, ReshareError> {
    resharing.check(threshold, old)?;
    let place = index.checked_sub(1).and_then(|at| resharing.boxes.get(usize::from(at)));
    if sealed.len() > BOX_BYTES_MAX || place != Some(&hash(domain::BLOB, &[sealed])) {
        return Err(ReshareError::Box(index));
    }
    let count = resharing.compartments.len();
    let parts = deal::open_shares(domain::RESHARE, key, &resharing.aad(index), index, count, sealed)??;
    let pairs: Vec<_> =
        resharing.compartments.iter().map(|(_, commitments)| &**commitments).zip(&parts).collect();
    sharing::verify_batch(rng, &pairs)?;
    Ok(parts)
}

/// The new trustee's share of a compartment, from the parts that `needed` old trustees dealt it, each with its
/// dealer's place. All new trustees must take the parts of the same dealers.
///
/// # Errors
/// [`CombineError`] if there are too few parts, or two of one dealer.
pub fn combine_resharings(needed: usize, parts: &[(u16, &Share)]) -> Result<Share, ReshareError> {
    let dealers: Vec<_> = parts.iter().map(|(dealer, _)| *dealer).collect();
    let index = parts.first().map_or(0, |(_, part)| part.index());
    check_dealers(needed, &dealers)?;
    if parts.iter().any(|(_, part)| part.index() != index) {
        return Err(ShareError::Malformed.into());
    }
    let weights = sharing::weights(&dealers);
    Ok(sharing::weighted_sum(index, weights.into_iter().zip(parts.iter().map(|(_, part)| *part))))
}

/// The commitments that the new shares of a compartment fit, from those of the same dealers. Anybody can compute them.
///
/// # Errors
/// [`ReshareError`] if the dealers' commitments are malformed or differ in number.
pub fn reshared_commitments(
    needed: usize,
    parts: &[(u16, &[Commitment])],
) -> Result<List<Commitment, TRUSTEES_MAX>, ReshareError> {
    let dealers: Vec<_> = parts.iter().map(|(dealer, _)| *dealer).collect();
    check_dealers(needed, &dealers)?;
    let weights = sharing::weights(&dealers);
    let points = parts
        .iter()
        .map(|(_, commitments)| sharing::decompress(commitments))
        .collect::<Result<Vec<_>, _>>()?;
    let degrees = points.first().map_or(0, Vec::len);
    if points.iter().any(|points| points.len() != degrees) {
        return Err(ShareError::Malformed.into());
    }
    let sum = |at| {
        let column: Vec<_> = points.iter().filter_map(|points| points.get(at)).collect();
        Commitment(RistrettoPoint::vartime_multiscalar_mul(&weights, column).compress().0)
    };
    let sums: Vec<_> = (0..degrees).map(sum).collect();
    sums.try_into().map_err(|_| ShareError::Malformed.into())
}

fn check_dealers(needed: usize, dealers: &[u16]) -> Result<(), CombineError> {
    if dealers.len() != needed || needed == 0 {
        return Err(CombineError::TooFew { found: dealers.len(), needed });
    }
    for (at, dealer) in dealers.iter().enumerate() {
        if dealers.iter().take(at).any(|earlier| earlier == dealer) {
            return Err(CombineError::Twice(*dealer));
        }
    }
    Ok(())
}
