//! This file is where it stands why records weren't written, or not all of them.

use super::Placed;
use crate::{open::OpenError, record::TooLarge, rpc::CallError, submit::SubmitError};
use ledger::Reject;
use primitives::ChartId;
use std::sync::Arc;

/// Why records weren't written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// There is no such chart.
    #[error("there is no chart {0}")]
    Unknown(ChartId),
    /// Patients don't write records.
    #[error("a patient can't write records; use a practitioner's or staff's key")]
    NotAWriter,
    /// A record isn't one.
    #[error("record {at} can't be written: {reason}")]
    Malformed {
        /// Its place in what was handed in.
        at: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The organisation wrote this version already, or a newer one.
    #[error("record {at} is version {newest} already; read it, and write the version after that")]
    Conflict {
        /// Its place in what was handed in.
        at: usize,
        /// The newest version that was written.
        newest: u32,
    },
    /// A resource is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// More than can become final at once; nothing was written.
    #[error("{packs} packs can't become final in one transaction, {max} at most; write less at once")]
    TooMuch {
        /// Packs that it takes: one for each chart, more for one that gets very much.
        packs: usize,
        /// Packs that may be.
        max: usize,
    },
    /// The patient is known under two charts.
    #[error("these identifiers belong to two charts, {one} and {other}; correct the identifiers")]
    TwoCharts {
        /// One of them.
        one: ChartId,
        /// Another.
        other: ChartId,
    },
    /// The chart's tag key can't be had, without which nothing can be written into it.
    #[error("the chart's index can't be read, which takes the right to write: {0}")]
    Index(#[source] Arc<OpenError>),
    /// The node.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The ledger.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// Sealing.
    #[error("sealing failed: {0}")]
    Seal(#[source] Arc<envelope::SealError>),
    /// Dealing.
    #[error("dealing failed: {0}")]
    Deal(#[source] Arc<envelope::DealError>),
    /// Some of it is final, in packs of their own.
    #[error("{} records were written and are final; then: {source}", done.len())]
    Partly {
        /// What was written: the first of what was handed in.
        done: Vec<Placed>,
        /// What stopped it.
        #[source]
        source: Box<Self>,
    },
    /// The program is ending. What became of the write isn't known.
    #[error("writing was broken off; ask the node what became of it before doing it again")]
    Stopped,
}

impl WriteError {
    /// The ledger's number, if the ledger refused.
    #[must_use]
    pub fn reject(&self) -> Option<Reject> {
        match self {
            Self::Submit(error) => error.reject(),
            Self::Partly { source, .. } => source.reject(),
            _ => None,
        }
    }
}

impl From<envelope::SealError> for WriteError {
    fn from(error: envelope::SealError) -> Self {
        Self::Seal(Arc::new(error))
    }
}

impl From<envelope::DealError> for WriteError {
    fn from(error: envelope::DealError) -> Self {
        Self::Deal(Arc::new(error))
    }
}
