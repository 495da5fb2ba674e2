//! Dealing: every trustee gets what is its own, and refuses everything else.

use crate::world::{EPOCH, World, network, org};
use envelope::{
    AcceptError, Compartment, DealError, Opened, SealKey, Threshold, accept, combine, deal, open_key,
};
use primitives::{ChartId, Hash, Millis, PackRoot, SecretKey};

const PACK: PackRoot = PackRoot(Hash([0x66; 32]));

#[test]
fn a_dealing_reaches_every_trustee_and_any_of_them_enough_open_it() {
    let mut w = World::new(1, 3, 4);
    let opened = [w.open(), w.open()];
    let dealt = w.deal(&opened, PACK);
    let shares = w.accept_all(&dealt);
    for skip in 0..4 {
        for (at, o) in opened.iter().enumerate() {
            let three: Vec<_> =
                shares.iter().enumerate().filter(|(i, _)| *i != skip).map(|(_, s)| &s[at]).collect();
            let key = open_key(&combine(&three, 3).unwrap(), &o.compartment.body).unwrap();
            assert_eq!(key.public(), &o.compartment.key);
        }
    }
    let acknowledgement = dealt.dealing.acknowledgement(Millis(9));
    let key = SecretKey::from_seed(&[1; 32]);
    let signature = acknowledgement.sign(&key);
    assert!(acknowledgement.verify(&key.public(), &signature).is_ok());
    assert_eq!(acknowledgement.dealing, dealt.dealing.hash());
    assert_eq!(
        (acknowledgement.network, acknowledgement.epoch, acknowledgement.pack),
        (network(), EPOCH, PACK)
    );
    // The writer keeps and re-sends it as bytes.
    assert_eq!(primitives::decode::<envelope::Dealt>(&primitives::encode(&dealt)).unwrap(), dealt);
}

#[test]
fn a_trustee_refuses_what_is_not_its_own_or_not_whole() {
    let mut w = World::new(2, 3, 4);
    let opened = [w.open(), w.open()];
    let dealt = w.deal(&opened, PACK);
    let mut check = |dealing: &envelope::Dealing, threshold, index, key: usize, sealed: &[u8]| {
        accept(&mut w.rng, dealing, threshold, index, &w.trustees[key], sealed).unwrap_err()
    };
    let t = w.threshold;
    let sealed = &dealt.boxes[0];
    assert_eq!(check(&dealt.dealing, t, 2, 1, sealed), AcceptError::Box(2));
    assert_eq!(check(&dealt.dealing, t, 0, 0, sealed), AcceptError::Box(0));
    assert_eq!(check(&dealt.dealing, t, 5, 0, sealed), AcceptError::Box(5));
    assert!(matches!(check(&dealt.dealing, t, 1, 1, sealed), AcceptError::Open(_)));
    let other = Threshold::new(2, 4).unwrap();
    assert_eq!(check(&dealt.dealing, other, 1, 0, sealed), AcceptError::Threshold { needed: 2, of: 4 });
    let other = Threshold::new(3, 5).unwrap();
    assert_eq!(check(&dealt.dealing, other, 1, 0, sealed), AcceptError::Threshold { needed: 3, of: 5 });

    let mut none = dealt.dealing.clone();
    none.compartments = Default::default();
    assert_eq!(check(&none, t, 1, 0, sealed), AcceptError::Compartment(0));
    let with = |change: &dyn Fn(&mut primitives::CompartmentBody)| {
        let mut dealing = dealt.dealing.clone();
        let mut bodies = dealing.compartments.into_vec();
        change(&mut bodies[1]);
        dealing.compartments = bodies.try_into().unwrap();
        dealing
    };
    let foreign = with(&|body| body.chart = ChartId::default());
    assert_eq!(check(&foreign, t, 1, 0, sealed), AcceptError::Compartment(1));
    let foreign = with(&|body| body.writer = org("lakeside-clinic"));
    assert_eq!(check(&foreign, t, 1, 0, sealed), AcceptError::Compartment(1));
    let first = dealt.dealing.compartments[0].clone();
    let twice = with(&|body| *body = first.clone());
    assert_eq!(check(&twice, t, 1, 0, sealed), AcceptError::Compartment(1));
    let short = with(&|body| body.commitments = body.commitments[..2].to_vec().try_into().unwrap());
    assert_eq!(check(&short, t, 1, 0, sealed), AcceptError::Compartment(1));
    let mut future = dealt.dealing.clone();
    future.suite = 2;
    assert!(matches!(check(&future, t, 1, 0, sealed), AcceptError::Suite(_)));
}

#[test]
fn a_false_share_is_found_by_the_trustee_that_got_it() {
    let mut w = World::new(3, 3, 4);
    let mut opened = [w.open(), w.open()];
    // The writer swaps the shares of two trustees' indexes: each box is whole, one number is false.
    let false_share = w.open().shares[2].clone();
    opened[1].shares[2] = false_share;
    let dealt = w.deal(&opened, PACK);
    for (at, key) in w.trustees.iter().enumerate() {
        let sealed = &dealt.boxes[at];
        let accepted = accept(&mut w.rng, &dealt.dealing, w.threshold, at as u16 + 1, key, sealed);
        let is_false = matches!(accepted, Err(AcceptError::Share(envelope::ShareError::False(1))));
        assert_eq!((accepted.is_ok(), is_false), (at != 2, at == 2));
    }
}

#[test]
fn a_writer_that_deals_another_secret_is_found_by_the_reader() {
    let mut w = World::new(4, 2, 3);
    let honest = w.open();
    let other = w.open();
    // Commitments and shares of one secret, the public key of another.
    let mut body = other.compartment.body;
    body.key = honest.compartment.body.key;
    let opened = Opened {
        compartment: Compartment { body: body.clone(), key: honest.compartment.key },
        shares: other.shares,
    };
    let dealt = w.deal(&[opened], PACK);
    let shares = w.accept_all(&dealt);
    let secret = combine(&[&shares[0][0], &shares[1][0]], 2).unwrap();
    assert_eq!(open_key(&secret, &body).unwrap_err(), envelope::KeyMismatch::Key);
}

#[test]
fn numbers_must_fit() {
    let mut w = World::new(5, 2, 3);
    let opened = w.open();
    let keys = w.box_keys();
    let terms = w.terms(PACK);
    let rng = &mut w.rng;
    assert_eq!(deal(rng, terms.clone(), &[], &keys), Err(DealError::Compartments(0)));
    assert_eq!(
        deal(rng, terms.clone(), std::slice::from_ref(&opened), &keys[..2]),
        Err(DealError::Trustees(2))
    );
    let bad: SealKey = primitives::decode(&[0xff; envelope::SEAL_KEY_BYTES]).unwrap();
    assert!(!bad.is_valid());
    let bad_keys = [keys[0].clone(), bad, keys[2].clone()];
    assert_eq!(deal(rng, terms, std::slice::from_ref(&opened), &bad_keys), Err(DealError::TrusteeKey(1)));
    for (needed, of) in [(0, 1), (2, 1), (1, 101)] {
        assert!(Threshold::new(needed, of).is_err());
    }
    // The largest committee and write there may be.
    let t = Threshold::new(67, 100).unwrap();
    let large: Vec<_> = (0..2).map(|_| Compartment::open(&mut w.rng, &w.class, t)).collect();
    let keys: Vec<_> = (0..100).map(|at| keys[at % 3].clone()).collect();
    let terms = w.terms(PACK);
    let dealt = deal(&mut w.rng, terms, &large, &keys);
    assert_eq!(dealt.unwrap().boxes.len(), 100);
}
