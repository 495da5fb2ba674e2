//! The deterministic state machine: transactions in, receipts, events and state changes out. Every node computes the
//! same; so there is no I/O here, no clock, no randomness, no float and no order that a hash map decides.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod contents;
pub mod draft;
pub mod execute;
pub mod fact;
#[cfg(test)]
mod goldens;
pub mod kind;
pub mod kinds;
pub mod policy;
pub mod receipt;
pub mod reject;
pub mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tx;

pub mod access;
pub mod charts;
pub mod consent;
pub mod governance;
pub mod identity;

pub use draft::Draft;
pub use execute::{BLOCKS, BlockInput, BlockOutput, BlockRow, HEAD, Head, execute};
pub use fact::Fact;
pub use kind::{Ctx, Kind, Signer, Who};
pub use kinds::{Act, Event, FACTS, FactInfo, KINDS, KindInfo, kind_named, rejects};
pub use receipt::{Logged, Outcome, Receipt};
pub use reject::{Reject, RejectInfo};
pub use table::{Singleton, Table};
pub use tx::{BODY_BYTES_MAX, Signed, TX_BYTES_MAX, Transaction};
