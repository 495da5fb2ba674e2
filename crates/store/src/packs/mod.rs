//! This folder is where packs lie: sealed records and their random parts, in a directory or an object store.

mod error;
mod local;
mod remote;
mod shelf;

pub use error::PackError;
pub use shelf::{Packs, Part};
