//! This file is where the tests build networks of validators on loopback.

use crate::ledger::{Entry, Ledger};
use consensus::{Config, Handle, Limits, Member, StartError, Timeouts};
use primitives::{Hash, Millis, NetworkId, SecretKey, Span};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long anything in these tests may take before it counts as never.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn network_id() -> NetworkId {
    NetworkId(Hash([7; 32]))
}

pub(crate) fn secret(index: usize) -> SecretKey {
    SecretKey::from_seed(&[index as u8 + 1; 32])
}

/// Free ports, all held at once so that no two are the same. All of 127.0.0.0/8 is this machine's on Linux: there each
/// network gets an address to itself, and nobody takes a port before its validator does.
pub(crate) fn addresses(count: usize) -> Vec<SocketAddr> {
    let [_, a, b, c] = rand::random::<u32>().to_be_bytes();
    let own = Ipv4Addr::new(127, 1 | a, b, 1 | c);
    let host = if TcpListener::bind((own, 0)).is_ok() { own } else { Ipv4Addr::LOCALHOST };
    let held: Vec<_> = (0..count).map(|_| TcpListener::bind((host, 0)).unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap()).collect()
}

pub(crate) fn timeouts() -> Timeouts {
    Timeouts {
        idle: Span(300),
        leader: Span(700),
        certification: Span(1_200),
        retry: Span(1_000),
        skip: Span(1_500),
        fetch: Span(500),
        regossip: Span(500),
    }
}

/// Settings of validator `index` under `root`.
pub(crate) fn config(root: &Path, index: usize, addresses: &[SocketAddr]) -> Config {
    let committee = addresses
        .iter()
        .enumerate()
        .map(|(index, address)| Member {
            org: format!("org-{index}").parse().unwrap(),
            key: secret(index).public(),
            address: *address,
        })
        .collect();
    let home = root.join(format!("validator-{index}"));
    let mut config = Config::new(
        home.join("consensus"),
        root.join(format!("marker-{index}")),
        network_id(),
        Millis(1),
        committee,
        secret(index),
        addresses[index],
    );
    config.limits =
        Limits { block_bytes_max: 1 << 20, tx_bytes_max: 1 << 16, lag_max: 8, skew_max: Span(500) };
    config.timeouts = timeouts();
    config.threads = 1;
    config
}

pub(crate) fn ledger_path(root: &Path, index: usize) -> PathBuf {
    let home = root.join(format!("validator-{index}"));
    std::fs::create_dir_all(&home).unwrap();
    home.join("ledger")
}

/// A validator in this process.
pub(crate) struct Validator {
    pub(crate) handle: Handle,
    pub(crate) ledger: Arc<Ledger>,
}

impl Validator {
    pub(crate) fn start(root: &Path, index: usize, addresses: &[SocketAddr]) -> Result<Self, StartError> {
        let ledger = Arc::new(Ledger::open(&ledger_path(root, index)));
        let handle = consensus::start(config(root, index, addresses), ledger.clone())?;
        Ok(Self { handle, ledger })
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.ledger.entries()
    }

    pub(crate) fn height(&self) -> u64 {
        self.handle.status().executed
    }
}

/// Waits for a condition; fails aloud if it never holds.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
