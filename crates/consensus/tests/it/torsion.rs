//! This file is where votes are crafted on which careless verifiers disagree: signatures with small-order parts.

use aws_lc_rs::digest::{SHA512, digest};
use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_consensus::{
    simplex::{
        scheme::ed25519::Scheme,
        types::{Finalization, Proposal, Subject},
    },
    types::{Epoch, Round, View},
};
use commonware_cryptography::{
    certificate::{Attestation, Namespace as _, Scheme as _, Subject as _},
    ed25519, sha256,
};
use commonware_parallel::Sequential;
use commonware_utils::{Participant, TryCollect as _, non_empty, ordered::Set, union_unique};
use consensus::{Certificate, CertificateError, certificate, genesis};
use curve25519_dalek::{EdwardsPoint, Scalar, constants::EIGHT_TORSION, edwards::CompressedEdwardsY};
use primitives::{Hash, Header, Millis, NetworkId, PublicKey, SecretKey, domain, hash};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

type Digest = sha256::Digest;

/// How a signature was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Craft {
    /// As RFC 8032 says.
    Plain,
    /// A small-order point added to R: cofactored checks accept it, cofactorless ones don't.
    Torsion(usize),
    /// S not reduced: all refuse it.
    Unreduced,
    /// Over another message: all refuse it.
    Foreign,
    /// Both R of small order and S zero, which fits only a key of small order: all refuse it here.
    Zero(usize),
}

/// Signs `message` with `seed`'s key in the manner of `craft`.
fn sign(seed: &[u8; 32], message: &[u8], craft: Craft, rng: &mut StdRng) -> [u8; 64] {
    let expanded = digest(&SHA512, seed);
    let mut low: [u8; 32] = expanded.as_ref()[..32].try_into().unwrap();
    low[0] &= 248;
    low[31] = (low[31] & 127) | 64;
    let secret = Scalar::from_bytes_mod_order(low);
    let key = EdwardsPoint::mul_base(&secret).compress();
    let nonce = Scalar::from_bytes_mod_order(rng.random());
    let mut point = EdwardsPoint::mul_base(&nonce);
    let mut message = message.to_vec();
    match craft {
        Craft::Torsion(order) => point += EIGHT_TORSION[order],
        Craft::Zero(order) => point = EIGHT_TORSION[order],
        Craft::Foreign => message.push(0),
        Craft::Plain | Craft::Unreduced => {}
    }
    let CompressedEdwardsY(r) = point.compress();
    let challenge = digest(&SHA512, &[&r[..], key.as_bytes(), &message].concat());
    let challenge = Scalar::from_bytes_mod_order_wide(challenge.as_ref().try_into().unwrap());
    let mut s = (nonce + challenge * secret).to_bytes();
    match craft {
        Craft::Zero(_) => s = [0; 32],
        Craft::Unreduced => add_order(&mut s),
        Craft::Plain | Craft::Torsion(_) | Craft::Foreign => {}
    }
    [r, s].concat().try_into().unwrap()
}

/// Adds the group's order.
fn add_order(s: &mut [u8; 32]) {
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0_u16;
    for (byte, add) in s.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
}

fn seed(index: usize) -> [u8; 32] {
    [index as u8 + 40; 32]
}

struct Case {
    scheme: Scheme,
    committee: Vec<PublicKey>,
    network: NetworkId,
    header: Header,
    proposal: Proposal<Digest>,
}

impl Case {
    fn new() -> Self {
        let committee: Vec<_> = (0..4).map(|index| SecretKey::from_seed(&seed(index)).public()).collect();
        let network = NetworkId(Hash([3; 32]));
        let header = Header { view: 9, height: 8, ..genesis(network, Millis(5), &committee) };
        let keys: Set<ed25519::PublicKey> = committee
            .iter()
            .map(|key| ed25519::PublicKey::decode(Copying(&key.0)).unwrap())
            .try_collect()
            .unwrap();
        let proposal = Proposal::new(
            Round::new(Epoch::zero(), View::new(9)),
            View::new(8),
            Digest::from(header.hash().0.0),
        );
        let scheme = Scheme::verifier(&namespace(network), keys);
        Self { scheme, committee, network, header, proposal }
    }

    fn subject(&self) -> Subject<'_, Digest> {
        Subject::Finalize { proposal: &self.proposal }
    }

    fn attestation(&self, index: usize, craft: Craft, rng: &mut StdRng) -> Attestation<Scheme> {
        let spaces = commonware_consensus::simplex::scheme::Namespace::derive(&namespace(self.network));
        let signed = union_unique(self.subject().namespace(&spaces), &self.subject().message());
        let bytes = sign(&seed(index), &signed, craft, rng);
        let mut sorted = self.committee.clone();
        sorted.sort();
        let signer = sorted.iter().position(|key| *key == self.committee[index]).unwrap();
        let signature = ed25519::Signature::decode(Copying(&bytes)).unwrap();
        Attestation { signer: Participant::new(signer as u32), signature: signature.into() }
    }
}

fn namespace(network: NetworkId) -> Vec<u8> {
    hash(domain::CONSENSUS, &[&network.0.0]).0.to_vec()
}

#[test]
fn engine_and_offline_verifier_agree_on_crafted_votes() {
    let case = Case::new();
    let mut rng = StdRng::seed_from_u64(11);
    let mut crafts = vec![Craft::Plain, Craft::Unreduced, Craft::Foreign];
    crafts.extend((0..8).flat_map(|order| [Craft::Torsion(order), Craft::Zero(order)]));
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..300 {
        let picks: Vec<Craft> = (0..3).map(|_| crafts[rng.random_range(0..crafts.len())]).collect();
        // Half of the rounds have only signatures that should pass.
        let picks: Vec<Craft> = if round % 2 == 0 {
            picks.iter().map(|pick| if let Craft::Torsion(_) = pick { *pick } else { Craft::Plain }).collect()
        } else {
            picks
        };
        let votes: Vec<_> = picks
            .iter()
            .enumerate()
            .map(|(index, craft)| case.attestation(index, *craft, &mut rng))
            .collect();
        let single: Vec<bool> = votes
            .iter()
            .map(|vote| {
                case.scheme.verify_attestation::<_, Digest>(&mut rng, case.subject(), vote, &Sequential)
            })
            .collect();
        for (craft, good) in picks.iter().zip(&single) {
            let expected = matches!(craft, Craft::Plain | Craft::Torsion(_));
            assert_eq!(*good, expected, "{craft:?}");
        }
        let batch = case.scheme.verify_attestations::<_, Digest, _>(
            &mut rng,
            case.subject(),
            votes.clone(),
            &Sequential,
        );
        let bad = single.iter().filter(|good| !**good).count();
        assert_eq!(batch.invalid.len(), bad, "a batch and single checks differ: {picks:?}");

        let certificate = case.scheme.assemble(non_empty![@votes.into_iter()], &Sequential).unwrap();
        let finalization = Finalization::<Scheme, Digest> { proposal: case.proposal.clone(), certificate };
        let engine = finalization.verify(&mut rng, &case.scheme, &Sequential);
        let bytes = Certificate::from_bytes(finalization.encode().to_vec()).unwrap();
        let offline = certificate::verify(&bytes, &case.header, &case.committee, case.network);
        assert_eq!(engine, offline.is_ok(), "engine and offline verifier differ: {picks:?}");
        assert_eq!(engine, bad == 0, "{picks:?}");
        if engine { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
}

#[test]
fn certificates_prove_one_header_only() {
    let case = Case::new();
    let mut rng = StdRng::seed_from_u64(12);
    let make = |votes: Vec<Attestation<Scheme>>| {
        let certificate = case.scheme.assemble(non_empty![@votes.into_iter()], &Sequential).unwrap();
        let finalization = Finalization::<Scheme, Digest> { proposal: case.proposal.clone(), certificate };
        finalization.encode().to_vec()
    };
    let votes: Vec<_> = (0..3).map(|index| case.attestation(index, Craft::Plain, &mut rng)).collect();
    let bytes = make(votes);
    let verify = |bytes: &[u8], header: &Header, committee: &[PublicKey], network| {
        certificate::verify(&Certificate::from_bytes(bytes.to_vec()).unwrap(), header, committee, network)
    };
    let Case { header, committee, network, .. } = &case;
    assert_eq!(verify(&bytes, header, committee, *network), Ok(()));
    let mut turned = committee.clone();
    turned.reverse();
    assert_eq!(verify(&bytes, header, &turned, *network), Ok(()));
    let other = Header { height: 9, ..*header };
    assert_eq!(verify(&bytes, &other, committee, *network), Err(CertificateError::Header));
    assert_eq!(
        verify(&bytes, header, committee, NetworkId(Hash([4; 32]))),
        Err(CertificateError::Signatures)
    );
    // Every flipped bit is noticed, and so is every missing or added byte.
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&flipped, header, committee, *network).is_err(), "bit {bit}");
    }
    assert!(verify(&bytes[1..], header, committee, *network).is_err());
    assert!(verify(&[&bytes[..], &[0]].concat(), header, committee, *network).is_err());
    // A stranger in the committee's place, a key with a small-order part, a key twice, nobody.
    let mut strange = committee.clone();
    strange[0] = SecretKey::from_seed(&[1; 32]).public();
    assert!(verify(&bytes, header, &strange, *network).is_err());
    let mixed = CompressedEdwardsY(committee[0].0).decompress().unwrap() + EIGHT_TORSION[1];
    strange[0] = PublicKey(mixed.compress().0);
    assert_eq!(verify(&bytes, header, &strange, *network), Err(CertificateError::Committee));
    strange[0] = committee[1];
    assert_eq!(verify(&bytes, header, &strange, *network), Err(CertificateError::Committee));
    assert_eq!(verify(&bytes, header, &[], *network), Err(CertificateError::Committee));
}
