//! The commands, a file each.

pub(crate) mod audit;
pub(crate) mod bench;
mod bench_gateway;
pub(crate) mod chart;
pub(crate) mod completions;
pub(crate) mod consent;
pub(crate) mod demo;
pub(crate) mod erase;
pub(crate) mod export;
pub(crate) mod gateway;
pub(crate) mod help;
pub(crate) mod import;
mod measured;
pub(crate) mod network;
pub(crate) mod node;
pub(crate) mod open;
pub(crate) mod patient;
pub(crate) mod profile;
pub(crate) mod review;
pub(crate) mod tx;
pub(crate) mod verify;
