//! Tests of the store from outside, one binary.

mod common;
mod damage;
mod kill;
mod model;
mod opening;
mod packs;
mod power;
mod pruning;
