//! This file is where the engine meets what it orders for: the trait of the state machine and what passes through it.

use crate::{Certificate, Fault};
use bytes::Bytes;
use primitives::{Executed, Hash, Header, Millis, StateRoot, TxId};

/// The state machine that a validator runs: it admits transactions to the pool and executes finalised blocks.
///
/// To the engine a transaction is opaque bytes. Calls come from several threads at once, except [`Machine::apply`],
/// which is called by one.
pub trait Machine: Send + Sync + 'static {
    /// Looks at a transaction at the pool's door: decodes it, verifies its signature and its window of validity, and
    /// says whose lane it takes.
    ///
    /// # Errors
    /// [`Refused`], to be handed to whoever submitted it.
    fn admit(&self, tx: &[u8]) -> Result<Ticket, Refused>;

    /// Whether a proposed body may stand in a block at all. Must not depend on state: honest validators have to agree
    /// on it whatever they have executed so far.
    fn body_ok(&self, txs: &[Bytes]) -> bool;

    /// The newest height that is durable here, and the state root after it. Height 0 is genesis.
    fn executed(&self) -> Executed;

    /// The state root after `height`, 0 included; `None` if it isn't executed here yet, or so long ago that it was
    /// forgotten. At least the newest 64 heights and the newest `lag_max` are remembered, across restarts too.
    fn state_root(&self, height: u64) -> Option<StateRoot>;

    /// Executes `blocks`, whose heights follow on [`Machine::executed`] without a hole; durable when it returns.
    ///
    /// # Errors
    /// [`Fault`]: the validator stops and tells nobody that it has executed them.
    fn apply(&self, blocks: &[FinalBlock]) -> Result<(), Fault>;
}

/// What a transaction is to the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its id: the pool holds one transaction of an id.
    pub id: TxId,
    /// The organisations that answer for it, hashed: the lanes share blocks round-robin, and it goes with whichever is
    /// served first. At least one.
    pub lanes: Vec<Hash>,
    /// Goes before what isn't urgent (revocations).
    pub urgent: bool,
    /// Dropped from the pool once time has passed this.
    pub valid_until: Millis,
}

/// Why a transaction doesn't enter the pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct Refused {
    /// A stable number: the machine's own, or one of [`Refused::POOL_FULL`] and its neighbours.
    pub code: u16,
    /// In words, what to do next included.
    pub message: String,
}

impl Refused {
    /// The lane or the pool is full: try again later.
    pub const POOL_FULL: u16 = 65_001;
    /// The transaction is longer than the network allows.
    pub const TOO_LONG: u16 = 65_002;
    /// The same transaction, or another with its id, is in the pool or was finalised a moment ago.
    pub const KNOWN: u16 = 65_003;
    /// Its validity has ended.
    pub const EXPIRED: u16 = 65_004;
    /// The validator is stopping.
    pub const STOPPING: u16 = 65_005;

    pub(crate) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A block that won't change any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalBlock {
    /// What its hash covers.
    pub header: Header,
    /// Its transactions in order.
    pub txs: Vec<Bytes>,
    /// The certificate over it, if it was certified directly and not through a descendant.
    pub certificate: Option<Certificate>,
}
