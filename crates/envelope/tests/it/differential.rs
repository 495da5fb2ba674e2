//! Sharing against `vsss-rs`, which nobody here wrote: what one deals the other verifies and combines.

use crate::world::ChaCha20Rng;
use curve25519_dalek::{
    RistrettoPoint, Scalar, constants::RISTRETTO_BASEPOINT_POINT, ristretto::CompressedRistretto,
};
use envelope::{Secret, Share, Sharing, Threshold, combine, split, verify_batch};
use primitives::{Commitment, Hasher, domain};
use proptest::prelude::*;
use rand_chacha::rand_core::SeedableRng as _;
use vsss_rs::{
    DefaultShare, IdentifierPrimeField, PedersenResult as _, PedersenVerifierSet as _, ReadableShareSet as _,
    ShareVerifierGroup, VecPedersenVerifierSet, pedersen,
};

type Field = IdentifierPrimeField<Scalar>;
type TheirShare = DefaultShare<Field, Field>;
type TheirPoint = ShareVerifierGroup<RistrettoPoint>;

fn second_generator() -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&Hasher::new(domain::PEDERSEN_H).finish_wide())
}

fn number(bytes: &[u8]) -> Scalar {
    Scalar::from_canonical_bytes(bytes.try_into().unwrap()).unwrap()
}

/// Value and blinding of ours, as two shares of theirs.
fn theirs(share: &Share) -> (TheirShare, TheirShare) {
    let bytes = share.to_bytes();
    let make = |half: &[u8]| DefaultShare {
        identifier: IdentifierPrimeField(Scalar::from(share.index())),
        value: IdentifierPrimeField(number(half)),
    };
    (make(&bytes[..32]), make(&bytes[32..]))
}

fn secret_of_ours(share: &Secret) -> Scalar {
    // One of one: the only share is the secret itself.
    let sharing = split(&mut ChaCha20Rng::seed_from_u64(0), share, Threshold::new(1, 1).unwrap());
    number(&sharing.shares[0].to_bytes()[..32])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn what_we_deal_they_verify_and_combine(seed in any::<u64>(), needed in 2_u16..7, more in 0_u16..5) {
        let rng = &mut ChaCha20Rng::seed_from_u64(seed);
        let secret = Secret::generate(rng);
        let Sharing { commitments, shares } = split(rng, &secret, Threshold::new(needed, needed + more).unwrap());
        let points: Vec<_> = commitments
            .iter()
            .map(|c| vsss_rs::ValueGroup(CompressedRistretto(c.0).decompress().unwrap()))
            .collect();
        let set = VecPedersenVerifierSet::<TheirShare, TheirPoint>::pedersen_set_with_generators_and_verifiers(
            vsss_rs::ValueGroup(RISTRETTO_BASEPOINT_POINT),
            vsss_rs::ValueGroup(second_generator()),
            &points,
        );
        let mut values = Vec::new();
        for share in &shares {
            let (value, blinding) = theirs(share);
            prop_assert!(set.verify_share_and_blinder(&value, &blinding).is_ok());
            prop_assert!(set.verify_share_and_blinder(&blinding, &value).is_err());
            values.push(value);
        }
        let last = &values[usize::from(more)..];
        prop_assert_eq!(last.to_vec().combine().unwrap().0, secret_of_ours(&secret));
    }

    #[test]
    fn what_they_deal_we_verify_and_combine(seed in any::<u64>(), needed in 2_usize..7, more in 0_usize..5) {
        let rng = &mut ChaCha20Rng::seed_from_u64(seed);
        let secret = secret_of_ours(&Secret::generate(rng));
        let dealt = pedersen::split_secret::<TheirShare, TheirPoint>(
            needed,
            needed + more,
            &IdentifierPrimeField(secret),
            None,
            Some(vsss_rs::ValueGroup(RISTRETTO_BASEPOINT_POINT)),
            Some(vsss_rs::ValueGroup(second_generator())),
            &mut *rng,
        )
        .unwrap();
        let set = dealt.pedersen_verifier_set();
        let commitments: Vec<_> = <Vec<TheirPoint> as vsss_rs::PedersenVerifierSet<TheirShare, TheirPoint>>::blind_verifiers(set)
            .iter()
            .map(|point| Commitment(point.0.compress().0))
            .collect();
        prop_assert_eq!(commitments.len(), needed);
        let mut shares = Vec::new();
        for (at, (value, blinding)) in dealt.secret_shares().iter().zip(dealt.blinder_shares()).enumerate() {
            prop_assert_eq!(value.identifier.0, Scalar::from(at as u64 + 1));
            let bytes = [value.value.0.to_bytes(), blinding.value.0.to_bytes()].concat();
            shares.push(Share::from_bytes(at as u16 + 1, &bytes.try_into().unwrap()).unwrap());
        }
        let pairs: Vec<_> = shares.iter().map(|share| (commitments.as_slice(), share)).collect();
        prop_assert!(verify_batch(rng, &pairs).is_ok());
        let last: Vec<_> = shares.iter().rev().collect();
        prop_assert_eq!(secret_of_ours(&combine(&last, needed).unwrap()), secret);
    }
}
