//! Resharing: the next committee opens what the old one could, the old trustees' shares aren't needed all.

use crate::world::{EPOCH, World, access, network};
use envelope::{
    Gathering, OpenKey, ReshareError, ReshareTerms, SealKey, SessionKey, Share, Threshold, Wanted,
    accept_resharing, combine, combine_resharings, open_key, release, reshare, reshared_commitments,
};
use primitives::{Commitment, CompartmentId, PackRoot};
use proptest::prelude::*;

struct Handover {
    world: World,
    bodies: Vec<primitives::CompartmentBody>,
    ids: Vec<CompartmentId>,
    shares: Vec<Vec<Share>>,
    threshold: Threshold,
    trustees: Vec<OpenKey>,
}

fn handover(seed: u64, old: (u16, u16), new: (u16, u16), count: usize) -> Handover {
    let mut world = World::new(seed, old.0, old.1);
    let opened: Vec<_> = (0..count).map(|_| world.open()).collect();
    let dealt = world.deal(&opened, PackRoot::default());
    let shares = world.accept_all(&dealt);
    let bodies: Vec<_> = opened.into_iter().map(|o| o.compartment.body).collect();
    let trustees = (0..new.1).map(|_| OpenKey::generate(&mut world.rng)).collect();
    let ids = bodies.iter().map(|body| body.id()).collect();
    Handover { world, bodies, ids, shares, threshold: Threshold::new(new.0, new.1).unwrap(), trustees }
}

impl Handover {
    fn old(&self) -> Vec<(CompartmentId, &[Commitment])> {
        self.ids.iter().copied().zip(self.bodies.iter().map(|body| &*body.commitments)).collect()
    }

    fn deal(&mut self, dealer: u16, shares: &[Share]) -> Result<envelope::ResharingDealt, ReshareError> {
        let terms = ReshareTerms { network: network(), from: EPOCH, to: EPOCH + 1, dealer };
        let keys: Vec<SealKey> = self.trustees.iter().map(|key| key.public().clone()).collect();
        let shares: Vec<_> = self.ids.iter().copied().zip(shares).collect();
        reshare(&mut self.world.rng, terms, self.threshold, &shares, &keys)
    }

    fn accept(&mut self, dealt: &envelope::ResharingDealt, index: u16) -> Result<Vec<Share>, ReshareError> {
        let at = usize::from(index) - 1;
        let mut rng = self.world.rng.clone();
        let old = self.old();
        let (key, sealed) = (&self.trustees[at], &dealt.boxes[at]);
        accept_resharing(&mut rng, &dealt.resharing, self.threshold, &old, index, key, sealed)
    }
}

/// Hands everything over by `dealers`: the new shares by trustee and compartment, and the new commitments.
fn run(h: &mut Handover, dealers: &[u16]) -> (Vec<Vec<Share>>, Vec<primitives::List<Commitment, 100>>) {
    let needed = dealers.len();
    let dealt: Vec<_> = dealers
        .iter()
        .map(|dealer| {
            let shares = h.shares[usize::from(*dealer) - 1].clone();
            h.deal(*dealer, &shares).unwrap()
        })
        .collect();
    let mut all = Vec::new();
    for index in 1..=h.threshold.of() {
        let parts: Vec<_> = dealt.iter().map(|d| h.accept(d, index).unwrap()).collect();
        let new = |at: usize| {
            let parts: Vec<_> = dealers.iter().copied().zip(parts.iter().map(|p| &p[at])).collect();
            combine_resharings(needed, &parts).unwrap()
        };
        all.push((0..h.ids.len()).map(new).collect());
    }
    let commitments = |at: usize| {
        let parts: Vec<_> =
            dealers.iter().copied().zip(dealt.iter().map(|d| &*d.resharing.compartments[at].1)).collect();
        reshared_commitments(needed, &parts).unwrap()
    };
    (all, (0..h.ids.len()).map(commitments).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn any_old_enough_hand_over_to_any_new_enough(
        seed in any::<u64>(),
        old in (1_u16..4, 0_u16..3),
        new in (1_u16..5, 0_u16..3),
    ) {
        let (old, new) = ((old.0, old.0 + old.1), (new.0, new.0 + new.1));
        let mut h = handover(seed, old, new, 2);
        // The last old trustees and the last new ones: the first of both aren't needed.
        let dealers: Vec<u16> = (old.1 - old.0 + 1..=old.1).collect();
        let (shares, commitments) = run(&mut h, &dealers);
        for (at, body) in h.bodies.iter().enumerate() {
            prop_assert_eq!(commitments[at][0], body.commitments[0]);
            prop_assert_eq!(commitments[at].len(), usize::from(new.0));
            for trustee in &shares {
                prop_assert!(trustee[at].verify(&commitments[at]).is_ok());
            }
            let enough: Vec<_> = shares.iter().rev().take(usize::from(new.0)).map(|s| &s[at]).collect();
            let key = open_key(&combine(&enough, usize::from(new.0)).unwrap(), body);
            prop_assert!(key.is_ok());
        }
    }
}

#[test]
fn a_reader_opens_with_the_new_committees_shares() {
    let mut h = handover(1, (3, 4), (5, 7), 3);
    let (shares, commitments) = run(&mut h, &[1, 2, 4]);
    let session = SessionKey::generate(&mut h.world.rng);
    let wanted = h.bodies.iter().cloned().zip(commitments).map(|(body, c)| Wanted::reshared(body, c));
    let mut gathering = Gathering::new(network(), access(), EPOCH + 1, &session, wanted);
    for trustee in [7_u16, 1, 3, 4, 6] {
        let terms = envelope::ReleaseTerms {
            network: network(),
            access: access(),
            session: session.hash(),
            epoch: EPOCH + 1,
            trustee,
            header: Default::default(),
        };
        let own: Vec<_> = h.ids.iter().copied().zip(&shares[usize::from(trustee) - 1]).collect();
        let release = release(&mut h.world.rng, terms, session.public(), &own).unwrap();
        assert_eq!(gathering.accept(&mut h.world.rng, trustee, &release).unwrap().fresh, 3);
    }
    assert!(h.ids.iter().all(|id| gathering.open_key(id).is_ok()));
    // An old share doesn't fit the new commitments.
    let (_, commitments) = run(&mut h, &[1, 2, 3]);
    assert!(h.shares[0][0].verify(&commitments[0]).is_err());
}

#[test]
fn a_dealer_that_reshares_something_else_is_found() {
    let mut h = handover(2, (2, 3), (2, 3), 2);
    let mut swapped = h.shares[0].clone();
    swapped.swap(0, 1);
    let dealt = h.deal(1, &swapped).unwrap();
    assert_eq!(h.accept(&dealt, 1).unwrap_err(), ReshareError::NotTheShare { dealer: 1, at: 0 });
    let foreign = h.shares[1].clone();
    assert_eq!(h.deal(1, &foreign).unwrap_err(), ReshareError::Terms(1));
    // Boxes of two new trustees swapped.
    let own = h.shares[0].clone();
    let mut dealt = h.deal(1, &own).unwrap();
    assert!(h.accept(&dealt, 2).is_ok());
    let mut boxes = dealt.boxes.clone().into_vec();
    boxes.swap(0, 1);
    dealt.boxes = boxes.try_into().unwrap();
    assert_eq!(h.accept(&dealt, 2).unwrap_err(), ReshareError::Box(2));
    // A relabelled dealer, epoch or number of trustees.
    let dealt = h.deal(1, &own).unwrap();
    let mut bad = dealt.clone();
    bad.resharing.terms.dealer = 2;
    assert!(matches!(h.accept(&bad, 1).unwrap_err(), ReshareError::NotTheShare { dealer: 2, at: 0 }));
    let mut bad = dealt.clone();
    bad.resharing.terms.to += 1;
    assert!(matches!(h.accept(&bad, 1).unwrap_err(), ReshareError::Open(_)));
    let mut bad = dealt;
    bad.resharing.suite = 9;
    assert!(matches!(h.accept(&bad, 1).unwrap_err(), ReshareError::Suite(_)));
}

#[test]
fn parts_must_be_of_different_dealers_and_enough() {
    let mut h = handover(3, (2, 3), (2, 3), 1);
    let own = h.shares[0].clone();
    let dealt = h.deal(1, &own).unwrap();
    let part = &h.accept(&dealt, 1).unwrap()[0];
    assert!(combine_resharings(2, &[(1, part)]).is_err());
    assert!(combine_resharings(2, &[(1, part), (1, part)]).is_err());
    let other = &h.accept(&dealt, 2).unwrap()[0];
    assert!(combine_resharings(2, &[(1, part), (2, other)]).is_err());
    let commitments = &*dealt.resharing.compartments[0].1;
    assert!(reshared_commitments(2, &[(1, commitments)]).is_err());
    assert!(reshared_commitments(2, &[(1, commitments), (2, &commitments[..1])]).is_err());
}
