//! This file is where bytes of the engine's files are flipped: that is found, or has no effect.

use crate::{
    ledger::{check, continues, entries, tx},
    network::{Validator, addresses, config, ledger_path, wait_for},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found)
        } else if entry.metadata().unwrap().len() > 0 {
            found.push(path)
        }
    }
    found.sort();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

#[test]
fn flipped_bytes_are_found_or_harmless() {
    let temp = tempfile::tempdir().unwrap();
    let good = temp.path().join("good");
    let addresses = addresses(1);
    let one = Validator::start(&good, 0, &addresses).unwrap();
    for n in 0..30 {
        one.handle.submit(tx(1, &format!("{n}"))).unwrap();
        if n % 10 == 0 {
            let height = one.height();
            wait_for("another block", || one.height() > height);
        }
    }
    wait_for("all of them", || check(&one.entries()).len() == 30);
    one.handle.stop();
    let before = one.entries();
    drop(one);

    let mut rng = StdRng::seed_from_u64(1);
    let (mut refused, mut stopped, mut harmless) = (0, 0, 0);
    for trial in 0..16 {
        let root = temp.path().join(format!("trial-{trial}"));
        copy(&good, &root);
        // Half of the trials give the state back empty, so that every block is read again.
        if trial % 2 == 0 {
            fs::write(ledger_path(&root, 0), b"").unwrap();
        }
        let mut all = Vec::new();
        files(&config(&root, 0, &addresses).dir, &mut all);
        let path = &all[rng.random_range(0..all.len())];
        let mut bytes = fs::read(path).unwrap();
        let at = rng.random_range(0..bytes.len());
        bytes[at] ^= 1 << rng.random_range(0..8);
        fs::write(path, bytes).unwrap();

        match Validator::start(&root, 0, &addresses) {
            Err(_) => refused += 1,
            Ok(one) => {
                // Whatever became of it: it goes on, or it stops aloud.
                let _ = one.handle.submit(tx(1, "more"));
                let more = tx(1, "more").to_vec();
                wait_for("an outcome", || {
                    one.handle.ended().is_some() || check(&one.entries()).contains_key(&more)
                });
                if one.handle.ended().is_some() {
                    stopped += 1
                } else {
                    harmless += 1
                }
                one.handle.stop();
            }
        }
        let after = entries(&ledger_path(&root, 0));
        println!("trial {trial}: {} at {at}", path.display());
        continues(&after, &before);
        fs::remove_dir_all(&root).unwrap();
    }
    println!("{refused} refused to start, {stopped} stopped with a fault, {harmless} without effect");
}
