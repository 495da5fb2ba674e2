//! This file is where single bits of a node's ledger are flipped on its disk: each is found when the node starts or is
//! verified, or changes nothing that can be read.

use crate::{
    network::{Network, files, shipped},
    rotating::delivered,
};
use horkos_node::StartError;
use ledger::governance::Params;
use primitives::{Hash, domain, encode, hash};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};
use store::{Identity, Store};

const FLIPS: usize = 40;
const SEED: u64 = 20_261_121;
const ROWS: usize = 1_000;

/// A file's bytes up to the last that isn't zero, and its length: journals are laid out far ahead of what is in them.
struct Image {
    used: Vec<u8>,
    len: u64,
}

fn images(dir: &Path) -> BTreeMap<PathBuf, Image> {
    let image = |path: PathBuf| {
        let mut used = fs::read(&path).unwrap();
        let len = used.len() as u64;
        used.truncate(used.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        (path.strip_prefix(dir).unwrap().to_owned(), Image { used, len })
    };
    files(dir).into_iter().map(image).collect()
}

fn lay_out(images: &BTreeMap<PathBuf, Image>, dir: &Path) {
    for (name, image) in images {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::File::create(path).unwrap();
        file.write_all(&image.used).unwrap();
        file.set_len(image.len).unwrap();
    }
}

/// A hash over all that can be read: state, headers, transactions, receipts, events.
fn dump(store: &Store) -> Hash {
    let view = store.view().unwrap();
    let mut all = Hash::default();
    let mut add = |bytes: &[u8]| all = hash(domain::BLOB, &[all.as_bytes(), bytes]);
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = view.scan(&[], after.as_deref(), ROWS).unwrap();
        for (key, value) in &rows {
            add(&encode(&(key, value)));
        }
        let Some((last, _)) = rows.last() else { break };
        after = Some(last.clone());
    }
    let height = view.height().unwrap();
    add(view.root().as_bytes());
    for height in 0..=height {
        add(&encode(&view.header(height).unwrap()));
        for tx in view.txs(height).unwrap().unwrap_or_default() {
            add(&tx);
        }
        add(&encode(&view.receipts(height).unwrap()));
        for event in view.events_at(height).unwrap() {
            add(&encode(&(event.chart, event.index, event.bytes)));
        }
    }
    all
}

/// What became of a flip, in one word: by what it is found.
fn found(dir: &Path, identity: Identity, before: Hash) -> &'static str {
    let Ok(store) = Store::open(dir, identity) else { return "start" };
    if store.check_head().is_err() {
        return "start";
    }
    if !store.walk(None, &mut |_| ()).damages.is_empty() {
        return "verify";
    }
    assert_eq!(dump(&store), before, "not found, and it reads differently");
    "no effect"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_flip_in_a_node_s_ledger_is_found_or_without_effect() {
    let mut network = Network::running(Params::default()).await;
    network.import(&[shipped("fionnuala-o-dalaigh.json"), shipped("yusuf-al-masri.json")]).await;
    delivered(&network, 0).await;
    network.stop_all().await;
    let ledger = network.data(3).join("ledger");
    let identity = Identity { network: network.genesis.network() };
    let before = {
        let store = Store::open(&ledger, identity).unwrap();
        store.check_head().unwrap();
        assert_eq!(store.walk(None, &mut |_| ()).damages, []);
        dump(&store)
    };
    let whole = images(&ledger);
    let used: Vec<&PathBuf> =
        whole.iter().filter(|(_, image)| !image.used.is_empty()).map(|(name, _)| name).collect();
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut tally = BTreeMap::<_, BTreeMap<_, usize>>::new();
    let mut refused = None;
    for turn in 0..FLIPS {
        // Half of the flips go to the largest file, where blocks and leaves are, half to any.
        let largest = used.iter().max_by_key(|name| whole[**name].used.len()).unwrap();
        let name = if turn % 2 == 0 { *largest } else { used[rng.random_range(0..used.len())] };
        let mut image = whole[name].used.clone();
        let at = rng.random_range(0..image.len());
        image[at] ^= 1 << rng.random_range(0..8);
        let dir = tempfile::tempdir().unwrap();
        lay_out(&whole, dir.path());
        let len = whole[name].len;
        lay_out(&BTreeMap::from([(name.clone(), Image { used: image.clone(), len })]), dir.path());
        println!("flip in {} at {at}", name.display());
        let outcome = found(dir.path(), identity, before);
        if outcome == "start" && refused.is_none() {
            refused = Some((name.clone(), image));
        }
        *tally.entry(name.clone()).or_default().entry(outcome).or_default() += 1;
    }
    for (name, outcomes) in &tally {
        println!("{}: {outcomes:?}", name.display());
    }
    let count = |wanted| tally.values().filter_map(|of| of.get(wanted)).sum::<usize>();
    assert!(count("start") + count("verify") > FLIPS / 4);

    // What is found at the start keeps the node itself from starting; mended, it starts.
    if let Some((name, image)) = refused {
        let path = ledger.join(&name);
        let (good, len) = (fs::read(&path).unwrap(), whole[&name].len);
        lay_out(&BTreeMap::from([(name, Image { used: image, len })]), &ledger);
        let error = network.try_start(3).await.err().unwrap();
        assert!(matches!(error, StartError::Store(_) | StartError::Damaged(_)), "{error}");
        fs::remove_dir_all(&ledger).unwrap();
        lay_out(&whole, &ledger);
        assert_eq!(fs::read(&path).unwrap(), good);
    }
    network.start_all().await;
}
