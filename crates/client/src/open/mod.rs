//! Opening a chart: the access decided and recorded, the keys gathered from the trustees, the records read.

mod ask;
mod error;
mod fetched;
mod index;
mod opened;
mod release;
mod timings;
mod unseal;
mod visit;
mod words;

pub use ask::{Ask, Emergency};
pub use error::OpenError;
pub(crate) use opened::classes;
pub use opened::{ClassSaid, NotShown, Opened, OpenedRecord, WhyNot};
pub use release::{Distrust, WhyDistrusted};
pub use timings::Timings;
pub use unseal::Damaged;
pub(crate) use unseal::{Found, unseal};
pub(crate) use visit::{Asked, Visit};
