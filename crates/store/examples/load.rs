//! Measures the store: blocks of 1,000 fresh keys of 300 bytes each, one fsync per block, then proofs and reads.
//!
//! `cargo run --release --example load -- DIR [BLOCKS]`

use primitives::{Executed, Hash, Header, Millis, NetworkId, PublicKey, domain, hash, merkle_root};
use std::{collections::BTreeMap, path::PathBuf, time::Instant};
use store::{BlockCommit, Identity, Store};

const KEYS: u64 = 1_000;

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or("?").to_owned();
    format!("{} {}", line("VmHWM"), line("VmRSS"))
}

fn entry(height: u64, n: u64) -> (Vec<u8>, Vec<u8>) {
    let seed = hash(domain::GOLDEN, &[&height.to_le_bytes(), &n.to_le_bytes()]);
    ([&[1], seed.0.as_slice()].concat(), [seed.0.repeat(9), vec![0; 12]].concat())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("name a directory")?);
    let blocks: u64 = args.next().map_or(Ok(300), |blocks| blocks.parse())?;
    let store = Store::open(&dir, Identity { network: NetworkId(Hash([7; 32])) })?;
    let mut parent = primitives::BlockHash::default();
    let mut took = Vec::new();
    for height in 0..blocks {
        let header = Header {
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
        };
        parent = header.hash();
        let writes: BTreeMap<_, _> =
            (0..KEYS).map(|n| entry(height, n)).map(|(key, value)| (key, Some(value))).collect();
        let started = Instant::now();
        let mut batch = store.batch()?;
        batch.push(BlockCommit { header, txs: vec![], writes, receipts: vec![], events: vec![] })?;
        let pushed = started.elapsed();
        batch.commit()?;
        took.push((started.elapsed(), pushed));
        if height % 100 == 99 {
            let mut last: Vec<_> = took.iter().rev().take(100).collect();
            let total: f64 = last.iter().map(|(all, _)| all.as_secs_f64()).sum();
            let push: f64 = last.iter().map(|(_, push)| push.as_secs_f64()).sum();
            last.sort();
            println!(
                "{} keys: {:.0} keys/s, p50 {:?}, p99 {:?}, {:.0} % of it the tree; {}",
                (height + 1) * KEYS,
                KEYS as f64 * last.len() as f64 / total,
                last[last.len() / 2].0,
                last[last.len() - 1].0,
                100.0 * push / total,
                memory()
            );
        }
    }
    let view = store.view()?;
    let started = Instant::now();
    let mut bytes = 0;
    for n in 0..KEYS {
        let (key, value) = entry(n % blocks, n);
        let (found, proof) = view.prove(&key)?;
        assert_eq!(found, Some(value));
        bytes += primitives::encode(&proof).len() as u64;
    }
    println!("proof: {} bytes, {:?} each", bytes / KEYS, started.elapsed() / KEYS as u32);
    let started = Instant::now();
    for n in 0..KEYS {
        view.value(&entry((n * 7) % blocks, n).0)?;
    }
    println!("read: {:?} each", started.elapsed() / KEYS as u32);
    let started = Instant::now();
    store.check_head()?;
    println!("check_head: {:?}", started.elapsed());
    println!(
        "disk: {} MiB for {} MiB of keys and values",
        store.disk_bytes()? >> 20,
        (blocks * KEYS * 333) >> 20
    );
    drop((view, store));
    let started = Instant::now();
    let store = Store::open(&dir, Identity { network: NetworkId(Hash([7; 32])) })?;
    println!("open: {:?}", started.elapsed());
    let started = Instant::now();
    let walked = store.walk(None, &mut |_| {});
    println!(
        "walk: {:?}, {} entries, {} damages; {}",
        started.elapsed(),
        walked.entries,
        walked.damages.len(),
        memory()
    );
    Ok(())
}
