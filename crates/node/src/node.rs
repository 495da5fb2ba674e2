//! This file is where a node is put together, started and stopped.

use crate::{
    box_keys::{BoxKeys, box_key_id},
    config::Config,
    desk::{Desk, Door, ServeError, Served, serve},
    executor::{Executor, FoundError},
    holder::Holder,
    member::{Me, wall_clock},
    metrics::Metrics,
    peers::{PeerError, Peers},
    rotation::Rotation,
    trustee::Trustee,
    vault::{Vault, VaultError},
    watch::{self, WatchError},
    writes::Writes,
};
use client::keys::{KeyFileError, load_signing};
use consensus::{Limits, Member, Termination};
use ledger::{
    TX_BYTES_MAX,
    governance::{self, Genesis},
};
use primitives::{Hash, OrgId, SecretKey, Span, State};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use store::{Identity, OpenError, PackError, Packs, Store};
use tokio::{
    sync::{Semaphore, watch as channel},
    task::JoinHandle,
};
use zeroize::Zeroizing;

/// Above this age of the newest final block a node releases and serves nothing.
const STALENESS_MAX: Span = Span::secs(10);

/// Most callers that wait at once for charts to go on. Further ones are answered without waiting.
const FOLLOWERS_MAX: usize = 512;

/// A node's keys.
pub struct Keys {
    /// The organisation key.
    pub org: SecretKey,
    /// The validator key.
    pub validator: SecretKey,
    /// The trustee's box keys.
    pub trustee: BoxKeys,
    /// The key under which the node's own files are sealed.
    pub vault: SecretKey,
}

/// Why a configuration or genesis file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file isn't what it should be.
    #[error("`{}` is not valid: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Why a node doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Configuration or genesis file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The organisation isn't a member, or its keys are others.
    #[error("`{0}` is not a member of this network, or its keys are not those of the genesis file")]
    NotAMember(OrgId),
    /// The trustee lacks the box key to which shares are dealt.
    #[error(
        "shares for `{org}` are dealt to box key {in_force}, and the folder of keys holds only {}: put its file back from \
         your copy of the keys; if it is lost for good, start with `--without-box-key` and run `horkos node rotate-box-key`",
        list(held)
    )]
    BoxKey {
        /// The organisation.
        org: OrgId,
        /// The key that the ledger names.
        in_force: Hash,
        /// Those that are held.
        held: Vec<Hash>,
    },
    /// What a crash left behind in the folder of keys.
    #[error("what a crash left behind in the folder of keys can't be removed: {0}")]
    Leftovers(#[source] std::io::Error),
    /// The data directory.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The head or recent blocks.
    #[error("the data directory is damaged, and the node does not start over it: {0}")]
    Damaged(#[source] store::Fault),
    /// Genesis.
    #[error(transparent)]
    Found(#[from] FoundError),
    /// Packs.
    #[error(transparent)]
    Packs(#[from] PackError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Peers.
    #[error(transparent)]
    Peers(#[from] PeerError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] consensus::StartError),
    /// The desk.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// A running node.
pub struct Node {
    /// What it answers with.
    pub desk: Arc<Desk>,
    /// Where it is called.
    pub rpc: SocketAddr,
    stop: channel::Sender<bool>,
    served: Served,
    follower: JoinHandle<Result<(), WatchError>>,
    engine: Arc<consensus::Handle>,
}

/// Reads a configuration file; relative paths start at its folder.
///
/// # Errors
/// [`ConfigError`].
pub fn load_config(path: &Path) -> Result<Config, ConfigError> {
    let text =
        fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let mut config: Config = toml::from_str(&text)
        .map_err(|error| ConfigError::Malformed { path: path.to_owned(), what: error.to_string() })?;
    let base = path.parent().unwrap_or_else(|| Path::new("."));
    for relative in [&mut config.genesis, &mut config.keys, &mut config.data, &mut config.marker] {
        *relative = base.join(&*relative);
    }
    if !config.packs.contains("://") {
        config.packs = config.data.join(&config.packs).to_string_lossy().into_owned();
    }
    Ok(config)
}

/// Reads and checks a genesis file.
///
/// # Errors
/// [`ConfigError`].
pub fn load_genesis(path: &Path) -> Result<Genesis, ConfigError> {
    let malformed = |what: String| ConfigError::Malformed { path: path.to_owned(), what };
    let text = fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let genesis: Genesis = serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
    genesis.check().map_err(|error| malformed(error.to_string()))?;
    Ok(genesis)
}

impl Keys {
    /// Reads the key files in `dir`: three, and the trustee's, of which there may be several.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn load(
        dir: &Path,
        passphrase: impl Fn(&Path) -> Option<Zeroizing<String>>,
    ) -> Result<Self, KeyFileError> {
        Ok(Self {
            org: load_signing(&dir.join("organisation.key"), &passphrase)?,
            validator: load_signing(&dir.join("validator.key"), &passphrase)?,
            trustee: BoxKeys::load(dir, &passphrase)?,
            vault: load_signing(&dir.join("vault.key"), &passphrase)?,
        })
    }
}

/// The engine's settings for a member of a network.
#[must_use]
pub fn engine_config(config: &Config, genesis: &Genesis, validator: SecretKey) -> consensus::Config {
    let committee = genesis.members.iter().map(|member| Member {
        org: member.org.clone(),
        key: member.validator,
        address: config
            .members
            .iter()
            .find(|address| address.org == member.org)
            .map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |address| address.p2p),
    });
    let mut engine = consensus::Config::new(
        config.data.join("engine"),
        config.marker.clone(),
        genesis.network(),
        genesis.time,
        committee.collect(),
        validator,
        config.p2p,
    );
    engine.limits = Limits {
        block_bytes_max: usize::try_from(genesis.params.block_bytes_max).unwrap_or(usize::MAX),
        tx_bytes_max: TX_BYTES_MAX,
        lag_max: genesis.params.lag_max,
        skew_max: genesis.params.skew,
    };
    engine.threads = config.threads;
    engine
}

impl Node {
    /// Starts the node of `config` with `keys`, among which the box key in force must be.
    ///
    /// # Errors
    /// [`StartError`]: what is wrong and what to do.
    pub async fn start(config: &Config, keys: Keys) -> Result<Self, StartError> {
        Self::start_with(config, keys, false).await
    }

    /// Starts the node of `config` although the box key in force may be lost: its trustee takes no new shares until the
    /// key is replaced.
    ///
    /// # Errors
    /// [`StartError`], but not for the box key.
    pub async fn start_without_box_key(config: &Config, keys: Keys) -> Result<Self, StartError> {
        Self::start_with(config, keys, true).await
    }

    async fn start_with(config: &Config, keys: Keys, box_key_lost: bool) -> Result<Self, StartError> {
        let genesis = load_genesis(&config.genesis)?;
        let me = Arc::new(identify(config, &genesis, &keys)?);
        let peers = Peers::new(&me, &genesis, &config.members)?;
        let store = Store::open(&config.data.join("ledger"), Identity { network: me.network })?;
        store.check_head().map_err(StartError::Damaged)?;
        let engine_config = engine_config(config, &genesis, keys.validator);
        let executor = Arc::new(Executor::open(store, &genesis, engine_config.genesis(), wall_clock)?);
        if !box_key_lost {
            check_box_key(&*executor.view(), &me.org, &keys.trustee)?;
        }
        let vault = Arc::new(Vault::open(&config.data.join("vault"), &keys.vault.to_seed())?);
        let packs = Packs::open(&config.packs, &BTreeMap::new())?;
        let audit = Packs::open(&config.data.join("audit").to_string_lossy(), &BTreeMap::new())?;
        keys.trustee.clear_up().map_err(StartError::Leftovers)?;
        let box_keys = Arc::new(keys.trustee);
        let rotation =
            Rotation::new(me.org.clone(), Arc::clone(&box_keys), Arc::clone(&vault), config.box_keys);
        let trustee = Arc::new(Trustee::new(Arc::clone(&me), box_keys, Arc::clone(&vault)));
        let holder = Arc::new(Holder::new(Arc::clone(&me), packs, peers.clone()));
        let writes = Arc::new(Writes::new(
            Arc::clone(&me),
            Arc::clone(&executor),
            Arc::clone(&trustee),
            Arc::clone(&holder),
            peers.clone(),
            Arc::clone(&vault),
        ));
        let machine: Arc<dyn consensus::Machine> = Arc::clone(&executor) as Arc<dyn consensus::Machine>;
        // Starting replays what the engine has and we lack; that may take a while and blocks.
        let engine = tokio::task::spawn_blocking(move || consensus::start(engine_config, machine));
        let engine = Arc::new(
            engine
                .await
                .map_err(|_| consensus::Fault("the engine panicked at start".into()))
                .map_err(consensus::StartError::Fault)??,
        );
        let (stop, stopped) = channel::channel(false);
        let desk = Arc::new(Desk {
            door: Door::new(Arc::clone(&me), &config.staff),
            me,
            executor,
            engine: Arc::clone(&engine),
            trustee,
            rotation,
            holder,
            writes,
            peers,
            vault,
            audit,
            metrics: Metrics::default(),
            staleness_max: STALENESS_MAX,
            unconfirmed: Mutex::new(BTreeSet::new()),
            notes: Mutex::new(()),
            followers: Semaphore::new(FOLLOWERS_MAX),
            stopping: stopped.clone(),
        });
        let served = serve(Arc::clone(&desk), config.rpc, stopped.clone()).await?;
        let follower = tokio::spawn(watch::follow(Arc::clone(&desk), stopped));
        Ok(Self { rpc: served.address, desk, stop, served, follower, engine })
    }

    /// Waits until the node has ended of itself: by a fault.
    pub async fn ended(&self) -> Termination {
        self.engine.terminated().await
    }

    /// Whether the node still follows the ledger; if not, it must be stopped, as erasures would stay undone.
    #[must_use]
    pub fn follows(&self) -> bool {
        !self.follower.is_finished()
    }

    /// Stops: no new calls, then the engine, everything durable.
    pub async fn stop(self) -> Termination {
        let Self { stop, served, follower, engine, desk, rpc: _ } = self;
        stop.send_replace(true);
        served.closed().await;
        match follower.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "following the ledger ended with a fault"),
            Err(error) => tracing::error!(%error, "following the ledger panicked"),
        }
        drop(desk);
        tokio::task::spawn_blocking(move || engine.stop()).await.unwrap_or(Termination::Stopped)
    }
}

fn identify(config: &Config, genesis: &Genesis, keys: &Keys) -> Result<Me, StartError> {
    let not_a_member = || StartError::NotAMember(config.org.clone());
    let found = (0_u32..).zip(genesis.members.iter()).find(|(_, member)| member.org == config.org);
    let (place, member) = found.ok_or_else(not_a_member)?;
    // Organisation and box key may have been rotated since; the validator's may not.
    if member.validator != keys.validator.public() {
        return Err(not_a_member());
    }
    Ok(Me { network: genesis.network(), org: config.org.clone(), place, key: keys.org.clone() })
}

/// Whether the box key that the ledger names is among those held.
fn check_box_key(state: &dyn State, org: &OrgId, keys: &BoxKeys) -> Result<(), StartError> {
    let member = governance::member(state, org).ok_or_else(|| StartError::NotAMember(org.clone()))?;
    // One that is no key opens nothing; by the ledger's rules it can only be this organisation's own mistake.
    let in_force = box_key_id(&member).unwrap_or_default();
    if keys.find(&in_force).is_some() {
        return Ok(());
    }
    let held = keys.held().iter().map(|key| *key.id()).collect();
    Err(StartError::BoxKey { org: org.clone(), in_force, held })
}

fn list(ids: &[Hash]) -> String {
    ids.iter().map(Hash::to_string).collect::<Vec<_>>().join(", ")
}
