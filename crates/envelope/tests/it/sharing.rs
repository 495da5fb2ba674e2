//! Sharing: any enough shares agree, false ones are found, malformed ones refused.

use crate::world::ChaCha20Rng;
use envelope::{CombineError, Secret, Share, ShareError, Threshold, combine, split, verify_batch};
use primitives::Commitment;
use proptest::prelude::*;
use rand_chacha::rand_core::SeedableRng as _;

/// All subsets of `0..of` with `size` members.
pub(crate) fn subsets(of: usize, size: usize) -> Vec<Vec<usize>> {
    (0..1_u32 << of)
        .filter(|set| set.count_ones() as usize == size)
        .map(|set| (0..of).filter(|at| set >> at & 1 == 1).collect())
        .collect()
}

/// A share of what `combine` gave, by which two secrets can be compared from outside.
fn fingerprint(secret: &Secret) -> Vec<u8> {
    // One of one: the only share is the secret itself.
    let sharing = split(&mut ChaCha20Rng::seed_from_u64(0), secret, Threshold::new(1, 1).unwrap());
    sharing.shares[0].to_bytes().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn all_subsets_that_are_enough_agree(seed in any::<u64>(), needed in 1_u16..6, more in 0_u16..4) {
        let rng = &mut ChaCha20Rng::seed_from_u64(seed);
        let of = needed + more;
        let secret = Secret::generate(rng);
        let sharing = split(rng, &secret, Threshold::new(needed, of).unwrap());
        prop_assert_eq!(sharing.commitments.len(), usize::from(needed));
        let pairs: Vec<_> = sharing.shares.iter().map(|share| (&*sharing.commitments, share)).collect();
        prop_assert_eq!(verify_batch(rng, &pairs), Ok(()));
        for share in &sharing.shares {
            prop_assert_eq!(share.verify(&sharing.commitments), Ok(()));
        }
        for subset in subsets(usize::from(of), usize::from(needed)) {
            let chosen: Vec<_> = subset.iter().map(|at| &sharing.shares[*at]).collect();
            let combined = combine(&chosen, usize::from(needed)).unwrap();
            prop_assert_eq!(fingerprint(&combined), fingerprint(&secret));
            // One fewer gives another secret: the polynomial through them is of a lower degree.
            if needed > 1 {
                let fewer = combine(&chosen[1..], usize::from(needed) - 1).unwrap();
                prop_assert_ne!(fingerprint(&fewer), fingerprint(&secret));
            }
        }
    }

    #[test]
    fn a_changed_share_or_commitment_is_found(seed in any::<u64>(), at in 0_usize..4, bit in 0_usize..512) {
        let rng = &mut ChaCha20Rng::seed_from_u64(seed);
        let secret = Secret::generate(rng);
        let sharing = split(rng, &secret, Threshold::new(3, 4).unwrap());
        let mut bytes = *sharing.shares[at].to_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(bad) = Share::from_bytes(at as u16 + 1, &bytes) {
            prop_assert_eq!(bad.verify(&sharing.commitments), Err(ShareError::False(0)));
            let mut shares: Vec<&Share> = sharing.shares.iter().collect();
            shares[at] = &bad;
            let pairs: Vec<_> = shares.into_iter().map(|share| (&*sharing.commitments, share)).collect();
            prop_assert_eq!(verify_batch(rng, &pairs), Err(ShareError::False(at)));
        }
        let mut commitments = sharing.commitments.to_vec();
        let commitment = &mut commitments[at % 3].0;
        commitment[bit % 32] ^= 1 << (bit / 64);
        prop_assert!(sharing.shares[at].verify(&commitments).is_err());
        prop_assert!(verify_batch(rng, &[(&commitments, &sharing.shares[at])]).is_err());
        // The right numbers at another place.
        let moved = Share::from_bytes(at as u16 + 2, &sharing.shares[at].to_bytes()).unwrap();
        prop_assert_eq!(moved.verify(&sharing.commitments), Err(ShareError::False(0)));
    }
}

#[test]
fn malformed_shares_and_sets_are_refused() {
    let rng = &mut ChaCha20Rng::seed_from_u64(1);
    let secret = Secret::generate(rng);
    let sharing = split(rng, &secret, Threshold::new(2, 3).unwrap());
    let [one, two, _] = &sharing.shares[..] else { panic!() };
    let bytes = one.to_bytes();
    for index in [0, 101, u16::MAX] {
        assert_eq!(Share::from_bytes(index, &bytes).unwrap_err(), ShareError::Malformed);
    }
    // Not below the group's order: l itself, and all ones.
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    for half in [0..32, 32..64] {
        for number in [order.as_slice(), &[0xff; 32]] {
            let mut bad = *bytes;
            bad[half.clone()].copy_from_slice(number);
            assert_eq!(Share::from_bytes(1, &bad).unwrap_err(), ShareError::Malformed);
        }
    }
    let count = ShareError::CommitmentCount { found: 0, needed: 1 };
    assert_eq!(one.verify(&[]), Err(count));
    assert_eq!(verify_batch(rng, &[(&[], one)]), Err(count));
    assert_eq!(verify_batch(rng, &[]), Ok(()));
    assert_eq!(one.verify(&[Commitment([0xff; 32])]), Err(ShareError::CommitmentMalformed));
    let few = |found, needed| CombineError::TooFew { found, needed };
    assert_eq!(combine(&[one], 2).unwrap_err(), few(1, 2));
    assert_eq!(combine(&[], 0).unwrap_err(), few(0, 0));
    assert_eq!(combine(&[one, one], 2).unwrap_err(), CombineError::Twice(1));
    // More than enough: the first ones count.
    assert!(combine(&[one, two, one], 2).is_ok());
}
