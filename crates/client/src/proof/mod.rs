//! Answers that need no trust in the node: rows proven against a state root, the root by a header, the header by the
//! signatures of the committee.

mod anchor;
mod log;
mod rows;

pub use anchor::{AnchorError, Anchored, check_anchor};
pub use log::{ProvenLog, check_log};
pub use rows::ProofError;
pub(crate) use rows::{check_rows, in_order};
