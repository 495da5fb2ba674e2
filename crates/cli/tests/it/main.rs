//! Tests that run the built binary: its help, its words about bad input, its whole demonstration.

mod bad_input;
mod demo;
mod golden;
mod run;
