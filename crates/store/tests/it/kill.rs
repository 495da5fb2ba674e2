//! A process that commits is killed at random points: what comes back is a whole prefix with all that was acknowledged.

use crate::common::{Chain, files, open, root_of, seed, sized_sample, walk};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

const CHILD: &str = "HORKOS_STORE_CHILD";

/// Large enough that memtables are flushed while the killing goes on.
const VALUE_BYTES: usize = 12_000;

/// Blocks in the batch that begins at `height`.
fn batch_len(height: u64) -> u64 {
    height % 3 + 1
}

/// What the killed process runs: this test, with the directory in its environment. Otherwise it does nothing.
#[test]
fn child_commits_until_killed() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let store = open(dir.as_ref());
    let mut chain = Chain::resume(&store);
    loop {
        let mut batch = store.batch().unwrap();
        for _ in 0..batch_len(chain.height) {
            let root = batch.push(sized_sample(&mut chain, VALUE_BYTES)).unwrap();
            chain.executed(root);
        }
        batch.commit().unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nacknowledged {}", chain.height - 1).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let mut rng = ChaCha8Rng::seed_from_u64(seed());
    let dir = tempfile::tempdir().unwrap();
    let mut map = BTreeMap::new();
    let mut model = Chain::default();
    let mut flushed = false;
    for _ in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child_commits_until_killed", "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = None;
        let wanted = rng.next_u32() % 12;
        let mut seen = 0;
        while seen < wanted {
            let line = lines.next().unwrap().unwrap();
            if let Some(height) = line.strip_prefix("acknowledged ") {
                acknowledged = Some(height.parse::<u64>().unwrap());
                seen += 1;
            }
        }
        // Lands anywhere in the next commit.
        (0..rng.next_u32() % 4_000_000).for_each(|n| _ = std::hint::black_box(n));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some(height) = line.strip_prefix("acknowledged ") {
                acknowledged = Some(height.parse().unwrap());
            }
        }

        let store = open(dir.path());
        store.check_head().unwrap();
        assert_eq!(walk(&store).damages, []);
        let view = store.view().unwrap();
        assert!(view.height() >= acknowledged, "{:?} after {acknowledged:?}", view.height());
        let Some(height) = view.height() else { continue };
        // Exactly the blocks of whole batches, and exactly their state.
        while model.height <= height {
            for _ in 0..batch_len(model.height) {
                let commit = sized_sample(&mut model, VALUE_BYTES);
                for (key, value) in commit.writes {
                    match value {
                        Some(value) => map.insert(key, value),
                        None => map.remove(&key),
                    };
                }
                let root = root_of(&map);
                assert_eq!(view.state_root(model.height - 1).unwrap(), Some(root));
                model.executed(root);
            }
        }
        assert_eq!(model.height, height + 1, "a batch came back in part");
        assert_eq!(view.root(), root_of(&map));
        flushed |= files(dir.path()).keys().any(|path| path.to_string_lossy().contains("tables/"));
    }
    println!("{} blocks, flushed to tables: {flushed}", model.height);
}
