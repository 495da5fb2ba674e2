//! This file is where everything stored is read: the state at a height, proofs, blocks, receipts and events.

use crate::{
    disk::Disk,
    fault::{Fault, Place},
    keys,
    record::{Event, Head, Record, StoredReceipt},
    tree::Nodes,
};
use bytes::Bytes;
use primitives::{ChartId, EMPTY_STATE_ROOT, Header, State, StateProof, StateRoot, TxId, is_flat, state_key};
use std::ops::Bound;

/// A state key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// All that is stored, at one instant: the state at one height, and every block, receipt and event up to the newest.
#[derive(Clone)]
pub struct View {
    pub(crate) disk: Disk,
    pub(crate) head: Option<Head>,
    /// Height and root of the state that is read.
    at: Option<(u64, StateRoot)>,
}

impl State for View {
    /// # Panics
    /// If the disk fails: "absent" would be a wrong answer.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.value(key).unwrap_or_else(|fault| fault.stop())
    }
}

impl View {
    pub(crate) fn newest(disk: Disk) -> Result<Self, Fault> {
        let head: Option<Head> = disk.read(keys::HEAD, Place::Head)?;
        Ok(Self { disk, head, at: head.map(|head| (head.height, head.state_root)) })
    }

    /// The same instant with the state as `height` left it; `None` if that height isn't stored or no longer retained.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    pub fn at(&self, height: u64) -> Result<Option<Self>, Fault> {
        let Some(head) = self.head else { return Ok(None) };
        if !(head.states_from..=head.height).contains(&height) {
            return Ok(None);
        }
        let record = self.record(height)?;
        let at = record.map(|record| (height, record.state_root));
        Ok(Some(Self { disk: self.disk.clone(), head: self.head, at }))
    }

    /// Height of the state that is read; `None` before genesis.
    #[must_use]
    pub fn height(&self) -> Option<u64> {
        self.at.map(|(height, _)| height)
    }

    /// Root of the state that is read.
    #[must_use]
    pub fn root(&self) -> StateRoot {
        self.at.map_or(EMPTY_STATE_ROOT, |(_, root)| root)
    }

    /// The value of `key`; what [`State::get`] answers, with the fault as an error.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails, or of a flat row if this isn't the newest state.
    pub fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let (Some(head), Some((at, _))) = (self.head, self.at) else { return Ok(None) };
        if at < head.height {
            if is_flat(key) {
                return Err(Fault::Flat);
            }
            // The first change after `at` knows what stood there before it.
            let path = state_key(key);
            let later = keys::former(&path, at.saturating_add(1))..=keys::former(&path, u64::MAX);
            if let Some(change) = self.disk.range(later).next() {
                return crate::disk::decode(&change?.1, Place::Key(key.into()));
            }
        }
        Ok(self.disk.get(&keys::value(key))?.map(|value| value.to_vec()))
    }

    /// Entries of the newest state whose key begins with `prefix` and lies above `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    pub fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Entry>, Fault> {
        let start = match after {
            Some(after) => Bound::Excluded(keys::value(after)),
            None => Bound::Included(keys::value(prefix)),
        };
        let entries = self.disk.range((start, Bound::Unbounded)).take(limit);
        let within = |entry: &Result<(Vec<u8>, Vec<u8>), Fault>| match entry {
            Ok((key, _)) => key.starts_with(prefix),
            Err(_) => true,
        };
        let state_entries = entries.map_while(|entry| match entry {
            // The first byte says that it is a state value.
            Ok((key, value)) => match key.split_first() {
                Some((&keys::VALUE, key)) => Some(Ok((key.to_vec(), value.to_vec()))),
                _ => None,
            },
            Err(fault) => Some(Err(fault)),
        });
        state_entries.take_while(within).collect()
    }

    /// The value of `key` with the proof that [`Self::root`] has exactly that, or that it has none.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails, or the row is flat.
    pub fn prove(&self, key: &[u8]) -> Result<(Option<Vec<u8>>, StateProof), Fault> {
        if is_flat(key) {
            return Err(Fault::Flat);
        }
        let Some((at, _)) = self.at else {
            return Ok((None, StateProof { leaf: None, siblings: primitives::List::default() }));
        };
        let nodes = Nodes { fresh: None, disk: &self.disk };
        let proof = nodes.prove(at, &state_key(key))?;
        Ok((self.value(key)?, proof))
    }

    /// Root of the state after `height`, however old.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    pub fn state_root(&self, height: u64) -> Result<Option<StateRoot>, Fault> {
        Ok(self.record(height)?.map(|record| record.state_root))
    }

    /// Lowest height whose state can be read and proven.
    #[must_use]
    pub fn states_from(&self) -> u64 {
        self.head.map_or(0, |head| head.states_from)
    }

    /// The header of the block at `height`.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    pub fn header(&self, height: u64) -> Result<Option<Header>, Fault> {
        self.disk.read(&keys::at(keys::HEADER, height), Place::Block(height))
    }

    /// The transactions of the block at `height`; `None` if it isn't stored or its body is pruned.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    pub fn txs(&self, height: u64) -> Result<Option<Vec<Bytes>>, Fault> {
        let Some(body) = self.disk.get(&keys::at(keys::BODY, height))? else { return Ok(None) };
        let txs: Vec<Vec<u8>> = crate::disk::decode(&body, Place::Block(height))?;
        Ok(Some(txs.into_iter().map(Bytes::from).collect()))
    }

    /// Lowest height whose transactions are kept.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    pub fn bodies_from(&self) -> Result<u64, Fault> {
        match self.disk.get(keys::BODIES_FROM)? {
            None => Ok(0),
            Some(bytes) => {
                let bytes = keys::bytes_at(&bytes, 0).filter(|_| bytes.len() == 8);
                bytes.map(u64::from_be_bytes).ok_or_else(|| Fault::damaged(Place::Head, "the pruning mark"))
            }
        }
    }

    /// The first receipt of transaction `tx`, with its height and its index in the block.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    pub fn receipt(&self, tx: &TxId) -> Result<Option<(u64, u32, Vec<u8>)>, Fault> {
        let Some(bytes) = self.disk.get(&keys::receipt_of(tx))? else { return Ok(None) };
        let (height, index): (u64, u32) = crate::disk::decode(&bytes, Place::Head)?;
        let place = Place::Receipt(height, index);
        let stored: StoredReceipt = self.disk.need(&keys::receipt(height, index), place.clone())?;
        if stored.tx != *tx {
            return Err(Fault::damaged(place, "it is another transaction's"));
        }
        Ok(Some((height, index, stored.bytes)))
    }

    /// All receipts of the block at `height`, in order.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    pub fn receipts(&self, height: u64) -> Result<Vec<(TxId, Vec<u8>)>, Fault> {
        let receipts = self.disk.prefix(&keys::at(keys::RECEIPT, height));
        receipts
            .zip(0_u32..)
            .map(|(entry, index)| {
                let stored: StoredReceipt = crate::disk::decode(&entry?.1, Place::Receipt(height, index))?;
                Ok((stored.tx, stored.bytes))
            })
            .collect()
    }

    /// Up to `limit` events of `chart`'s log from index `from` on.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails, or the log has a gap.
    pub fn events(&self, chart: &ChartId, from: u64, limit: usize) -> Result<Vec<Event>, Fault> {
        let range = keys::event(chart, from)..=keys::event(chart, u64::MAX);
        (from..)
            .zip(self.disk.range(range))
            .take(limit)
            .map(|(index, entry)| {
                let (key, bytes) = entry?;
                if *key != *keys::event(chart, index) {
                    return Err(Fault::damaged(Place::Event(*chart, index), "it is missing"));
                }
                Ok(Event { chart: *chart, index, bytes: bytes.to_vec() })
            })
            .collect()
    }

    /// The events that the block at `height` added, in order.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails, or one is missing.
    pub fn events_at(&self, height: u64) -> Result<Vec<Event>, Fault> {
        self.disk
            .prefix(&keys::at(keys::EVENT_AT, height))
            .map(|entry| {
                let (chart, index): (ChartId, u64) = crate::disk::decode(&entry?.1, Place::Block(height))?;
                let bytes = self
                    .disk
                    .get(&keys::event(&chart, index))?
                    .ok_or_else(|| Fault::damaged(Place::Event(chart, index), "it is missing"))?;
                Ok(Event { chart, index, bytes: bytes.to_vec() })
            })
            .collect()
    }

    /// Up to `limit` events in the chain's order, from position `from` of block `height` on, each with its place.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails, or one is missing.
    pub fn events_since(
        &self,
        height: u64,
        from: u32,
        limit: usize,
    ) -> Result<Vec<(u64, u32, Event)>, Fault> {
        let range = keys::event_at(height, from)..=keys::event_at(u64::MAX, u32::MAX);
        self.disk
            .range(range)
            .take(limit)
            .map(|entry| {
                let (key, value) = entry?;
                let place = keys::bytes_at(&key, 1).zip(keys::bytes_at(&key, 9));
                let (height, position) = place
                    .map(|(height, position)| (u64::from_be_bytes(height), u32::from_be_bytes(position)))
                    .ok_or_else(|| Fault::damaged(Place::Head, "an event's place is garbled"))?;
                let (chart, index): (ChartId, u64) = crate::disk::decode(&value, Place::Block(height))?;
                let bytes = self
                    .disk
                    .get(&keys::event(&chart, index))?
                    .ok_or_else(|| Fault::damaged(Place::Event(chart, index), "it is missing"))?;
                Ok((height, position, Event { chart, index, bytes: bytes.to_vec() }))
            })
            .collect()
    }

    pub(crate) fn record(&self, height: u64) -> Result<Option<Record>, Fault> {
        self.disk.read(&keys::at(keys::RECORD, height), Place::Block(height))
    }
}
