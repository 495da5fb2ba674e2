//! Power loss, stood in for: of what was written after the last fsync, any sector may be there, missing or garbled.
//!
//! The engine takes no file layer of ours, so the directory is copied at each acknowledgement and again after the next
//! commit; the sectors of the journal in which the two differ are what was in flight.

use crate::common::{Chain, copy_dir, dump, files, open, seed, sized_sample, walk, write_sparse};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

const SECTOR: usize = 512;

#[test]
fn unsynced_sectors_may_vanish_or_turn_to_garbage() {
    let mut rng = ChaCha8Rng::seed_from_u64(seed());
    let live = tempfile::tempdir().unwrap();
    let store = open(live.path());
    let mut chain = Chain::default();
    let mut outcomes = [0, 0];
    for size in [40, 300, 3_000, 9_000, 700, 5_000] {
        let commit = |chain: &mut Chain| {
            let mut batch = store.batch().unwrap();
            for _ in 0..2 {
                let root = batch.push(sized_sample(chain, size)).unwrap();
                chain.executed(root);
            }
            batch.commit().unwrap();
        };
        commit(&mut chain);
        let (acknowledged, before) = (chain.height - 1, dump(&store));
        let synced = tempfile::tempdir().unwrap();
        copy_dir(live.path(), synced.path());
        commit(&mut chain);
        let (newest, after) = (chain.height - 1, dump(&store));
        let written = files(live.path());

        for _ in 0..12 {
            let dir = tempfile::tempdir().unwrap();
            copy_dir(synced.path(), dir.path());
            // How likely a sector is lost, and garbled, differs from crash to crash; often just one is.
            let rare = rng.next_u32() % 2 == 0;
            let (lost, garbled) = if rare { (1, 1) } else { (rng.next_u32() % 100, rng.next_u32() % 30) };
            for (path, new) in &written {
                let name = path.strip_prefix(live.path()).unwrap();
                if path.extension().is_none_or(|extension| extension != "jnl") {
                    continue;
                }
                let mut bytes = std::fs::read(synced.path().join(name)).unwrap_or_default();
                bytes.resize(new.len(), 0);
                for (old, new) in bytes.chunks_mut(SECTOR).zip(new.chunks(SECTOR)) {
                    if *old == *new || rng.next_u32() % 100 < lost {
                        continue;
                    }
                    let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
                    old.copy_from_slice(new);
                    if rng.next_u32() % 100 < garbled {
                        // Bytes before the write in the same sector were synced: a drive keeps those.
                        rng.fill_bytes(&mut old[same..]);
                    }
                }
                write_sparse(&dir.path().join(name), &bytes);
            }
            let store = open(dir.path());
            store.check_head().unwrap();
            assert_eq!(walk(&store).damages, []);
            let height = store.view().unwrap().height().unwrap();
            assert!(height == acknowledged || height == newest, "{height}");
            assert_eq!(dump(&store), if height == newest { after } else { before });
            outcomes[usize::from(height == newest)] += 1;
            // And it goes on from there.
            let mut chain = Chain::resume(&store);
            let mut batch = store.batch().unwrap();
            batch.push(sized_sample(&mut chain, size)).unwrap();
            batch.commit().unwrap();
            drop(store);
            assert_eq!(open(dir.path()).view().unwrap().height(), Some(height + 1));
        }
    }
    println!("fell back to the acknowledged block {} times, kept the newest {}", outcomes[0], outcomes[1]);
}
