//! This file is where it is decided what people do next: write, grant, deny, revoke, look, erase, and now and then what
//! doesn't behove them.

use super::{
    clients::Clients,
    network::MEMBERS,
    readers::{Reader, Readers},
    writes::{Order, Writes},
};
use envelope::SessionKey;
use ledger::{
    Act, Outcome,
    access::{Asked, BreakGlass, Extent, Reason, Request, RequestTogether},
    charts::{Claim, Create, Erase, OfferClaim, Role, Target},
    consent::{Action, Deny, Grant, Grantee, Purpose, Revocable, Revoke, Scope, sequence},
    identity::{Certify, Delegate, EndSession, Enrol, PrincipalKind},
    testing::{ORGS, chart_id, key, org, principal_id, tag},
};
use primitives::{ChartId, Hash, Millis, NetworkId, SecretKey, Span, State, TxId};
use rand::{RngExt as _, rngs::StdRng};
use std::collections::BTreeMap;

const TAGS: [(&str, bool); 3] = [("gen", false), ("psy", true), ("hiv", true)];
const ROLES: [&str; 3] = ["physician", "nurse", "clerk"];
const CHARTS: [&str; 2] = ["one", "two"];

/// What waits for its receipt.
enum Pending {
    /// Has to succeed before the story goes on; signed by this key.
    Beginning(Box<(SecretKey, Act)>),
    /// A grant or a denial.
    Directive,
    Access(Box<SessionKey>),
    Other,
}

/// The story of one run.
pub(super) struct Story {
    network: NetworkId,
    begun: usize,
    left: usize,
    sessions: Vec<SecretKey>,
    directives: Vec<TxId>,
    pending: BTreeMap<TxId, Pending>,
    /// Acts whose receipt says that they took effect, and others.
    pub(super) applied: usize,
    pub(super) rejected: usize,
}

impl Story {
    pub(super) fn new(network: NetworkId, acts: usize) -> Self {
        Self {
            network,
            begun: 0,
            left: acts,
            sessions: Vec::new(),
            directives: Vec::new(),
            pending: BTreeMap::new(),
            applied: 0,
            rejected: 0,
        }
    }

    /// Whether nothing more is going to happen.
    pub(super) fn is_over(&self) -> bool {
        self.left == 0 && self.pending.is_empty()
    }

    /// A person with two charts, and staff at every member: what each step needs of the steps before.
    fn beginning(&mut self, now: Millis) -> Vec<(SecretKey, Act)> {
        let (custodian, owner) = (key(ORGS[0].0), key("owner"));
        let person = owner.public().principal();
        let until = now.plus(Span::hours(11));
        match self.begun {
            0 => {
                let enrol = Enrol { kind: PrincipalKind::Person, key: owner.public() };
                let other = Enrol { kind: PrincipalKind::Person, key: key("delegate").public() };
                let charts: [Act; 2] =
                    CHARTS.map(|label| Create { chart: chart_id(label), directory: false }.into());
                let mut acts = vec![(custodian.clone(), enrol.into()), (custodian.clone(), other.into())];
                acts.extend(charts.into_iter().map(|act| (custodian.clone(), act)));
                for ((name, _), role) in ORGS.iter().zip(["physician", "nurse", "clerk", "physician"]) {
                    let session = key(&format!("{role} of {name}"));
                    let (practitioner, role) = (principal_id(role), role.parse().unwrap());
                    let certify = Certify { practitioner, role, session: session.public(), until };
                    acts.push((key(name), certify.into()));
                    self.sessions.push(session);
                }
                acts
            }
            1 => CHARTS
                .map(|label| (custodian.clone(), OfferClaim { chart: chart_id(label), person, until }.into()))
                .to_vec(),
            2 => CHARTS.map(|label| (owner.clone(), Claim { chart: chart_id(label) }.into())).to_vec(),
            _ => Vec::new(),
        }
    }

    /// Goes on: first through the beginning, then an act now and then.
    pub(super) fn tick(
        &mut self,
        now: Millis,
        rng: &mut StdRng,
        state: &dyn State,
        clients: &mut Clients,
        writes: &mut Writes,
    ) {
        if self.begun < 3 {
            let waits = self.pending.values().any(|pending| matches!(pending, Pending::Beginning(..)));
            if !waits {
                for both in self.beginning(now).into_iter().map(Box::new) {
                    let tx = clients.send(now, &both.0, &both.1);
                    self.pending.insert(tx, Pending::Beginning(both));
                }
                self.begun += 1;
            }
        } else if self.left > 0 && rng.random_range(0..8) == 0 {
            self.left -= 1;
            self.step(now, rng, state, clients, writes);
        }
    }

    /// A receipt, or that there will be none.
    pub(super) fn hear(
        &mut self,
        now: Millis,
        tx: TxId,
        outcome: Option<Outcome>,
        clients: &mut Clients,
        readers: &mut Readers,
    ) {
        let applied = outcome == Some(Outcome::Applied);
        let Some(pending) = self.pending.remove(&tx) else { return };
        if applied {
            self.applied += 1;
        } else {
            self.rejected += 1;
        }
        match pending {
            Pending::Beginning(both) if !applied => {
                let tx = clients.send(now, &both.0, &both.1);
                self.pending.insert(tx, Pending::Beginning(both));
            }
            Pending::Directive if applied => self.directives.push(tx),
            Pending::Access(session) if applied => readers.all.push(Reader { access: tx, session: *session }),
            Pending::Beginning(..) | Pending::Directive | Pending::Access(_) | Pending::Other => {}
        }
    }

    fn one<T: Clone>(rng: &mut StdRng, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[rng.random_range(0..of.len())].clone()) }
    }

    fn extent(rng: &mut StdRng) -> Extent {
        let named = vec![(tag(TAGS[rng.random_range(0..3)].0), org(ORGS[rng.random_range(0..3)].0))];
        match rng.random_range(0..5) {
            0 | 1 => Extent::All,
            2 => Extent::General,
            3 => Extent::Index,
            _ => Extent::Classes(named.try_into().unwrap()),
        }
    }

    fn grantee(rng: &mut StdRng) -> Grantee {
        let name = ORGS[rng.random_range(0..MEMBERS)].0;
        let role = ROLES[rng.random_range(0..3)];
        let text = match rng.random_range(0..6) {
            0..4 => name.to_owned(),
            4 => format!("{name}:{role}"),
            _ => format!("{name}/{}", principal_id(role)),
        };
        text.parse().unwrap()
    }

    fn step(
        &mut self,
        now: Millis,
        rng: &mut StdRng,
        state: &dyn State,
        clients: &mut Clients,
        writes: &mut Writes,
    ) {
        let chart = chart_id(CHARTS[rng.random_range(0..CHARTS.len())]);
        let (member, owner) = (rng.random_range(0..MEMBERS), key("owner"));
        let mut pending = Pending::Other;
        let (key, act): (SecretKey, Act) = match rng.random_range(0..100) {
            0..30 => return self.write(now, rng, chart, member, writes),
            30..48 => {
                pending = Pending::Directive;
                (owner, self.directive(now, rng, state, chart))
            }
            48..56 => {
                let target = match Self::one(rng, &self.directives) {
                    Some(id) if rng.random_range(0..4) != 0 => Revocable::Directive(id),
                    _ => {
                        Revocable::Grantee { grantee: Self::grantee(rng), sequence: sequence(state, &chart) }
                    }
                };
                (owner, Revoke { chart, target }.into())
            }
            56..80 => {
                let session = SessionKey::generate(rng);
                let key = match rng.random_range(0..4) {
                    0 => owner,
                    1 => key(ORGS[member].0),
                    _ => self.sessions[rng.random_range(0..self.sessions.len())].clone(),
                };
                let purpose = match rng.random_range(0..5) {
                    0 => Purpose::PatientRequest,
                    1 => Purpose::Payment,
                    _ => Purpose::Treatment,
                };
                let (extent, session_key, record) = (Self::extent(rng), session.hash(), Hash([2; 32]));
                pending = Pending::Access(Box::new(session));
                let act = if rng.random_range(0..4) == 0 {
                    let charts = CHARTS.map(|label| Asked { chart: chart_id(label), record });
                    let charts = charts.to_vec().try_into().unwrap();
                    RequestTogether { charts, purpose, extent, session_key }.into()
                } else {
                    Request { chart, purpose, extent, session_key, record }.into()
                };
                (key, act)
            }
            80..84 => {
                let session = SessionKey::generate(rng);
                let key = self.sessions[rng.random_range(0..self.sessions.len())].clone();
                let (session_key, record, extent) = (session.hash(), Hash([2; 32]), Self::extent(rng));
                let (reason, step_up) = (Reason::Life, rng.random_range(0..4) != 0);
                pending = Pending::Access(Box::new(session));
                (key, BreakGlass { chart, extent, reason, step_up, session_key, record }.into())
            }
            84..91 => {
                let named: Vec<_> = writes
                    .compartments()
                    .filter(|(_, known)| known.chart == chart)
                    .map(|(id, _)| *id)
                    .collect();
                let target = match (rng.random_range(0..8), Self::one(rng, &named)) {
                    (0, _) => Target::Chart,
                    (1 | 2, _) | (_, None) => {
                        Target::Class { tag: tag(TAGS[rng.random_range(0..3)].0), org: org(ORGS[member].0) }
                    }
                    (_, Some(id)) => Target::Compartment(id),
                };
                (owner, Erase { chart, target }.into())
            }
            91..94 => {
                let delegate = key("delegate").public().principal();
                let until = now.plus(Span::secs(rng.random_range(1..30)));
                (owner, Delegate { delegate, until }.into())
            }
            94..97 => {
                let role = ROLES[rng.random_range(0..3)];
                let session = key(&format!("{role} {}", rng.random::<u64>()));
                let until = now.plus(Span::secs(rng.random_range(5..60)));
                let (practitioner, role) = (principal_id(role), role.parse().unwrap());
                let certify = Certify { practitioner, role, session: session.public(), until };
                self.sessions.push(session);
                (key(ORGS[member].0), certify.into())
            }
            _ => {
                let session = self.sessions[rng.random_range(0..self.sessions.len())].public();
                (key(ORGS[member].0), EndSession { session }.into())
            }
        };
        let tx = clients.send(now, &key, &act);
        self.pending.insert(tx, pending);
    }

    fn directive(&self, now: Millis, rng: &mut StdRng, state: &dyn State, chart: ChartId) -> Act {
        let sequence = sequence(state, &chart);
        let tags = vec![tag(TAGS[rng.random_range(0..3)].0)];
        let scope = match rng.random_range(0..3) {
            0 => Scope::General,
            1 => Scope::All,
            _ => Scope::Tags(tags.try_into().unwrap()),
        };
        let purposes = vec![Purpose::Treatment].try_into().unwrap();
        let action = if rng.random_range(0..5) == 0 { Action::Write } else { Action::Read };
        let from = now.plus(Span(rng.random_range(0..2_000)));
        let until = if rng.random_range(0..3) == 0 { from.plus(Span::secs(8)) } else { Millis::MAX };
        let grantee = Self::grantee(rng);
        if rng.random_range(0..3) == 0 {
            Deny { chart, sequence, grantee, action, purposes, scope, from, until }.into()
        } else {
            let residual = None;
            Grant { chart, sequence, grantee, action, purposes, scope, from, until, residual }.into()
        }
    }

    fn write(&self, now: Millis, rng: &mut StdRng, chart: ChartId, member: usize, writes: &mut Writes) {
        // Mostly those who may: the custodian.
        let writer = if rng.random_range(0..3) == 0 { member } else { 0 };
        let own: Vec<_> = writes
            .compartments()
            .filter(|(_, known)| (known.chart, known.writer) == (chart, writer))
            .map(|(id, _)| *id)
            .collect();
        let into: Vec<_> = Self::one(rng, &own).into_iter().filter(|_| rng.random_range(0..3) == 0).collect();
        let (label, special) = TAGS[rng.random_range(0..3)];
        let mut opens = vec![(Role::Records, tag(label), special)];
        match rng.random_range(0..8) {
            0 => opens.push((Role::Index, tag("index"), false)),
            1 => opens.push((Role::Audit, tag("audit"), false)),
            2 if !into.is_empty() => opens.clear(),
            _ => {}
        }
        writes.begin(now, rng, self.network, Order { writer, chart, opens, into });
    }
}
