//! The client against a whole network within the process: the ledger's own execution, real trustees, real certificates,
//! behind the same transport as a node over HTTP.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set itself up must fail")]

mod committee;
mod exports;
mod imports;
mod lost;
mod network;
mod opening;
mod people;
mod together;
mod tree;
mod writing;
