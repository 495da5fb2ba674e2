//! This file is where a validator starts on a real clock, disk and TCP network.

use crate::{
    Config, Fault, Handle, Machine, StartError, Termination,
    block::engine_key,
    engine::{self, MESSAGES_PER_SECOND, Network, Running},
    marker,
    pool::Pool,
    propose::millis,
    shared::{Shared, until},
};
use commonware_cryptography::{ChaCha20Poly1305, Signer as _, ed25519};
use commonware_p2p::{Address, AddressableManager as _, authenticated::lookup};
use commonware_runtime::{Quota, Runner as _, Supervisor as _, tokio as runtime};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize, ordered::Map};
use std::{
    net::TcpListener,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};
use tokio::sync::{mpsc, oneshot};

/// How far the clocks of two validators may be apart when they connect.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(10);

/// Starts a validator on threads of its own.
///
/// # Errors
/// [`StartError`]; nothing was voted or written then but an empty data directory.
pub fn start(config: Config, machine: Arc<dyn Machine>) -> Result<Handle, StartError> {
    config.check()?;
    // The engine would panic on a port that is taken.
    let listener = TcpListener::bind(config.listen);
    drop(listener.map_err(|source| StartError::Listen { address: config.listen, source })?);
    let marker = marker::open(&config.dir, &config.marker, config.network, config.secret.public())?;

    let lock = marker::lock(&config.dir)?;

    let pool = Pool::new(config.pool_bytes_max, config.limits.tx_bytes_max);
    let (shared, outbox) = Shared::new(machine, pool, Box::new(|| millis(SystemTime::now())));
    let (ready, started) = oneshot::channel();
    let running = shared.clone();
    let thread = thread::Builder::new().name("consensus".into()).spawn(move || {
        let settings = runtime::Config::new()
            .with_storage_directory(config.dir.join("engine"))
            .with_worker_threads(config.threads.max(1))
            .with_tcp_nodelay(Some(true))
            .with_catch_panics(false);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime::Runner::new(settings)
                .start(|rt| validator(rt, config, running.clone(), outbox, marker, ready));
        }));
        if let Err(panic) = ended {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or(panic.downcast_ref::<&str>().copied()).unwrap_or("see the log");
            running.finish(Termination::Fault(Fault(format!("the engine panicked: {words}"))));
        }
        // Ended without a word is ended wrongly.
        running.finish(Termination::Fault(Fault("the engine ended by itself".into())));
        drop(lock);
    });
    let thread = thread.map_err(|error| Fault(format!("no thread for the engine: {error}")))?;
    let failed = |shared: &Shared| match shared.end.borrow().clone() {
        Some(Termination::Fault(fault)) => StartError::Fault(fault),
        _ => StartError::Fault(Fault("the engine ended while it started".into())),
    };
    let archive = match futures::executor::block_on(started) {
        Ok(Ok(archive)) => archive,
        Ok(Err(error)) => {
            let _ = thread.join();
            return Err(error);
        }
        Err(_) => {
            let _ = thread.join();
            return Err(failed(&shared));
        }
    };
    Ok(Handle::new(shared, archive, thread))
}

type Ready = oneshot::Sender<Result<crate::execute::Archive, StartError>>;

async fn validator(
    rt: runtime::Context,
    config: Config,
    shared: Arc<Shared>,
    outbox: mpsc::UnboundedReceiver<bytes::Bytes>,
    marker: marker::Marker,
    ready: Ready,
) {
    let started = match connect(&rt, &config) {
        Ok(network) => engine::run(&rt, &config, "", shared.clone(), outbox, network, Some(marker)).await,
        Err(error) => Err(error),
    };
    let Running { archive, executor, engine } = match started {
        Ok(running) => running,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(archive));
    let mut end = shared.end.subscribe();
    tokio::select! {
        () = until(&mut end, Option::is_some) => {}
        _ = engine => shared.finish(Termination::Fault(Fault("the engine ended by itself".into()))),
    }
    // What is being executed is executed to the end, so that the machine can be opened again at once.
    let _ = executor.await;
}

type Sender = lookup::Sender<ed25519::PublicKey, runtime::Context>;
type Receiver = lookup::Receiver<ed25519::PublicKey>;
type Oracle = lookup::Oracle<ed25519::PublicKey>;

/// Connects to the committee: authenticated, encrypted, and with nobody else.
fn connect(rt: &runtime::Context, config: &Config) -> Result<Network<Sender, Receiver, Oracle>, StartError> {
    let signer = engine::engine_secret(config)?;
    let me = signer.public_key();
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer,
            synchrony_bound: CLOCKS_APART_MAX,
            max_handshake_age: 2 * CLOCKS_APART_MAX,
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let settings = lookup::Config {
        handshake,
        namespace: crate::certificate::namespace(config.network),
        listen: config.listen,
        // Hospitals sit behind address translation, and a validator may run beside another: who it is says the key.
        allow_private_ips: true,
        allow_dns: false,
        bypass_ip_check: true,
        max_message_size: engine::message_bytes_max(config),
        max_peers_per_set: NonZeroUsize::new(config.committee.len()).unwrap_or(NZUsize!(1)),
        mailbox_size: NZUsize!(1024),
        send_batch_size: NZUsize!(8),
        handshake_timeout: Duration::from_secs(5),
        dial_timeout: Duration::from_secs(5),
        peer_connection_cooldown: Duration::from_millis(500),
        max_concurrent_handshakes: NZU32!(128),
        allowed_handshake_rate_per_ip: Quota::per_second(NZU32!(32)),
        allowed_handshake_rate_per_subnet: Quota::per_second(NZU32!(128)),
        ping_frequency: Duration::from_secs(5),
        dial_frequency: Duration::from_millis(200),
        tracked_peer_sets: NZUsize!(1),
        block_duration: Duration::from_secs(600),
    };
    let (mut network, mut oracle) = lookup::Network::new(rt.child("network"), settings);
    let mut peers = Vec::new();
    for member in &config.committee {
        let key = engine_key(&member.key).ok_or(StartError::NotAMember(member.key))?;
        let address = if key == me { config.listen } else { member.address };
        peers.push((key, Address::from(address)));
    }
    let peers: Map<_, Address> =
        peers.try_into().map_err(|_| StartError::Settings("a key stands twice in the committee".into()))?;
    oracle.track(0, peers);
    let quota = Quota::per_second(NonZeroU32::new(MESSAGES_PER_SECOND).unwrap_or(NZU32!(1)));
    let mut channel = |number| network.register(number, quota);
    let channels = Network {
        votes: channel(0),
        certificates: channel(1),
        resolver: channel(2),
        blocks: channel(3),
        backfill: channel(4),
        gossip: channel(5),
        peers: oracle,
    };
    network.start();
    Ok(channels)
}
