//! This file is where the newest acknowledged block is noted once more, outside the engine.
//!
//! The engine takes a garbled journal for an interrupted write and drops its end without a word. The mark is written
//! after the batch is synced and isn't synced itself, so it never runs ahead of what is durable: a store whose head lies
//! behind its mark has lost blocks that were acknowledged.

use crate::{
    fault::{Fault, Place},
    record::Head,
};
use primitives::{Hash, domain, hash};
use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

const FILE: &str = "acknowledged";
const SLOT: usize = 8 + 32 + 32;

/// The file with its two slots, used in turn so that a torn write spoils one at most.
pub(crate) struct Mark {
    file: File,
    path: PathBuf,
}

/// Height and chain digest of a block that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) height: u64,
    pub(crate) chain: Hash,
}

fn slot(marked: &Marked) -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    let height = marked.height.to_le_bytes();
    let check = hash(domain::STORE_FILE, &[&height, &marked.chain.0]);
    let parts = height.iter().chain(&marked.chain.0).chain(&check.0);
    bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    bytes
}

fn read_slot(bytes: &[u8]) -> Option<Marked> {
    let height = u64::from_le_bytes(crate::keys::bytes_at(bytes, 0)?);
    let marked = Marked { height, chain: Hash(crate::keys::bytes_at(bytes, 8)?) };
    (bytes == slot(&marked)).then_some(marked)
}

impl Mark {
    pub(crate) fn open(dir: &Path) -> Result<(Self, Option<Marked>), Fault> {
        let path = dir.join(FILE);
        let open = || {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            let mut bytes = Vec::new();
            (&mut file).take(SLOT as u64 * 2).read_to_end(&mut bytes)?;
            Ok((file, bytes))
        };
        let (file, bytes) = open().map_err(Fault::file(path.clone()))?;
        let slots: Vec<_> = bytes.chunks(SLOT).map(read_slot).collect();
        if !slots.is_empty() && slots.iter().all(Option::is_none) {
            return Err(Fault::damaged(Place::File(path), "no slot is whole"));
        }
        let newest = slots.into_iter().flatten().max_by_key(|marked| marked.height);
        Ok((Self { file, path }, newest))
    }

    pub(crate) fn note(&mut self, head: &Head) -> Result<(), Fault> {
        let bytes = slot(&Marked { height: head.height, chain: head.chain });
        // Heights may advance by more than one per batch, so the slot can't be chosen by height's parity.
        let at = self.file.stream_position().map_err(Fault::file(self.path.clone()))?;
        let next = if at == SLOT as u64 { at } else { 0 };
        let write = |file: &mut File| {
            file.seek(SeekFrom::Start(next))?;
            file.write_all(&bytes)
        };
        write(&mut self.file).map_err(Fault::file(self.path.clone()))
    }
}
