//! What several tests need: blocks made from a seed.

use bytes::Bytes;
use primitives::{
    BlockHash, ChartId, Executed, Hash, Header, Millis, NetworkId, PublicKey, StateRoot, TxId, domain, hash,
    merkle_root,
};
use std::{collections::BTreeMap, path::Path};
use store::{BlockCommit, Event, Identity, LogHead, Meaning, Store};

pub(crate) const NETWORK: Identity = Identity { network: NetworkId(Hash([7; 32])) };

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(dir, NETWORK).unwrap()
}

/// A chain that keeps charts' logs in its state, as the ledger does.
#[derive(Default)]
pub(crate) struct Chain {
    pub(crate) parent: BlockHash,
    pub(crate) height: u64,
    pub(crate) executed: Executed,
    pub(crate) logs: BTreeMap<ChartId, LogHead>,
}

pub(crate) struct Logs;

pub(crate) fn chart(n: u8) -> ChartId {
    ChartId(hash(domain::GOLDEN, &[&[n]]))
}

pub(crate) fn log_key(chart: &ChartId) -> Vec<u8> {
    [b"log/".as_slice(), chart.as_bytes()].concat()
}

pub(crate) fn receipts_key(height: u64) -> Vec<u8> {
    format!("block/{height}").into_bytes()
}

impl Meaning for Logs {
    fn is_log_head(&self, key: &[u8], _: &[u8]) -> bool {
        key.starts_with(b"log/")
    }

    fn log_head(&self, state: &dyn primitives::State, chart: &ChartId) -> Option<LogHead> {
        let (count, digest) = primitives::decode(&state.get(&log_key(chart))?).ok()?;
        Some(LogHead { count, digest })
    }

    fn next(&self, chart: &ChartId, running: &Hash, event: &[u8]) -> Hash {
        hash(domain::CHART_LOG, &[chart.as_bytes(), &running.0, event])
    }

    fn check_block(
        &self,
        state: &dyn primitives::State,
        header: &Header,
        receipts: &[(TxId, Vec<u8>)],
    ) -> Result<(), String> {
        let leaves: Vec<&[u8]> = receipts.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        match state.get(&receipts_key(header.height)) {
            Some(root) if root == merkle_root(&leaves).0 => Ok(()),
            _ => Err("its receipts are not those in the state".into()),
        }
    }
}

impl Chain {
    /// The next block, with these writes, transactions and events of charts.
    pub(crate) fn block(
        &mut self,
        mut writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        txs: Vec<Vec<u8>>,
        of: &[u8],
    ) -> BlockCommit {
        let txs: Vec<Bytes> = txs.into_iter().map(Bytes::from).collect();
        let header = Header {
            epoch: 0,
            view: self.height,
            leader: PublicKey([1; 32]),
            parent_view: self.height.saturating_sub(1),
            parent_payload: self.parent.0,
            parent: self.parent,
            height: self.height,
            time: Millis(1_000 + self.height),
            executed: self.executed,
            txs_root: merkle_root(&txs),
        };
        let receipts: Vec<_> = txs
            .iter()
            .map(|tx| (TxId(hash(domain::TX_ID, &[tx])), [b"receipt of ".as_slice(), tx].concat()))
            .collect();
        let leaves: Vec<&[u8]> = receipts.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        writes.insert(receipts_key(self.height), Some(merkle_root(&leaves).0.to_vec()));
        let mut events = Vec::new();
        for of in of {
            let chart = chart(*of);
            let log = self.logs.entry(chart).or_insert(LogHead { count: 0, digest: Hash::default() });
            let bytes = format!("event {} of {of} at {}", log.count, self.height).into_bytes();
            log.digest = Logs.next(&chart, &log.digest, &bytes);
            events.push(Event { chart, index: log.count, bytes });
            log.count += 1;
            writes.insert(log_key(&chart), Some(primitives::encode(&(log.count, log.digest))));
        }
        self.parent = header.hash();
        self.height += 1;
        BlockCommit { header, txs, writes, receipts, events }
    }

    /// The proposer of later blocks has executed up to here.
    pub(crate) fn executed(&mut self, state_root: StateRoot) {
        self.executed = Executed { height: self.height - 1, state_root };
    }
}

/// A little of everything, the same for the same height.
pub(crate) fn sample(chain: &mut Chain) -> BlockCommit {
    let height = chain.height;
    let value = |n: u64| hash(domain::GOLDEN, &[&height.to_le_bytes(), &n.to_le_bytes()]).0.repeat(3);
    let mut writes = BTreeMap::new();
    for n in 0..8 {
        writes.insert(format!("key {}", (height * 5 + n) % 97).into_bytes(), Some(value(n)));
    }
    writes.insert(format!("key {}", (height * 7) % 97).into_bytes(), None);
    let txs = (0..3).map(|n| value(100 + n)).collect();
    chain.block(writes, txs, &[(height % 5) as u8, (height % 3) as u8])
}

pub(crate) fn walk(store: &Store) -> store::Walked {
    store.walk(Some(&Logs), &mut |_| {})
}
