//! This file is where the naive ledger takes blocks and answers each transaction.

use crate::{
    rules::Question,
    state::{Access, At, Chart, Key, Now, Permitted, State, Used},
};
use ledger::{
    Act, Outcome, Reject, Signed, Signer,
    access::{
        ASK_EMPTY, CHARTS_ASKED, CLASS_UNKNOWN, DENIALS_TOO_MANY, EMERGENCY_UNDECLARED, Emergency, Extent,
        REVIEWS_MAX, REVIEWS_OVERDUE,
    },
    charts,
    consent::{self, Directive, Purpose, Revocable},
    governance::{Genesis, MemberKind},
    identity,
    reject::{
        BAD_SIGNATURE, EXPIRED, MALFORMED, NOT_FOR_SIGNER, QUOTA, SIGNER_UNKNOWN, TOO_FAR_AHEAD,
        WRONG_NETWORK,
    },
};
use primitives::{
    ChartId, CompartmentId, Hash, Millis, NetworkId, OrgId, PrincipalId, PublicKey, Tag, TxId, domain,
    encode, hash,
};
use std::collections::{BTreeMap, BTreeSet};

/// The naive ledger.
#[derive(Clone, Debug)]
pub struct Naive {
    network: NetworkId,
    state: State,
}

/// What the naive ledger says of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The transaction.
    pub tx: TxId,
    /// What becomes of it.
    pub outcome: Outcome,
    /// Of an access: the classes of each of its charts, whether each is permitted, and the directive that this rests on.
    pub classes: BTreeMap<ChartId, Classes>,
}

/// Classes of a chart, as they were decided.
pub type Classes = Vec<(Tag, OrgId, bool, Option<TxId>)>;

struct Asked<'a> {
    chart: &'a ChartId,
    purpose: Purpose,
    extent: &'a Extent,
    session_key: &'a Hash,
    emergency: Option<Emergency>,
}

impl Naive {
    /// A network at its beginning.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        let mut state = State { params: genesis.params.clone(), ..State::default() };
        for member in genesis.members.iter() {
            let stands_in = matches!(member.kind, MemberKind::PatientBody | MemberKind::Regulator);
            state.members.push((member.org.clone(), stands_in));
            state.keys.insert(member.key, Key::Organisation(member.org.clone()));
        }
        Self { network: genesis.network(), state }
    }

    /// Takes the next block.
    pub fn block(&mut self, height: u64, time: Millis, txs: &[impl AsRef<[u8]>]) -> Vec<Answer> {
        (0..).zip(txs).filter_map(|(index, tx)| self.tx((height, index), time, tx.as_ref())).collect()
    }

    /// Whether a trustee that knows this much may hand over a share.
    #[must_use]
    pub fn hands_over(&self, access: &TxId, wanted: &CompartmentId, session_key: &Hash, now: Millis) -> bool {
        self.state.hands_over(access, wanted, session_key, now)
    }

    /// Every compartment.
    pub fn compartments(&self) -> impl Iterator<Item = CompartmentId> + '_ {
        self.state.compartments.keys().copied()
    }

    /// Whether the compartment is erased.
    #[must_use]
    pub fn is_erased(&self, id: &CompartmentId) -> bool {
        self.state.is_erased(id)
    }

    /// Who has confirmed an erasure: whether enough have, and whether all.
    #[must_use]
    pub fn erasure(&self, id: &TxId) -> Option<(bool, bool)> {
        let done = self.state.erasures.get(id)?.len();
        let n = self.state.members.len();
        // At most f of those who confirm lie, and less than what opens a key remains with the others.
        let f = n.saturating_sub(1) / 3;
        let opens = n - f;
        Some((n - done.saturating_sub(f).min(n) < opens, done == n))
    }

    fn tx(&mut self, at: At, time: Millis, bytes: &[u8]) -> Option<Answer> {
        let signed = Signed::decode(bytes).ok()?;
        let tx = signed.tx.id();
        let answer = |outcome, classes| Some(Answer { tx, outcome, classes });
        if self.state.consumed.contains(&tx) {
            return answer(Outcome::Duplicate, BTreeMap::new());
        }
        let signer = match self.admit(&signed, time, bytes.len()) {
            Ok(signer) => signer,
            // A forgery answers for its own bytes, not for the transaction that it copies.
            Err(BAD_SIGNATURE) => {
                let tx = TxId(hash(domain::TX_ID, &[bytes]));
                return Some(Answer {
                    tx,
                    outcome: Outcome::Rejected(BAD_SIGNATURE),
                    classes: BTreeMap::new(),
                });
            }
            Err(reject) => return answer(Outcome::Rejected(reject), BTreeMap::new()),
        };
        self.state.consumed.insert(tx);
        let now = Now { at, time, tx, key: signed.tx.signer, signer: &signer };
        let before = self.state.clone();
        match signed.act().and_then(|act| self.act(&now, &act)) {
            Ok(classes) => answer(Outcome::Applied, classes),
            Err(reject) => {
                self.state = before;
                answer(Outcome::Rejected(reject), BTreeMap::new())
            }
        }
    }

    fn admit(&mut self, signed: &Signed, time: Millis, bytes: usize) -> Result<Signer, Reject> {
        let until = signed.tx.valid_until;
        if signed.tx.network != self.network {
            return Err(WRONG_NETWORK);
        }
        if until < time {
            return Err(EXPIRED);
        }
        if until > time.plus(self.state.params.replay_window) {
            return Err(TOO_FAR_AHEAD);
        }
        signed.verify()?;
        let signer = self.state.signer(&signed.tx.signer, time).ok_or(SIGNER_UNKNOWN)?;
        let (txs, most) = (self.state.params.quota_txs, self.state.params.quota_bytes);
        for org in self.carriers(&signed.tx.signer, &signer) {
            let used = self.used(&org, time);
            if used.txs < txs && used.bytes + bytes as u64 <= most {
                used.txs += 1;
                used.bytes += bytes as u64;
                return Ok(signer);
            }
        }
        Err(QUOTA)
    }

    /// Who is charged for what the key signs, in order.
    fn carriers(&self, key: &PublicKey, signer: &Signer) -> Vec<OrgId> {
        match self.state.keys.get(key) {
            Some(Key::Principal { orgs, .. }) => orgs.clone(),
            _ => vec![signer.org().clone()],
        }
    }

    fn used(&mut self, org: &OrgId, time: Millis) -> &mut Used {
        let window = time.0 / self.state.params.quota_window.0;
        let used = self.state.used.entry(org.clone()).or_default();
        if used.window != window {
            *used = Used { window, ..Used::default() };
        }
        used
    }

    fn act(&mut self, now: &Now<'_>, act: &Act) -> Result<BTreeMap<ChartId, Classes>, Reject> {
        let is_org = matches!(now.signer, Signer::Organisation(_));
        let is_staff = is_org || matches!(now.signer, Signer::Practitioner { .. });
        let is_person = matches!(now.signer, Signer::Person { .. });
        let only = |allowed: bool| if allowed { Ok(()) } else { Err(NOT_FOR_SIGNER) };
        match act {
            Act::Enrol(act) => only(is_org).and_then(|()| self.enrol(now, act)),
            Act::Carry(act) => only(is_org).and_then(|()| self.carry(now, act)),
            Act::EndCarriage(act) => only(is_org || is_person).and_then(|()| self.end_carriage(now, act)),
            Act::Certify(act) => only(is_org).and_then(|()| self.certify(now, act)),
            Act::EndSession(act) => only(is_org).and_then(|()| match self.state.keys.get_mut(&act.session) {
                Some(key @ Key::Session { .. }) if session_of(key) == Some(now.signer.org()) => {
                    *key = Key::Ended;
                    Ok(())
                }
                _ => Err(identity::SESSION_UNKNOWN),
            }),
            Act::Delegate(act) => only(is_person).and_then(|()| {
                let owner = now.signer.principal().ok_or(NOT_FOR_SIGNER)?;
                if act.delegate == owner || !self.state.is_person(&act.delegate) {
                    return Err(identity::DELEGATE_UNKNOWN);
                }
                if act.until <= now.time {
                    return Err(identity::PERIOD_INVALID);
                }
                self.state.delegations.insert((owner, act.delegate), act.until);
                Ok(())
            }),
            Act::EndDelegation(act) => only(is_person).and_then(|()| {
                let owner = now.signer.principal().ok_or(NOT_FOR_SIGNER)?;
                let ended = self.state.delegations.remove(&(owner, act.delegate));
                ended.map(drop).ok_or(identity::DELEGATE_UNKNOWN)
            }),
            Act::Create(act) => only(is_staff).and_then(|()| self.create(now, act)),
            Act::OfferClaim(act) => only(is_org).and_then(|()| self.offer(now, act)),
            Act::Claim(act) => only(is_person).and_then(|()| self.claim(now, &act.chart)),
            Act::Commit(act) => only(is_staff || is_person).and_then(|()| self.state.commit(now, act)),
            Act::CommitTogether(act) => only(is_staff || is_person).and_then(|()| {
                let several = !act.commits.is_empty();
                let mut commits = act.commits.iter();
                if several {
                    commits.try_for_each(|one| self.state.commit(now, one))
                } else {
                    Err(charts::NOTHING_WRITTEN)
                }
            }),
            Act::Grant(act) => only(is_person).and_then(|()| {
                let consent::Grant {
                    chart,
                    sequence,
                    grantee,
                    action,
                    purposes,
                    scope,
                    from,
                    until,
                    residual,
                } = act.clone();
                let (id, effect) = (now.tx, consent::Effect::Permit);
                let one = Directive { id, effect, grantee, action, purposes, scope, from, until, residual };
                self.direct(now, &chart, sequence, true, one)
            }),
            Act::Deny(act) => only(is_person).and_then(|()| {
                let consent::Deny { chart, sequence, grantee, action, purposes, scope, from, until } =
                    act.clone();
                let (id, effect, residual) = (now.tx, consent::Effect::Deny, None);
                let one = Directive { id, effect, grantee, action, purposes, scope, from, until, residual };
                self.direct(now, &chart, sequence, false, one)
            }),
            Act::Revoke(act) => only(is_person).and_then(|()| self.revoke(now, act)),
            Act::Erase(act) => only(is_person).and_then(|()| self.state.erase(now, act)),
            Act::ReceiptErasure(act) => only(is_org).and_then(|()| {
                let done = self.state.erasures.get_mut(&act.erasure).ok_or(charts::ERASURE_UNKNOWN)?;
                let fresh = done.insert(now.signer.org().clone());
                if fresh { Ok(()) } else { Err(charts::ERASURE_RECEIPTED) }
            }),
            Act::Request(act) => {
                only(is_staff || is_person)?;
                if act.purpose == Purpose::BreakGlass {
                    return Err(EMERGENCY_UNDECLARED);
                }
                let (purpose, emergency) = (act.purpose, None);
                let (chart, extent, session_key) = (&act.chart, &act.extent, &act.session_key);
                let told = self.access(now, &Asked { chart, purpose, extent, session_key, emergency })?;
                return Ok(BTreeMap::from([(*chart, told)]));
            }
            Act::RequestTogether(act) => {
                only(is_staff)?;
                if act.purpose == Purpose::BreakGlass {
                    return Err(EMERGENCY_UNDECLARED);
                }
                let distinct: BTreeSet<ChartId> = act.charts.iter().map(|asked| asked.chart).collect();
                let is_whole = matches!(act.extent, Extent::All | Extent::General);
                if act.charts.is_empty() || distinct.len() < act.charts.len() || !is_whole {
                    return Err(CHARTS_ASKED);
                }
                // The histories never have so many classes that they are too many.
                let (purpose, emergency) = (act.purpose, None);
                let (extent, session_key) = (&act.extent, &act.session_key);
                let mut told = BTreeMap::new();
                for chart in act.charts.iter().map(|asked| &asked.chart) {
                    told.insert(
                        *chart,
                        self.access(now, &Asked { chart, purpose, extent, session_key, emergency })?,
                    );
                }
                return Ok(told);
            }
            Act::BreakGlass(act) => {
                only(is_staff && !is_org)?;
                if !self.state.charts.contains_key(&act.chart) {
                    return Err(charts::CHART_UNKNOWN);
                }
                if act.extent == Extent::Index {
                    return Err(ASK_EMPTY);
                }
                let due = self.state.reviews.get(now.signer.org()).cloned().unwrap_or_default();
                if due.len() >= REVIEWS_MAX || due.iter().any(|until| *until < now.time) {
                    return Err(REVIEWS_OVERDUE);
                }
                let most = u64::from(self.state.params.break_glass_max);
                let used = self.used(now.signer.org(), now.time);
                used.emergencies += 1;
                if used.emergencies > most {
                    return Err(QUOTA);
                }
                let emergency = Some(Emergency { reason: act.reason, step_up: act.step_up });
                let (purpose, chart) = (Purpose::BreakGlass, &act.chart);
                let (extent, session_key) = (&act.extent, &act.session_key);
                let told = self.access(now, &Asked { chart, purpose, extent, session_key, emergency })?;
                return Ok(BTreeMap::from([(*chart, told)]));
            }
            // The histories have none of these.
            _ => Err(MALFORMED),
        }?;
        Ok(BTreeMap::new())
    }

    fn enrol(&mut self, now: &Now<'_>, act: &identity::Enrol) -> Result<(), Reject> {
        let org = now.signer.org().clone();
        match self.state.keys.get(&act.key) {
            None => {
                let key = Key::Principal { kind: act.kind.clone(), orgs: vec![org] };
                self.state.keys.insert(act.key, key);
                Ok(())
            }
            Some(_) => Err(identity::KEY_TAKEN),
        }
    }

    /// In the histories no person replaces a key: the first one tells the principal.
    fn carried(&mut self, principal: &PrincipalId) -> Result<(PublicKey, &mut Vec<OrgId>), Reject> {
        self.state
            .keys
            .iter_mut()
            .find_map(|(key, owner)| match owner {
                Key::Principal { orgs, .. } if key.principal() == *principal => Some((*key, orgs)),
                _ => None,
            })
            .ok_or(identity::PRINCIPAL_UNKNOWN)
    }

    fn carry(&mut self, now: &Now<'_>, act: &identity::Carry) -> Result<(), Reject> {
        let (org, network) = (now.signer.org().clone(), self.network);
        let (key, orgs) = self.carried(&act.principal)?;
        let asked = encode(&(network, act.principal, &org));
        key.verify(domain::CARRIAGE, &asked, &act.consent).map_err(|_| identity::CONSENT_INVALID)?;
        if orgs.contains(&org) || orgs.len() == 4 {
            return Err(identity::CARRIERS_FULL);
        }
        orgs.push(org);
        Ok(())
    }

    fn end_carriage(&mut self, now: &Now<'_>, act: &identity::EndCarriage) -> Result<(), Reject> {
        let mine = match now.signer {
            Signer::Organisation(org) => *org == act.org,
            other => other.principal() == Some(act.principal),
        };
        if !mine {
            return Err(identity::CARRIAGE_NOT_YOURS);
        }
        let (_, orgs) = self.carried(&act.principal)?;
        let Some(place) = orgs.iter().position(|org| *org == act.org).filter(|_| orgs.len() > 1) else {
            return Err(identity::CARRIER_LAST);
        };
        orgs.remove(place);
        Ok(())
    }

    fn certify(&mut self, now: &Now<'_>, act: &identity::Certify) -> Result<(), Reject> {
        if self.state.keys.contains_key(&act.session) {
            return Err(identity::KEY_TAKEN);
        }
        if act.until <= now.time || act.until > now.time.plus(self.state.params.session_max) {
            return Err(identity::PERIOD_INVALID);
        }
        let (org, practitioner) = (now.signer.org().clone(), act.practitioner);
        let key = Key::Session { org, practitioner, role: act.role.clone(), until: act.until };
        self.state.keys.insert(act.session, key);
        Ok(())
    }

    fn create(&mut self, now: &Now<'_>, act: &charts::Create) -> Result<(), Reject> {
        if self.state.charts.contains_key(&act.chart) {
            return Err(charts::CHART_EXISTS);
        }
        let chart = Chart {
            custodian: now.signer.org().clone(),
            directory: act.directory,
            owner: None,
            offer: None,
            changes: 0,
            directives: Vec::new(),
            revoked: BTreeSet::default(),
            classes: Vec::new(),
            special: Default::default(),
            read: Default::default(),
            treats: Default::default(),
            erased: Vec::new(),
        };
        self.state.charts.insert(act.chart, chart);
        Ok(())
    }

    fn offer(&mut self, now: &Now<'_>, act: &charts::OfferClaim) -> Result<(), Reject> {
        let person = self.state.is_person(&act.person);
        let wait = self.state.params.recovery_wait_min;
        let stands_in = self.state.members.iter().any(|(org, may)| org == now.signer.org() && *may);
        let chart = self.state.charts.get_mut(&act.chart).filter(|chart| !chart.directory);
        let chart = chart.ok_or(charts::CHART_UNKNOWN)?;
        let from = match chart.custodian == *now.signer.org() {
            true => now.time,
            false if stands_in => now.time.plus(wait),
            false => return Err(charts::NOT_CUSTODIAN),
        };
        if chart.owner.is_some() {
            return Err(charts::CHART_CLAIMED);
        }
        if act.until <= from || !person {
            return Err(charts::OFFER_INVALID);
        }
        chart.offer = Some((act.person, from, act.until));
        Ok(())
    }

    fn claim(&mut self, now: &Now<'_>, chart: &ChartId) -> Result<(), Reject> {
        let chart = self.state.charts.get_mut(chart).ok_or(charts::CHART_UNKNOWN)?;
        if chart.owner.is_some() {
            return Err(charts::CHART_CLAIMED);
        }
        match chart.offer {
            Some((person, from, until))
                if Some(person) == now.signer.principal() && from <= now.time && now.time <= until =>
            {
                (chart.owner, chart.offer) = (Some(person), None);
                Ok(())
            }
            _ => Err(charts::CLAIM_NOT_OFFERED),
        }
    }

    /// The chart, if the signer may direct who reads it.
    fn directing(&mut self, now: &Now<'_>, chart: &ChartId) -> Result<&mut Chart, Reject> {
        let owned = self.state.charts.get(chart).filter(|chart| chart.owner.is_some());
        let speaks =
            self.state.speaks_for_owner(owned.ok_or(consent::CHART_NOT_OWNED)?, now.signer, now.time);
        if !speaks {
            return Err(consent::NOT_FOR_OWNER);
        }
        self.state.charts.get_mut(chart).ok_or(consent::CHART_NOT_OWNED)
    }

    fn direct(
        &mut self,
        now: &Now<'_>,
        chart: &ChartId,
        sequence: u64,
        permits: bool,
        directive: Directive,
    ) -> Result<(), Reject> {
        let members: Vec<OrgId> = self.state.members.iter().map(|(org, _)| org.clone()).collect();
        let chart = self.directing(now, chart)?;
        if chart.revoked.contains(&directive.id) {
            return Err(consent::ALREADY_REVOKED);
        }
        if chart.changes != sequence {
            return Err(consent::CONSENT_STALE);
        }
        if let consent::Grantee::Organisation(org)
        | consent::Grantee::Role { org, .. }
        | consent::Grantee::Practitioner { org, .. } = &directive.grantee
            && !members.contains(org)
        {
            return Err(consent::GRANTEE_UNKNOWN);
        }
        if directive.until <= directive.from || directive.until <= now.time {
            return Err(consent::DIRECTIVE_OVER);
        }
        chart.changes += 1;
        chart.directives.push((permits, directive));
        Ok(())
    }

    fn revoke(&mut self, now: &Now<'_>, act: &consent::Revoke) -> Result<(), Reject> {
        let chart = self.directing(now, &act.chart)?;
        let gone: Vec<TxId> = match &act.target {
            Revocable::Directive(id) => vec![*id],
            Revocable::Grantee { sequence, .. } if *sequence != chart.changes => {
                return Err(consent::CONSENT_STALE);
            }
            Revocable::Grantee { grantee, .. } => {
                let living =
                    chart.directives.iter().filter(|(permits, one)| *permits && now.time < one.until);
                living.filter(|(_, one)| grantee.covers(&one.grantee)).map(|(_, one)| one.id).collect()
            }
        };
        if gone.is_empty() {
            return Err(consent::NOTHING_TO_REVOKE);
        }
        chart.changes += 1;
        chart.directives.retain(|(_, one)| !gone.contains(&one.id));
        chart.revoked.extend(gone);
        Ok(())
    }

    fn access(&mut self, now: &Now<'_>, asked: &Asked<'_>) -> Result<Classes, Reject> {
        let Asked { chart: id, purpose, extent, session_key, emergency } = asked;
        let chart = self.state.charts.get(*id).ok_or(charts::CHART_UNKNOWN)?;
        let special = |class: &(Tag, OrgId)| chart.special.get(class).copied();
        let classes: Vec<(Tag, OrgId)> = match extent {
            Extent::Index => Vec::new(),
            Extent::All => chart.classes.clone(),
            Extent::General => {
                chart.classes.iter().filter(|class| special(class) == Some(false)).cloned().collect()
            }
            Extent::Classes(named) => {
                if named.is_empty() || named.iter().collect::<BTreeSet<_>>().len() < named.len() {
                    return Err(ASK_EMPTY);
                }
                if named.iter().any(|class| special(class).is_none()) {
                    return Err(CLASS_UNKNOWN);
                }
                named.iter().cloned().collect()
            }
        };
        let is_person = matches!(now.signer, Signer::Person { .. });
        let writing = **extent == Extent::Index && !is_person;
        let question = |class: Option<(Tag, OrgId)>| Question {
            signer: now.signer,
            purpose: (!writing).then_some(*purpose),
            proven_emergency: emergency.is_some_and(|emergency| emergency.step_up),
            special: class.as_ref().and_then(special).unwrap_or(false),
            class,
            now: now.time,
        };
        let mut told = Vec::new();
        let mut permitted = Vec::new();
        let index = (writing || is_person).then_some(None);
        for class in classes.into_iter().map(Some).chain(index) {
            let question = question(class.clone());
            let (permit, rests_on) = self.state.may(chart, &question);
            if permit {
                let special = question.special;
                permitted.push(Permitted { class: class.clone(), special, rests_on });
            }
            told.extend(class.map(|(tag, org)| (tag, org, permit, rests_on)));
        }
        let org = now.signer.org();
        if permitted.is_empty() {
            let most = self.state.params.quota_denied;
            for org in self.carriers(&now.key, now.signer) {
                let used = self.used(&org, now.time);
                if used.denied < most {
                    used.denied += 1;
                    return Ok(told);
                }
            }
            return Err(DENIALS_TOO_MANY);
        }
        let owner = self.state.speaks_for_owner(chart, now.signer, now.time);
        let expires = now.time.plus(self.state.params.access_life);
        let due = now.time.plus(self.state.params.review_within);
        let chart = self.state.charts.get_mut(*id).ok_or(charts::CHART_UNKNOWN)?;
        let read: Vec<_> = permitted.iter().filter_map(|one| one.class.clone()).collect();
        let treats = matches!(now.signer, Signer::Practitioner { .. }) && Purpose::Treatment.covers(*purpose);
        if treats && !read.is_empty() {
            let until = chart.treats.entry(org.clone()).or_insert(expires);
            *until = expires.max(*until);
        }
        chart.read.extend(read.into_iter().map(|class| (class, now.at)));
        if emergency.is_some() {
            self.state.reviews.entry(org.clone()).or_default().push(due);
        }
        let access = Access {
            chart: **id,
            signer: now.signer.clone(),
            key: now.key,
            purpose: *purpose,
            writing: writing && !owner,
            emergency: *emergency,
            at: now.at,
            expires,
            session_key: **session_key,
            owner,
            permitted,
        };
        self.state.accesses.insert((now.tx, **id), access);
        Ok(told)
    }
}

fn session_of(key: &Key) -> Option<&OrgId> {
    match key {
        Key::Session { org, .. } => Some(org),
        Key::Organisation(_) | Key::Principal { .. } | Key::Ended => None,
    }
}
