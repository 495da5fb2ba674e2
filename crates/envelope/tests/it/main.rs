//! Integration tests: the envelope as its callers use it.

extern crate horkos_envelope as envelope;

mod dealing;
mod packs;
mod release;
mod reshare;
mod world;
