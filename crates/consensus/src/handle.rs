//! This file is where a running validator is spoken to.

use crate::{
    Certificate, FinalBlock, Refused, Status, Termination,
    block::Block,
    execute::Archive,
    shared::{Shared, until},
};
use bytes::Bytes;
use commonware_consensus::{Heightable as _, types::Height};
use primitives::{Header, TxId};
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

/// How many heights are searched for a certificate.
const CHAIN_MAX: usize = 4096;

/// A running validator. Dropping it stops the validator without waiting for it.
pub struct Handle {
    shared: Arc<Shared>,
    archive: Archive,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Headers from one height up to one that was certified directly, each the parent of the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The header asked for, and its descendants up to the certified one.
    pub headers: Vec<Header>,
    /// The certificate over the last header.
    pub certificate: Certificate,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>, archive: Archive, thread: JoinHandle<()>) -> Self {
        Self { shared, archive, thread: Mutex::new(Some(thread)) }
    }

    /// Brings a transaction into the pool and on its way to the other validators. Verifies its signature on the
    /// caller's thread.
    ///
    /// # Errors
    /// [`Refused`] by the machine or by the pool.
    pub fn submit(&self, tx: Bytes) -> Result<TxId, Refused> {
        if self.shared.end.borrow().is_some() {
            return Err(Refused::new(Refused::STOPPING, "the validator is stopping, submit to another"));
        }
        self.shared.admit(tx, true)
    }

    /// Where the validator stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Waits until `height` is executed here; `false` if the validator ends before.
    pub async fn executed(&self, height: u64) -> bool {
        let (mut progress, mut end) = (self.shared.progress.subscribe(), self.shared.end.subscribe());
        tokio::select! {
            biased;
            () = until(&mut progress, |progress| progress.executed >= height) => true,
            () = until(&mut end, Option::is_some) => false,
        }
    }

    /// The final block at `height`, from the engine's archive.
    pub async fn block(&self, height: u64) -> Option<FinalBlock> {
        let height = Height::new(height);
        let block = self.archive.get_block(height).await?;
        let Block { header, txs, .. } = block.inner();
        Some(FinalBlock { header: *header, txs: txs.clone(), certificate: self.certified(height).await })
    }

    /// The header at `height` and what proves it: headers up to the nearest one that was certified directly.
    pub async fn chain(&self, height: u64) -> Option<Chain> {
        let mut headers = Vec::new();
        let mut next = Height::new(height);
        while headers.len() < CHAIN_MAX {
            let block = self.archive.get_block(next).await?;
            headers.push(block.inner().header);
            if let Some(certificate) = self.certified(block.height()).await {
                return Some(Chain { headers, certificate });
            }
            next = next.next();
        }
        None
    }

    async fn certified(&self, height: Height) -> Option<Certificate> {
        self.archive.get_finalization(height).await.map(|finalization| Certificate::of(&finalization))
    }

    /// Waits until the validator has ended, of itself or because it was asked to.
    pub async fn terminated(&self) -> Termination {
        let mut end = self.shared.end.subscribe();
        until(&mut end, Option::is_some).await;
        let termination = end.borrow().clone();
        termination.unwrap_or(Termination::Stopped)
    }

    /// How the validator ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Termination> {
        self.shared.end.borrow().clone()
    }

    /// Stops the validator and waits until all of its threads have ended and the machine is free. Blocks; says how it
    /// ended, which may have been earlier.
    pub fn stop(&self) -> Termination {
        self.shared.finish(Termination::Stopped);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic was turned into a fault already.
            let _ = thread.join();
        }
        self.shared.end.borrow().clone().unwrap_or(Termination::Stopped)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.finish(Termination::Stopped);
    }
}
