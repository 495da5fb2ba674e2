//! Four real nodes over loopback, used by the real client: the promises that only a whole network can keep.
#![expect(clippy::unwrap_used, reason = "a test that can't set itself up must fail")]

mod blind;
mod erasing;
mod following;
mod network;
mod outages;
mod races;
mod rotating;
mod tampered;
mod together;
mod trustees;
