//! An organisation's node: validator, trustee, store and desk, wired together. No rule of the domain lives here.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod box_keys;
mod cache;
mod config;
mod desk;
mod disk;
mod erased;
mod executor;
mod holder;
mod member;
mod metrics;
mod node;
mod peers;
mod rotation;
mod trustee;
mod vault;
mod waiters;
mod watch;
mod writes;

pub use box_keys::{BoxKey, BoxKeys, box_key_id};
pub use config::{Address, BoxKeyRules, Config, LogFormat, Staff};
pub use desk::{Desk, ServeError};
pub use erased::{HoldError, zeroed_unasked};
pub use executor::{Counts, Executor, FoundError, Tip};
pub use holder::Holder;
pub use member::Me;
pub use node::{ConfigError, Keys, Node, StartError, engine_config, load_config, load_genesis};
pub use peers::{Peer, PeerError, Peers};
pub use rotation::{Rotation, RotationError};
pub use trustee::{AcceptError, ReleaseError, Relied, Trustee};
pub use vault::{Vault, VaultError};
pub use watch::WatchError;
pub use writes::Writes;

/// The system's generator, for keys and nonces.
fn rng() -> rand::rngs::ThreadRng {
    rand::rng()
}

/// A random number for a transaction.
fn nonce() -> u64 {
    rand::random()
}
