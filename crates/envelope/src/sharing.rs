//! This file is where a secret becomes shares: Pedersen's verifiable sharing over ristretto255 (CRYPTO '91 §4), any
//! `needed` of `of` trustees give it back, fewer learn nothing whatever they compute.

use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::{RISTRETTO_BASEPOINT_POINT as G, RISTRETTO_BASEPOINT_TABLE},
    ristretto::CompressedRistretto,
    traits::{IsIdentity as _, MultiscalarMul as _, VartimeMultiscalarMul as _},
};
use primitives::{Commitment, Hasher, List, TRUSTEES_MAX, domain};
use rand_core::CryptoRng;
use std::{fmt, sync::OnceLock};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a share without its index: value, then blinding.
pub(crate) const SHARE_BYTES: usize = 64;

/// How many trustees of how many are needed to open a compartment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    needed: u16,
    of: u16,
}

/// The numbers make no threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{needed} of {of} is no threshold: 1 ≤ needed ≤ of ≤ 100")]
pub struct ThresholdError {
    /// Trustees needed.
    pub needed: u16,
    /// Trustees in all.
    pub of: u16,
}

/// A compartment's secret: its X-Wing pair derives from it. Wiped when dropped, never shown.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret(Scalar);

/// One trustee's share of one secret. Wiped when dropped, never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Share {
    #[zeroize(skip)]
    index: u16,
    value: Scalar,
    blinding: Scalar,
}

/// A secret shared: what is published, and what each trustee gets.
#[derive(Debug)]
pub struct Sharing {
    /// Commitments to the coefficients, as many as trustees are needed.
    pub commitments: List<Commitment, TRUSTEES_MAX>,
    /// The shares, in the order of the committee.
    pub shares: Vec<Share>,
}

/// A share that doesn't fit what was committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// The commitments aren't points of the group.
    #[error("a commitment is no point of the group")]
    CommitmentMalformed,
    /// There are none, or not as many as trustees are needed.
    #[error("there are {found} commitments, {needed} are needed")]
    CommitmentCount {
        /// Commitments found.
        found: usize,
        /// Trustees needed.
        needed: usize,
    },
    /// Index, value or blinding isn't canonical.
    #[error("a share is malformed")]
    Malformed,
    /// The share at this position of the list doesn't fit its commitments.
    #[error("share {0} doesn't fit its commitments")]
    False(usize),
}

/// The shares don't give a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// Fewer than needed.
    #[error("{found} shares of {needed} needed")]
    TooFew {
        /// Shares found.
        found: usize,
        /// Shares needed.
        needed: usize,
    },
    /// Two shares of one trustee.
    #[error("two shares of trustee {0}")]
    Twice(u16),
}

impl Threshold {
    /// `needed` of `of`.
    ///
    /// # Errors
    /// [`ThresholdError`] unless 1 ≤ `needed` ≤ `of` ≤ 100.
    pub const fn new(needed: u16, of: u16) -> Result<Self, ThresholdError> {
        if needed == 0 || needed > of || of as usize > TRUSTEES_MAX {
            return Err(ThresholdError { needed, of });
        }
        Ok(Self { needed, of })
    }

    /// Trustees needed.
    #[must_use]
    pub const fn needed(self) -> u16 {
        self.needed
    }

    /// Trustees in all.
    #[must_use]
    pub const fn of(self) -> u16 {
        self.of
    }
}

impl Secret {
    /// A fresh secret.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(scalar(rng))
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl Share {
    /// The trustee's 1-based place in the committee.
    #[must_use]
    pub const fn index(&self) -> u16 {
        self.index
    }

    /// Value and blinding, for a sealed box.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; SHARE_BYTES]> {
        let mut bytes = Zeroizing::new([0; SHARE_BYTES]);
        let (value, blinding) = bytes.split_at_mut(32);
        value.copy_from_slice(self.value.as_bytes());
        blinding.copy_from_slice(self.blinding.as_bytes());
        bytes
    }

    /// The share of trustee `index` from the bytes of a box.
    ///
    /// # Errors
    /// [`ShareError::Malformed`] if the index is no place in a committee, or a number isn't below the group's order.
    pub fn from_bytes(index: u16, bytes: &[u8; SHARE_BYTES]) -> Result<Self, ShareError> {
        if index == 0 || usize::from(index) > TRUSTEES_MAX {
            return Err(ShareError::Malformed);
        }
        let (value, blinding) = bytes.split_at(32);
        let canonical = |half: &[u8]| {
            let half = Zeroizing::new(<[u8; 32]>::try_from(half).map_err(|_| ShareError::Malformed)?);
            Option::<Scalar>::from(Scalar::from_canonical_bytes(*half)).ok_or(ShareError::Malformed)
        };
        Ok(Self { index, value: canonical(value)?, blinding: canonical(blinding)? })
    }

    /// Checks this share against `commitments`.
    ///
    /// # Errors
    /// [`ShareError`] if it doesn't fit.
    pub fn verify(&self, commitments: &[Commitment]) -> Result<(), ShareError> {
        let points = decompress(commitments)?;
        if self.fits(&points, second_generator()) { Ok(()) } else { Err(ShareError::False(0)) }
    }

    fn fits(&self, points: &[RistrettoPoint], h: &RistrettoPoint) -> bool {
        // The share is secret, so its side runs in constant time; the commitments are public.
        RistrettoPoint::multiscalar_mul([self.value, self.blinding], [G, *h]) == evaluate(points, self.index)
    }

    pub(crate) const fn value_and_blinding(&self) -> (&Scalar, &Scalar) {
        (&self.value, &self.blinding)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share(of trustee {})", self.index)
    }
}

/// The generator of the blinding, whose logarithm to the base of the other nobody knows: hashed to the group
/// (RFC 9496 §4.3.4).
pub(crate) fn second_generator() -> &'static RistrettoPoint {
    static H: OnceLock<RistrettoPoint> = OnceLock::new();
    H.get_or_init(|| RistrettoPoint::from_uniform_bytes(&Hasher::new(domain::PEDERSEN_H).finish_wide()))
}

/// A uniform scalar.
fn scalar(rng: &mut impl CryptoRng) -> Scalar {
    let mut wide = Zeroizing::new([0; 64]);
    rng.fill_bytes(wide.as_mut_slice());
    Scalar::from_bytes_mod_order_wide(&wide)
}

/// Shares `secret` among the trustees of `threshold`.
#[must_use]
pub fn split(rng: &mut impl CryptoRng, secret: &Secret, threshold: Threshold) -> Sharing {
    let blinding = Zeroizing::new(scalar(rng));
    split_with(rng, &secret.0, &blinding, threshold, second_generator())
}

/// Shares `value` under `blinding` with the second generator `h`.
pub(crate) fn split_with(
    rng: &mut impl CryptoRng,
    value: &Scalar,
    blinding: &Scalar,
    threshold: Threshold,
    h: &RistrettoPoint,
) -> Sharing {
    // Full capacity first: a growing list would leave copies behind.
    let degrees = usize::from(threshold.needed);
    let mut values = Zeroizing::new(Vec::with_capacity(degrees));
    let mut blindings = Zeroizing::new(Vec::with_capacity(degrees));
    values.push(*value);
    blindings.push(*blinding);
    for _ in 1..degrees {
        values.push(scalar(rng));
        blindings.push(scalar(rng));
    }
    let commit =
        |(a, b): (&Scalar, &Scalar)| Commitment((a * RISTRETTO_BASEPOINT_TABLE + b * h).compress().0);
    let commitments: Vec<_> = values.iter().zip(blindings.iter()).map(commit).collect();
    let share =
        |index| Share { index, value: polynomial(&values, index), blinding: polynomial(&blindings, index) };
    let commitments = List::try_from(commitments);
    // A threshold has at most as many as the list may hold.
    primitives::invariant!(commitments.is_ok());
    Sharing { commitments: commitments.unwrap_or_default(), shares: (1..=threshold.of).map(share).collect() }
}

fn polynomial(coefficients: &[Scalar], index: u16) -> Scalar {
    let x = Scalar::from(index);
    coefficients.iter().rev().fold(Scalar::ZERO, |sum, c| sum * x + c)
}

/// The points behind `commitments`.
pub(crate) fn decompress(commitments: &[Commitment]) -> Result<Vec<RistrettoPoint>, ShareError> {
    if commitments.is_empty() {
        return Err(ShareError::CommitmentCount { found: 0, needed: 1 });
    }
    commitments
        .iter()
        .map(|c| CompressedRistretto(c.0).decompress().ok_or(ShareError::CommitmentMalformed))
        .collect()
}

/// What the committed polynomials give at `index`.
pub(crate) fn evaluate(points: &[RistrettoPoint], index: u16) -> RistrettoPoint {
    let x = Scalar::from(index);
    points.iter().rev().fold(RistrettoPoint::default(), |sum, c| sum * x + c)
}

/// Checks many shares, each with its commitments, at the price of little more than one.
///
/// # Errors
/// [`ShareError::False`] with the position of the first share that doesn't fit.
pub fn verify_batch(rng: &mut impl CryptoRng, shares: &[(&[Commitment], &Share)]) -> Result<(), ShareError> {
    let h = second_generator();
    let points = shares.iter().map(|(c, _)| decompress(c)).collect::<Result<Vec<_>, _>>()?;
    // A random combination of all equations: one that doesn't hold survives it with probability 2⁻¹²⁸.
    let mut value = Zeroizing::new(Scalar::ZERO);
    let mut blinding = Zeroizing::new(Scalar::ZERO);
    let mut scalars = Vec::new();
    for ((_, share), points) in shares.iter().zip(&points) {
        let mut weight = [0; 32];
        rng.fill_bytes(weight.split_at_mut(16).0);
        let mut weight = Scalar::from_bytes_mod_order(weight);
        *value += weight * share.value;
        *blinding += weight * share.blinding;
        for _ in points {
            scalars.push(weight);
            weight *= Scalar::from(share.index);
        }
    }
    let flat: Vec<_> = points.iter().flatten().collect();
    let committed = RistrettoPoint::vartime_multiscalar_mul(scalars, flat);
    let dealt = RistrettoPoint::multiscalar_mul([*value, *blinding], [G, *h]);
    if (dealt - committed).is_identity() {
        return Ok(());
    }
    for (at, ((_, share), points)) in shares.iter().zip(&points).enumerate() {
        if !share.fits(points, h) {
            return Err(ShareError::False(at));
        }
    }
    Ok(())
}

/// The weights by which shares of these trustees add up to the secret: Lagrange's at zero.
pub(crate) fn weights(indexes: &[u16]) -> Vec<Scalar> {
    let weight = |i: &u16| {
        let (mut over, mut under) = (Scalar::ONE, Scalar::ONE);
        for j in indexes.iter().filter(|j| *j != i) {
            over *= Scalar::from(*j);
            under *= Scalar::from(*j) - Scalar::from(*i);
        }
        over * under.invert()
    };
    indexes.iter().map(weight).collect()
}

/// Gives the secret back from `needed` of `shares`. Whether they are true is for [`Share::verify`].
///
/// # Errors
/// [`CombineError`] if there are too few, or two of one trustee.
pub fn combine(shares: &[&Share], needed: usize) -> Result<Secret, CombineError> {
    let Some(shares) = shares.get(..needed).filter(|_| needed > 0) else {
        return Err(CombineError::TooFew { found: shares.len(), needed });
    };
    let indexes = distinct(shares)?;
    let secret = weights(&indexes).iter().zip(shares).map(|(weight, share)| weight * share.value).sum();
    Ok(Secret(secret))
}

/// The trustees of `shares`, each once.
pub(crate) fn distinct(shares: &[&Share]) -> Result<Vec<u16>, CombineError> {
    let mut indexes = Vec::with_capacity(shares.len());
    for share in shares {
        if indexes.contains(&share.index) {
            return Err(CombineError::Twice(share.index));
        }
        indexes.push(share.index);
    }
    Ok(indexes)
}

/// The share of `index` that these parts add up to.
pub(crate) fn weighted_sum<'a>(index: u16, parts: impl Iterator<Item = (Scalar, &'a Share)>) -> Share {
    let mut sum = Share { index, value: Scalar::ZERO, blinding: Scalar::ZERO };
    for (weight, part) in parts {
        sum.value += weight * part.value;
        sum.blinding += weight * part.blinding;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    /// Solves for the coefficients of the polynomial through `points`, by Newton's divided differences.
    fn interpolate(points: &[(Scalar, Scalar)]) -> Vec<Scalar> {
        let mut coefficients = vec![Scalar::ZERO; points.len()];
        let mut basis = vec![Scalar::ONE];
        for (done, (x, y)) in points.iter().enumerate() {
            let at = |polynomial: &[Scalar]| polynomial.iter().rev().fold(Scalar::ZERO, |sum, c| sum * x + c);
            let step = (y - at(&coefficients)) * at(&basis).invert();
            for (c, b) in coefficients.iter_mut().zip(&basis) {
                *c += step * b;
            }
            // basis · (X − x)
            basis.push(Scalar::ZERO);
            for at in (0..=done + 1).rev() {
                let below = if at == 0 { Scalar::ZERO } else { basis[at - 1] };
                basis[at] = below - basis[at] * x;
            }
        }
        coefficients
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Perfect hiding: for any shares but one of the needed, and any other secret, there are polynomials which give
        /// that secret, those very shares and those very commitments. Whoever knew the logarithm of H finds them.
        #[test]
        fn too_few_shares_fit_every_secret(seed in any::<u64>(), needed in 2_u16..7, more in 0_u16..4, skip in 0_usize..4) {
            let rng = &mut ChaCha20Rng::seed_from_u64(seed);
            let log = scalar(rng);
            let h = log * G;
            let threshold = Threshold::new(needed, needed + more).unwrap();
            let (secret, blinding, other) = (scalar(rng), scalar(rng), scalar(rng));
            let dealt = split_with(rng, &secret, &blinding, threshold, &h);
            let known: Vec<&Share> = dealt.shares.iter().cycle().skip(skip).take(usize::from(needed) - 1).collect();

            // The committed exponent a + log·b of each coefficient stays; only its parts change.
            let exponent = |share: &Share| share.value + log * share.blinding;
            let mut at_zero = vec![(Scalar::ZERO, other)];
            at_zero.extend(known.iter().map(|share| (Scalar::from(share.index), share.value)));
            let values = interpolate(&at_zero);
            let all: Vec<_> = dealt.shares.iter().take(usize::from(needed)).collect();
            let exponents: Vec<_> = all.iter().map(|share| (Scalar::from(share.index), exponent(share))).collect();
            let exponents = interpolate(&exponents);
            let blindings: Vec<_> =
                exponents.iter().zip(&values).map(|(e, a)| (e - a) * log.invert()).collect();

            prop_assert_eq!(polynomial(&values, 0), other);
            prop_assert_ne!(other, secret);
            for share in known {
                prop_assert_eq!(polynomial(&values, share.index), share.value);
                prop_assert_eq!(polynomial(&blindings, share.index), share.blinding);
            }
            for ((a, b), commitment) in values.iter().zip(&blindings).zip(dealt.commitments.iter()) {
                prop_assert_eq!((a * G + b * h).compress().0, commitment.0);
            }
        }
    }

    #[test]
    fn the_second_generator_is_hashed_to_the_group_and_frozen() {
        let h = second_generator();
        assert_ne!(*h, G);
        assert!(!h.is_identity());
        assert_eq!(
            hex::encode(h.compress().0),
            "22ef5107554a2b52b13a6cb9161f3afa6a36f26df8262ddd8e417c85067d383d"
        );
    }

    #[test]
    fn true_secrets_come_back() {
        let rng = &mut ChaCha20Rng::seed_from_u64(1);
        let secret = Secret::generate(rng);
        let sharing = split(rng, &secret, Threshold::new(67, 100).unwrap());
        let last: Vec<_> = sharing.shares.iter().rev().collect();
        assert_eq!(combine(&last, 67).unwrap().0, secret.0);
        assert_ne!(combine(&last, 66).unwrap().0, secret.0);
    }
}
