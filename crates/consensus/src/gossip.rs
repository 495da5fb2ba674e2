//! This file is where transactions travel between the validators' pools, in batches, and heads with them.

use crate::{
    Fault, Termination,
    block::{TX_PREFIX, body_of, key_of, txs_of},
    execute::Archive,
    head::{HEAD_BYTES_MAX, Head, TOLD, Watch},
    propose::duration,
    shared::Shared,
};
use bytes::{BufMut as _, Bytes, BytesMut};
use commonware_consensus::types::Height;
use commonware_cryptography::ed25519;
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_runtime::{Clock, IoBuf, Spawner};
use commonware_utils::vec::NonEmptyVec;
use primitives::Span;
use std::{sync::Arc, time::Duration};
use tokio::sync::{Mutex, mpsc};

/// A batch is sent once it is this long.
const BATCH_BYTES: usize = 256 << 10;
/// Time between two batches: the network allows only so many messages a second.
const PACE: Duration = Duration::from_millis(2);
/// Batches of others that wait for admission; beyond it they are dropped, and sent again later by who submitted them.
const WAITING_MAX: usize = 256;
/// First byte of a message of transactions.
const TXS: u8 = 0;
/// First byte of a message that tells a head.
const HEAD: u8 = 1;

/// The longest message of this file's.
pub(crate) fn message_bytes_max(tx_bytes_max: usize) -> usize {
    1 + (BATCH_BYTES + TX_PREFIX + tx_bytes_max).max(HEAD_BYTES_MAX)
}

fn message(tag: u8, content: &[u8]) -> IoBuf {
    let mut message = BytesMut::with_capacity(1 + content.len());
    message.put_u8(tag);
    message.put_slice(content);
    IoBuf::from(message.freeze())
}

/// Sends what is submitted here to the others, again what isn't final after a while, and from time to time the head.
pub(crate) async fn send(
    rt: impl Clock,
    shared: Arc<Shared>,
    mut outbox: mpsc::UnboundedReceiver<Bytes>,
    mut network: impl Sender,
    regossip: Span,
) {
    let mut again = rt.current() + duration(regossip);
    let mut tell = rt.current();
    loop {
        let mut batch = Vec::new();
        // Biased, as everywhere here: a random choice would spoil replays.
        tokio::select! {
            biased;
            first = outbox.recv() => match first {
                Some(first) => batch.push(first),
                None => return,
            },
            () = rt.sleep_until(again) => {
                again = rt.current() + duration(regossip);
                let now = shared.now();
                batch = shared.pool().overdue(now.minus(regossip), now, BATCH_BYTES);
            }
            () = rt.sleep_until(tell) => {
                tell = rt.current() + duration(TOLD);
                // Without a head it still says that we are here.
                let head = primitives::encode(&shared.head());
                let _ = network.send(Recipients::All, message(HEAD, &head), false);
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
            let _ = network.send(Recipients::All, message(TXS, &body_of(batch)), false);
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

/// Takes messages from the network: heads are compared with ours, batches admitted by `workers` threads.
pub(crate) async fn receive<E: Spawner + Clock>(
    rt: E,
    shared: Arc<Shared>,
    archive: Archive,
    watch: Watch,
    mut network: impl Receiver<PublicKey = ed25519::PublicKey>,
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
    while let Ok((peer, message)) = network.recv().await {
        let message: Bytes = message.into();
        match message.first() {
            Some(&TXS) => {
                let _ = sender.try_send(message.slice(1..));
            }
            Some(&HEAD) => {
                shared.heard(key_of(&peer));
                if let Ok(Some(head)) = primitives::decode(&message[1..]) {
                    compare(&shared, &archive, &watch, &peer, &head).await;
                }
            }
            _ => {}
        }
    }
}

/// Follows a head that is above ours, and stops the validator if one shows a fork.
async fn compare(shared: &Shared, archive: &Archive, watch: &Watch, peer: &ed25519::PublicKey, head: &Head) {
    let height = head.header.height;
    let Some(ours) = archive.get_block(Height::new(height)).await else {
        // Whoever judges a proposal waits for the height whose root it claims, and the engine doesn't repeat certificates
        // of heights that it has left behind. Without this, one lost certificate and one liar stop the chain.
        if watch.holds(head) {
            archive.hint_finalized(Height::new(height), NonEmptyVec::new(peer.clone()));
        }
        return;
    };
    if head.header.hash() == ours.inner().hash() || !watch.holds(head) {
        return;
    }
    let kept = match watch.keep(head, shared.head().as_ref()) {
        Ok(()) => "the evidence is kept beside the marker file".to_owned(),
        Err(error) => format!("the evidence could not be kept: {error}"),
    };
    let fault =
        Fault(format!("two blocks were finalised at height {height}, too many validators lie; {kept}"));
    shared.finish(Termination::Fault(fault));
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
