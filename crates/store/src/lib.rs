//! What a node keeps on disk: the authenticated state, blocks with their receipts, the charts' event logs, and packs.
//!
//! The store never knows what a transaction means. What it must know for a full check, it asks of a [`Meaning`].
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod batch;
mod check;
mod disk;
mod fault;
mod hot;
mod identity;
mod journal;
mod keys;
mod mark;
mod packs;
mod proof;
mod record;
mod store;
mod tree;
mod view;
mod walk;

pub use batch::{Batch, BatchView, BlockCommit};
pub use fault::{Damage, Fault, OpenError, Place};
pub use identity::Identity;
pub use packs::{PackError, Packs, Part};
pub use record::Event;
pub use store::{RETAINED_STATES, Store};
pub use view::{Entry, View};
pub use walk::{LogHead, Meaning, Progress, Walked};
