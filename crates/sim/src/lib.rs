//! The whole is tried here: a second ledger, naive and without proofs, tables or policy language, that must agree with
//! the first over random histories.

mod naive;
mod rules;
mod state;
mod writing;

pub use naive::{Answer, Classes, Naive};
