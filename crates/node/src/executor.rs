//! This file is where the ledger meets engine and disk: admission to the pool, execution of finalised blocks, one
//! durable batch for several of them.

use crate::{cache::Verified, waiters::Waiters};
use bytes::Bytes;
use client::wire::Final;
use consensus::{Fault as EngineFault, FinalBlock, Machine, Refused, Ticket};
use ledger::{
    BlockInput, BlockOutput, HEAD, Outcome, Signed, TX_BYTES_MAX,
    governance::{self, Genesis, GenesisError},
};
use primitives::{
    Executed, Hash, Header, Millis, NetworkId, OrgId, State, StateRoot, TxId, domain, encode, hash,
};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use store::{BlockCommit, Event, Fault, Store, View};
use tokio::sync::watch;

/// Most blocks that share one fsync.
const BATCH_BLOCKS_MAX: usize = 64;
/// A batch is committed before its values grow past this.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// The newest durable block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tip {
    /// Height.
    pub height: u64,
    /// Block time.
    pub time: Millis,
    /// State root.
    pub state_root: StateRoot,
    /// When this node had executed it, by its own clock.
    pub at: Millis,
}

/// The ledger over its store.
pub struct Executor {
    network: NetworkId,
    store: Store,
    verified: Verified,
    view: RwLock<Arc<View>>,
    tip: watch::Sender<Tip>,
    counts: Mutex<Counts>,
    waiters: Waiters,
    clock: Box<dyn Fn() -> Millis + Send + Sync>,
}

/// What was executed since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Blocks.
    pub blocks: u64,
    /// Transactions that took effect.
    pub applied: u64,
    /// Transactions that were rejected.
    pub rejected: u64,
}

/// Why the ledger can't start over what the store holds.
#[derive(Debug, thiserror::Error)]
pub enum FoundError {
    /// The genesis file.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The store.
    #[error(transparent)]
    Store(#[from] Fault),
}

impl Executor {
    /// Over `store`, which is founded with `genesis` if it is empty. `first` is the genesis block's header.
    ///
    /// # Errors
    /// [`FoundError`].
    pub fn open(
        store: Store,
        genesis: &Genesis,
        first: Header,
        clock: impl Fn() -> Millis + Send + Sync + 'static,
    ) -> Result<Self, FoundError> {
        genesis.check()?;
        let mut view = store.view()?;
        if view.height().is_none() {
            let writes = governance::found(&view, genesis)?;
            let mut batch = store.batch()?;
            let commit = BlockCommit {
                header: first,
                txs: Vec::new(),
                writes,
                receipts: Vec::new(),
                events: Vec::new(),
            };
            batch.push(commit)?;
            batch.commit()?;
            view = store.view()?;
        }
        let tip = tip_of(&view, clock());
        Ok(Self {
            network: genesis.network(),
            store,
            verified: Verified::default(),
            view: RwLock::new(Arc::new(view)),
            tip: watch::Sender::new(tip),
            counts: Mutex::default(),
            waiters: Waiters::default(),
            clock: Box::new(clock),
        })
    }

    /// The newest durable state, and every block, receipt and event up to it.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows the newest durable block.
    #[must_use]
    pub fn tip(&self) -> watch::Receiver<Tip> {
        self.tip.subscribe()
    }

    /// Who waits for transactions to become final.
    #[must_use]
    pub fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// What was executed since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes on disk.
    ///
    /// # Errors
    /// [`Fault`] if the disk fails.
    pub fn disk_bytes(&self) -> Result<u64, Fault> {
        self.store.disk_bytes()
    }

    /// The receipt of a transaction, with height, place and block time.
    ///
    /// # Errors
    /// [`Fault`] if the disk fails.
    pub fn receipt(&self, tx: &TxId) -> Result<Option<Final>, Fault> {
        let view = self.view();
        let Some((height, index, bytes)) = view.receipt(tx)? else { return Ok(None) };
        let outcome = primitives::decode::<ledger::Receipt>(&bytes).map(|receipt| receipt.outcome);
        let outcome = outcome.unwrap_or_else(|error| fault_stop(&format!("receipt of {tx}: {error}")));
        let time = view.header(height)?.map_or(Millis(0), |header| header.time);
        Ok(Some(Final { tx: *tx, outcome, height, index, time }))
    }

    fn execute_all(&self, blocks: &[FinalBlock]) -> Result<(Counts, Vec<Final>), Fault> {
        let mut counts = Counts::default();
        let mut finals = Vec::new();
        let mut batch = self.store.batch()?;
        for block in blocks {
            let output = self.execute_one(&batch.view(), block);
            for (index, receipt) in (0_u32..).zip(&output.receipts) {
                let Header { height, time, .. } = block.header;
                finals.push(Final { tx: receipt.tx, outcome: receipt.outcome, height, index, time });
                match receipt.outcome {
                    Outcome::Applied => counts.applied = counts.applied.saturating_add(1),
                    Outcome::Rejected(_) | Outcome::Duplicate => {
                        counts.rejected = counts.rejected.saturating_add(1)
                    }
                }
            }
            counts.blocks = counts.blocks.saturating_add(1);
            batch.push(commit_of(block, output))?;
            if batch.weight() > BATCH_BYTES_MAX {
                batch.commit()?;
                batch = self.store.batch()?;
            }
        }
        batch.commit()?;
        Ok((counts, finals))
    }

    fn execute_one(&self, state: &dyn State, block: &FinalBlock) -> BlockOutput {
        let input = BlockInput {
            network: self.network,
            hash: block.header.hash(),
            height: block.header.height,
            time: block.header.time,
            txs: &block.txs,
            verified: &|signed| self.verified.has(signed),
        };
        ledger::execute(state, &input)
    }
}

/// The lane of an organisation's traffic.
#[must_use]
pub(crate) fn lane(org: &OrgId) -> Hash {
    hash(domain::LANE_ORDER, &[org.0.as_bytes()])
}

fn fault_stop(message: &str) -> ! {
    tracing::error!(message, "fault: the node stops");
    std::process::abort()
}

fn tip_of(view: &View, at: Millis) -> Tip {
    let head = HEAD.get(view).unwrap_or_default();
    Tip { height: view.height().unwrap_or(0), time: head.time, state_root: view.root(), at }
}

fn commit_of(block: &FinalBlock, output: BlockOutput) -> BlockCommit {
    let events =
        output.logged.iter().map(|line| Event { chart: line.chart, index: line.index, bytes: encode(line) });
    // A duplicate has its receipt in the block's list only: the transaction's own is the one that executed it.
    BlockCommit {
        header: block.header,
        txs: block.txs.clone(),
        writes: output.writes,
        receipts: output.receipts.iter().map(|receipt| (receipt.tx, encode(receipt))).collect(),
        events: events.collect(),
    }
}

impl Machine for Executor {
    fn admit(&self, tx: &[u8]) -> Result<Ticket, Refused> {
        let refuse = |reject: ledger::Reject| Refused { code: reject.0, message: reject.to_string() };
        let view = self.view();
        let signed = Signed::decode(tx).map_err(refuse)?;
        // The pool judges by its own clock or the chain's, whichever is ahead: what has expired need not travel.
        let now = self.tip.borrow().time.max((self.clock)());
        ledger::execute::check_envelope(&*view, self.network, now, &signed).map_err(refuse)?;
        let id = signed.tx.id();
        if ledger::execute::is_seen(&*view, &id) {
            return Err(Refused { code: Refused::KNOWN, message: "the transaction is final already".into() });
        }
        let act = signed.act().map_err(refuse)?;
        let signer = ledger::identity::signer(&*view, &signed.tx.signer, now)
            .ok_or_else(|| refuse(ledger::reject::SIGNER_UNKNOWN))?;
        let mut orgs = vec![signer.org().clone()];
        orgs.extend(ledger::identity::other_orgs(&*view, &signer));
        // What nobody would be charged for would only fill blocks with refusals.
        orgs.retain(|org| ledger::governance::has_room(&*view, org, tx.len(), now));
        if orgs.is_empty() {
            return Err(refuse(ledger::reject::QUOTA));
        }
        signed.verify().map_err(refuse)?;
        self.verified.note(&signed);
        let lanes = orgs.iter().map(lane).collect();
        Ok(Ticket { id, lanes, urgent: act.urgent(), valid_until: signed.tx.valid_until })
    }

    fn body_ok(&self, txs: &[Bytes]) -> bool {
        // Decodable and of this network: what any honest proposer would offer. Signatures are judged in execution.
        txs.iter().all(|tx| {
            tx.len() <= TX_BYTES_MAX
                && Signed::decode(tx).is_ok_and(|signed| signed.tx.network == self.network)
        })
    }

    fn executed(&self) -> Executed {
        let tip = *self.tip.borrow();
        Executed { height: tip.height, state_root: tip.state_root }
    }

    fn state_root(&self, height: u64) -> Option<StateRoot> {
        match self.view().state_root(height) {
            Ok(root) => root,
            Err(fault) => fault_stop(&fault.to_string()),
        }
    }

    fn apply(&self, blocks: &[FinalBlock]) -> Result<(), EngineFault> {
        for blocks in blocks.chunks(BATCH_BLOCKS_MAX) {
            let (counts, finals) =
                self.execute_all(blocks).map_err(|fault| EngineFault(fault.to_string()))?;
            let view = self.store.view().map_err(|fault| EngineFault(fault.to_string()))?;
            let tip = tip_of(&view, (self.clock)());
            *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
            {
                let mut sum = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
                sum.blocks = sum.blocks.saturating_add(counts.blocks);
                sum.applied = sum.applied.saturating_add(counts.applied);
                sum.rejected = sum.rejected.saturating_add(counts.rejected);
            }
            self.tip.send_replace(tip);
            self.waiters.tell(&finals);
        }
        Ok(())
    }
}
