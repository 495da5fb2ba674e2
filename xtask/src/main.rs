//! Project automation: tidy, goldens, docs.
fn main() {}
