//! This file is where charts are written: records sealed, keys dealt to the trustees, acknowledgements gathered over
//! whatever the network and the power do, and the dealing sent again until every trustee has it.

use super::{
    clients::Clients,
    member::{Member, Site, ready},
    network::{MEMBERS, NEEDED, box_key},
};
use envelope::{
    Class, Compartment, DealTerms, Dealt, OpenKey, Pack, PlainRecord, RecordId, SealKey, SealedPack,
    SessionKey, Threshold, deal, seal_pack,
};
use ledger::{
    access::{Extent, Request},
    charts::{Attested, Commit, Erase, NewCompartment, Role, Target},
    consent::Purpose,
    testing::{MapState, ORGS, World, key, org, tag},
};
use node::Relied;
use primitives::{
    BlockHash, ChartId, CompartmentId, Hash, Millis, NetworkId, Signature, Span, StorageReceipt, Tag, TxId,
    compartments_hash,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{collections::BTreeMap, rc::Rc, sync::Arc};

/// How long trustees keep the shares of a write that isn't final.
const KEEP: Span = Span::secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Acknowledgements come in.
    Gathering,
    /// The commit waits for its receipt.
    Sent(TxId),
    /// Final; trustees that were away still get their shares.
    Final,
    /// Nothing more to do.
    Over,
}

/// One write.
struct Write {
    writer: usize,
    commit: Commit,
    sealed: SealedPack,
    plain: Vec<Vec<u8>>,
    dealt: Option<Dealt>,
    acknowledged: BTreeMap<usize, Signature>,
    /// A trustee that is hard to reach.
    slow: usize,
    phase: Phase,
}

/// A compartment, and where to find what lies in it.
pub(super) struct Known {
    pub(super) compartment: Compartment,
    pub(super) chart: ChartId,
    pub(super) writer: usize,
    /// The dealing by which its shares went out.
    pub(super) dealing: Hash,
    write: usize,
}

/// What to write.
pub(super) struct Order {
    pub(super) writer: usize,
    pub(super) chart: ChartId,
    /// Role, tag, and whether it is more sensitive than general.
    pub(super) opens: Vec<(Role, Tag, bool)>,
    pub(super) into: Vec<CompartmentId>,
}

/// All writes.
#[derive(Default)]
pub(super) struct Writes {
    all: Vec<Write>,
    known: BTreeMap<CompartmentId, Known>,
}

impl Writes {
    /// Seals a write and deals its new keys; nobody has heard of it yet.
    pub(super) fn begin(&mut self, now: Millis, rng: &mut StdRng, network: NetworkId, order: Order) {
        let Order { writer, chart, opens, into } = order;
        let threshold = Threshold::new(NEEDED as u16, MEMBERS as u16).unwrap();
        let name = org(ORGS[writer].0);
        let class = |tag| Class { chart, tag, writer: name.clone() };
        let opened: Vec<_> =
            opens.iter().map(|(_, tag, _)| Compartment::open(rng, &class(*tag), threshold)).collect();
        let fresh = opened.iter().map(|one| one.compartment.clone());
        let compartments: Vec<_> =
            fresh.chain(into.iter().map(|id| self.known[id].compartment.clone())).collect();
        let write = self.all.len();
        let plain: Vec<_> =
            (0..compartments.len()).map(|at| format!("write {write}, record {at}").into_bytes()).collect();
        let records: Vec<_> = (0..)
            .zip(&plain)
            .map(|(compartment, plaintext)| {
                let record = RecordId::generate(rng);
                PlainRecord { compartment, record, version: 1, plaintext }
            })
            .collect();
        let sealed = seal_pack(rng, &chart, &name, &compartments, &records).unwrap();
        let pack = sealed.manifest.root();
        let dealt = (!opened.is_empty()).then(|| {
            let terms = DealTerms { network, epoch: 0, writer: name.clone(), chart, pack };
            let boxes: Vec<SealKey> = (0..MEMBERS).map(|place| box_key(place).public().clone()).collect();
            deal(rng, terms, &opened, &boxes).unwrap()
        });
        let dealing = dealt.as_ref().map_or(Hash::default(), |dealt| dealt.dealing.hash());
        let keep_until = now.plus(KEEP);
        let bytes = (sealed.ciphertexts.len() + sealed.randoms.len()) as u64;
        let records = u32::try_from(plain.len()).unwrap();
        let receipt = |storer: usize| StorageReceipt {
            network,
            pack,
            chart,
            writer: name.clone(),
            storer: org(ORGS[storer].0),
            bytes,
            records,
            compartments: compartments_hash(compartments.iter().map(Compartment::id)),
            keep_until,
        };
        let storers = (0..MEMBERS).filter(|storer| *storer != writer);
        let receipts: Vec<_> = storers
            .map(|storer| Attested {
                place: storer as u32,
                signature: receipt(storer).sign(&key(ORGS[storer].0)),
            })
            .collect();
        let new = |((role, _, special), one): (&(Role, Tag, bool), &envelope::Opened)| NewCompartment {
            role: *role,
            special: *special,
            body: one.compartment.body.clone(),
        };
        let commit = Commit {
            chart,
            pack,
            records,
            bytes,
            opens: opens.iter().zip(&opened).map(new).collect::<Vec<_>>().try_into().unwrap(),
            into: into.try_into().unwrap(),
            dealing,
            keep_until,
            acknowledgements: Vec::new().try_into().unwrap(),
            receipts: receipts.try_into().unwrap(),
        };
        for one in &opened {
            let compartment = one.compartment.clone();
            let known = Known { compartment, chart, writer, dealing, write };
            self.known.insert(one.compartment.id(), known);
        }
        let (acknowledged, slow, phase) = (BTreeMap::new(), rng.random_range(0..MEMBERS), Phase::Gathering);
        self.all.push(Write { writer, commit, sealed, plain, dealt, acknowledged, slow, phase });
    }

    /// A compartment of any write, final or not.
    pub(super) fn known(&self, id: &CompartmentId) -> Option<&Known> {
        self.known.get(id)
    }

    /// Compartments that are final in somebody's state.
    pub(super) fn compartments(&self) -> impl Iterator<Item = (&CompartmentId, &Known)> {
        self.known
            .iter()
            .filter(|(_, known)| matches!(self.all[known.write].phase, Phase::Final | Phase::Over))
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.all.iter().all(|write| write.phase == Phase::Over)
    }

    /// Every write one step further.
    pub(super) fn tick(
        &mut self,
        now: Millis,
        rng: &mut StdRng,
        members: &mut [Member],
        liar: Option<usize>,
        clients: &mut Clients,
    ) {
        for write in &mut self.all {
            match write.phase {
                Phase::Gathering => {
                    write.offer(rng, members, liar);
                    let opens = write.dealt.is_some();
                    // Some writers wait for the last trustee, others go on with as many as they need.
                    let patient = rng.random_range(0..40) != 0;
                    let enough = if patient { MEMBERS } else { NEEDED };
                    if !opens || write.acknowledged.len() >= enough {
                        let given = write.acknowledged.iter();
                        let attested = given.map(|(place, signature)| Attested {
                            place: *place as u32,
                            signature: *signature,
                        });
                        write.commit.acknowledgements = attested.collect::<Vec<_>>().try_into().unwrap();
                        let act = write.commit.clone().into();
                        write.phase = Phase::Sent(clients.send(now, &key(ORGS[write.writer].0), &act));
                    } else if now > write.commit.keep_until {
                        write.phase = Phase::Over;
                    }
                }
                Phase::Sent(tx) => {
                    if clients.dropped.contains(&tx) {
                        write.phase = Phase::Over;
                    } else if let Some(told) = clients.told.get(&tx) {
                        let applied = told.outcome == ledger::Outcome::Applied;
                        write.phase = if applied { Phase::Final } else { Phase::Over };
                    }
                }
                Phase::Final => {
                    write.offer(rng, members, liar);
                    let all = (0..MEMBERS).all(|place| write.acknowledged.contains_key(&place));
                    if write.dealt.is_none() || all {
                        write.phase = Phase::Over;
                    }
                }
                Phase::Over => {}
            }
        }
    }

    /// Opens all that lies in a compartment: every record must be what was written.
    pub(super) fn read(&self, id: &CompartmentId, key: &OpenKey) {
        for write in &self.all {
            let SealedPack { manifest, ciphertexts, randoms } = &write.sealed;
            let Some(at) = manifest.compartment_ids().iter().position(|one| one == id) else { continue };
            let pack = Pack::verify(manifest.root(), ciphertexts, randoms).unwrap();
            let opener = pack.manifest().opener(at, key).unwrap();
            let records =
                (0..write.plain.len()).filter(|record| manifest.compartment_of(*record) == Some(id));
            let opened: Vec<_> = records.map(|record| pack.open(&opener, record).unwrap()).collect();
            assert_eq!(opened.len(), 1);
            assert_eq!(*opened[0], write.plain[at]);
        }
    }
}

impl Write {
    /// Offers the dealing to trustees that haven't answered, some of which are away, and some answers get lost.
    fn offer(&mut self, rng: &mut StdRng, members: &mut [Member], liar: Option<usize>) {
        let Some(dealt) = &self.dealt else { return };
        let (dealing, keep_until) = (&dealt.dealing, self.commit.keep_until);
        for (place, (name, _)) in ORGS.iter().enumerate() {
            let seldom = if place == self.slow { 150 } else { 6 };
            if self.acknowledged.contains_key(&place) || rng.random_range(0..seldom) != 0 {
                continue;
            }
            if liar == Some(place) {
                // Signs for shares that it doesn't keep.
                let signature = dealing.acknowledgement(keep_until).sign(&key(name));
                self.acknowledged.insert(place, signature);
                continue;
            }
            let Some(member) = members.iter_mut().find(|member| member.place == place) else { continue };
            let Some((executor, trustee)) = member.up() else { continue };
            let view = executor.view();
            let accepted = ready(trustee.accept(&*view, dealing, &dealt.boxes[place], keep_until));
            let signature = accepted.unwrap();
            member.promised.insert(dealing.hash());
            if rng.random_range(0..6) != 0 {
                self.acknowledged.insert(place, signature);
            }
        }
    }
}

/// A trustee that answered too late to count is dealt to after the chart was erased, or just while it is: the state before
/// still permits a reader what it was dealt, so what the trustee gives then is what it holds.
#[test]
fn a_late_dealing_brings_no_erased_share_back() {
    let (mut world, mut rng) = (World::new(), StdRng::seed_from_u64(1));
    let (custodian, place) = (ORGS[0].0, 1);
    let owner = world.person(custodian, "owner");
    let chart = world.chart(custodian, "one");
    world.claim(custodian, chart, &owner);
    let mut writes = Writes::default();
    let opens = vec![(Role::Records, tag("gen"), false)];
    writes.begin(world.now, &mut rng, world.network, Order { writer: 0, chart, opens, into: Vec::new() });
    let Write { mut commit, dealt, .. } = writes.all.remove(0);
    let (dealt, keep_until, id) = (dealt.unwrap(), commit.keep_until, commit.opens[0].body.id());
    let signed = dealt.dealing.acknowledgement(keep_until);
    let attest = |place: usize| Attested { place: place as u32, signature: signed.sign(&key(ORGS[place].0)) };
    let others = (0..MEMBERS).filter(|other| *other != place);
    commit.acknowledgements = others.map(attest).collect::<Vec<_>>().try_into().unwrap();
    world.act(&key(custodian), commit).unwrap();
    let session = SessionKey::generate(&mut rng);
    let (purpose, session_key, record) = (Purpose::PatientRequest, session.hash(), Hash([2; 32]));
    let request = Request { chart, purpose, extent: Extent::All, session_key, record };
    let access = world.act(&owner, request).unwrap();
    let before = world.state.clone();
    world.act(&owner, Erase { chart, target: Target::Chart }).unwrap();

    let root = tempfile::tempdir().unwrap();
    let site = Site { genesis: Rc::new(world.genesis.clone()), clock: Arc::default() };
    let trustee = site.trustee(root.path(), place);
    let accept = |state: &MapState| {
        ready(trustee.accept(state, &dealt.dealing, &dealt.boxes[place], keep_until)).unwrap();
    };
    let holds = || {
        let now = ledger::HEAD.or_default(&before).time;
        let relied = Relied { state: &before, header: BlockHash::default(), now };
        let released = ready(trustee.release(&relied, access, session.public().as_bytes(), &[id])).unwrap();
        released.0.is_some()
    };
    accept(&world.state);
    assert!(!holds(), "the erasure is known to the trustee");
    accept(&before);
    assert!(holds(), "not known to it yet");
    ready(trustee.sweep(&world.state, world.now)).unwrap();
    assert!(!holds(), "known meanwhile");
}
