//! This file is where programs hand in transactions and wait for receipts: they ask again elsewhere when a member is
//! silent, and remember every answer they were given.

use super::{chain::Chain, liar::forged, member::Member};
use bytes::Bytes;
use client::wire::Final;
use consensus::sim::Action;
use ledger::{Act, Signed, Transaction};
use primitives::{Blob, Millis, NetworkId, SecretKey, Span, TxId, encode};
use rand::{RngExt as _, rngs::StdRng};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

/// How long a transaction is valid.
const VALID: Span = Span::secs(20);
/// How long a program waits for one member before it asks another.
const ASK_AGAIN: Span = Span(1_500);

/// A transaction without a receipt.
struct Waiting {
    signed: Signed,
    bytes: Bytes,
    again: Millis,
    answer: Option<oneshot::Receiver<Final>>,
}

/// What became of a transaction.
pub(super) enum Told {
    /// A member gave a receipt.
    Final(Final),
    /// Its time is over in a final state that doesn't have it.
    Dropped(Signed),
}

/// All programs.
pub(super) struct Clients {
    network: NetworkId,
    nonce: u64,
    waiting: Vec<Waiting>,
    /// Receipts as they were given.
    pub(super) told: BTreeMap<TxId, Final>,
    /// What can't take effect any more.
    pub(super) dropped: BTreeSet<TxId>,
}

impl Clients {
    pub(super) fn new(network: NetworkId) -> Self {
        Self { network, nonce: 0, waiting: Vec::new(), told: BTreeMap::new(), dropped: BTreeSet::new() }
    }

    /// Signs an act and hands it in from the next tick on.
    pub(super) fn send(&mut self, now: Millis, key: &SecretKey, act: &Act) -> TxId {
        let (kind, body) = act.encode();
        self.nonce += 1;
        let tx = Transaction {
            network: self.network,
            signer: key.public(),
            kind,
            body: Blob::try_from(body).unwrap(),
            valid_until: now.plus(VALID),
            nonce: self.nonce,
        };
        let signed = tx.sign(key);
        let (id, bytes) = (signed.tx.id(), Bytes::from(encode(&signed)));
        self.waiting.push(Waiting { signed, bytes, again: now, answer: None });
        id
    }

    /// Whether every transaction has found its end.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes answers, and hands in what has none. Where there is a liar it gets a forgery of some before anybody else.
    pub(super) fn tick(
        &mut self,
        now: Millis,
        rng: &mut StdRng,
        members: &[Member],
        liar: Option<usize>,
        chain: &mut Chain,
    ) -> (Vec<Told>, Vec<Action>) {
        let (mut told, mut actions) = (Vec::new(), Vec::new());
        let up: Vec<&Member> = members.iter().filter(|member| member.executor().is_some()).collect();
        for mut one in std::mem::take(&mut self.waiting) {
            let tx = one.signed.tx.id();
            if let Some(answer) = one.answer.as_mut().and_then(|answer| answer.try_recv().ok()) {
                told.push(Told::Final(answer));
                continue;
            }
            if now < one.again || up.is_empty() {
                self.waiting.push(one);
                continue;
            }
            let member = up[rng.random_range(0..up.len())];
            let executor = member.executor().unwrap();
            // As a node's desk does: wait first, then look whether it was final before.
            let answer = executor.waiters().wait(tx);
            if let Some(answer) = executor.receipt(&tx).unwrap() {
                told.push(Told::Final(answer));
                continue;
            }
            if executor.tip().borrow().time > one.signed.tx.valid_until {
                self.dropped.insert(tx);
                told.push(Told::Dropped(one.signed));
                continue;
            }
            if let Some(liar) = liar.filter(|_| rng.random_range(0..4) == 0) {
                actions.push(Action::Submit(liar, forged(&one.bytes)));
            }
            actions.push(Action::Submit(member.place, one.bytes.clone()));
            one.again = now.plus(ASK_AGAIN);
            one.answer = Some(answer);
            self.waiting.push(one);
        }
        for one in &told {
            if let Told::Final(one) = one {
                chain.note(&encode(one));
                assert_eq!(self.told.insert(one.tx, *one), None);
            }
        }
        (told, actions)
    }
}
