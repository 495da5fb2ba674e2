//! This file is where a network of four nodes is laid out in a temporary directory, run and called.

use client::{
    Client, Contents, Host as _, SystemHost, host,
    import::{ImportOptions, Imported, NoProgress},
    keys::{Lock, Profile, ProfileKind, ProfileName, save_box, save_signing},
    rpc::{Http, Node as Caller},
    wire::{GetStatus, Status},
};
use envelope::OpenKey;
use horkos_node::{Address, BoxKeyRules, Config, Keys, LogFormat, Node, Staff, StartError};
use ledger::{
    charts::Role,
    governance::{Genesis, GenesisMember, MemberKind, Params},
    policy,
};
use primitives::{ChartId, CompartmentId, SecretKey, Span, Text};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long anything that must come may take on a machine under load.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An organisation to be laid out.
pub(crate) struct Organisation {
    pub(crate) name: &'static str,
    pub(crate) kind: MemberKind,
    pub(crate) people: &'static [Person],
}

/// Somebody who works there.
pub(crate) struct Person {
    pub(crate) profile: &'static str,
    pub(crate) kind: ProfileKind,
    pub(crate) role: &'static str,
}

const fn member(name: &'static str, kind: MemberKind, people: &'static [Person]) -> Organisation {
    Organisation { name, kind, people }
}

const fn practitioner(profile: &'static str, role: &'static str) -> Person {
    Person { profile, kind: ProfileKind::Practitioner, role }
}

const FOUR: [Organisation; 4] = [
    member("riverside-hospital", MemberKind::Provider, &[practitioner(ADAMS, "physician")]),
    member("lakeside-clinic", MemberKind::Provider, &[practitioner(BAKER, "physician")]),
    member("meridian-insurance", MemberKind::Insurer, &[practitioner("meridian/clerk", "clerk")]),
    member("patient-trust", MemberKind::PatientBody, &[practitioner("trust/advocate", "advocate")]),
];

pub(crate) const ADAMS: &str = "riverside/dr-adams";
pub(crate) const BAKER: &str = "lakeside/dr-baker";

/// A network in a temporary directory.
pub(crate) struct Network {
    pub(crate) home: TempDir,
    pub(crate) genesis: Genesis,
    pub(crate) configs: Vec<Config>,
    pub(crate) nodes: Vec<Option<Node>>,
}

fn fresh_key() -> SecretKey {
    SecretKey::from_seed(&host::random(&SystemHost))
}

/// Loopback addresses that nobody listens on; all are held at once, so that none is given twice. All of 127.0.0.0/8 is
/// this machine's on Linux: there each network gets an address to itself, and nobody takes a port before its node does.
fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let [_, a, b, c] = rand::random::<u32>().to_be_bytes();
    let own = Ipv4Addr::new(127, 1 | a, b, 1 | c);
    let host = if TcpListener::bind((own, 0)).is_ok() { own } else { Ipv4Addr::LOCALHOST };
    let held: Vec<_> = (0..count).map(|_| TcpListener::bind((host, 0)).unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap()).collect()
}

/// A shipped bundle.
pub(crate) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/bundles").join(name)
}

/// All shipped bundles.
pub(crate) fn all_shipped() -> Vec<PathBuf> {
    let entries = fs::read_dir(shipped("")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Looks until `found` finds something.
pub(crate) async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn make_member(dir: &Path, organisation: &Organisation) -> GenesisMember {
    let Organisation { name: org, kind, people: _ } = *organisation;
    let (key, validator, vault) = (fresh_key(), fresh_key(), fresh_key());
    let trustee = OpenKey::generate(&mut rand::rng());
    save_signing(&dir.join("organisation.key"), &key, &Lock::Plain).unwrap();
    save_signing(&dir.join("validator.key"), &validator, &Lock::Plain).unwrap();
    save_signing(&dir.join("vault.key"), &vault, &Lock::Plain).unwrap();
    save_box(&dir.join("trustee.key"), &trustee, &Lock::Plain).unwrap();
    let box_key = trustee.public().as_bytes().to_vec().try_into().unwrap();
    let name = Text::try_from(org).unwrap();
    GenesisMember {
        org: org.parse().unwrap(),
        kind,
        name,
        key: key.public(),
        validator: validator.public(),
        box_key,
    }
}

fn make_person(home: &Path, config: &Config, person: &Person) -> Staff {
    let Person { profile, kind, role } = *person;
    let name: ProfileName = profile.parse().unwrap();
    let key = fresh_key();
    save_signing(&home.join(name.key_path()), &key, &Lock::Plain).unwrap();
    let profile = Profile {
        format: 1,
        kind,
        display: name.to_string(),
        org: config.org.clone(),
        server: config.org.clone(),
        node: config.rpc.to_string(),
        genesis: "genesis.json".into(),
        key: name.key_path(),
        chart: None,
    };
    profile.save(home, &name).unwrap();
    Staff {
        key: key.public(),
        practitioner: fresh_key().public().principal(),
        role: role.parse().unwrap(),
        orders: vec!["*".to_owned()],
        session: Span::hours(8),
    }
}

impl Network {
    /// Lays a network of four out; nothing runs yet.
    pub(crate) fn laid_out(params: Params) -> Self {
        Self::of(&FOUR, params)
    }

    /// Lays a network of these organisations out; nothing runs yet.
    pub(crate) fn of(organisations: &[Organisation], params: Params) -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = |org: &str| home.path().join(org);
        let members: Vec<_> =
            organisations.iter().map(|member| make_member(&dir(member.name).join("keys"), member)).collect();
        let genesis = Genesis {
            format: 1,
            name: Text::try_from("a test").unwrap(),
            time: SystemHost.now(),
            demo: true,
            members: members.try_into().unwrap(),
            params,
            policy: Text::try_from(policy::BASE).unwrap(),
        };
        fs::write(home.path().join("genesis.json"), serde_json::to_vec(&genesis).unwrap()).unwrap();
        let addresses = free_addresses(organisations.len() * 2);
        let members: Vec<Address> = organisations
            .iter()
            .zip(addresses.chunks(2))
            .map(|(member, pair)| Address { org: member.name.parse().unwrap(), p2p: pair[0], rpc: pair[1] })
            .collect();
        let configs = organisations.iter().zip(&members).map(
            |(Organisation { name: org, kind: _, people }, address)| {
                let mut config = Config {
                    org: address.org.clone(),
                    genesis: home.path().join("genesis.json"),
                    keys: dir(org).join("keys"),
                    data: dir(org).join("data"),
                    marker: dir(org).join("validator.marker"),
                    p2p: address.p2p,
                    rpc: address.rpc,
                    packs: dir(org).join("data/packs").to_string_lossy().into_owned(),
                    members: members.clone(),
                    staff: Vec::new(),
                    box_keys: BoxKeyRules::default(),
                    log: LogFormat::Json,
                    threads: 2,
                };
                config.staff =
                    people.iter().map(|person| make_person(home.path(), &config, person)).collect();
                config
            },
        );
        let configs = configs.collect();
        let nodes = organisations.iter().map(|_| None).collect();
        Self { home, genesis, configs, nodes }
    }

    /// A network whose nodes all run and have executed a block.
    pub(crate) async fn running(params: Params) -> Self {
        let mut network = Self::laid_out(params);
        network.start_all().await;
        network
    }

    /// Tries to start one node.
    pub(crate) async fn try_start(&self, place: usize) -> Result<Node, StartError> {
        let config = &self.configs[place];
        Node::start(config, Keys::load(&config.keys, |_| None).unwrap()).await
    }

    pub(crate) async fn start(&mut self, place: usize) {
        let node = self.try_start(place).await.unwrap_or_else(|error| panic!("{place}: {error}"));
        self.nodes[place] = Some(node);
    }

    /// Starts one node although its box key may be lost.
    pub(crate) async fn start_without_box_key(&mut self, place: usize) {
        let config = &self.configs[place];
        let keys = Keys::load(&config.keys, |_| None).unwrap();
        self.nodes[place] = Some(Node::start_without_box_key(config, keys).await.unwrap());
    }

    pub(crate) async fn start_all(&mut self) {
        for place in 0..self.configs.len() {
            self.start(place).await;
        }
        self.all_at(1).await;
    }

    pub(crate) async fn stop_all(&mut self) {
        let running = self.nodes.iter_mut().filter_map(Option::take);
        futures::future::join_all(running.map(Node::stop)).await;
    }

    /// A node, called with a key.
    pub(crate) fn caller(&self, place: usize, key: SecretKey) -> Caller {
        let config = &self.configs[place];
        let transport = Arc::new(Http::new(&config.rpc.to_string()).unwrap());
        Caller::new(transport, self.genesis.network(), config.org.clone(), key, SystemHost::shared())
    }

    pub(crate) async fn status(&self, place: usize) -> Option<Status> {
        let caller = self.caller(place, fresh_key());
        caller.call_within::<GetStatus>(&(), Span::secs(5)).await.ok()
    }

    /// Waits until all running nodes have executed `height`.
    pub(crate) async fn all_at(&self, height: u64) {
        for place in (0..self.configs.len()).filter(|place| self.nodes[*place].is_some()) {
            until("the height", async || self.status(place).await.filter(|status| status.height >= height))
                .await;
        }
    }

    pub(crate) async fn client(&self, profile: &str) -> Client {
        let name = profile.parse().unwrap();
        Client::connect(self.home.path(), &name, |_| None, SystemHost::shared()).await.unwrap()
    }

    /// Dr. Adams imports these files.
    pub(crate) async fn import(&self, paths: &[PathBuf]) -> Vec<Imported> {
        self.client(ADAMS).await.import(paths, &ImportOptions::default(), &NoProgress).await.unwrap()
    }

    /// Dr. Adams imports one shipped bundle; the patient's chart and her profile's name.
    pub(crate) async fn import_patient(&self, file: &str) -> (ChartId, String) {
        let imported = self.import(&[shipped(file)]).await;
        let one = imported.iter().find(|one| one.profile.is_some()).unwrap();
        (one.chart, one.profile.as_ref().unwrap().to_string())
    }

    pub(crate) fn data(&self, place: usize) -> &Path {
        &self.configs[place].data
    }
}

/// The compartments of a chart's records, as the log tells them.
pub(crate) async fn compartments(client: &Client, chart: ChartId) -> Vec<CompartmentId> {
    let contents = Contents::of(&client.log(chart, 0).await.unwrap());
    let of_records =
        contents.compartments.iter().filter(|(_, kept)| kept.role == Role::Records && !kept.erased);
    of_records.map(|(id, _)| *id).collect()
}

/// All files below a directory.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            Ok(_) | Err(_) => {}
        }
    }
    found
}
