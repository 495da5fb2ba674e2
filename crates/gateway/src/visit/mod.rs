//! Visits: the minutes in which a user browses a chart under one access that is final on the ledger.

mod asking;
mod batch;
mod ingest;
mod opening;
mod users;
mod visits;
mod watch;

pub use asking::{Asking, BreakGlass};
pub(crate) use ingest::ingest;
pub use ingest::{foreign_id, instant, is_foreign_id, served};
pub use users::{User, UserError, Users};
pub use visits::{Seen, Settings, Visits};
pub use watch::Watch;
