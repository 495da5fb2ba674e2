//! One flipped bit anywhere in a store's files is found, or changes nothing that can be read.

use crate::common::{Chain, NETWORK, copy_dir, dump, files, open, sample, seed, sized_sample, walk};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use std::{collections::BTreeMap, fs, path::Path};
use store::Store;

const FLIPS: usize = 60;

/// A store with flushed tables and an unflushed journal.
fn build(dir: &Path, blocks: u64, size: usize) {
    let store = open(dir);
    let mut chain = Chain::default();
    while chain.height < blocks {
        let mut batch = store.batch().unwrap();
        for _ in 0..4 {
            let root = batch.push(sized_sample(&mut chain, size)).unwrap();
            chain.executed(root);
        }
        batch.commit().unwrap();
    }
}

/// What became of the flip, in one word.
fn found(dir: &Path, before: primitives::Hash) -> &'static str {
    let Ok(store) = Store::open(dir, NETWORK) else { return "open" };
    if store.check_head().is_err() {
        return "check";
    }
    if !walk(&store).damages.is_empty() {
        return "walk";
    }
    assert_eq!(dump(&store), before, "not found, and it reads differently");
    "no effect"
}

fn flip_everywhere(blocks: u64, size: usize, flips: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed());
    let whole = tempfile::tempdir().unwrap();
    build(whole.path(), blocks, size);
    let before = {
        let store = open(whole.path());
        store.check_head().unwrap();
        assert_eq!(walk(&store).damages, []);
        dump(&store)
    };
    let files = files(whole.path());
    let mut tally = BTreeMap::<_, BTreeMap<_, usize>>::new();
    for turn in 0..flips {
        // Half of the flips go to a random file, so that small ones get their share; half to a random byte.
        let used = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let of: Vec<_> = files.iter().map(|(path, bytes)| (path, used(bytes))).filter(|f| f.1 > 0).collect();
        let total: usize = of.iter().map(|(_, used)| used).sum();
        let (path, at) = if turn % 2 == 0 {
            let (path, used) = of[rng.next_u32() as usize % of.len()];
            (path, rng.next_u32() as usize % used)
        } else {
            let mut at = rng.next_u64() as usize % total;
            let file = of
                .iter()
                .find(|(_, used)| {
                    if at < *used {
                        true
                    } else {
                        at -= used;
                        false
                    }
                })
                .unwrap();
            (file.0, at)
        };
        let dir = tempfile::tempdir().unwrap();
        copy_dir(whole.path(), dir.path());
        let name = path.strip_prefix(whole.path()).unwrap();
        let mut bytes = files[path].clone();
        bytes[at] ^= 1 << (rng.next_u32() % 8);
        crate::common::write_sparse(&dir.path().join(name), &bytes);
        println!("flip in {} at {at}", name.display());
        *tally.entry(name.to_owned()).or_default().entry(found(dir.path(), before)).or_default() += 1;
    }
    for (name, outcomes) in tally {
        println!("{}: {outcomes:?}", name.display());
    }
}

#[test]
fn a_flip_in_tables_or_journal_is_found_or_harmless() {
    flip_everywhere(60, 20_000, FLIPS);
}

#[test]
fn a_flip_in_a_young_store_is_found_or_harmless() {
    flip_everywhere(24, 60, FLIPS);
}

#[test]
fn a_journal_that_lost_acknowledged_blocks_is_found_at_opening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut chain = Chain::default();
    let mut lengths = Vec::new();
    let journal = dir.path().join("chain/0.jnl");
    for _ in 0..6 {
        let mut batch = store.batch().unwrap();
        batch.push(sample(&mut chain)).unwrap();
        batch.commit().unwrap();
        let bytes = fs::read(&journal).unwrap();
        lengths.push(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    }
    drop(store);
    fs::OpenOptions::new().write(true).open(&journal).unwrap().set_len(lengths[3] as u64).unwrap();
    let error = Store::open(dir.path(), NETWORK).map(drop).unwrap_err().to_string();
    assert!(error.contains("block 5 was acknowledged, block 3 is the newest on disk"), "{error}");
}

/// Every kind of entry, changed behind the store's back with the engine's checksums in order.
#[test]
fn tampering_through_the_engine_is_found_or_harmless() {
    let mut rng = ChaCha8Rng::seed_from_u64(seed());
    let whole = tempfile::tempdir().unwrap();
    build(whole.path(), 24, 60);
    let before = dump(&open(whole.path()));
    let change = |dir: &Path, change: &mut dyn FnMut(&fjall::Keyspace)| {
        let db = fjall::Database::builder(dir.join("chain")).open().unwrap();
        change(&db.keyspace("chain", fjall::KeyspaceCreateOptions::default).unwrap());
    };
    let mut entries = Vec::new();
    change(whole.path(), &mut |space| {
        entries.extend(space.iter().map(|entry| entry.into_inner().unwrap()));
    });
    let mut kinds = BTreeMap::<u8, Vec<_>>::new();
    for (key, value) in entries {
        kinds.entry(key[0]).or_default().push((key, value));
    }
    for (kind, of) in kinds {
        let mut outcomes = BTreeMap::<_, usize>::new();
        for turn in 0..6 {
            let (key, value) = &of[rng.next_u32() as usize % of.len()];
            let dir = tempfile::tempdir().unwrap();
            copy_dir(whole.path(), dir.path());
            let mut altered = value.to_vec();
            if turn == 5 || altered.is_empty() {
                change(dir.path(), &mut |space| space.remove(key.clone()).unwrap());
            } else {
                let at = rng.next_u32() as usize % altered.len();
                altered[at] ^= 1 << (rng.next_u32() % 8);
                change(dir.path(), &mut |space| space.insert(key.clone(), altered.clone()).unwrap());
            }
            println!("{} changed", key.escape_ascii());
            *outcomes.entry(found(dir.path(), before)).or_default() += 1;
        }
        println!("{}: {outcomes:?}", char::from(kind));
    }
}
