//! This file is where tests get a small network to act in: four members, real signatures, the real `execute`.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that can't set itself up must fail"
)]

use crate::{
    Act, BlockInput, BlockOutput, Event, HEAD, Logged, Outcome, Receipt, Reject, Signed, Transaction,
    charts::{Attested, Claim, Commit, Create, NewCompartment, OfferClaim, Role},
    draft::Writes,
    execute,
    governance::{Genesis, GenesisMember, MemberKind, Params, found, quorum},
    identity::{Certify, Enrol, PrincipalKind},
    policy,
};
use primitives::{
    Acknowledgement, Blob, BlockHash, ChartId, Commitment, CompartmentBody, CompartmentId, Hash, Millis,
    NetworkId, OrgId, PackRoot, PrincipalId, SecretKey, Span, State, StorageReceipt, Tag, TxId,
    compartments_hash, domain, encode, hash,
};
use std::collections::BTreeMap;

/// The members of the network, in the order of the committee, and what they are.
pub const ORGS: [(&str, MemberKind); 4] = [
    ("riverside-hospital", MemberKind::Provider),
    ("lakeside-clinic", MemberKind::Provider),
    ("meridian-insurance", MemberKind::Insurer),
    ("patient-trust", MemberKind::PatientBody),
];

/// A state in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapState(pub BTreeMap<Vec<u8>, Vec<u8>>);

impl State for MapState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).cloned()
    }
}

impl MapState {
    /// Takes over what a block or the genesis wrote.
    pub fn apply(&mut self, writes: &Writes) {
        for (key, value) in writes {
            match value {
                Some(value) => self.0.insert(key.clone(), value.clone()),
                None => self.0.remove(key),
            };
        }
    }
}

/// A network of four members, from genesis on.
#[derive(Clone, Debug)]
pub struct World {
    /// The genesis file.
    pub genesis: Genesis,
    /// The network's id.
    pub network: NetworkId,
    /// The state after the newest block.
    pub state: MapState,
    /// Height of the newest block.
    pub height: u64,
    /// Time of the newest block. The next one's is a second later; add to it to let time pass.
    pub now: Millis,
    /// Every line of every chart's log, in order.
    pub logged: Vec<Logged>,
    nonce: u64,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// The key with this label, always the same one. A member's label is its name.
#[must_use]
pub fn key(label: &str) -> SecretKey {
    SecretKey::from_seed(&seed("key", label).0)
}

/// The chart id with this label.
#[must_use]
pub fn chart_id(label: &str) -> ChartId {
    ChartId(seed("chart", label))
}

/// The practitioner or principal id with this label, for those who need no key of their own.
#[must_use]
pub fn principal_id(label: &str) -> PrincipalId {
    PrincipalId(seed("principal", label))
}

/// The member with this name.
#[must_use]
pub fn org(name: &str) -> OrgId {
    name.parse().unwrap()
}

/// The category tag with this label.
#[must_use]
pub fn tag(label: &str) -> Tag {
    Tag(seed("tag", label))
}

/// How an act ended, in a word: `ok`, or the reject's name.
#[must_use]
pub fn said(result: Result<TxId, Reject>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(reject) => reject.info().unwrap().name,
    }
}

fn seed(what: &str, label: &str) -> Hash {
    hash(domain::GOLDEN, &[what.as_bytes(), label.as_bytes()])
}

impl World {
    /// A network with default parameters and base policies.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Params::default(), policy::BASE)
    }

    /// A network with these parameters and base policies.
    #[must_use]
    pub fn with(params: Params, policy: &str) -> Self {
        let member = |(name, kind): (&str, MemberKind)| GenesisMember {
            org: org(name),
            kind,
            name: name.try_into().unwrap(),
            key: key(name).public(),
            validator: key(&format!("{name} validator")).public(),
            box_key: Blob::try_from(vec![0; 1216]).unwrap(),
        };
        let genesis = Genesis {
            format: 1,
            name: "a network of four".try_into().unwrap(),
            time: Millis(1_750_000_000_000),
            demo: true,
            members: ORGS.map(member).to_vec().try_into().unwrap(),
            params,
            policy: policy.try_into().unwrap(),
        };
        let mut state = MapState::default();
        state.apply(&found(&MapState::default(), &genesis).unwrap());
        Self {
            network: genesis.network(),
            now: genesis.time,
            genesis,
            state,
            height: 0,
            logged: Vec::new(),
            nonce: 0,
        }
    }

    /// Lets time pass before the next block.
    pub fn wait(&mut self, span: Span) {
        self.now = self.now.plus(span);
    }

    /// Signs an act, valid for a minute.
    pub fn sign(&mut self, key: &SecretKey, act: impl Into<Act>) -> Signed {
        let (kind, body) = act.into().encode();
        self.nonce = self.nonce.saturating_add(1);
        let body = Blob::try_from(body).unwrap();
        let valid_until = self.now.plus(Span::secs(60));
        Transaction {
            network: self.network,
            signer: key.public(),
            kind,
            body,
            valid_until,
            nonce: self.nonce,
        }
        .sign(key)
    }

    /// Executes a block of these transactions, a second after the newest.
    pub fn block(&mut self, txs: &[Signed]) -> Vec<Receipt> {
        let encoded: Vec<Vec<u8>> = txs.iter().map(encode).collect();
        self.block_of(&encoded, &|_| false).receipts
    }

    /// Executes a block of these bytes, with `verified` as the cache of signatures that were verified before.
    pub fn block_of(&mut self, txs: &[Vec<u8>], verified: &dyn Fn(&Signed) -> bool) -> BlockOutput {
        self.height = self.height.saturating_add(1);
        self.now = self.now.plus(Span::secs(1));
        let input = BlockInput {
            network: self.network,
            hash: BlockHash(seed("block", &self.height.to_string())),
            height: self.height,
            time: self.now,
            txs,
            verified,
        };
        let output = execute(&self.state, &input);
        self.state.apply(&output.writes);
        assert_eq!(HEAD.get(&self.state).unwrap().height, self.height);
        self.logged.extend(output.logged.iter().cloned());
        output
    }

    /// Executes a block of one act.
    ///
    /// # Errors
    /// The reject in its receipt.
    pub fn act(&mut self, key: &SecretKey, act: impl Into<Act>) -> Result<TxId, Reject> {
        let signed = self.sign(key, act);
        let receipt = self.block(&[signed]).pop().unwrap();
        match receipt.outcome {
            Outcome::Applied => Ok(receipt.tx),
            Outcome::Rejected(reject) => Err(reject),
            Outcome::Duplicate => unreachable!("nonces differ"),
        }
    }

    /// Certifies a session of twelve hours for a practitioner of a member, and returns the session's key.
    pub fn session(&mut self, name: &str, role: &str, practitioner: &str) -> SecretKey {
        let session = key(&format!("{name} {role} {practitioner} {}", self.height));
        let certify = Certify {
            practitioner: principal_id(practitioner),
            role: role.parse().unwrap(),
            session: session.public(),
            until: self.now.plus(Span::hours(12)),
        };
        self.act(&key(name), certify).unwrap();
        session
    }

    /// Enrols a person with a member, and returns the person's key; the id is `key.public().principal()`.
    pub fn person(&mut self, name: &str, person: &str) -> SecretKey {
        self.principal(name, person, PrincipalKind::Person)
    }

    /// Enrols a person, ward or device with a member, and returns its key.
    pub fn principal(&mut self, name: &str, label: &str, kind: PrincipalKind) -> SecretKey {
        let secret = key(label);
        self.act(&key(name), Enrol { kind, key: secret.public() }).unwrap();
        secret
    }

    /// Makes a chart of a member.
    pub fn chart(&mut self, custodian: &str, label: &str) -> ChartId {
        let chart = chart_id(label);
        self.act(&key(custodian), Create { chart, directory: false }).unwrap();
        chart
    }

    /// Makes a directory chart of a member.
    pub fn directory(&mut self, custodian: &str) -> ChartId {
        let chart = chart_id(&format!("directory of {custodian}"));
        self.act(&key(custodian), Create { chart, directory: true }).unwrap();
        chart
    }

    /// Lets an enrolled person claim a chart.
    pub fn claim(&mut self, custodian: &str, chart: ChartId, owner: &SecretKey) {
        let person = owner.public().principal();
        let until = self.now.plus(Span::hours(1));
        self.act(&key(custodian), OfferClaim { chart, person, until }).unwrap();
        self.act(owner, Claim { chart }).unwrap();
    }

    /// A commit with every attestation it can have. `opens` says role, tag, and whether it is more sensitive than general.
    pub fn commit(
        &mut self,
        writer: &str,
        chart: ChartId,
        opens: &[(Role, Tag, bool)],
        into: &[CompartmentId],
    ) -> Commit {
        self.nonce = self.nonce.saturating_add(1);
        let nonce = self.nonce;
        let part = |what: &str, place: usize| seed(what, &format!("{nonce} {place}"));
        let threshold = quorum(&self.state).t;
        let opens: Vec<NewCompartment> = (opens.iter().enumerate())
            .map(|(place, (role, tag, special))| {
                let commitment = |i: u32| Commitment(seed("commitment", &format!("{nonce} {place} {i}")).0);
                let commitments: Vec<_> = (0..threshold).map(commitment).collect();
                let body = CompartmentBody {
                    suite: 1,
                    chart,
                    tag: *tag,
                    writer: org(writer),
                    key: part("compartment", place),
                    commitments: commitments.try_into().unwrap(),
                };
                NewCompartment { role: *role, special: *special, body }
            })
            .collect();
        let pack = PackRoot(part("pack", 0));
        let dealing = if opens.is_empty() { Hash::default() } else { part("dealing", 0) };
        let keep_until = self.now.plus(Span::hours(1));
        let acknowledgement = Acknowledgement {
            network: self.network,
            epoch: 0,
            writer: org(writer),
            chart,
            pack,
            dealing,
            keep_until,
        };
        let receipt = |storer: &str| StorageReceipt {
            network: self.network,
            pack,
            chart,
            writer: org(writer),
            storer: org(storer),
            bytes: 1000,
            records: 1,
            compartments: compartments_hash(
                opens.iter().map(|new| new.body.id()).chain(into.iter().copied()),
            ),
            keep_until,
        };
        let members = || (0_u32..).zip(ORGS.map(|(name, _)| name));
        let acknowledgements: Vec<_> = members()
            .filter(|_| !opens.is_empty())
            .map(|(place, name)| Attested { place, signature: acknowledgement.sign(&key(name)) })
            .collect();
        let receipts: Vec<_> = members()
            .filter(|(_, name)| *name != writer)
            .map(|(place, name)| Attested { place, signature: receipt(name).sign(&key(name)) })
            .collect();
        Commit {
            chart,
            pack,
            records: 1,
            bytes: 1000,
            opens: opens.try_into().unwrap(),
            into: into.to_vec().try_into().unwrap(),
            dealing,
            keep_until,
            acknowledgements: acknowledgements.try_into().unwrap(),
            receipts: receipts.try_into().unwrap(),
        }
    }

    /// Writes into a fresh compartment by the organisation's key, and returns the compartment.
    ///
    /// # Errors
    /// The reject in the receipt.
    pub fn write(
        &mut self,
        writer: &str,
        chart: ChartId,
        role: Role,
        tag: Tag,
        special: bool,
    ) -> Result<CompartmentId, Reject> {
        let commit = self.commit(writer, chart, &[(role, tag, special)], &[]);
        let id = commit.opens.first().unwrap().body.id();
        self.act(&key(writer), commit).map(|_| id)
    }

    /// The events of a chart's log, in order.
    #[must_use]
    pub fn events(&self, chart: &ChartId) -> Vec<Event> {
        let lines = self.logged.iter().filter(|line| line.chart == *chart);
        lines.map(|line| Event::decode(line.tag, &line.body).unwrap()).collect()
    }
}
