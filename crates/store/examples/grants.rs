//! Measures the store under what a patient's grants write: two rows of the tree, a seen id, an event and a receipt each.
//!
//! `cargo run --release --example grants -- DIR [BLOCKS [GRANTS [CHARTS [WINDOW]]]]`: so many blocks of so many grants over
//! so many charts; seen ids are forgotten after `WINDOW` blocks.

use bytes::Bytes;
use primitives::{
    ChartId, Executed, Hash, Header, Millis, NetworkId, PublicKey, State as _, TxId, domain, hash,
    merkle_root,
};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};
use store::{BlockCommit, Event, Identity, Store};

/// Tables as the ledger numbers them: seen ids are flat.
const BLOCK: u8 = 0x01;
const HEAD: u8 = 0x02;
const LOG: u8 = 0x05;
const USAGE: u8 = 0x15;
const DIRECTIVES: u8 = 0x30;
const SEEN: u8 = 0x80;
const SEEN_AT: u8 = 0x81;

fn name(what: &str, n: u64) -> Hash {
    hash(domain::GOLDEN, &[what.as_bytes(), &n.to_le_bytes()])
}

fn filled(seed: Hash, len: usize) -> Vec<u8> {
    seed.0.iter().copied().cycle().take(len).collect()
}

fn key(tag: u8, rest: &[u8]) -> Vec<u8> {
    [&[tag], rest].concat()
}

struct Load {
    grants: u64,
    charts: u64,
    window: u64,
    counts: BTreeMap<u64, u64>,
}

impl Load {
    fn block(&mut self, header: Header) -> BlockCommit {
        let height = header.height;
        let (mut writes, mut receipts, mut events, mut txs, mut ids) =
            (BTreeMap::new(), vec![], vec![], vec![], vec![]);
        for n in height * self.grants..(height + 1) * self.grants {
            let tx = name("tx", n);
            // Odd steps meet every chart once before any comes again.
            let of = n.wrapping_mul(2_654_435_761) % self.charts;
            let chart = name("chart", of);
            let count = self.counts.entry(of).or_default();
            events.push(Event { chart: ChartId(chart), index: *count, bytes: filled(tx, 330) });
            *count += 1;
            writes.insert(key(DIRECTIVES, &chart.0), Some(filled(tx, 400)));
            writes.insert(key(LOG, &chart.0), Some(filled(tx, 40)));
            writes.insert(key(SEEN, &tx.0), Some(height.to_le_bytes().to_vec()));
            receipts.push((TxId(tx), filled(tx, 33)));
            txs.push(Bytes::from(filled(tx, 360)));
            ids.extend(tx.0);
        }
        if let Some(old) = height.checked_sub(self.window) {
            for n in old * self.grants..(old + 1) * self.grants {
                writes.insert(key(SEEN, &name("tx", n).0), None);
            }
            writes.insert(key(SEEN_AT, &old.to_le_bytes()), None);
        }
        writes.insert(key(SEEN_AT, &height.to_le_bytes()), Some(ids));
        writes.insert(key(BLOCK, &height.to_le_bytes()), Some(filled(name("block", height), 72)));
        writes.insert(key(HEAD, &[]), Some(filled(name("head", height), 16)));
        writes.insert(key(USAGE, b"org"), Some(filled(name("usage", height), 40)));
        let header = Header { txs_root: merkle_root(&txs), ..header };
        BlockCommit { header, txs, writes, receipts, events }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("name a directory")?);
    let mut number = |default| args.next().map_or(Ok(default), |number| number.parse::<u64>());
    let (blocks, grants, charts) = (number(200)?, number(100)?, number(4096)?);
    let mut load = Load { grants, charts, window: number(100)?, counts: BTreeMap::new() };
    let store = Store::open(&dir, Identity { network: NetworkId(Hash([7; 32])) })?;
    let mut parent = primitives::BlockHash::default();
    let mut took: Vec<(Duration, Duration)> = Vec::new();
    for height in 0..blocks {
        let commit = load.block(Header {
            epoch: 0,
            view: height,
            leader: PublicKey([1; 32]),
            parent_view: 0,
            parent_payload: Hash::default(),
            parent,
            height,
            time: Millis(height),
            executed: Executed::default(),
            txs_root: merkle_root::<&[u8]>(&[]),
        });
        parent = commit.header.hash();
        let started = Instant::now();
        let mut batch = store.batch()?;
        // Execution reads what it replaces.
        let before = commit.writes.keys().filter(|key| batch.view().get(key).is_some()).count();
        assert!(height == 0 || before > 0);
        batch.push(commit)?;
        let pushed = started.elapsed();
        batch.commit()?;
        took.push((started.elapsed(), pushed));
    }
    let middle = |mut times: Vec<Duration>| {
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    // The first quarter fills the tree, the last one is what goes on for ever.
    for (what, part) in took.chunks(took.len().div_ceil(4).max(1)).enumerate() {
        let all = middle(part.iter().map(|(all, _)| *all).collect());
        let push = middle(part.iter().map(|(_, push)| *push).collect());
        let rate = grants as f64 / all.as_secs_f64();
        println!(
            "quarter {}: {all:?} a block, {push:?} of it before the commit, {rate:.0} grants/s",
            what + 1
        );
    }
    println!("disk: {} MiB", store.disk_bytes()? >> 20);
    Ok(())
}
