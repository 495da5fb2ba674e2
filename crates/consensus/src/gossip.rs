//! This file is where transactions travel between the validators' pools, in batches.

use crate::{
    block::{TX_PREFIX, body_of, txs_of},
    propose::duration,
    shared::Shared,
};
use bytes::Bytes;
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_runtime::{Clock, IoBuf, Spawner};
use primitives::Span;
use std::{sync::Arc, time::Duration};
use tokio::sync::{Mutex, mpsc};

/// A batch is sent once it is this long.
const BATCH_BYTES: usize = 256 << 10;
/// Time between two batches: the network allows only so many messages a second.
const PACE: Duration = Duration::from_millis(2);
/// Batches of others that wait for admission; beyond it they are dropped, and sent again later by who submitted them.
const WAITING_MAX: usize = 256;

/// The longest message of this file's.
pub(crate) fn message_bytes_max(tx_bytes_max: usize) -> usize {
    BATCH_BYTES + TX_PREFIX + tx_bytes_max
}

/// Sends what is submitted here to the others, and again what isn't final after a while.
pub(crate) async fn send(
    rt: impl Clock,
    shared: Arc<Shared>,
    mut outbox: mpsc::UnboundedReceiver<Bytes>,
    mut network: impl Sender,
    regossip: Span,
) {
    let mut again = rt.current() + duration(regossip);
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            first = outbox.recv() => match first {
                Some(first) => batch.push(first),
                None => return,
            },
            () = rt.sleep_until(again) => {
                again = rt.current() + duration(regossip);
                let now = shared.now();
                batch = shared.pool().overdue(now.minus(regossip), now, BATCH_BYTES);
            }
        }
        let mut bytes: usize = batch.iter().map(|tx| TX_PREFIX + tx.len()).sum();
        while bytes < BATCH_BYTES
            && let Ok(next) = outbox.try_recv()
        {
            bytes += TX_PREFIX + next.len();
            batch.push(next);
        }
        for batch in split(&batch) {
            let _ = network.send(Recipients::All, IoBuf::from(body_of(batch)), false);
            rt.sleep(PACE).await;
        }
    }
}

/// Cuts a list so that no part is longer than a message may be.
fn split(mut txs: &[Bytes]) -> Vec<&[Bytes]> {
    let mut parts = Vec::new();
    while !txs.is_empty() {
        let mut bytes = 0;
        let fits = txs.iter().take_while(|tx| {
            let before = bytes;
            bytes += TX_PREFIX + tx.len();
            before < BATCH_BYTES
        });
        let (part, rest) = txs.split_at(fits.count());
        parts.push(part);
        txs = rest;
    }
    parts
}

/// Takes batches from the network and has `workers` threads admit what is in them.
pub(crate) async fn receive<E: Spawner + Clock>(
    rt: E,
    shared: Arc<Shared>,
    mut network: impl Receiver,
    workers: usize,
) {
    let (sender, receiver) = mpsc::channel::<Bytes>(WAITING_MAX);
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..workers {
        let (shared, receiver) = (shared.clone(), receiver.clone());
        let worker = rt.child("admit").dedicated();
        worker.spawn(move |_| async move {
            loop {
                let next = receiver.lock().await.recv().await;
                let Some(batch) = next else { return };
                for tx in txs_of(&batch).unwrap_or_default() {
                    // What can't be admitted is the sender's affair.
                    let _ = shared.admit(tx, false);
                }
            }
        });
    }
    while let Ok((_, message)) = network.recv().await {
        let _ = sender.try_send(message.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_batch_is_longer_than_a_message() {
        let tx_max = 200 << 10;
        let txs: Vec<Bytes> = (0..40).map(|n| Bytes::from(vec![1; 1 + (n * 7919) % tx_max])).collect();
        let parts = split(&txs);
        assert_eq!(parts.concat(), txs);
        for part in parts {
            assert!(!part.is_empty() && body_of(part).len() <= message_bytes_max(tx_max));
        }
        assert!(split(&[]).is_empty());
    }
}
