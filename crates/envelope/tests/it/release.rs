//! Release and gathering: enough true shares open, a lie is named, nothing fits another access.

use crate::world::{EPOCH, World, access, compartments, network};
use envelope::{
    FalseShare, GatherError, Gathering, Opened, Release, ReleaseError, ReleaseTerms, SessionKey, Share,
    Wanted, release,
};
use primitives::{CompartmentId, Hash, PackRoot, TxId};

struct Dealt {
    world: World,
    opened: Vec<Opened>,
    ids: Vec<CompartmentId>,
    shares: Vec<Vec<Share>>,
    session: SessionKey,
}

fn dealt(seed: u64, count: usize) -> Dealt {
    let mut world = World::new(seed, 3, 4);
    let opened: Vec<_> = (0..count).map(|_| world.open()).collect();
    let dealt = world.deal(&opened, PackRoot::default());
    let shares = world.accept_all(&dealt);
    let ids = compartments(&opened).iter().map(|c| c.id()).collect();
    let session = SessionKey::generate(&mut world.rng);
    Dealt { world, opened, ids, shares, session }
}

fn gathering<'a>(session: &'a SessionKey, opened: &[Opened]) -> Gathering<'a> {
    let wanted = compartments(opened).into_iter().map(|c| Wanted::new(c.body));
    Gathering::new(network(), access(), EPOCH, session, wanted)
}

#[test]
fn enough_releases_open_every_compartment() {
    let mut d = dealt(1, 5);
    let mut gathering = gathering(&d.session, &d.opened);
    for trustee in [4, 2, 1] {
        assert_eq!(gathering.missing().len(), 5);
        assert!(matches!(gathering.open_key(&d.ids[0]), Err(GatherError::Combine(_))));
        let release = d.world.release(&d.session, &d.ids, &d.shares[trustee - 1]);
        let gathered = gathering.accept(&mut d.world.rng, trustee as u16, &release).unwrap();
        assert_eq!((gathered.fresh, gathered.false_shares.len()), (5, 0));
        // The same again changes nothing.
        assert_eq!(gathering.accept(&mut d.world.rng, trustee as u16, &release).unwrap().fresh, 0);
    }
    assert!(gathering.missing().is_empty());
    for (id, opened) in d.ids.iter().zip(&d.opened) {
        assert_eq!(gathering.open_key(id).unwrap().public(), &opened.compartment.key);
    }
    assert!(matches!(gathering.open_key(&CompartmentId::default()), Err(GatherError::Compartment(_))));
}

#[test]
fn a_false_share_is_named_and_another_trustee_makes_up_for_it() {
    let mut d = dealt(2, 3);
    let mut gathering = gathering(&d.session, &d.opened);
    // Trustee 2 swaps the shares of two compartments.
    d.shares[1].swap(0, 1);
    for trustee in 1..=3_u16 {
        let release = d.world.release(&d.session, &d.ids, &d.shares[usize::from(trustee) - 1]);
        let gathered = gathering.accept(&mut d.world.rng, trustee, &release).unwrap();
        let expected = if trustee == 2 {
            vec![FalseShare { trustee, compartment: d.ids[0] }, FalseShare { trustee, compartment: d.ids[1] }]
        } else {
            vec![]
        };
        assert_eq!(gathered.fresh, 3 - expected.len());
        assert_eq!(gathered.false_shares, expected);
    }
    let mut missing = vec![d.ids[0], d.ids[1]];
    missing.sort();
    assert_eq!(gathering.missing(), missing);
    let release = d.world.release(&d.session, &d.ids, &d.shares[3]);
    gathering.accept(&mut d.world.rng, 4, &release).unwrap();
    assert!(d.ids.iter().all(|id| gathering.open_key(id).is_ok()));
}

#[test]
fn a_release_fits_one_access_session_trustee_and_committee() {
    let mut d = dealt(3, 2);
    let release = d.world.release(&d.session, &d.ids, &d.shares[0]);
    let other = SessionKey::generate(&mut d.world.rng);
    let wanted = || compartments(&d.opened).into_iter().map(|c| Wanted::new(c.body));
    let rng = &mut d.world.rng;
    let mut refused = |mut gathering: Gathering<'_>, from, release: &Release| {
        gathering.accept(rng, from, release).unwrap_err()
    };
    let ok = || Gathering::new(network(), access(), EPOCH, &d.session, wanted());
    let terms = GatherError::Terms(1);
    assert_eq!(refused(ok(), 2, &release), GatherError::Terms(2));
    assert_eq!(
        refused(Gathering::new(network(), TxId(Hash([9; 32])), EPOCH, &d.session, wanted()), 1, &release),
        terms
    );
    assert_eq!(
        refused(Gathering::new(network(), access(), EPOCH + 1, &d.session, wanted()), 1, &release),
        terms
    );
    assert_eq!(refused(Gathering::new(network(), access(), EPOCH, &other, wanted()), 1, &release), terms);
    // Relabelled for the other session or access, the box doesn't open.
    let mut relabelled = release.clone();
    relabelled.terms.session = other.hash();
    let theirs = || Gathering::new(network(), access(), EPOCH, &other, wanted());
    assert!(matches!(refused(theirs(), 1, &relabelled), GatherError::Open(_)));
    let mut relabelled = release.clone();
    relabelled.terms.access = TxId(Hash([9; 32]));
    let later = Gathering::new(network(), TxId(Hash([9; 32])), EPOCH, &d.session, wanted());
    assert!(matches!(refused(later, 1, &relabelled), GatherError::Open(_)));
    let mut relabelled = release.clone();
    relabelled.terms.trustee = 2;
    assert!(matches!(refused(ok(), 2, &relabelled), GatherError::Open(_)));
    let mut relabelled = release;
    relabelled.compartments = d.ids.iter().rev().copied().collect::<Vec<_>>().try_into().unwrap();
    assert!(matches!(refused(ok(), 1, &relabelled), GatherError::Open(_)));
}

#[test]
fn a_trustee_releases_only_its_own_to_the_named_key() {
    let mut d = dealt(4, 2);
    let terms = ReleaseTerms {
        network: network(),
        access: access(),
        session: d.session.hash(),
        epoch: EPOCH,
        trustee: 1,
        header: Default::default(),
    };
    let other = SessionKey::generate(&mut d.world.rng);
    let (a, b) = ((d.ids[0], &d.shares[0][0]), (d.ids[1], &d.shares[0][1]));
    let rng = &mut d.world.rng;
    let mut refused = |key: &SessionKey, shares: &[(CompartmentId, &Share)]| {
        release(rng, terms.clone(), key.public(), shares).unwrap_err()
    };
    assert_eq!(refused(&other, &[a, b]), ReleaseError::SessionKey);
    assert_eq!(refused(&d.session, &[]), ReleaseError::Shares(0));
    assert_eq!(refused(&d.session, &[a, a]), ReleaseError::Shares(2));
    assert_eq!(refused(&d.session, &[a, (d.ids[1], &d.shares[1][1])]), ReleaseError::Trustee(d.ids[1]));
}

#[test]
fn unwanted_compartments_are_passed_over() {
    let mut d = dealt(5, 3);
    let mut gathering = gathering(&d.session, &d.opened[1..]);
    let release = d.world.release(&d.session, &d.ids, &d.shares[0]);
    assert_eq!(gathering.accept(&mut d.world.rng, 1, &release).unwrap().fresh, 2);
}
