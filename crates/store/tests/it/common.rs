//! What several tests need: blocks made from a seed.

use bytes::Bytes;
use primitives::{
    BlockHash, ChartId, EMPTY_STATE_ROOT, Executed, FLAT_KEY, FlatDigest, Hash, Header, Millis, NetworkId,
    PublicKey, State as _, StateRoot, TxId, domain, hash, is_flat, merkle_root, state_key, state_leaf_value,
};
use std::{collections::BTreeMap, fs, io::Write as _, path::Path};
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

/// One of 31 keys that have no leaf of their own.
pub(crate) fn flat_key(n: u64) -> Vec<u8> {
    [&[0x80], format!("flat {}", n % 31).as_bytes()].concat()
}

/// A little of everything, the same for the same height.
pub(crate) fn sample(chain: &mut Chain) -> BlockCommit {
    sized_sample(chain, 100)
}

/// The same with values of about `size` bytes that no compression makes smaller.
pub(crate) fn sized_sample(chain: &mut Chain, size: usize) -> BlockCommit {
    let height = chain.height;
    let value = |n: u64| -> Vec<u8> {
        (0..size.div_ceil(32))
            .flat_map(|part| {
                hash(domain::GOLDEN, &[&height.to_le_bytes(), &n.to_le_bytes(), &part.to_le_bytes()]).0
            })
            .collect()
    };
    let mut writes = BTreeMap::new();
    for n in 0..8 {
        writes.insert(format!("key {}", (height * 5 + n) % 97).into_bytes(), Some(value(n)));
    }
    writes.insert(format!("key {}", (height * 7) % 97).into_bytes(), None);
    for n in 0..4 {
        writes.insert(flat_key(height * 3 + n), Some(value(8 + n)));
    }
    writes.insert(flat_key(height * 2), None);
    let txs = (0..3).map(|n| value(100 + n)).collect();
    chain.block(writes, txs, &[(height % 5) as u8, (height % 3) as u8])
}

pub(crate) fn walk(store: &Store) -> store::Walked {
    store.walk(Some(&Logs), &mut |_| {})
}

/// The tree's root by definition: no history can show in it.
pub(crate) fn root_of(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> StateRoot {
    fn under(leaves: &[(Vec<bool>, [u8; 64])], depth: usize) -> [u8; 32] {
        let hash = |prefix: &[u8], parts: &[u8]| {
            primitives::StateHasher::new().update(prefix).update(parts).finish().0
        };
        match leaves {
            [] => *EMPTY_STATE_ROOT.as_bytes(),
            [(_, leaf)] => hash(b"JMT::LeafNode", leaf),
            _ => {
                let split = leaves.partition_point(|(bits, _)| !bits[depth]);
                let (left, right) = leaves.split_at(split);
                let both = [under(left, depth + 1), under(right, depth + 1)].concat();
                hash(b"JMT::IntrnalNode", &both)
            }
        }
    }
    let (flat, mut entries): (BTreeMap<_, _>, BTreeMap<_, _>) =
        entries.clone().into_iter().partition(|(key, _)| is_flat(key));
    let mut digest = FlatDigest::default();
    flat.iter().for_each(|(key, value)| digest.add(key, value));
    if !flat.is_empty() {
        entries.insert(FLAT_KEY.to_vec(), digest.to_bytes());
    }
    let mut leaves: Vec<_> = entries
        .iter()
        .map(|(key, value)| {
            let (path, value) = (state_key(key).0, state_leaf_value(value).0);
            let bits = (0..256).map(|bit| path[bit / 8] & (0x80 >> (bit % 8)) != 0).collect::<Vec<_>>();
            (bits, <[u8; 64]>::try_from([path, value].concat()).unwrap())
        })
        .collect();
    leaves.sort();
    StateRoot(primitives::Hash(under(&leaves, 0)))
}

impl Chain {
    /// Goes on where `store` stands.
    pub(crate) fn resume(store: &Store) -> Self {
        let view = store.view().unwrap();
        let Some(height) = view.height() else { return Self::default() };
        let logs = (0..5).filter_map(|n| Some((chart(n), Logs.log_head(&view, &chart(n))?))).collect();
        Self {
            parent: view.header(height).unwrap().unwrap().hash(),
            height: height + 1,
            executed: Executed { height, state_root: view.root() },
            logs,
        }
    }
}

/// Everything that can be read, as one digest.
pub(crate) fn dump(store: &Store) -> Hash {
    let view = store.view().unwrap();
    let mut all = primitives::Hasher::new(domain::GOLDEN);
    let Some(head) = view.height() else { return all.finish() };
    for height in 0..=head {
        all.part(&primitives::encode(&view.header(height).unwrap()));
        for tx in view.txs(height).unwrap().unwrap_or_default() {
            all.part(&tx);
        }
        for (tx, bytes) in view.receipts(height).unwrap() {
            all.part(&bytes).part(&primitives::encode(&view.receipt(&tx).unwrap()));
        }
        all.part(&primitives::encode(&view.state_root(height).unwrap()));
        let Some(past) = view.at(height).unwrap() else { continue };
        for n in 0..97 {
            let (value, proof) = past.prove(format!("key {n}").as_bytes()).unwrap();
            all.part(&primitives::encode(&value)).part(&primitives::encode(&proof));
        }
        all.part(&primitives::encode(&past.get(&receipts_key(height))));
    }
    for n in 0..31 {
        all.part(&primitives::encode(&view.get(&flat_key(n))));
    }
    for (height, position, event) in view.events_since(0, 0, usize::MAX).unwrap() {
        all.part(&primitives::encode(&(height, position, event.chart, event.index))).part(&event.bytes);
    }
    for n in 0..5 {
        for event in view.events(&chart(n), 0, usize::MAX).unwrap() {
            all.part(&event.bytes);
        }
    }
    all.finish()
}

/// Copies a directory; holes stay holes, for the engine's journals are long and mostly empty.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            write_sparse(&target, &fs::read(entry.path()).unwrap());
        }
    }
}

pub(crate) fn write_sparse(path: &Path, bytes: &[u8]) {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut file = fs::File::create(path).unwrap();
    file.write_all(&bytes[..used]).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
}

/// All files under `dir`, in order, with their contents.
pub(crate) fn files(dir: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// A seed that a failure names, and that `HORKOS_SEED` replays.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("HORKOS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
    println!("HORKOS_SEED={seed}");
    seed
}
