//! Opening a chart: the access decided and recorded, the keys gathered from the trustees, the records read.

mod ask;
mod error;
mod fetched;
mod heads;
mod index;
mod look;
mod opened;
mod reach;
mod release;
mod said;
mod timings;
mod together;
mod unseal;
mod visit;
mod words;

pub use ask::{Ask, Emergency};
pub use error::OpenError;
pub(crate) use heads::Heads;
pub use look::{ErasedRecord, Look, Seen};
pub use opened::{Opened, OpenedRecord};
pub use reach::Beside;
pub use release::{Distrust, WhyDistrusted};
pub(crate) use said::classes;
pub use said::{ClassSaid, NotShown, WhyNot};
pub use timings::Timings;
pub use unseal::Damaged;
pub(crate) use unseal::{Found, unseal};
pub(crate) use visit::{Asked, Visit};
