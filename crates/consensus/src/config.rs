//! This file is where a validator's settings are, and what makes them wrong.

use crate::StartError;
use primitives::{
    BlockHash, Executed, Hash, Header, Millis, NetworkId, OrgId, PublicKey, SecretKey, Span, merkle_root,
};
use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

/// The most validators that a committee may have.
pub const COMMITTEE_MAX: usize = 64;

/// A validator of the committee, as all others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The organisation that runs it.
    pub org: OrgId,
    /// The key of its votes and of its connections.
    pub key: PublicKey,
    /// Where the others reach it.
    pub address: SocketAddr,
}

/// Bounds that all validators of a network must agree on. They must never shrink while the network lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Encoded transactions of one block.
    pub block_bytes_max: usize,
    /// One transaction.
    pub tx_bytes_max: usize,
    /// How many heights a block's state root may lag behind the block (K).
    pub lag_max: u64,
    /// How far a block's time may lie ahead of the verifier's clock.
    pub skew_max: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self { block_bytes_max: 1 << 20, tx_bytes_max: 1 << 18, lag_max: 32, skew_max: Span(1_000) }
    }
}

/// How long a validator waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Without transactions, the proposer waits this long and then makes an empty block.
    pub idle: Span,
    /// A view without a proposal is given up after this. Above `idle`.
    pub leader: Span,
    /// A view without a certificate is given up after this. Above `leader`.
    pub certification: Span,
    /// Retry of what was said about a view that was given up. Below `skip`.
    pub retry: Span,
    /// A leader not heard of for this long is passed over at once. Above `certification`.
    pub skip: Span,
    /// Without an answer, a block or certificate is asked of another peer after this.
    pub fetch: Span,
    /// A validator's own transactions that aren't final after this are sent to the others again.
    pub regossip: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: Span(2_000),
            leader: Span(3_000),
            certification: Span(4_500),
            retry: Span(3_000),
            skip: Span(6_000),
            fetch: Span(2_000),
            regossip: Span(3_000),
        }
    }
}

/// All that a validator needs to start.
#[derive(Clone)]
pub struct Config {
    /// Where the engine keeps its journal and the blocks. Nothing else may lie in it.
    pub dir: PathBuf,
    /// A file outside the data directory (on another disk, if there is one): it remembers that this key has voted, so
    /// that a lost or restored directory is noticed before the key votes twice.
    pub marker: PathBuf,
    /// The network: its genesis file's hash.
    pub network: NetworkId,
    /// The time of the genesis block.
    pub genesis_time: Millis,
    /// The validators, this one among them.
    pub committee: Vec<Member>,
    /// This validator's key.
    pub secret: SecretKey,
    /// Where to listen; may differ from the address in the committee.
    pub listen: SocketAddr,
    /// Bounds, the same on all validators.
    pub limits: Limits,
    /// Waiting times.
    pub timeouts: Timeouts,
    /// Transactions that wait here to be ordered, all lanes together. One lane gets at most half of it.
    pub pool_bytes_max: usize,
    /// Threads of the engine, and as many again for admitting what others gossip.
    pub threads: usize,
    /// Memory for pages of the engine's files.
    pub cache_bytes: usize,
}

impl Config {
    /// A configuration with the usual bounds and waiting times.
    #[must_use]
    pub fn new(
        dir: PathBuf,
        marker: PathBuf,
        network: NetworkId,
        genesis_time: Millis,
        committee: Vec<Member>,
        secret: SecretKey,
        listen: SocketAddr,
    ) -> Self {
        Self {
            dir,
            marker,
            network,
            genesis_time,
            committee,
            secret,
            listen,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            pool_bytes_max: 32 << 20,
            threads: 2,
            cache_bytes: 8 << 20,
        }
    }

    /// The header of the genesis block.
    #[must_use]
    pub fn genesis(&self) -> Header {
        genesis(self.network, self.genesis_time, &self.keys())
    }

    pub(crate) fn keys(&self) -> Vec<PublicKey> {
        self.committee.iter().map(|member| member.key).collect()
    }

    pub(crate) fn check(&self) -> Result<(), StartError> {
        check_committee(&self.keys())?;
        if !self.keys().contains(&self.secret.public()) {
            return Err(StartError::NotAMember(self.secret.public()));
        }
        self.limits.check()?;
        self.timeouts.check()
    }
}

impl Limits {
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let Self { block_bytes_max, tx_bytes_max, lag_max, skew_max: _ } = *self;
        let rules = [
            (tx_bytes_max > 0, "tx_bytes_max must be above 0"),
            (tx_bytes_max.saturating_add(8) <= block_bytes_max, "a transaction must fit into a block"),
            (block_bytes_max <= 16 << 20, "block_bytes_max must be at most 16 MiB"),
            (lag_max >= 2, "lag_max must be at least 2"),
        ];
        first_broken(&rules)
    }
}

impl Timeouts {
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let Self { idle, leader, certification, retry, skip, fetch, regossip } = *self;
        let rules = [
            (idle < leader, "the idle wait must be below the leader timeout"),
            (leader < certification, "the leader timeout must be below the certification timeout"),
            (certification < skip, "the certification timeout must be below the skip timeout"),
            (retry < skip, "the retry must be below the skip timeout"),
            (retry.0 > 0 && fetch.0 > 0 && regossip.0 > 0, "waiting times must be above 0"),
        ];
        first_broken(&rules)
    }
}

fn first_broken(rules: &[(bool, &str)]) -> Result<(), StartError> {
    match rules.iter().find(|(holds, _)| !holds) {
        Some((_, message)) => Err(StartError::Settings((*message).into())),
        None => Ok(()),
    }
}

/// Checks the keys of a committee: some, not too many, no two the same, none with a small-order part.
///
/// # Errors
/// [`StartError::Settings`] in words.
pub fn check_committee(keys: &[PublicKey]) -> Result<(), StartError> {
    if keys.is_empty() || keys.len() > COMMITTEE_MAX {
        return Err(StartError::Settings(format!(
            "a committee has 1 to {COMMITTEE_MAX} validators, not {}",
            keys.len()
        )));
    }
    if let Some(key) = keys.iter().find(|key| !key.is_admissible()) {
        return Err(StartError::Settings(format!("`{key}` is not an admissible Ed25519 key")));
    }
    if keys.iter().collect::<BTreeSet<_>>().len() != keys.len() {
        return Err(StartError::Settings("two validators of the committee have one key".into()));
    }
    Ok(())
}

/// The header of the genesis block of `network`: the same on all validators, whatever the order of `keys`.
///
/// Its state root is left out (zero, at height 0): the network's id already stands for the genesis file.
#[must_use]
pub fn genesis(network: NetworkId, time: Millis, keys: &[PublicKey]) -> Header {
    Header {
        epoch: 0,
        view: 0,
        // The engine wants a real key here; any fixed choice does.
        leader: keys.iter().min().copied().unwrap_or(PublicKey([0; 32])),
        parent_view: 0,
        parent_payload: Hash::default(),
        parent: BlockHash(network.0),
        height: 0,
        time,
        executed: Executed::default(),
        txs_root: merkle_root::<&[u8]>(&[]),
    }
}
