//! Tests that run the built binary: its help, its words about bad input, its whole demonstration; and its nodes, killed,
//! starved of disk, robbed of what they hadn't synced.

mod audited;
mod bad_bundles;
mod bad_input;
mod carriage;
mod damage;
mod demo;
mod doors;
mod full_disk;
mod golden;
mod image;
mod kill;
mod namespace;
mod nodes;
mod offline;
mod outside;
mod place;
mod power;
#[path = "../../../conformance/tests/it/search/queries.rs"]
mod queries;
mod rebuilt;
mod run;
mod sessions;
mod stranger;
mod stream;
mod written;
