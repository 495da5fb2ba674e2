//! The demonstration: a fresh network of organisations on this machine, and the whole story told step by step, each step
//! checked.

mod app;
mod bundles;
mod caller;
mod doors;
mod emergency;
mod lay;
mod nodes;
mod posting;
mod reading;
mod search;
mod stage;
mod story;
mod writing;

pub(crate) use caller::App;
pub(crate) use doors::{Door, lay_doors};
pub(crate) use lay::{Plan, lay_out};
pub(crate) use nodes::{Nodes, write_summary};
pub(crate) use stage::Stage;
pub(crate) use story::{Tour, tell};
