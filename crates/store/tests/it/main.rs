//! Tests of the store from outside, one binary.

mod common;
mod model;
mod opening;
