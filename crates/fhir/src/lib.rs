//! This crate is where FHIR R4 JSON is read, assigned to patients and written again without losing a byte.
//!
//! It is pure: no I/O, no network, and it knows nothing of the ledger. What a clinician submitted is kept as the bytes
//! that came in; everything here works by pointing into them. The order of use when importing:
//!
//! 1. [`bundle::read`] takes the file, refuses what is malformed or not R4, and yields the entries.
//! 2. [`assign::assign`] says which patient's chart each entry belongs to, and what lies in the directory.
//! 3. [`category::Category::of`] says which sensitivity class a record has.
//! 4. [`references::links`] and [`references::splice`] rewrite references when a record is served.
//! 5. [`collect::collect`] writes a Bundle around records for `open` and `export`.
//!
//! [`phi`] lists a resource's sensitive strings, for tests that search everything for them.

pub mod assign;
pub mod bundle;
pub mod category;
pub mod collect;
mod definitions;
mod error;
pub mod json;
pub mod phi;
pub mod references;
pub mod stamp;
pub mod types;
mod version;

pub use bundle::{Bundle, BundleType, Entry, Resource};
pub use error::ReadError;
pub use json::Limits;
