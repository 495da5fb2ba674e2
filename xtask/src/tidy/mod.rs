//! The rules of the house that no compiler knows, checked by `cargo xtask tidy` and by an ordinary test.

mod circles;
mod finding;
mod layers;
mod length;
mod manners;
mod modules;
mod report;
mod tokens;
mod unique;

pub(crate) use report::run;
