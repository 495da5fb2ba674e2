//! This crate is where the published definitions of FHIR R4 are compiled: what a resource may look like, by what it is
//! found, and what a search asks for.
//!
//! It is pure: no I/O, no network, and it knows nothing of charts, consent or the ledger.

pub mod search;
pub mod validate;
