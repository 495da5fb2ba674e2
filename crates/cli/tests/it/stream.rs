//! This file is where patients grant and take back without pause, at whichever node answers, and keep account of it.
//!
//! A chart counts the changes of its directives, and each change names the count before it. So the count tells apart
//! what a receipt alone can't: it is too low if something acknowledged was lost, too high if something was applied twice.

use crate::nodes::{Network, stranger};
use client::{
    Actor, Client, SystemHost,
    keys::{Profile, load_signing},
    read_genesis,
    rpc::CallError,
    wire::{Code, Final, FindTx, Submit, SubmitTx},
};
use ledger::{
    Act, Outcome, Signed, Transaction,
    consent::{self, Action, Grant, Grantee, Purpose, Revocable, Revoke, Scope},
};
use primitives::{Blob, ChartId, List, Millis, SecretKey, Span, encode};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

/// Long enough for any outage in these tests, and within the window in which the ledger knows what it has seen.
const VALID_FOR: Span = Span::secs(500);

/// How long a node may take before another is asked.
const ANSWER_WITHIN: Span = Span::secs(8);

const AGAIN: Duration = Duration::from_millis(100);

/// A patient's account.
pub(crate) struct Account {
    chart: ChartId,
    key: SecretKey,
    /// How often the chart's directives have changed before the stream.
    before: u64,
    /// Receipts in hand, in order.
    receipts: Vec<Final>,
    /// Signed and sent, without a receipt: may have been applied or not.
    open: Option<Signed>,
}

/// Patients at work.
pub(crate) struct Streams {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Final>>>,
    running: Vec<JoinHandle<Account>>,
}

impl Account {
    /// The account of a patient whom an import made.
    pub(crate) async fn open(network: &Network, (chart, profile): &(String, String)) -> Self {
        let home = network.home.path();
        let profile = Profile::load(home, &profile.parse().unwrap()).unwrap();
        let key = load_signing(&home.join(profile.key), |_| None).unwrap();
        let chart = chart.parse().unwrap();
        let before = client(network, 0, &key).view(|state| consent::sequence(state, &chart)).await.unwrap().0;
        Self { chart, key, before, receipts: Vec::new(), open: None }
    }

    fn next(&self, network: &Network) -> Signed {
        let sequence = self.before + self.receipts.len() as u64;
        let grantee = Grantee::Organisation(network.members.last().unwrap().org.clone());
        let chart = self.chart;
        let act: Act = if self.receipts.len().is_multiple_of(2) {
            Grant {
                chart,
                sequence,
                grantee,
                action: Action::Read,
                purposes: List::try_from(vec![Purpose::Treatment]).unwrap(),
                scope: Scope::All,
                from: Millis(0),
                until: Millis::MAX,
                residual: None,
            }
            .into()
        } else {
            Revoke { chart, target: Revocable::Grantee { grantee, sequence } }.into()
        };
        let (kind, body) = act.encode();
        let tx = Transaction {
            network: network.id,
            signer: self.key.public(),
            kind,
            body: Blob::try_from(body).unwrap(),
            valid_until: client::Host::now(&SystemHost).plus(VALID_FOR),
            nonce: client::host::nonce(&SystemHost),
        };
        tx.sign(&self.key)
    }

    /// Sends what is open, or the next, to one node, which gives a receipt or doesn't.
    async fn step(&mut self, network: &Network, place: usize) -> Option<Final> {
        let signed = self.open.take().unwrap_or_else(|| self.next(network));
        let submit = Submit { tx: encode(&signed), wait: Span::secs(5) };
        let node = network.caller(place, self.key.clone());
        match node.call_within::<SubmitTx>(&submit, ANSWER_WITHIN).await {
            Ok(done) => {
                assert_eq!(done.outcome, Outcome::Applied, "{done:?}");
                self.receipts.push(done);
                Some(done)
            }
            Err(error) => {
                let passing = error.is_open() || error.code() == Some(Code::Unavailable);
                assert!(passing || matches!(error, CallError::Address(_)), "{error}");
                self.open = Some(signed);
                None
            }
        }
    }

    /// Brings what is open to an end.
    pub(crate) async fn settle(&mut self, network: &Network) {
        let mut place = 0;
        while self.open.is_some() {
            if self.step(network, place % network.members.len()).await.is_none() {
                tokio::time::sleep(AGAIN).await;
            }
            place += 1;
        }
    }

    /// How many receipts are in hand.
    pub(crate) fn count(&self) -> usize {
        self.receipts.len()
    }

    /// The height of the newest receipt.
    pub(crate) fn newest(&self) -> u64 {
        self.receipts.iter().map(|done| done.height).max().unwrap_or(0)
    }

    /// Holds a node against the account: every receipt is there as it was given, every change stands in the log once,
    /// and the state counts as many as there are receipts. Nothing may be open.
    pub(crate) async fn check(&self, network: &Network, place: usize) {
        assert!(self.open.is_none());
        network.at(place, self.newest()).await;
        assert_knows(network, place, &self.receipts).await;
        let client = client(network, place, &self.key);
        let mut lines = BTreeMap::new();
        for line in client.log(self.chart, 0).await.unwrap() {
            *lines.entry(line.logged.tx).or_insert(0) += 1;
        }
        for done in &self.receipts {
            assert_eq!(lines.get(&done.tx), Some(&1), "node {place} applied {} so often", done.tx);
        }
        let (sequence, _) = client.view(|state| consent::sequence(state, &self.chart)).await.unwrap();
        assert_eq!(sequence, self.before + self.receipts.len() as u64, "node {place} counts otherwise");
    }
}

/// The patient at a node.
fn client(network: &Network, place: usize, key: &SecretKey) -> Client {
    let genesis = Arc::new(read_genesis(&network.home.path().join("net/genesis.json")).unwrap());
    let actor = Actor::Person(Arc::new(key.clone()));
    let org = network.members[place].org.clone();
    Client::new(
        network.caller(place, key.clone()),
        actor,
        org,
        "the patient".to_owned(),
        genesis,
        SystemHost::shared(),
    )
}

/// Holds a node against receipts.
pub(crate) async fn assert_knows(network: &Network, place: usize, receipts: &[Final]) {
    let anybody = network.caller(place, stranger());
    for done in receipts {
        let found = anybody.call::<FindTx>(&done.tx).await.unwrap();
        assert_eq!(found.as_ref(), Some(done), "node {place} lost a receipt");
    }
}

impl Streams {
    /// Sets the patients to work, each beginning at another node.
    pub(crate) fn start(network: &Arc<Network>, accounts: Vec<Account>) -> Self {
        let (stop, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<Final>>>::default());
        let running = accounts.into_iter().enumerate().map(|(at, mut account)| {
            let (network, stop, acknowledged) =
                (Arc::clone(network), Arc::clone(&stop), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let mut place = at;
                while !stop.load(Ordering::SeqCst) {
                    match account.step(&network, place % network.members.len()).await {
                        Some(done) => acknowledged.lock().unwrap().push(done),
                        None => tokio::time::sleep(AGAIN).await,
                    }
                    place += 1;
                }
                account
            })
        });
        let running = running.collect();
        Self { stop, acknowledged, running }
    }

    /// Receipts so far.
    pub(crate) fn acknowledged(&self) -> Vec<Final> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// Waits for so many more receipts.
    pub(crate) async fn more(&self, count: usize) {
        let wanted = self.acknowledged().len() + count;
        crate::nodes::until("more receipts", async || {
            // A patient who panicked says why.
            assert!(self.running.iter().all(|stream| !stream.is_finished()), "a stream has ended");
            (self.acknowledged().len() >= wanted).then_some(())
        })
        .await;
    }

    /// Ends the streams; some may have something open.
    pub(crate) async fn stop(self) -> Vec<Account> {
        self.stop.store(true, Ordering::SeqCst);
        let mut accounts = Vec::new();
        for stream in self.running {
            accounts.push(stream.await.unwrap());
        }
        accounts
    }
}
