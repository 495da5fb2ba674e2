//! Integration tests: the envelope as its callers use it.

extern crate horkos_envelope as envelope;

mod dealing;
mod differential;
mod golden;
mod packs;
mod release;
mod reshare;
mod secrets;
mod sharing;
mod tamper;
mod vectors;
mod world;
