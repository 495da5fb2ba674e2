//! This file is where every kind of entry has its place in the one keyspace.
//!
//! All entries share one keyspace on purpose: the engine then loses or keeps a block's batch as a whole, whatever
//! happens to a journal, and one memtable bounds the memory.

use crate::fault::Place;
use primitives::{ChartId, Hash, TxId};

/// The newest block: [`crate::record::Head`].
pub(crate) const HEAD: &[u8] = b"m-head";
/// Lowest height whose body is kept, as big-endian u64.
pub(crate) const BODIES_FROM: &[u8] = b"m-bodies";

/// State values by key.
pub(crate) const VALUE: u8 = b'v';
/// Tree nodes by version and path.
pub(crate) const NODE: u8 = b'n';
/// Former values by hashed key and the height that replaced them.
pub(crate) const FORMER: u8 = b'f';
/// What a block replaced and wrote, by height: [`crate::record::Trail`].
pub(crate) const TRAIL: u8 = b't';
/// Headers by height.
pub(crate) const HEADER: u8 = b'h';
/// Transactions by height.
pub(crate) const BODY: u8 = b'b';
/// [`crate::record::Record`] by height.
pub(crate) const RECORD: u8 = b'k';
/// Receipts by height and index.
pub(crate) const RECEIPT: u8 = b'r';
/// Place of a transaction's receipt, by transaction.
pub(crate) const RECEIPT_OF: u8 = b'i';
/// Events by chart and index.
pub(crate) const EVENT: u8 = b'e';
/// Which events a block added, by height and position.
pub(crate) const EVENT_AT: u8 = b'l';

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

pub(crate) fn value(state_key: &[u8]) -> Vec<u8> {
    key(VALUE, &[state_key])
}

pub(crate) fn former(path: &Hash, height: u64) -> Vec<u8> {
    key(FORMER, &[&path.0, &height.to_be_bytes()])
}

pub(crate) fn at(kind: u8, height: u64) -> Vec<u8> {
    key(kind, &[&height.to_be_bytes()])
}

pub(crate) fn receipt(height: u64, index: u32) -> Vec<u8> {
    key(RECEIPT, &[&height.to_be_bytes(), &index.to_be_bytes()])
}

pub(crate) fn receipt_of(tx: &TxId) -> Vec<u8> {
    key(RECEIPT_OF, &[tx.as_bytes()])
}

pub(crate) fn event(chart: &ChartId, index: u64) -> Vec<u8> {
    key(EVENT, &[chart.as_bytes(), &index.to_be_bytes()])
}

pub(crate) fn event_at(height: u64, position: u32) -> Vec<u8> {
    key(EVENT_AT, &[&height.to_be_bytes(), &position.to_be_bytes()])
}

/// Reads `N` bytes of a key from `from`; `None` if it is too short.
pub(crate) fn bytes_at<const N: usize>(key: &[u8], from: usize) -> Option<[u8; N]> {
    key.get(from..from.checked_add(N)?)?.try_into().ok()
}

/// What the entry under `key` belongs to, for saying near what a damage lies.
pub(crate) fn place(key: &[u8]) -> Place {
    let height = || bytes_at(key, 1).map(u64::from_be_bytes);
    let place = match key.first() {
        Some(&VALUE) => Some(Place::Key(key.get(1..).unwrap_or_default().to_vec())),
        Some(&(NODE | TRAIL)) => height().map(Place::Tree),
        Some(&FORMER) => bytes_at(key, 1).map(|path| Place::Leaf(Hash(path))),
        Some(&(HEADER | BODY | RECORD | EVENT_AT)) => height().map(Place::Block),
        Some(&RECEIPT) => height()
            .zip(bytes_at(key, 9))
            .map(|(height, index)| Place::Receipt(height, u32::from_be_bytes(index))),
        Some(&EVENT) => bytes_at::<32>(key, 1)
            .zip(bytes_at(key, 33))
            .map(|(chart, index)| Place::Event(chart.into(), u64::from_be_bytes(index))),
        _ => None,
    };
    place.unwrap_or(Place::Head)
}
