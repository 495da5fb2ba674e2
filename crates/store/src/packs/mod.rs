//! This folder is where packs lie: sealed records and their random parts, in a directory or an object store.

mod local;
mod remote;
mod shelf;

pub use shelf::{PackError, Packs, Part};
