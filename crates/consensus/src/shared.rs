//! This file is where the tasks of one validator meet: pool, progress, and how it ends.

use crate::{
    Fault, Machine, Refused, Termination,
    block::Block,
    head::{HEARD, Head},
    pool::{Pool, fingerprint},
};
use bytes::Bytes;
use primitives::{BlockHash, Hash, Millis, PublicKey, TxId};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{mpsc, watch};

/// How many blocks' fingerprints are kept, so that each is hashed once.
const RECENT_MAX: usize = 64;

/// How far a validator has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Newest height that the machine has executed, durably.
    pub executed: u64,
    /// Newest executed height that had transactions.
    pub full: u64,
    /// Newest height whose state root an executed header carries.
    pub proven: u64,
    /// Newest height known to be final, executed or not.
    pub tip: u64,
    /// View in which that was proposed.
    pub view: u64,
}

/// Where a validator stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Newest height that is final and executed here.
    pub executed: u64,
    /// Newest height that is known to be final.
    pub tip: u64,
    /// View in which that was proposed.
    pub view: u64,
    /// Transactions that wait.
    pub pool: usize,
    /// Their bytes.
    pub pool_bytes: usize,
    /// Other validators heard of within the last seconds.
    pub peers: usize,
}

type Recent = VecDeque<(BlockHash, Arc<[Hash]>)>;

/// What the tasks of one validator share.
pub(crate) struct Shared {
    pub machine: Arc<dyn Machine>,
    pub progress: watch::Sender<Progress>,
    /// Rises with every transaction that enters the pool.
    pub arrivals: watch::Sender<u64>,
    /// Set once, when the validator has ended or must.
    pub end: watch::Sender<Option<Termination>>,
    pub clock: Box<dyn Fn() -> Millis + Send + Sync>,
    pool: Mutex<Pool>,
    outbox: mpsc::UnboundedSender<Bytes>,
    recent: Mutex<Recent>,
    /// The newest header that was certified directly, to be told to the others.
    head: Mutex<Option<Head>>,
    /// When each other validator was last heard of.
    heard: Mutex<BTreeMap<PublicKey, Millis>>,
}

impl Shared {
    pub(crate) fn new(
        machine: Arc<dyn Machine>,
        pool: Pool,
        clock: Box<dyn Fn() -> Millis + Send + Sync>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Bytes>) {
        let (outbox, sending) = mpsc::unbounded_channel();
        let executed = machine.executed().height;
        // What was executed before this start counts as full: the first proposals carry its root.
        let progress = Progress { executed, full: executed, tip: executed, ..Progress::default() };
        let shared = Self {
            machine,
            progress: watch::Sender::new(progress),
            arrivals: watch::Sender::new(0),
            end: watch::Sender::new(None),
            clock,
            pool: Mutex::new(pool),
            outbox,
            recent: Mutex::new(VecDeque::new()),
            head: Mutex::new(None),
            heard: Mutex::new(BTreeMap::new()),
        };
        (Arc::new(shared), sending)
    }

    pub(crate) fn pool(&self) -> MutexGuard<'_, Pool> {
        hold(&self.pool)
    }

    pub(crate) fn status(&self) -> Status {
        let progress = *self.progress.borrow();
        let since = self.now().minus(HEARD);
        let peers = hold(&self.heard).values().filter(|at| **at >= since).count();
        let pool = self.pool();
        Status {
            executed: progress.executed,
            tip: progress.tip,
            view: progress.view,
            pool: pool.len(),
            pool_bytes: pool.bytes(),
            peers,
        }
    }

    /// Notes that a validator was heard of.
    pub(crate) fn heard(&self, peer: PublicKey) {
        let now = self.now();
        hold(&self.heard).insert(peer, now);
    }

    pub(crate) fn head(&self) -> Option<Head> {
        hold(&self.head).clone()
    }

    pub(crate) fn set_head(&self, head: Head) {
        *hold(&self.head) = Some(head);
    }

    pub(crate) fn now(&self) -> Millis {
        (self.clock)()
    }

    /// Admits a transaction to the pool; `own` ones go on to the other validators.
    pub(crate) fn admit(&self, tx: Bytes, own: bool) -> Result<TxId, Refused> {
        let name = fingerprint(&tx);
        self.pool().precheck(&name, tx.len())?;
        // The lock is free while the signature is verified.
        let ticket = self.machine.admit(&tx)?;
        let id = ticket.id;
        let now = self.now();
        if ticket.valid_until < now {
            return Err(Refused::new(Refused::EXPIRED, "the transaction's validity has ended"));
        }
        self.pool().insert(name, tx.clone(), ticket, own.then_some(now))?;
        self.arrivals.send_modify(|count| *count += 1);
        if own {
            // The receiver is gone only when the validator is stopping.
            let _ = self.outbox.send(tx);
        }
        Ok(id)
    }

    /// The pool's names of a block's transactions.
    pub(crate) fn fingerprints(&self, block: &Block) -> Arc<[Hash]> {
        let hash = block.hash();
        let mut recent = hold(&self.recent);
        if let Some((_, names)) = recent.iter().find(|(known, _)| *known == hash) {
            return names.clone();
        }
        let names: Arc<[Hash]> = block.txs.iter().map(|tx| fingerprint(tx)).collect();
        recent.push_back((hash, names.clone()));
        if recent.len() > RECENT_MAX {
            recent.pop_front();
        }
        names
    }

    /// Ends the validator, unless it has ended already.
    pub(crate) fn finish(&self, termination: Termination) {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                if let Termination::Fault(Fault(message)) = &termination {
                    tracing::error!(%message, "fault: the validator stops");
                }
                *end = Some(termination);
            }
            first
        });
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `channel`'s value fulfils `condition`; never returns if that can't happen any more.
pub(crate) async fn until<T>(channel: &mut watch::Receiver<T>, condition: impl FnMut(&T) -> bool) {
    if channel.wait_for(condition).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until `channel`'s value changes; never returns if that can't happen any more.
pub(crate) async fn changed<T>(channel: &mut watch::Receiver<T>) {
    if channel.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
