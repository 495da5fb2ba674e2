//! The BFT engine of Horkos behind a narrow trait: it orders opaque transactions into blocks, hands final blocks to a
//! [`Machine`] in order and exactly once, keeps a pool in lanes, and certifies headers so that anybody can verify them
//! offline. The engine's own types never leave this crate.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]
#![cfg_attr(test, expect(dead_code, reason = "the unit tests leave out what starts the engine"))]

mod block;
pub mod certificate;
mod config;
mod engine;
mod error;
mod execute;
mod gossip;
mod handle;
mod head;
mod machine;
mod marker;
mod pool;
mod propose;
mod rules;
mod shared;
// Whoever names clock, disk and network has the whole engine compiled for them, which takes minutes. The unit tests do
// without; the integration tests have both.
#[cfg(all(feature = "sim", not(test)))]
pub mod sim;
#[cfg(not(test))]
mod tcp;

pub use certificate::{Certificate, CertificateError};
pub use config::{COMMITTEE_MAX, Config, Limits, Member, Timeouts, check_committee, genesis};
pub use error::{Fault, StartError, Termination};
pub use handle::{Chain, Handle};
pub use machine::{FinalBlock, Machine, Refused, Ticket};
pub use shared::Status;
#[cfg(not(test))]
pub use tcp::start;
