//! This file is where the engine's journals are checked before the engine replays them.
//!
//! The engine can't tell an interrupted write from damage: it drops silently what follows a garbled batch, and refuses a
//! journal whose last batch reached the disk in part. Only the very end of the newest journal can be an interrupted
//! write, so that is cut off; anything else is damage, and is named. The format is that of fjall 3 (`journal/entry.rs`).

use crate::fault::{Fault, Place};
use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};
use xxhash_rust::xxh3::Xxh3;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const MAGIC: &[u8] = b"FJL\x03";

/// Bytes of an item before its key: tag, kind, compression, keyspace, lengths of key, value and stored value.
const ITEM_PREFIX: usize = 1 + 1 + 1 + 8 + 2 + 4 + 4;

/// Where a batch ends, and the engine's number of it.
struct Batch {
    end: usize,
    number: u64,
}

/// What a journal holds besides whole batches.
#[derive(Debug, PartialEq, Eq)]
enum Tail {
    /// Nothing, or room that was never written.
    Clean,
    /// From this offset on something that isn't a batch, and no batch after it.
    Torn(usize),
    /// At this offset something that isn't a batch, though batches follow.
    Damaged(usize),
}

/// Checks the journals in `db` and cuts off an interrupted write.
pub(crate) fn mend(db: &Path) -> Result<(), Fault> {
    let journals = journals(db)?;
    let mut number = None;
    for (at, path) in journals.iter().enumerate() {
        let newest = at.saturating_add(1) == journals.len();
        let bytes = fs::read(path).map_err(Fault::file(path.clone()))?;
        let damaged = |offset| Err(Fault::damaged(Place::File(path.clone()), format!("offset {offset}")));
        match tail(&bytes, &mut number) {
            Tail::Clean => {}
            Tail::Torn(offset) if newest => {
                let cut = || {
                    let file = OpenOptions::new().write(true).open(path)?;
                    file.set_len(offset as u64)?;
                    file.sync_all()
                };
                cut().map_err(Fault::file(path.clone()))?;
            }
            Tail::Torn(offset) | Tail::Damaged(offset) => return damaged(offset),
        }
    }
    Ok(())
}

/// All journals, oldest first.
fn journals(db: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut found = Vec::new();
    for entry in fs::read_dir(db).map_err(Fault::file(db))? {
        let path = entry.map_err(Fault::file(db))?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Follows the batches of a journal; `number` is the last one's, across journals.
fn tail(bytes: &[u8], number: &mut Option<u64>) -> Tail {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match batch(bytes, at) {
            Some(next) if number.is_none_or(|number| number < next.number) => {
                *number = Some(next.number);
                at = next.end;
            }
            // The number isn't covered by the checksum, but it only ever rises.
            Some(_) => return Tail::Damaged(at),
            None if rest.iter().all(|byte| *byte == 0) => return Tail::Clean,
            None => {
                let mut later =
                    (at.saturating_add(1)..bytes.len()).filter(|later| bytes.get(*later) == Some(&START));
                let follows = later.any(|later| batch(bytes, later).is_some());
                return if follows { Tail::Damaged(at) } else { Tail::Torn(at) };
            }
        }
    }
}

/// The whole batch that begins at `at`, if one does.
fn batch(bytes: &[u8], at: usize) -> Option<Batch> {
    let rest = bytes.get(at..)?;
    let (count, number) = match rest.split_first()? {
        (&START, fields) => (u32_at(fields, 0)?, u64_at(fields, 4)?),
        _ => return None,
    };
    let mut sum = Xxh3::new();
    let mut from = at.checked_add(13)?;
    for _ in 0..count {
        let item = bytes.get(from..)?;
        if *item.first()? != ITEM {
            return None;
        }
        let key = usize::from(u16::from_le_bytes(crate::keys::bytes_at(item, 11)?));
        let value = usize::try_from(u32_at(item, 17)?).ok()?;
        let len = ITEM_PREFIX.checked_add(key)?.checked_add(value)?;
        sum.update(item.get(..len)?);
        from = from.checked_add(len)?;
    }
    let end = bytes.get(from..from.checked_add(13)?)?;
    let whole = *end.first()? == END && u64_at(end, 1)? == sum.digest() && end.get(9..)? == MAGIC;
    (whole && count > 0).then_some(Batch { end: from.checked_add(13)?, number })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    crate::keys::bytes_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    crate::keys::bytes_at(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fjall::{Database, KeyspaceCreateOptions, PersistMode};

    /// What the engine itself writes: batches of items, compressed and not, puts and removals.
    fn written(dir: &Path) -> (PathBuf, Vec<usize>) {
        let db = Database::builder(dir).open().unwrap();
        let space = db.keyspace("chain", KeyspaceCreateOptions::default).unwrap();
        let path = dir.join("0.jnl");
        let mut ends = vec![0];
        for turn in 0..4_u8 {
            let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
            batch.insert(&space, [turn; 9], vec![turn; 50_000]);
            batch.insert(&space, [turn; 3], vec![]);
            batch.remove(&space, [turn.wrapping_sub(1); 3]);
            batch.commit().unwrap();
            let bytes = fs::read(&path).unwrap();
            ends.push(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
        }
        (path, ends)
    }

    #[test]
    fn the_engines_own_journal_is_clean_and_each_cut_of_it_torn() {
        let dir = tempfile::tempdir().unwrap();
        let (path, ends) = written(dir.path());
        let bytes = fs::read(&path).unwrap();
        assert_eq!(tail(&bytes, &mut None), Tail::Clean);
        for cut in 1..=ends[4] {
            let whole = ends.iter().rfind(|end| **end <= cut).unwrap();
            let expected = if *whole == cut { Tail::Clean } else { Tail::Torn(*whole) };
            assert_eq!(tail(&bytes[..cut], &mut None), expected, "{cut}");
        }
    }

    #[test]
    fn each_flip_is_torn_in_the_last_batch_and_damage_before() {
        let dir = tempfile::tempdir().unwrap();
        let (path, ends) = written(dir.path());
        let bytes = fs::read(&path).unwrap();
        for at in 0..ends[4] {
            let mut bytes = bytes[..ends[4]].to_vec();
            bytes[at] ^= 0x40;
            let batch = ends.iter().rfind(|end| **end <= at).unwrap();
            let found = tail(&bytes, &mut None);
            if at < ends[3] {
                assert!(matches!(found, Tail::Damaged(at) if at == *batch || ends.contains(&at)), "{at}");
            } else {
                // The last batch's number may rise unseen, for nothing comes after it.
                assert!(found != Tail::Clean || (at - ends[3]).checked_sub(5).is_some_and(|n| n < 8), "{at}");
            }
        }
    }
}
