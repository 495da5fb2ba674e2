//! This file is where trustees are asked for shares at any moment: what they give must be what the auditor permits at the
//! very height that they are at, and enough of it must open what was written.

use super::{
    chain::Chain,
    liar::false_release,
    member::{Member, Site, ready},
    network::NEEDED,
    writes::Writes,
};
use envelope::{Gathering, Release, ReleaseTerms, SessionKey, Wanted};
use ledger::access::Withheld;
use node::{Relied, Trustee};
use primitives::{BlockHash, CompartmentId, Hash, Millis, NetworkId, State, TxId, encode};
use rand::{RngExt as _, rngs::StdRng};
use sim::Naive;
use std::collections::{BTreeMap, BTreeSet};

/// An access that the ledger recorded, permitted or denied, and the key made for it.
pub(super) struct Reader {
    pub(super) access: TxId,
    pub(super) session: SessionKey,
}

/// Of what a trustee's answer is held against.
pub(super) struct Question<'a> {
    pub(super) place: usize,
    pub(super) trustee: &'a Trustee,
    pub(super) state: &'a (dyn State + Sync),
    pub(super) header: BlockHash,
    pub(super) now: Millis,
    /// The naive ledger at the same height.
    pub(super) auditor: &'a Naive,
    /// Dealings whose shares this trustee must hold.
    pub(super) promised: &'a BTreeSet<Hash>,
}

impl Question<'_> {
    /// Asks for every compartment that there is. What comes must be what the auditor permits and the trustee holds.
    pub(super) fn ask(&self, reader: &Reader, writes: &Writes) -> Option<Release> {
        let wanted: Vec<CompartmentId> = self.auditor.compartments().collect();
        let (release, withheld) = self.answer(reader.access, &reader.session, &wanted);
        let withheld: BTreeMap<CompartmentId, u16> = withheld.into_iter().collect();
        let given: BTreeSet<CompartmentId> =
            release.iter().flat_map(|release| release.compartments.iter().copied()).collect();
        let now = ledger::HEAD.or_default(self.state).time.max(self.now);
        for id in &wanted {
            let permitted = self.auditor.hands_over(&reader.access, id, &reader.session.hash(), now);
            let (place, access) = (self.place, reader.access);
            if given.contains(id) {
                assert!(
                    permitted,
                    "trustee {place} gave a share of {id} under {access}, which is not permitted"
                );
                assert!(!withheld.contains_key(id));
                continue;
            }
            let why = withheld.get(id).copied().unwrap();
            let lacks = why == Withheld::NotHeld.code();
            assert_eq!(permitted, lacks, "trustee {place} withholds {id} under {access} because of {why}");
            let held = writes.known(id).is_some_and(|known| self.promised.contains(&known.dealing));
            assert!(!(lacks && held), "trustee {place} signed for its share of {id} and lacks it");
        }
        release
    }

    /// Asks with a key that the access doesn't name.
    pub(super) fn ask_for_another(&self, reader: &Reader, other: &SessionKey) {
        let wanted: Vec<CompartmentId> = self.auditor.compartments().collect();
        let (release, _) = self.answer(reader.access, other, &wanted);
        assert!(release.is_none(), "trustee {} gave shares to another key", self.place);
    }

    fn answer(
        &self,
        access: TxId,
        session: &SessionKey,
        wanted: &[CompartmentId],
    ) -> (Option<Release>, Vec<(CompartmentId, u16)>) {
        let relied = Relied { state: self.state, header: self.header, now: self.now };
        ready(self.trustee.release(&relied, access, session.public().as_bytes(), wanted)).unwrap()
    }
}

/// What readers met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Met {
    /// Answers of trustees with and without shares.
    pub(super) given: usize,
    pub(super) withheld: usize,
    /// Compartments opened, all that lay in them compared.
    pub(super) opened: usize,
    /// Shares by which the liar lied, each of them noticed.
    pub(super) lies: usize,
}

/// All readers.
#[derive(Default)]
pub(super) struct Readers {
    pub(super) all: Vec<Reader>,
    pub(super) met: Met,
}

impl Readers {
    /// Somebody asks all members that run, under an access of any time.
    pub(super) fn tick(
        &mut self,
        site: &Site,
        rng: &mut StdRng,
        members: &[Member],
        liar: Option<usize>,
        writes: &Writes,
        chain: &mut Chain,
    ) {
        let network = site.genesis.network();
        if self.all.is_empty() {
            return;
        }
        // The newest accesses are the ones that change from moment to moment.
        let newest = self.all.len().saturating_sub(6);
        let from = if rng.random_range(0..3) == 0 { 0 } else { newest };
        let reader = &self.all[rng.random_range(from..self.all.len())];
        let mut releases = Vec::new();
        for member in members {
            let Some((executor, trustee)) = member.up() else { continue };
            let view = executor.view();
            let header = view.header(member.seen).unwrap().unwrap().hash();
            // A trustee's own clock may be wrong. It can only make it refuse.
            let now = Millis((site.now().0 + rng.random_range(0..10_000)).saturating_sub(5_000));
            let question = Question {
                place: member.place,
                trustee: &trustee,
                state: &*view,
                header,
                now,
                auditor: &member.auditor,
                promised: &member.promised,
            };
            question.ask_for_another(reader, &SessionKey::generate(rng));
            match question.ask(reader, writes) {
                Some(release) => {
                    chain.note(&encode(&(
                        member.place as u64,
                        release.terms.clone(),
                        release.compartments.clone(),
                    )));
                    self.met.given += 1;
                    releases.push((member.place, release));
                }
                None => self.met.withheld += 1,
            }
        }
        if let Some(place) = liar
            && let Some((_, release)) = releases.first()
        {
            let terms = ReleaseTerms { trustee: place as u16 + 1, ..release.terms.clone() };
            releases.push((place, false_release(rng, terms, reader.session.public(), &release.compartments)));
        }
        let lies = open(rng, network, reader, &releases, liar, writes);
        self.met.opened += lies.0;
        self.met.lies += lies.1;
    }
}

/// Gathers releases and opens all for which there are enough. Returns how many compartments were opened and how many
/// false shares were noticed.
pub(super) fn open(
    rng: &mut StdRng,
    network: NetworkId,
    reader: &Reader,
    releases: &[(usize, Release)],
    liar: Option<usize>,
    writes: &Writes,
) -> (usize, usize) {
    let mut shares: BTreeMap<CompartmentId, usize> = BTreeMap::new();
    for (_, release) in releases.iter().filter(|(place, _)| Some(*place) != liar) {
        release.compartments.iter().for_each(|id| *shares.entry(*id).or_default() += 1);
    }
    let wanted = shares.keys().map(|id| Wanted::new(writes.known(id).unwrap().compartment.body.clone()));
    let mut gathering = Gathering::new(network, reader.access, 0, &reader.session, wanted);
    let mut lies = 0;
    for (place, release) in releases {
        let gathered = gathering.accept(rng, *place as u16 + 1, release).unwrap();
        if Some(*place) == liar {
            assert_eq!((gathered.fresh, gathered.false_shares.len()), (0, release.compartments.len()));
            lies += gathered.false_shares.len();
        } else {
            assert!(gathered.false_shares.is_empty(), "trustee {place} gave a false share");
        }
    }
    let mut opened = 0;
    for (id, count) in shares {
        let key = gathering.open_key(&id);
        assert_eq!(key.is_ok(), count >= NEEDED, "{count} shares of {id}");
        if let Ok(key) = key {
            assert_eq!(key.public(), &writes.known(&id).unwrap().compartment.key);
            writes.read(&id, &key);
            opened += 1;
        }
    }
    (opened, lies)
}
