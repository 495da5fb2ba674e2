//! This file is where a directory is held as it was at one instant, and put down again: whole, or as a power loss may
//! leave it.

use crate::kill::below;
use rand_chacha::{ChaCha8Rng, rand_core::Rng as _};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// What a drive writes whole or not at all.
const SECTOR: usize = 512;

const CHUNK: usize = 1 << 16;
static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// The store's note of its newest block. It is written after the block is synced and not synced itself, so the old one may
/// lie beside new blocks but not the other way round.
const MARK: &str = "ledger/acknowledged";

/// All files of a directory, by path within it. Files are sparse: zeros at their end aren't kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Image {
    files: BTreeMap<PathBuf, Content>,
}

#[derive(Clone, PartialEq, Eq)]
struct Content {
    len: u64,
    bytes: Vec<u8>,
}

impl Content {
    fn read(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let len = file.metadata().unwrap().len();
        // Journals are made long and mostly empty: look for the end of what was written from behind.
        let mut chunk = [0; CHUNK];
        let mut end = len;
        while end > 0 {
            let from = (end - 1) / CHUNK as u64 * CHUNK as u64;
            let chunk = &mut chunk[..usize::try_from(end - from).unwrap()];
            file.read_exact_at(chunk, from).unwrap();
            if *chunk != ZEROS[..chunk.len()] {
                break;
            }
            end = from;
        }
        let mut bytes = vec![0; usize::try_from(end).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        Self { len, bytes }
    }

    /// `self` was synced, `later` was written: of each sector in which they differ the old or the new is there, and the
    /// file is as long as any of its writes left it.
    fn torn(&self, later: &Self, lost: usize, rng: &mut ChaCha8Rng) -> Self {
        let size = self.bytes.len().max(later.bytes.len());
        let (mut bytes, mut new) = (self.bytes.clone(), later.bytes.clone());
        bytes.resize(size, 0);
        new.resize(size, 0);
        let mut end = self.len;
        for (at, (old, new)) in bytes.chunks_mut(SECTOR).zip(new.chunks(SECTOR)).enumerate() {
            if *old != *new && below(rng, 100) >= lost {
                old.copy_from_slice(new);
                end = end.max((at * SECTOR + new.len()) as u64);
            }
        }
        // Lengths are the file system's: they come with any of the writes, or after all of them.
        let len = if rng.next_u32().is_multiple_of(2) { end.min(self.len.max(later.len)) } else { later.len };
        bytes.truncate(usize::try_from(len).unwrap());
        Self { len, bytes }
    }
}

impl Image {
    /// What lies in `dir` now. Whoever writes there must be paused or gone.
    pub(crate) fn of(dir: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.strip_prefix(dir).unwrap().to_owned(), Content::read(&path));
                }
            }
        }
        Self { files }
    }

    /// Puts it down in `dir`, instead of whatever is there.
    pub(crate) fn write(&self, dir: &Path) {
        if dir.exists() {
            fs::remove_dir_all(dir).unwrap();
        }
        for (name, Content { len, bytes }) in &self.files {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = File::create(path).unwrap();
            file.set_len(*len).unwrap();
            for (at, chunk) in bytes.chunks(CHUNK).enumerate() {
                if *chunk != ZEROS[..chunk.len()] {
                    file.write_all_at(chunk, (at * CHUNK) as u64).unwrap();
                }
            }
        }
    }

    /// What a power loss may leave of the files below `part` if `self` was durable and `later` was written since: each
    /// sector that differs is lost with a chance of `lost` per cent. Other files are as in `self`.
    pub(crate) fn torn(&self, later: &Self, part: &str, lost: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut torn = self.clone();
        for (name, new) in later.files.iter().filter(|(name, _)| name.starts_with(part)) {
            if name.ends_with(MARK) {
                continue;
            }
            match self.files.get(name) {
                Some(old) if old == new => {}
                Some(old) => drop(torn.files.insert(name.clone(), old.torn(new, lost, rng))),
                // A new file's name may be lost with all of its content.
                None if below(rng, 100) < lost => {}
                None => {
                    let nothing = Content { len: 0, bytes: Vec::new() };
                    torn.files.insert(name.clone(), nothing.torn(new, lost, rng));
                }
            }
        }
        torn
    }

    /// How many files below `part` differ.
    pub(crate) fn differing(&self, later: &Self, part: &str) -> usize {
        let of_part = later.files.iter().filter(|(name, _)| name.starts_with(part));
        of_part.filter(|(name, content)| self.files.get(*name) != Some(content)).count()
    }
}
