//! The gateway's authorisation and plumbing over real sockets, with assertions signed by a library that isn't ours.
#![expect(clippy::unwrap_used, reason = "a test that can't set itself up must fail")]

mod any_input;
mod fetching;
mod logs;
mod plumbing;
mod registry;
mod scopes;
mod tls;
mod tokens;
mod working;
mod world;
