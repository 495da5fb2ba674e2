//! How programs use the network: submit and await finality, read with verified proofs, seal and open charts, export and
//! verify, and keep keys in files. Holds no server state.

mod actor;
pub mod audit;
mod authored;
mod carriage;
mod claim;
mod client;
mod committee;
mod contents;
mod erase;
pub mod export;
mod follow;
pub mod host;
pub mod import;
pub mod keys;
mod known;
mod names;
mod notes;
pub mod open;
pub mod proof;
mod read;
mod record;
mod renew;
pub mod rpc;
mod sessions;
mod submit;
pub mod wire;
mod write;

pub use actor::{Actor, SessionError, open_session};
pub use carriage::{Asked, AskedError, CarriageError};
pub use claim::{ClaimError, ClaimTerms, Claimed};
pub use client::{Client, ConnectError, GenesisFileError, Seat, read_genesis};
pub use contents::{Contents, Kept, Written};
pub use erase::{Doomed, EraseError};
pub use follow::{FOLLOWED_MAX, Follower, Heard, TooManyFollowed};
pub use host::{Host, SystemHost};
pub use names::{LABELS_MAX, Names, tags_within};
pub use notes::{About, ChartNote, OpenCompartment};
pub use read::{AsOf, Line};
pub use record::{
    Around, LINKS_MAX, Plain, RESOURCE_BYTES_MAX, Record, RecordFormatError, RequestName, TooLarge, Words,
};
pub use renew::{RenewError, Renewed};
pub use submit::SubmitError;
pub use write::{Made, NewChart, NewRecord, Placed, Remembered, WriteError};
