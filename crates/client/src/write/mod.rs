//! Writing: record versions in, sealed and final packs out. The one way to write, of imports too.

mod audit;
mod chart;
mod commit;
mod error;
mod ground;
mod groups;
mod hand;
mod item;
mod lanes;
mod memory;
mod placed;
mod remembered;
mod run;
mod seal;
mod together;

pub use chart::{Made, NewChart};
pub use error::WriteError;
pub use item::NewRecord;
pub(crate) use item::{PACK_PLAINTEXT_MAX, PACK_RECORDS_MAX};
pub(crate) use lanes::Lanes;
pub use placed::Placed;
pub use remembered::Remembered;
