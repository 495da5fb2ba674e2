//! Policies: the network's base policies as Cedar text, checked so that none can err, and asked so that all nodes agree.

mod check;
mod evaluator;
mod request;

pub use check::{DEPTH_MAX, POLICIES_MAX, PolicyError, TOKENS_MAX};
pub use evaluator::{check, evaluate};
pub use request::{Action, Outcome, Request, Verdict};

/// The base policies that a network starts with, unless its genesis file says otherwise.
pub const BASE: &str = include_str!("../../policies/base.cedar");
