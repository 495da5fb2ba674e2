//! The working set: what the organisation's users wrote, or opened and may still see, as an encrypted index for search. It
//! holds nothing that the ledger and the packs don't hold: it can be deleted and rebuilt.

mod audited;
mod condition;
mod error;
mod everything;
mod include;
mod mark;
mod numbers;
mod order;
mod page;
mod place;
mod put;
mod read;
mod rows;
mod schema;
mod set;
mod sight;
mod sql;
mod wipe;

pub use condition::Within;
pub use error::WorkingError;
pub use everything::EverythingAsk;
pub use include::Included;
pub(crate) use mark::{LEDGER, ORIGIN};
pub use mark::{PROOF, is_marked};
pub use page::{Cursor, Found, Page, Searched};
pub use place::{Class, Place};
pub use put::Version;
pub use read::{Held, HistoryAsk, Lies, Moment, Stored};
pub use set::{Calls, WorkingKey, WorkingSet};
pub use sight::Sight;
