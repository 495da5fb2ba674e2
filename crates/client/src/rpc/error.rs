//! This file is where it has one form that a call came to nothing.

use crate::wire::{Code, Refusal};

/// Why a call brought no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The address is no `host:port` or `http://host:port`.
    #[error("`{0}` is no address of a node; write host:port")]
    Address(String),
    /// Nobody answers there, or the connection broke: the call may have arrived or not.
    #[error("the node at {address} can't be reached ({reason}); is it running?")]
    Unreachable {
        /// Where.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// No answer in time: the call may have arrived or not.
    #[error("the node at {0} didn't answer in time")]
    Timeout(String),
    /// The answer is too long or can't be read: another version, or something else listens there.
    #[error("the answer of {address} to `{method}` can't be read: {reason}")]
    Malformed {
        /// Where.
        address: String,
        /// What was called.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The node said no.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl CallError {
    /// The node's reason, if it was the node that refused.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            Self::Address(_) | Self::Unreachable { .. } | Self::Timeout(_) | Self::Malformed { .. } => None,
        }
    }

    /// Whether the call may have arrived although there is no answer.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout(_) | Self::Malformed { .. } => true,
            Self::Address(_) => false,
            Self::Refused(refusal) => match refusal.code {
                Code::Timeout | Code::Unavailable | Code::Fault => true,
                Code::Malformed
                | Code::Unauthenticated
                | Code::Forbidden
                | Code::NotFound
                | Code::Rejected(_)
                | Code::Withheld(_)
                | Code::Invalid => false,
            },
        }
    }
}
