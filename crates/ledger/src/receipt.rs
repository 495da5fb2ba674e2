//! This file is where the ledger's answers have their form: a receipt per transaction, a log line per chart event.

use crate::Reject;
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Hash, Hasher, Millis, TxId, domain, encode};

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub enum Outcome {
    /// It took effect. A denied access took effect too: the denial is recorded.
    Applied,
    /// It had no effect.
    Rejected(Reject),
    /// Its id was consumed before: no effect.
    Duplicate,
}

/// The answer to one transaction of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Receipt {
    /// The transaction; of bytes that are none, or that their signer didn't sign, a name of their own.
    pub tx: TxId,
    /// What became of it.
    pub outcome: Outcome,
}

/// One line of a chart's log: what happened, when, by which transaction.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Logged {
    /// The chart.
    pub chart: ChartId,
    /// 0 for the chart's first event, then without gaps.
    pub index: u64,
    /// Height of the block.
    pub height: u64,
    /// Time of the block.
    pub time: Millis,
    /// The transaction that caused it.
    pub tx: TxId,
    /// The event type's tag.
    pub tag: u16,
    /// The event, encoded.
    pub body: Vec<u8>,
}

/// Where a chart's log stands: proves that a list of lines is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct LogHead {
    /// Number of lines.
    pub count: u64,
    /// Running hash over all lines.
    pub head: Hash,
}

impl LogHead {
    /// The head after `line`, which must be the next one.
    #[must_use]
    pub fn after(&self, line: &Logged) -> Self {
        let mut hasher = Hasher::new(domain::CHART_LOG);
        hasher.part(&self.head.0).part(&encode(line));
        Self { count: self.count.saturating_add(1), head: hasher.finish() }
    }
}
