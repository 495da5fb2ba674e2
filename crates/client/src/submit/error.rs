//! This file is where it stands why an act didn't take effect, or may not have.

use crate::rpc::CallError;
use ledger::{Reject, TX_BYTES_MAX};
use primitives::TxId;

/// Why an act didn't take effect, or may not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The ledger, or the pool on its way there, refused it.
    #[error("{reject}")]
    Rejected {
        /// The transaction.
        tx: TxId,
        /// Why.
        reject: Reject,
    },
    /// It ran out of time before any block took it: it has no effect and never will.
    #[error("transaction {0} ran out of time before any block took it; try again")]
    Expired(TxId),
    /// What became of it isn't known: the node stopped answering.
    #[error("what became of transaction {tx} isn't known ({source}); ask the node before doing it again")]
    Unknown {
        /// The transaction.
        tx: TxId,
        /// Why not.
        #[source]
        source: CallError,
    },
    /// Too long for a transaction.
    #[error("the transaction has {0} bytes, more than the {TX_BYTES_MAX} allowed; split it")]
    TooLong(usize),
    /// The call came to nothing, and so did the act.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl SubmitError {
    /// The ledger's number, if the ledger refused.
    #[must_use]
    pub fn reject(&self) -> Option<Reject> {
        match self {
            Self::Rejected { reject, .. } => Some(*reject),
            Self::Expired(_) | Self::Unknown { .. } | Self::TooLong(_) | Self::Call(_) => None,
        }
    }
}
