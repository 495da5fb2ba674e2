//! This file is where those wait who handed in a transaction, until its block is durable here.

use client::wire::Final;
use ledger::Outcome;
use primitives::TxId;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use tokio::sync::oneshot;

/// Who waits for which transaction.
#[derive(Default)]
pub struct Waiters(Mutex<HashMap<TxId, Vec<oneshot::Sender<Final>>>>);

impl Waiters {
    /// Waits for `tx` from now on. Ask for the receipt afterwards too: it may have become final before.
    #[must_use]
    pub fn wait(&self, tx: TxId) -> oneshot::Receiver<Final> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever gave up no longer counts.
        if waiters.len() > 1 << 16 {
            waiters.retain(|_, senders| senders.iter().any(|sender| !sender.is_closed()));
        }
        waiters.entry(tx).or_default().push(sender);
        receiver
    }

    /// Tells all who wait for one of these. A duplicate says nothing new about its transaction.
    pub fn tell(&self, finals: &[Final]) {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for executed in finals.iter().filter(|executed| executed.outcome != Outcome::Duplicate) {
            for sender in waiters.remove(&executed.tx).unwrap_or_default() {
                // Whoever waited may have given up: nothing is lost, the receipt is on disk.
                let _gone = sender.send(*executed);
            }
        }
    }
}
