//! This file is where the shares of a write's new compartments travel to the trustees: one sealed box for each, one
//! hash over all of them, which every trustee's acknowledgement names.

use crate::{
    boxes::{self, OpenBoxError, OpenKey, SealKey},
    compartment::Opened,
    sharing::{self, SHARE_BYTES, Share, ShareError, Threshold},
    suite::{Suite, UnknownSuite},
};
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{
    Acknowledgement, Blob, COMPARTMENTS_MAX, ChartId, CompartmentBody, Domain, Hash, List, Millis, NetworkId,
    OrgId, PackRoot, TRUSTEES_MAX, domain, hash, hash_borsh,
};
use rand_core::CryptoRng;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// Most bytes of one trustee's box.
pub(crate) const BOX_BYTES_MAX: usize =
    boxes::ENCAPSULATED_BYTES + COMPARTMENTS_MAX * SHARE_BYTES + boxes::AEAD_TAG_BYTES;

/// The write that is dealt for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DealTerms {
    /// The network.
    pub network: NetworkId,
    /// The epoch of the committee that gets the shares.
    pub epoch: u64,
    /// The organisation that deals.
    pub writer: OrgId,
    /// The chart written into.
    pub chart: ChartId,
    /// The write's pack; of a dealing without records the default.
    pub pack: PackRoot,
}

/// All of a write's dealing but the boxes themselves: what every trustee gets along with its own box.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Dealing {
    /// Cryptographic suite.
    pub suite: u16,
    /// The write.
    pub terms: DealTerms,
    /// Trustees needed to open a compartment.
    pub needed: u16,
    /// The new compartments, in the order of the shares in each box.
    pub compartments: List<CompartmentBody, COMPARTMENTS_MAX>,
    /// Hash of each trustee's box, in the order of the committee.
    pub boxes: List<Hash, TRUSTEES_MAX>,
}

/// A dealing with all boxes: what the writer keeps and re-sends until every trustee has acknowledged. It holds nothing
/// that the writer could open.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Dealt {
    /// What all trustees get.
    pub dealing: Dealing,
    /// What each trustee gets, in the order of the committee.
    pub boxes: List<Blob<BOX_BYTES_MAX>, TRUSTEES_MAX>,
}

/// Why a dealing can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DealError {
    /// No compartment, or too many.
    #[error("{0} compartments in one dealing, 1 to {COMPARTMENTS_MAX} may be")]
    Compartments(usize),
    /// The compartments aren't shared for this many trustees, or not all alike.
    #[error("the compartments aren't shared among the {0} trustees given")]
    Trustees(usize),
    /// A trustee's box key is no key.
    #[error("the box key of trustee {0} is malformed")]
    TrusteeKey(usize),
}

/// Why a trustee refuses a dealing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// A suite from the future.
    #[error(transparent)]
    Suite(#[from] UnknownSuite),
    /// Needed or dealt to other numbers than the committee's.
    #[error("dealt to another committee than {needed} of {of}")]
    Threshold {
        /// Trustees needed in this committee.
        needed: u16,
        /// Trustees in this committee.
        of: u16,
    },
    /// No compartment, one twice, or one of another chart, writer or number of commitments.
    #[error("compartment {0} of the dealing doesn't belong to the write")]
    Compartment(usize),
    /// The box isn't the one that the dealing names for this trustee.
    #[error("the box isn't the one that the dealing names for trustee {0}")]
    Box(u16),
    /// The box doesn't open.
    #[error(transparent)]
    Open(#[from] OpenBoxError),
    /// A share is malformed or false.
    #[error(transparent)]
    Share(#[from] ShareError),
}

impl Dealing {
    /// The hash over all dealings of the write, which acknowledgements name.
    #[must_use]
    pub fn hash(&self) -> Hash {
        hash_borsh(domain::DEALING, self)
    }

    /// What a trustee signs once it has accepted its box.
    #[must_use]
    pub fn acknowledgement(&self, keep_until: Millis) -> Acknowledgement {
        let DealTerms { network, epoch, writer, chart, pack } = &self.terms;
        Acknowledgement {
            network: *network,
            epoch: *epoch,
            writer: writer.clone(),
            chart: *chart,
            pack: *pack,
            dealing: self.hash(),
            keep_until,
        }
    }

    /// What binds a box to this dealing and to its trustee: everything but the boxes' hashes.
    fn aad(&self, index: u16) -> Hash {
        let Self { suite, terms, needed, compartments, boxes } = self;
        hash_borsh(domain::DEAL_BOX, &(suite, terms, needed, compartments, boxes.len() as u64, index))
    }

    fn check(&self, threshold: Threshold) -> Result<(), AcceptError> {
        Suite::try_from(self.suite)?;
        let (needed, of) = (threshold.needed(), threshold.of());
        if self.needed != needed || self.boxes.len() != usize::from(of) {
            return Err(AcceptError::Threshold { needed, of });
        }
        if self.compartments.is_empty() {
            return Err(AcceptError::Compartment(0));
        }
        let mut ids = BTreeSet::new();
        for (at, body) in self.compartments.iter().enumerate() {
            let fits = body.suite == self.suite
                && body.chart == self.terms.chart
                && body.writer == self.terms.writer
                && body.commitments.len() == usize::from(needed)
                && ids.insert(body.id());
            if !fits {
                return Err(AcceptError::Compartment(at));
            }
        }
        Ok(())
    }
}

/// The hash by which a dealing names a box.
fn box_hash(sealed: &[u8]) -> Hash {
    hash(domain::BLOB, &[sealed])
}

/// Deals the shares of `opened` to `trustees`, given by their box keys in the order of the committee.
///
/// # Errors
/// [`DealError`] if numbers don't fit or a box key is malformed.
pub fn deal(
    rng: &mut impl CryptoRng,
    terms: DealTerms,
    opened: &[Opened],
    trustees: &[SealKey],
) -> Result<Dealt, DealError> {
    let bodies: Vec<_> = opened.iter().map(|o| o.compartment.body.clone()).collect();
    let needed = bodies.first().map_or(0, |body| body.commitments.len());
    let compartments = List::try_from(bodies).map_err(|_| DealError::Compartments(opened.len()))?;
    if compartments.is_empty() {
        return Err(DealError::Compartments(0));
    }
    let alike =
        |o: &Opened| o.shares.len() == trustees.len() && o.compartment.body.commitments.len() == needed;
    let unfit = DealError::Trustees(trustees.len());
    if !opened.iter().all(alike) {
        return Err(unfit);
    }
    let mut dealing = Dealing {
        suite: Suite::V1.id(),
        terms,
        needed: u16::try_from(needed).map_err(|_| unfit)?,
        compartments,
        boxes: vec![Hash::default(); trustees.len()].try_into().map_err(|_| unfit)?,
    };
    let mut boxes = Vec::new();
    for (at, (index, trustee)) in (1..).zip(trustees).enumerate() {
        let shares: Vec<_> = opened.iter().filter_map(|o| o.shares.get(at)).collect();
        let sealed = seal_shares(rng, domain::DEAL_BOX, trustee, &dealing.aad(index), &shares)
            .map_err(|_| DealError::TrusteeKey(at))?;
        boxes.push(Blob::try_from(sealed).map_err(|_| DealError::Compartments(opened.len()))?);
    }
    let hashes: Vec<_> = boxes.iter().map(|sealed: &Blob<BOX_BYTES_MAX>| box_hash(sealed)).collect();
    dealing.boxes = hashes.try_into().map_err(|_| unfit)?;
    Ok(Dealt { dealing, boxes: boxes.try_into().map_err(|_| unfit)? })
}

/// The trustee's side: opens the box of trustee `index` (1-based) and checks every share in it.
///
/// Whether network, epoch, writer, chart and pack are those of a write that may be is the caller's to check.
///
/// # Errors
/// [`AcceptError`]; nothing of a refused dealing may be kept or acknowledged.
pub fn accept(
    rng: &mut impl CryptoRng,
    dealing: &Dealing,
    threshold: Threshold,
    index: u16,
    key: &OpenKey,
    sealed: &[u8],
) -> Result<Vec<Share>, AcceptError> {
    dealing.check(threshold)?;
    let place = index.checked_sub(1).and_then(|at| dealing.boxes.get(usize::from(at)));
    if sealed.len() > BOX_BYTES_MAX || place != Some(&box_hash(sealed)) {
        return Err(AcceptError::Box(index));
    }
    let count = dealing.compartments.len();
    let shares = open_shares(domain::DEAL_BOX, key, &dealing.aad(index), index, count, sealed)??;
    let pairs: Vec<_> =
        dealing.compartments.iter().map(|body| &*body.commitments).zip(shares.iter()).collect();
    sharing::verify_batch(rng, &pairs)?;
    Ok(shares)
}

/// Seals shares of one trustee into one box.
pub(crate) fn seal_shares(
    rng: &mut impl CryptoRng,
    domain: Domain,
    to: &SealKey,
    aad: &Hash,
    shares: &[&Share],
) -> Result<Vec<u8>, boxes::SealKeyError> {
    let mut plain = Zeroizing::new(Vec::with_capacity(shares.len() * SHARE_BYTES));
    for share in shares {
        plain.extend_from_slice(share.to_bytes().as_slice());
    }
    boxes::seal_box(rng, domain, to, aad, &plain)
}

/// Opens `count` shares of trustee `index` that [`seal_shares`] sealed.
pub(crate) fn open_shares(
    domain: Domain,
    key: &OpenKey,
    aad: &Hash,
    index: u16,
    count: usize,
    sealed: &[u8],
) -> Result<Result<Vec<Share>, ShareError>, OpenBoxError> {
    let plain = boxes::open_box(domain, key, aad, sealed)?;
    let (shares, rest) = plain.as_chunks::<SHARE_BYTES>();
    if shares.len() != count || !rest.is_empty() {
        return Ok(Err(ShareError::Malformed));
    }
    Ok(shares.iter().map(|bytes| Share::from_bytes(index, bytes)).collect())
}
