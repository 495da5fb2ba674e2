//! The gateway's authorisation and plumbing over real sockets, with assertions signed by a library that isn't ours; and all
//! that it serves over a network of real nodes.
#![expect(clippy::unwrap_used, reason = "a test that can't set itself up must fail")]

// The nodes' own tests lay networks out, too: under the crate's own name.
extern crate node as horkos_node;

mod any_input;
mod audited;
mod doors;
mod emergency;
mod ending;
mod fetching;
mod leaks;
mod logs;
mod manners;
#[expect(dead_code, reason = "the nodes' own tests use more of it")]
#[path = "../../../node/tests/it/network.rs"]
mod network;
mod pages;
mod plumbing;
mod registry;
mod scopes;
mod searches;
mod stale;
mod tls;
mod tokens;
mod town;
mod transactions;
mod wire;
mod working;
mod world;
