//! Charts: whose they are, what was written into them and where its keys are held, and how it is erased.

mod acknowledge;
mod attest;
mod claim;
mod commit;
mod commit_together;
mod create;
mod erase;
mod offer_claim;
mod receipt_erasure;
#[cfg(test)]
mod scene;
mod state;

pub use acknowledge::{Acknowledge, Acknowledged};
pub use attest::Attested;
pub use claim::{Claim, Claimed};
pub use commit::{Commit, Committed, NewCompartment};
pub use commit_together::{COMMITS_MAX, CommitTogether};
pub use create::{Create, Created};
pub use erase::{Erase, ErasureOrdered};
pub use offer_claim::{ClaimOffered, OfferClaim};
pub use receipt_erasure::{ErasureComplete, ErasureEffective, ErasureReceipted, ReceiptErasure};
pub(crate) use state::mark_read;
pub use state::*;
