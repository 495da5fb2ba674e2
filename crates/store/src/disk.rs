//! This file is where entries are read from the storage engine, at one instant.

use crate::fault::{Fault, Place};
use borsh::BorshDeserialize;
use fjall::{Keyspace, Readable as _, Slice, Snapshot};

/// All entries as they were at one instant, whatever is committed meanwhile.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) space: Keyspace,
    pub(crate) instant: Snapshot,
}

impl Disk {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Slice>, Fault> {
        Ok(self.instant.get(&self.space, key)?)
    }

    pub(crate) fn has(&self, key: &[u8]) -> Result<bool, Fault> {
        Ok(self.instant.contains_key(&self.space, key)?)
    }

    /// Reads and decodes the entry under `key`.
    pub(crate) fn read<T: BorshDeserialize>(&self, key: &[u8], place: Place) -> Result<Option<T>, Fault> {
        match self.get(key)? {
            None => Ok(None),
            Some(bytes) => decode(&bytes, place).map(Some),
        }
    }

    /// Reads the entry that must lie under `key`.
    pub(crate) fn need<T: BorshDeserialize>(&self, key: &[u8], place: Place) -> Result<T, Fault> {
        self.read(key, place.clone())?.ok_or_else(|| Fault::damaged(place, "an entry is missing"))
    }

    /// Entries of `range` in order.
    pub(crate) fn range<R: std::ops::RangeBounds<Vec<u8>>>(
        &self,
        range: R,
    ) -> impl DoubleEndedIterator<Item = Result<(Slice, Slice), Fault>> + use<R> {
        self.instant.range(&self.space, range).map(|entry| Ok(entry.into_inner()?))
    }

    /// Entries whose key starts with `prefix`, in order.
    pub(crate) fn prefix(
        &self,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(Slice, Slice), Fault>> + use<> {
        self.instant.prefix(&self.space, prefix).map(|entry| Ok(entry.into_inner()?))
    }
}

pub(crate) fn decode<T: BorshDeserialize>(bytes: &[u8], place: Place) -> Result<T, Fault> {
    primitives::decode(bytes).map_err(|error| Fault::damaged(place, format!("an entry is {error}")))
}
