//! This file is where it is told where a record lies once it is final.

use envelope::RecordId;
use primitives::{Millis, PackRoot, TxId};

/// Where a record lies, final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The record, the same for all versions of one resource.
    pub record: RecordId,
    /// The version.
    pub version: u32,
    /// The pack.
    pub pack: PackRoot,
    /// The record's place in the pack.
    pub at: u32,
    /// The transaction that committed the pack.
    pub tx: TxId,
    /// Height of its block.
    pub height: u64,
    /// Time of its block.
    pub time: Millis,
}
