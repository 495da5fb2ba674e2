//! The `horkos` binary.
fn main() {}
