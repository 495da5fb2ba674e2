//! This file is where a network of four lives in the process: the ledger executes, trustees hold real shares, certificates
//! are real. What a node does with disk and peers is left out; what a client sees is the same.

use crate::{
    committee::certify,
    people::{STAFF, staff},
    tree::Tree,
};
use client::{
    Actor, Client, Host, Seat,
    host::Work,
    keys::{CachedSession, Lock, Profile, ProfileKind, ProfileName, load_signing, save_signing},
    open_session,
    rpc::{CallError, Node, Transport},
    wire::{self, Answer, Code, Method, Refusal},
};
use envelope::{OpenKey, ReleaseTerms, SealKey, Share, Threshold};
use futures::{FutureExt as _, executor::block_on, future::BoxFuture};
use ledger::{
    BlockInput, Logged, Signed, Transaction, access, charts, execute,
    governance::{Genesis, GenesisMember, Params, found},
    identity,
    testing::{MapState, ORGS, key, org, principal_id},
};
use primitives::{
    Blob, BlockHash, ChartId, CompartmentId, Executed, Hash, Header, List, Millis, NetworkId, OrgId,
    PackRoot, PublicKey, SecretKey, Span, StorageReceipt, TxId, compartments_hash, decode, domain, encode,
    merkle_root,
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

/// Time that passes with each block.
const BLOCK: Span = Span(100);

pub(crate) struct Inner {
    pub(crate) state: MapState,
    before: MapState,
    headers: Vec<Header>,
    pub(crate) now: Millis,
    logs: BTreeMap<ChartId, Vec<Logged>>,
    receipts: BTreeMap<TxId, wire::Final>,
    pub(crate) packs: BTreeMap<PackRoot, wire::PackParts>,
    pub(crate) audits: BTreeMap<Hash, wire::AuditRecord>,
    notes: BTreeMap<(OrgId, Hash), Vec<u8>>,
    shares: Vec<BTreeMap<CompartmentId, Share>>,
    rng: ChaCha20Rng,
    /// Trustees that give false shares.
    pub(crate) liars: BTreeSet<u32>,
    /// Answers to these methods get lost, so often.
    pub(crate) losing: BTreeMap<&'static str, u32>,
    /// What happens just before the next commit is executed.
    pub(crate) before_commit: Vec<Signed>,
    pub(crate) calls: Vec<&'static str>,
}

/// The network.
pub(crate) struct Network {
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) id: NetworkId,
    boxes: Vec<OpenKey>,
    inner: Mutex<Inner>,
}

fn validator(name: &str) -> SecretKey {
    key(&format!("{name} validator"))
}

impl Network {
    pub(crate) fn new() -> Arc<Self> {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let boxes: Vec<OpenKey> = ORGS.iter().map(|_| OpenKey::generate(&mut rng)).collect();
        let members = ORGS.iter().zip(&boxes).map(|((name, kind), open)| GenesisMember {
            org: org(name),
            kind: *kind,
            name: (*name).try_into().unwrap(),
            key: key(name).public(),
            validator: validator(name).public(),
            box_key: Blob::try_from(open.public().as_bytes().to_vec()).unwrap(),
        });
        let genesis = Genesis {
            format: 1,
            name: "a network of four".try_into().unwrap(),
            time: Millis(1_750_000_000_000),
            demo: true,
            members: members.collect::<Vec<_>>().try_into().unwrap(),
            params: Params::default(),
            policy: ledger::policy::BASE.try_into().unwrap(),
        };
        let mut state = MapState::default();
        state.apply(&found(&MapState::default(), &genesis).unwrap());
        let id = genesis.network();
        let keys: Vec<PublicKey> = genesis.members.iter().map(|member| member.validator).collect();
        let headers = vec![consensus::genesis(id, genesis.time, &keys)];
        let inner = Inner {
            before: state.clone(),
            state,
            headers,
            now: genesis.time,
            logs: BTreeMap::new(),
            receipts: BTreeMap::new(),
            packs: BTreeMap::new(),
            audits: BTreeMap::new(),
            notes: BTreeMap::new(),
            shares: vec![BTreeMap::new(); ORGS.len()],
            rng,
            liars: BTreeSet::new(),
            losing: BTreeMap::new(),
            before_commit: Vec::new(),
            calls: Vec::new(),
        };
        Arc::new(Self { genesis: Arc::new(genesis), id, boxes, inner: Mutex::new(inner) })
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Lets time pass.
    pub(crate) fn wait(&self, span: Span) {
        let mut inner = self.inner();
        inner.now = inner.now.plus(span);
        self.block(&mut inner, &[]);
    }

    fn block(&self, inner: &mut Inner, txs: &[Vec<u8>]) {
        let parent = *inner.headers.last().unwrap();
        inner.now = inner.now.plus(BLOCK);
        let root = Tree::new(&inner.state.0).root();
        let header = Header {
            epoch: 0,
            view: parent.view + 1,
            leader: validator(ORGS[0].0).public(),
            parent_view: parent.view,
            parent_payload: parent.hash().0,
            parent: parent.hash(),
            height: parent.height + 1,
            time: inner.now,
            executed: Executed { height: parent.height, state_root: root },
            txs_root: merkle_root(txs),
        };
        let block = BlockInput {
            network: self.id,
            hash: header.hash(),
            height: header.height,
            time: header.time,
            txs,
            verified: &|_| false,
        };
        let output = execute(&inner.state, &block);
        inner.before = inner.state.clone();
        inner.state.apply(&output.writes);
        for (index, receipt) in (0..).zip(&output.receipts) {
            let done = wire::Final {
                tx: receipt.tx,
                outcome: receipt.outcome,
                height: header.height,
                index,
                time: header.time,
            };
            inner.receipts.entry(receipt.tx).or_insert(done);
        }
        for line in output.logged {
            inner.logs.entry(line.chart).or_default().push(line);
        }
        inner.headers.push(header);
    }

    pub(crate) fn sign(
        &self,
        now: Millis,
        signer: &SecretKey,
        act: impl Into<ledger::Act>,
        nonce: u64,
    ) -> Signed {
        let (kind, body) = act.into().encode();
        let body = Blob::try_from(body).unwrap();
        let valid_until = now.plus(Span::secs(60));
        Transaction { network: self.id, signer: signer.public(), kind, body, valid_until, nonce }.sign(signer)
    }

    fn execute_one(&self, inner: &mut Inner, signed: &Signed) -> wire::Final {
        if matches!(signed.act(), Ok(ledger::Act::Commit(_) | ledger::Act::CommitTogether(_))) {
            let first: Vec<Vec<u8>> = std::mem::take(&mut inner.before_commit).iter().map(encode).collect();
            if !first.is_empty() {
                self.block(inner, &first);
            }
        }
        self.block(inner, &[encode(signed)]);
        inner.receipts[&signed.tx.id()]
    }

    /// Does something in a member's name.
    pub(crate) fn order(&self, name: &str, act: impl Into<ledger::Act>) -> wire::Final {
        let mut inner = self.inner();
        let nonce = inner.rng.next_u64();
        let signed = self.sign(inner.now, &key(name), act, nonce);
        self.execute_one(&mut inner, &signed)
    }

    fn answer(&self, server: &OrgId, method: &'static str, bytes: &[u8]) -> Answer {
        let signed: wire::SignedCall = decode(bytes).expect("the client encodes its calls");
        assert!(signed.is_authentic() && signed.call.method == method && signed.call.network == self.id);
        assert_eq!(&signed.call.server, server);
        let (caller, body) = (signed.call.caller, &signed.call.body[..]);
        let mut inner = self.inner();
        inner.calls.push(method);
        match method {
            wire::SubmitTx::NAME => {
                let asked = wire::request::<wire::SubmitTx>(body)?;
                let signed: Signed = decode(&asked.tx).unwrap();
                Ok(encode(&self.execute_one(&mut inner, &signed)))
            }
            wire::FindTx::NAME => {
                let tx = wire::request::<wire::FindTx>(body)?;
                Ok(encode(&inner.receipts.get(&tx).copied()))
            }
            wire::GetStatus::NAME => {
                // An idle chain makes blocks, too.
                self.block(&mut inner, &[]);
                let head = inner.headers.last().unwrap();
                Ok(encode(&wire::Status {
                    org: server.clone(),
                    network: self.id,
                    version: "test".to_owned(),
                    height: head.height,
                    time: head.time,
                    tip: head.height,
                    validators: 4,
                    pool: 0,
                    packs_missing: 0,
                    packs_below_n: 0,
                    writes_pending: 0,
                    box_key_held: true,
                    box_keys_other: 0,
                }))
            }
            wire::ReadRows::NAME => {
                let read = wire::request::<wire::ReadRows>(body)?;
                let rows = read.keys.iter().map(|key| (key.clone(), inner.state.0.get(key).cloned()));
                let head = inner.headers.last().unwrap();
                Ok(encode(&wire::Rows { height: head.height, time: head.time, rows: rows.collect() }))
            }
            wire::ScanRows::NAME => {
                let scan = wire::request::<wire::ScanRows>(body)?;
                let rows = inner.state.0.iter().filter(|(key, _)| {
                    key.starts_with(&scan.prefix) && scan.after.as_ref().is_none_or(|after| *key > after)
                });
                let rows = rows
                    .take(scan.limit.min(3) as usize)
                    .map(|(key, value)| (key.clone(), Some(value.clone())));
                // A page of three, told as full, so that paging is tested.
                let rows: Vec<_> = rows.collect();
                let head = inner.headers.last().unwrap();
                Ok(encode(&wire::Rows { height: head.height, time: head.time, rows }))
            }
            wire::ProveRows::NAME => {
                let read = wire::request::<wire::ProveRows>(body)?;
                let head = *inner.headers.last().unwrap();
                if head.executed.height < read.min_height {
                    self.block(&mut inner, &[]);
                    return Err(Refusal::new(Code::Unavailable, "not yet certified"));
                }
                Ok(encode(&self.prove(&inner, &read)))
            }
            wire::ReadLog::NAME => {
                let range = wire::request::<wire::ReadLog>(body)?;
                let log = inner.logs.get(&range.chart).cloned().unwrap_or_default();
                let page: Vec<Logged> =
                    log.into_iter().skip(range.from as usize).take(range.limit.min(4) as usize).collect();
                Ok(encode(&page))
            }
            wire::Follow::NAME => {
                let following = wire::request::<wire::Follow>(body)?;
                // Time passes while one waits.
                self.block(&mut inner, &[]);
                let mut lines = Vec::new();
                for (chart, from) in following.charts.iter() {
                    let log = inner.logs.get(chart).cloned().unwrap_or_default();
                    lines.extend(log.into_iter().skip(*from as usize));
                }
                // In pages of four.
                let more = lines.len() > 4;
                lines.truncate(4);
                let head = inner.headers.last().unwrap();
                Ok(encode(&wire::Followed { height: head.height, time: head.time, lines, more }))
            }
            wire::StageWrite::NAME => {
                let write = wire::request::<wire::StageWrite>(body)?;
                self.stage(&mut inner, server, write).map(|attested| encode(&attested))
            }
            wire::FetchPack::NAME => {
                let fetch = wire::request::<wire::FetchPack>(body)?;
                let mut parts = inner.packs.get(&fetch.pack).cloned();
                if let Some(parts) = parts.as_mut().filter(|_| fetch.head) {
                    let manifest = envelope::Manifest::bytes_needed(&parts.ciphertexts).unwrap();
                    parts.ciphertexts.truncate(manifest);
                    parts.randoms.clear();
                }
                parts.map(|parts| encode(&parts)).ok_or_else(|| Refusal::new(Code::NotFound, "no such pack"))
            }
            wire::StoreAudit::NAME => {
                let record = wire::request::<wire::StoreAudit>(body)?;
                inner.audits.insert(record.hash(), record);
                Ok(encode(&()))
            }
            wire::FetchAudit::NAME => {
                let hash = wire::request::<wire::FetchAudit>(body)?;
                Ok(encode(&inner.audits.get(&hash).cloned()))
            }
            wire::GatherShares::NAME => {
                let release = wire::request::<wire::GatherShares>(body)?;
                // The first three, as the first three answers.
                let answers: Vec<_> = (0..3).map(|place| self.release(&mut inner, place, &release)).collect();
                Ok(encode(&answers))
            }
            wire::GatherMore::NAME => {
                let more = wire::request::<wire::GatherMore>(body)?;
                let places = (0..4).filter(|place| !more.except.contains(place));
                let answers: Vec<_> =
                    places.map(|place| self.release(&mut inner, place, &more.release)).collect();
                Ok(encode(&answers))
            }
            wire::OpenSession::NAME => {
                let new = wire::request::<wire::OpenSession>(body)?;
                new.session
                    .verify(domain::SESSION_PROOF, caller.as_bytes(), &new.proof)
                    .expect("the key is held");
                let (profile, org_name, role, _) = staff(&caller);
                let until = inner.now.plus(Span::hours(8));
                let practitioner = principal_id(profile);
                let role: primitives::Slug = role.parse().unwrap();
                let certify =
                    identity::Certify { practitioner, role: role.clone(), session: new.session, until };
                let nonce = inner.rng.next_u64();
                let signed = self.sign(inner.now, &key(org_name), certify, nonce);
                self.execute_one(&mut inner, &signed);
                Ok(encode(&wire::Session { practitioner, role, until }))
            }
            wire::OrderAct::NAME => {
                let act = wire::request::<wire::OrderAct>(body)?;
                let (_, org_name, _, _) = staff(&caller);
                let act = ledger::Act::decode(act.kind, &act.body).unwrap();
                let nonce = inner.rng.next_u64();
                let signed = self.sign(inner.now, &key(org_name), act, nonce);
                Ok(encode(&self.execute_one(&mut inner, &signed)))
            }
            wire::GetNote::NAME => {
                let name = wire::request::<wire::GetNote>(body)?;
                Ok(encode(&inner.notes.get(&(server.clone(), name)).cloned()))
            }
            wire::PutNote::NAME => {
                let note = wire::request::<wire::PutNote>(body)?;
                let name = (server.clone(), note.name);
                let holds = note.before.holds(inner.notes.get(&name).map(Vec::as_slice));
                if holds {
                    match note.content {
                        Some(content) => inner.notes.insert(name, content),
                        None => inner.notes.remove(&name),
                    };
                }
                Ok(encode(&holds))
            }
            other => Err(Refusal::new(Code::NotFound, format!("there is no method `{other}`"))),
        }
    }

    fn prove(&self, inner: &Inner, read: &wire::Read) -> wire::Proven {
        let head = inner.headers.last().unwrap();
        let tree = Tree::new(&inner.before.0);
        let rows = read.keys.iter().map(|key| wire::ProvenRow {
            key: key.clone(),
            value: inner.before.0.get(key).cloned(),
            proof: tree.prove(key),
        });
        let keys: Vec<SecretKey> = ORGS.iter().map(|(name, _)| validator(name)).collect();
        let anchor = wire::Anchor {
            headers: List::try_from(vec![*head]).unwrap(),
            certificate: certify(self.id, head, &keys),
        };
        wire::Proven { rows: rows.collect(), anchor }
    }

    fn stage(
        &self,
        inner: &mut Inner,
        writer: &OrgId,
        write: wire::Write,
    ) -> Result<wire::Attestations, Refusal> {
        let wire::Write { chart, pack, keep_until, parts, dealt } = write;
        let verified =
            envelope::Pack::verify(pack, &parts.ciphertexts, &parts.randoms).expect("the client seals well");
        let manifest = verified.manifest();
        let bytes = (parts.ciphertexts.len() + parts.randoms.len()) as u64;
        let mut attested = wire::Attestations { acknowledgements: Vec::new(), receipts: Vec::new() };
        for (place, (name, _)) in (0_u32..).zip(ORGS) {
            let member = key(name);
            if let Some((dealing, boxes)) = &dealt {
                let threshold = Threshold::new(3, 4).unwrap();
                let at = place as usize;
                let index = place as u16 + 1;
                let shares =
                    envelope::accept(&mut inner.rng, dealing, threshold, index, &self.boxes[at], &boxes[at])
                        .unwrap();
                for (body, share) in dealing.compartments.iter().zip(shares) {
                    inner.shares[at].insert(body.id(), share);
                }
                let signature = dealing.acknowledgement(keep_until).sign(&member);
                attested.acknowledgements.push(charts::Attested { place, signature });
            }
            if org(name) != *writer {
                let receipt = StorageReceipt {
                    network: self.id,
                    pack,
                    chart,
                    writer: writer.clone(),
                    storer: org(name),
                    bytes,
                    records: manifest.entries().len() as u32,
                    compartments: compartments_hash(manifest.compartment_ids().iter().copied()),
                    keep_until,
                };
                attested.receipts.push(charts::Attested { place, signature: receipt.sign(&member) });
            }
        }
        inner.packs.insert(pack, parts);
        Ok(attested)
    }

    fn release(&self, inner: &mut Inner, place: u32, wanted: &wire::Release) -> wire::TrusteeAnswer {
        let session = SealKey::try_from(&wanted.session_key[..]).unwrap();
        let session_hash = envelope::session_hash(&session);
        let mut withheld = Vec::new();
        let mut shares: Vec<(CompartmentId, Share)> = Vec::new();
        for id in wanted.compartments.iter() {
            match access::releasable(&inner.state, &wanted.access, id, &session_hash, inner.now) {
                Ok(()) => shares.push((*id, inner.shares[place as usize][id].clone())),
                Err(why) => withheld.push((*id, why.code())),
            }
        }
        if inner.liars.contains(&place) {
            for (_, share) in &mut shares {
                let mut bytes = *share.to_bytes();
                bytes[0] ^= 1;
                *share = Share::from_bytes(place as u16 + 1, &bytes).unwrap();
            }
        }
        let terms = ReleaseTerms {
            network: self.id,
            access: wanted.access,
            session: session_hash,
            epoch: 0,
            trustee: place as u16 + 1,
            header: BlockHash::default(),
        };
        let borrowed: Vec<_> = shares.iter().map(|(id, share)| (*id, share)).collect();
        let release = (!shares.is_empty())
            .then(|| envelope::release(&mut inner.rng, terms, &session, &borrowed).unwrap());
        wire::TrusteeAnswer { place, answer: Ok(wire::Released { release, withheld }) }
    }

    /// The client of somebody on the staff list.
    pub(crate) fn staff(self: &Arc<Self>, home: &Path, profile: &str) -> Client {
        let (_, org_name, _, display) = *STAFF.iter().find(|(name, ..)| *name == profile).unwrap();
        let secret = key(profile);
        let node = self.node(org_name, &secret);
        let session: CachedSession = block_on(open_session(&node, &secret, &*self.host())).unwrap();
        let seat = self.seat(home, profile, org_name, ProfileKind::Practitioner);
        let actor = Actor::Practitioner(Arc::new(session));
        Client::new(node, actor, org(org_name), display.to_owned(), Arc::clone(&self.genesis), self.host())
            .seated(seat)
    }

    /// The client of a patient whose key an import made.
    pub(crate) fn patient(self: &Arc<Self>, home: &Path, name: &ProfileName) -> Client {
        let profile = Profile::load(home, name).unwrap();
        let secret = load_signing(&home.join(&profile.key), |_| None).unwrap();
        self.person(home, name, profile, secret)
    }

    /// The client of a person whom a member enrols just now.
    pub(crate) fn newcomer(self: &Arc<Self>, org_name: &str, label: &str) -> Client {
        let secret = key(label);
        self.order(org_name, identity::Enrol { kind: identity::PrincipalKind::Person, key: secret.public() });
        let node = self.node(org_name, &secret);
        let actor = Actor::Person(Arc::new(secret));
        Client::new(node, actor, org(org_name), label.to_owned(), Arc::clone(&self.genesis), self.host())
    }

    fn person(
        self: &Arc<Self>,
        home: &Path,
        name: &ProfileName,
        profile: Profile,
        secret: SecretKey,
    ) -> Client {
        let node = self.node(&profile.server.0, &secret);
        let (org, display) = (profile.org.clone(), profile.display.clone());
        let seat = Seat { home: home.to_owned(), name: name.clone(), profile };
        let actor = Actor::Person(Arc::new(secret));
        Client::new(node, actor, org, display, Arc::clone(&self.genesis), self.host()).seated(seat)
    }

    fn seat(&self, home: &Path, name: &str, org_name: &str, kind: ProfileKind) -> Seat {
        let name: ProfileName = name.parse().unwrap();
        let profile = Profile {
            format: 1,
            kind,
            display: name.to_string(),
            org: org(org_name),
            server: org(org_name),
            node: "127.0.0.1:1".to_owned(),
            genesis: "genesis.json".into(),
            key: name.key_path(),
            chart: None,
        };
        if !home.join(name.key_path()).exists() {
            save_signing(&home.join(name.key_path()), &key(&name.to_string()), &Lock::Plain).unwrap();
        }
        Seat { home: home.to_owned(), name, profile }
    }

    pub(crate) fn host(self: &Arc<Self>) -> Arc<dyn Host> {
        let seed = self.inner().rng.next_u64();
        Arc::new(NetworkHost { network: Arc::clone(self), rng: Mutex::new(ChaCha20Rng::seed_from_u64(seed)) })
    }

    fn node(self: &Arc<Self>, org_name: &str, secret: &SecretKey) -> Node {
        let transport = Arc::new(Wire { network: Arc::clone(self), server: org(org_name) });
        Node::new(transport, self.id, org(org_name), secret.clone(), self.host())
    }
}

/// The way to one member's node.
struct Wire {
    network: Arc<Network>,
    server: OrgId,
}

impl Transport for Wire {
    fn address(&self) -> &str {
        "in process"
    }

    fn carry(
        &self,
        method: &'static str,
        call: Vec<u8>,
        _: Span,
    ) -> BoxFuture<'_, Result<Vec<u8>, CallError>> {
        async move {
            let answer = encode(&self.network.answer(&self.server, method, &call));
            let mut inner = self.network.inner();
            match inner.losing.get_mut(method) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    Err(CallError::Timeout("in process".to_owned()))
                }
                Some(_) | None => Ok(answer),
            }
        }
        .boxed()
    }
}

/// A machine whose clock is the network's, and which never waits.
struct NetworkHost {
    network: Arc<Network>,
    rng: Mutex<ChaCha20Rng>,
}

impl Host for NetworkHost {
    fn now(&self) -> Millis {
        self.network.inner().now
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.rng.lock().unwrap().fill_bytes(bytes);
    }

    fn sleep(&self, span: Span) -> BoxFuture<'static, ()> {
        self.network.wait(span);
        futures::future::ready(()).boxed()
    }

    fn run(&self, work: Work) {
        work();
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(std::thread::spawn(move || block_on(task)));
    }
}
