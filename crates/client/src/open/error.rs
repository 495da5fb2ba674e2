//! This file is where it stands why a chart doesn't open, apart from being denied: that is an answer, not an error.

use crate::{rpc::CallError, submit::SubmitError};
use primitives::{ChartId, CompartmentId, PackRoot, TxId};

/// Why a chart doesn't open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such chart.
    #[error("there is no chart {0}")]
    Unknown(ChartId),
    /// Categories can't be named without the chart's index, and that is denied too.
    #[error("the chart's index is denied, so its categories can't be named; ask without --category")]
    NoIndex,
    /// Nothing was written in the categories named.
    #[error("nothing was written in the categories named")]
    NothingThere,
    /// A break-glass access needs a practitioner and a reason.
    #[error("break-glass is for practitioners, with a reason in words")]
    NoReason,
    /// The node.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The ledger.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The access is final, but the chart's log doesn't tell what was decided.
    #[error(
        "access {0} is final, but the chart's log doesn't tell what was decided; the node may lag, ask `explain`"
    )]
    NotTold(TxId),
    /// The audit record can't be sealed.
    #[error("the audit record can't be sealed: {0}")]
    Words(#[source] envelope::SealError),
    /// A pack that the ledger names doesn't verify.
    #[error("pack {pack} doesn't verify: {source}")]
    Pack {
        /// The pack.
        pack: PackRoot,
        /// What is wrong with it.
        #[source]
        source: envelope::OpenError,
    },
    /// Nothing of what is permitted opens: too few trustees gave true shares.
    #[error("too few trustees released compartment {compartment}: {reasons}")]
    TooFewShares {
        /// The compartment.
        compartment: CompartmentId,
        /// What each trustee said.
        reasons: String,
    },
    /// A record of another organisation isn't a resource.
    #[error(transparent)]
    Collect(#[from] fhir::collect::CollectError),
}
