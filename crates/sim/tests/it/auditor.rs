//! This file is where the ledger and the naive one live through the same random histories and must agree on everything.

use crate::seeds;
use ledger::{
    Act, Event, Outcome, Signed,
    access::{Asked, BreakGlass, Extent, Reason, Request, RequestTogether, releasable},
    charts::{self, Claim, Create, Erase, OfferClaim, ReceiptErasure, Role, Target},
    consent::{Action, By, Deny, Grant, Grantee, Purpose, Revocable, Revoke, Scope, sequence},
    governance::Params,
    identity::{Carry, Certify, Delegate, EndCarriage, EndDelegation, EndSession, Enrol, PrincipalKind},
    policy,
    reject::EXPIRED,
    testing::{ORGS, World, chart_id, key, org, principal_id, tag},
};
use primitives::{ChartId, CompartmentId, Hash, Millis, SecretKey, Span, TxId, encode};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sim::Naive;
use std::collections::BTreeMap;

const TAGS: [(&str, bool); 3] = [("gen", false), ("psy", true), ("hiv", true)];
const ROLES: [&str; 3] = ["physician", "nurse", "clerk"];
const PEOPLE: [&str; 4] = ["owner", "delegate", "stranger", "child"];
const CHARTS: [&str; 4] = ["one", "two", "three", "nowhere"];

struct History {
    rng: StdRng,
    world: World,
    naive: Naive,
    sessions: Vec<SecretKey>,
    directives: Vec<TxId>,
    /// With the hash of the key to which each may be released.
    accesses: Vec<(TxId, Hash)>,
    erasures: Vec<TxId>,
    compartments: Vec<(CompartmentId, ChartId, usize)>,
    past: Vec<Signed>,
    /// How often each outcome was met, so that a history that tries nothing is noticed.
    met: BTreeMap<String, usize>,
}

impl History {
    fn new(seed: u64) -> Self {
        let params = Params {
            quota_txs: 100,
            quota_window: Span::secs(180),
            quota_denied: 8,
            break_glass_max: 2,
            break_glass_overrides_special: seed.is_multiple_of(3),
            ..Params::default()
        };
        let world = World::with(params, policy::BASE);
        let naive = Naive::new(&world.genesis);
        let (sessions, directives, accesses) = (Vec::new(), Vec::new(), Vec::new());
        let (erasures, compartments, past, met) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        let rng = StdRng::seed_from_u64(seed);
        Self { rng, world, naive, sessions, directives, accesses, erasures, compartments, past, met }
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.rng.random_range(0..of.len())].clone()) }
    }

    fn odds(&mut self, of: u32) -> bool {
        self.rng.random_range(0..of) == 0
    }

    fn chart(&mut self) -> ChartId {
        let label = if self.odds(20) { "nowhere" } else { CHARTS[self.rng.random_range(0..3)] };
        chart_id(label)
    }

    fn grantee(&mut self) -> Grantee {
        let name = ORGS[self.rng.random_range(0..4)].0;
        let role = ROLES[self.rng.random_range(0..3)];
        let text = match self.rng.random_range(0..8) {
            0..4 => name.to_owned(),
            4 | 5 => format!("{name}:{role}"),
            6 => format!("{name}/{}", principal_id(role)),
            _ => "no-such-member".to_owned(),
        };
        text.parse().unwrap()
    }

    fn purpose(&mut self) -> Purpose {
        let common = [
            Purpose::Treatment,
            Purpose::Treatment,
            Purpose::Payment,
            Purpose::PatientRequest,
            Purpose::Operations,
        ];
        if self.odds(4) { self.one(Purpose::ALL).unwrap() } else { self.one(&common).unwrap() }
    }

    fn scope(&mut self) -> Scope {
        let tags = vec![tag(TAGS[self.rng.random_range(0..3)].0)];
        self.one(&[Scope::General, Scope::All, Scope::Tags(tags.try_into().unwrap())]).unwrap()
    }

    fn extent(&mut self) -> Extent {
        let (label, _) = self.one(&TAGS).unwrap();
        let named = vec![(tag(label), org(ORGS[self.rng.random_range(0..3)].0))];
        let some = Extent::Classes(named.try_into().unwrap());
        self.one(&[Extent::All, Extent::All, Extent::General, Extent::Index, some]).unwrap()
    }

    fn person(&mut self) -> SecretKey {
        let common = if self.odds(3) { self.rng.random_range(0..4) } else { 0 };
        key(PEOPLE[common])
    }

    /// The owner mostly; now and then somebody whom it doesn't behove.
    fn anybody(&mut self) -> SecretKey {
        match self.rng.random_range(0..4) {
            0 => key(ORGS[self.rng.random_range(0..4)].0),
            1 => self.person(),
            _ => self.one(&self.sessions.clone()).unwrap_or_else(|| key(ORGS[0].0)),
        }
    }

    fn session_key(who: &SecretKey) -> Hash {
        who.public().principal().0
    }

    fn step(&mut self) -> Signed {
        if self.odds(25)
            && let Some(again) = self.one(&self.past.clone())
        {
            return again;
        }
        let chart = self.chart();
        let (member, now) = (self.rng.random_range(0..4), self.world.now);
        let mut actor = key(ORGS[member].0);
        let act: Act = match self.rng.random_range(0..100) {
            0..2 => Act::Enrol(Enrol { kind: PrincipalKind::Person, key: self.person().public() }),
            2 => {
                let (person, by) = (self.person(), self.person());
                let consenting = if self.odds(3) { by } else { person.clone() };
                let org = org(ORGS[if self.odds(4) { 0 } else { member }].0);
                let network = self.world.network;
                Act::Carry(Carry::ask(network, person.public().principal(), &org, &consenting))
            }
            3 => {
                let person = self.person();
                if self.odds(2) {
                    actor = person.clone();
                }
                let org = org(ORGS[if self.odds(2) { 0 } else { member }].0);
                Act::EndCarriage(EndCarriage { principal: person.public().principal(), org })
            }
            4..10 => {
                let role = ROLES[self.rng.random_range(0..3)];
                let session = key(&format!("{role} {}", self.rng.random_range(0..40)));
                self.sessions.push(session.clone());
                let until = now.plus(Span::hours(self.rng.random_range(0..14)));
                let (practitioner, role) = (principal_id(role), role.parse().unwrap());
                Act::Certify(Certify { practitioner, role, session: session.public(), until })
            }
            10 => {
                let session = self.anybody().public();
                Act::EndSession(EndSession { session })
            }
            11..14 => {
                actor = self.person();
                let delegate = self.person().public().principal();
                Act::Delegate(Delegate {
                    delegate,
                    until: now.plus(Span::secs(self.rng.random_range(0..900))),
                })
            }
            14 => {
                actor = self.person();
                Act::EndDelegation(EndDelegation { delegate: self.person().public().principal() })
            }
            15..18 => Act::Create(Create { chart, directory: self.odds(8) }),
            18..22 => {
                let person = self.person().public().principal();
                Act::OfferClaim(OfferClaim { chart, person, until: now.plus(Span::hours(1)) })
            }
            22..26 => {
                actor = self.person();
                Act::Claim(Claim { chart })
            }
            26..44 => {
                actor = self.person();
                let stale = u64::from(self.odds(12));
                let sequence = sequence(&self.world.state, &chart) + stale;
                let (grantee, scope) = (self.grantee(), self.scope());
                let purposes = vec![self.purpose()].try_into().unwrap();
                let action = if self.odds(4) { Action::Write } else { Action::Read };
                let from = now.plus(Span::secs(self.rng.random_range(0..4)));
                let until = if self.odds(3) { from.plus(Span::secs(30)) } else { Millis::MAX };
                if self.odds(2) {
                    Act::Deny(Deny { chart, sequence, grantee, action, purposes, scope, from, until })
                } else {
                    let residual = None;
                    Act::Grant(Grant {
                        chart,
                        sequence,
                        grantee,
                        action,
                        purposes,
                        scope,
                        from,
                        until,
                        residual,
                    })
                }
            }
            44..52 => {
                actor = self.person();
                let target = match self.one(&self.directives.clone()) {
                    Some(id) if !self.odds(4) => Revocable::Directive(id),
                    _ => {
                        let sequence = sequence(&self.world.state, &chart);
                        Revocable::Grantee { grantee: self.grantee(), sequence }
                    }
                };
                Act::Revoke(Revoke { chart, target })
            }
            52..70 => {
                let (label, special) = self.one(&TAGS).unwrap();
                let role =
                    if self.odds(6) { self.one(&[Role::Index, Role::Audit]).unwrap() } else { Role::Records };
                let mut into: Vec<CompartmentId> = Vec::new();
                let mut chart = chart;
                if self.odds(2)
                    && let Some((id, of, writer)) = self.one(&self.compartments.clone())
                {
                    into.push(id);
                    if !self.odds(10) {
                        (chart, actor) = (of, key(ORGS[writer].0));
                    }
                }
                let writer = ORGS.iter().position(|(name, _)| key(name).public() == actor.public()).unwrap();
                let opens = [(role, tag(label), special != self.odds(15))];
                let opens = if into.is_empty() || self.odds(3) { &opens[..] } else { &[] };
                let mut commit = self.world.commit(ORGS[writer].0, chart, opens, &into);
                self.compartments.extend(commit.opens.iter().map(|new| (new.body.id(), chart, writer)));
                // An owner opens audit compartments; what else persons write is refused.
                if self.odds(5) {
                    actor = self.person();
                }
                if self.odds(20) {
                    commit.receipts =
                        commit.receipts.iter().take(1).cloned().collect::<Vec<_>>().try_into().unwrap();
                }
                Act::Commit(commit)
            }
            70..76 => {
                actor = self.anybody();
                let (session_key, record) = (Self::session_key(&actor), Hash([2; 32]));
                let others = CHARTS.map(chart_id).into_iter().filter(|other| *other != chart);
                let others: Vec<ChartId> = others.collect();
                let mut charts = vec![chart];
                for other in others {
                    if self.odds(2) {
                        charts.push(other);
                    }
                }
                if self.odds(12) {
                    charts.push(chart);
                }
                let charts: Vec<Asked> = charts.into_iter().map(|chart| Asked { chart, record }).collect();
                let charts = charts.try_into().unwrap();
                let (purpose, extent) = (self.purpose(), self.extent());
                Act::RequestTogether(RequestTogether { charts, purpose, extent, session_key })
            }
            76..88 => {
                actor = self.anybody();
                let (session_key, record) = (Self::session_key(&actor), Hash([2; 32]));
                let (purpose, extent) = (self.purpose(), self.extent());
                Act::Request(Request { chart, purpose, extent, session_key, record })
            }
            88..92 => {
                actor = self.anybody();
                let (session_key, record) = (Self::session_key(&actor), Hash([2; 32]));
                let (reason, step_up, extent) = (Reason::Life, !self.odds(4), self.extent());
                Act::BreakGlass(BreakGlass { chart, extent, reason, step_up, session_key, record })
            }
            92..95 => {
                actor = self.person();
                let named = self.one(&self.compartments.clone());
                let (label, _) = self.one(&TAGS).unwrap();
                let target = match (self.rng.random_range(0..6), named) {
                    (0, _) => Target::Chart,
                    (1 | 2, _) | (_, None) => Target::Class { tag: tag(label), org: org(ORGS[member].0) },
                    (_, Some((id, _, _))) => Target::Compartment(id),
                };
                Act::Erase(Erase { chart, target })
            }
            _ => {
                let erasure = self.one(&self.erasures.clone()).unwrap_or_default();
                Act::ReceiptErasure(ReceiptErasure { erasure })
            }
        };
        self.world.sign(&actor, act)
    }

    /// One block of some transactions: both ledgers answer, and then tell what trustees would do.
    fn block(&mut self) {
        if self.odds(12) {
            let span = self.rng.random_range(1..1_000);
            self.world.wait(Span::secs(span));
        }
        let count = self.rng.random_range(1..5);
        let txs: Vec<Signed> = (0..count).map(|_| self.step()).collect();
        self.both(&txs);
        self.compare();
    }

    /// A person with two charts, and staff at every member: without them most of a history would be refusals.
    fn begin(&mut self) {
        let (custodian, owner) = (key(ORGS[0].0), key("owner"));
        let (kind, person) = (PrincipalKind::Person, owner.public().principal());
        let mut txs = vec![self.world.sign(&custodian, Enrol { kind, key: owner.public() })];
        let until = self.world.now.plus(Span::hours(11));
        for chart in [chart_id("one"), chart_id("two")] {
            txs.push(self.world.sign(&custodian, Create { chart, directory: false }));
            txs.push(self.world.sign(&custodian, OfferClaim { chart, person, until }));
            txs.push(self.world.sign(&owner, Claim { chart }));
        }
        for ((name, _), role) in ORGS.iter().zip(["physician", "nurse", "clerk", "physician"]) {
            let session = key(&format!("{role} of {name}"));
            let (practitioner, role) = (principal_id(role), role.parse().unwrap());
            let certify = Certify { practitioner, role, session: session.public(), until };
            txs.push(self.world.sign(&key(name), certify));
            self.sessions.push(session);
        }
        self.both(&txs);
    }

    fn both(&mut self, txs: &[Signed]) {
        let lines = self.world.logged.len();
        let receipts = self.world.block(txs);
        let encoded: Vec<Vec<u8>> = txs.iter().map(encode).collect();
        let answers = self.naive.block(self.world.height, self.world.now, &encoded);
        assert_eq!(receipts.len(), answers.len());
        let mut decided = BTreeMap::new();
        for line in &self.world.logged[lines..] {
            if let Some(Event::Decided(one)) = Event::decode(line.tag, &line.body) {
                decided.insert((line.tx, line.chart), one);
            }
        }
        for ((signed, receipt), answer) in txs.iter().zip(&receipts).zip(answers) {
            let act = signed.act().unwrap();
            // Once the window is over it is all the same whether the id is still known.
            let over = (answer.outcome, receipt.outcome) == (Outcome::Duplicate, Outcome::Rejected(EXPIRED));
            assert!(over || answer.outcome == receipt.outcome, "{:?} but {:?}: {act:?}", receipt, answer);
            *self.met.entry(format!("{} {:?}", act.name(), receipt.outcome)).or_default() += 1;
            self.past.push(signed.clone());
            if receipt.outcome != Outcome::Applied {
                continue;
            }
            for (chart, naive) in &answer.classes {
                // An equal denial is only counted.
                let Some(decided) = decided.get(&(receipt.tx, *chart)) else { continue };
                let rests = |by: &By| if let By::Directive(id) = by { Some(*id) } else { None };
                let told = decided.classes.iter().map(|one| {
                    let permit = one.decision.permit;
                    (one.tag, one.writer.clone(), permit, rests(&one.decision.by).filter(|_| permit))
                });
                assert_eq!(told.collect::<Vec<_>>(), *naive, "{act:?}");
            }
            match act {
                Act::Grant(_) | Act::Deny(_) => self.directives.push(receipt.tx),
                Act::Request(act) => self.accesses.push((receipt.tx, act.session_key)),
                Act::RequestTogether(act) => self.accesses.push((receipt.tx, act.session_key)),
                Act::BreakGlass(act) => self.accesses.push((receipt.tx, act.session_key)),
                Act::Erase(_) => self.erasures.push(receipt.tx),
                _ => {}
            }
        }
    }

    /// Every trustee's answer for the newest accesses, and the stage of every erasure.
    fn compare(&mut self) {
        let (state, now) = (&self.world.state, self.world.now);
        for (id, session) in self.accesses.iter().rev().take(12) {
            for compartment in self.naive.compartments() {
                for now in [now, now.plus(Span::secs(600))] {
                    let given = releasable(state, id, &compartment, session, now);
                    let naive = self.naive.hands_over(id, &compartment, session, now);
                    assert_eq!(given.is_ok(), naive, "{given:?} for {id} of {compartment}");
                    *self.met.entry(format!("release {given:?}")).or_default() += 1;
                }
            }
        }
        for compartment in self.naive.compartments() {
            let row = charts::compartment(state, &compartment).unwrap();
            assert_eq!(charts::is_erased(state, &row), self.naive.is_erased(&compartment));
        }
        for id in &self.erasures {
            let row = charts::ERASURES.get(state, id).unwrap();
            assert_eq!(Some((row.effective, row.complete)), self.naive.erasure(id));
        }
    }
}

#[test]
fn both_ledgers_agree_over_random_histories() {
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    for seed in seeds(30) {
        println!("HORKOS_SEED={seed}");
        let mut history = History::new(seed);
        history.begin();
        for _ in 0..220 {
            history.block();
        }
        for (what, count) in history.met {
            *met.entry(what).or_default() += count;
        }
    }
    for (what, count) in &met {
        println!("{count:6} {what}");
    }
    if std::env::var_os("HORKOS_SEED").is_none() {
        // The histories are worth something only if they get somewhere.
        for what in [
            "consent.grant Applied",
            "identity.carry Applied",
            "identity.end-carriage Applied",
            "consent.revoke Applied",
            "charts.commit Applied",
            "charts.erase Applied",
            "access.request Applied",
            "access.break-glass Applied",
            "access.request Duplicate",
            "access.request-together Applied",
            "charts.commit Rejected(COMPARTMENT_READ (411))",
            "charts.commit Rejected(NOT_OWNER (407))",
            "charts.commit Rejected(WRITE_NOT_ALLOWED (408))",
            "access.request Rejected(DENIALS_TOO_MANY (511))",
            "release Ok(())",
            "release Err(Revoked)",
            "release Err(Denied)",
            "release Err(Erased)",
            "release Err(OpenedLater)",
        ] {
            assert!(met.contains_key(what), "no history met `{what}`");
        }
    }
}
