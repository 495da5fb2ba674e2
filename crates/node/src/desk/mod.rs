//! The desk: where calls are received, authenticated and answered, a room for each kind of question.

mod door;
mod follow;
mod keys;
mod ledger_calls;
mod office;
mod packs;
mod server;

pub(crate) use door::Door;
pub use server::{Desk, ServeError};
pub(crate) use server::{Served, serve};
