//! Importing: FHIR files in, sealed and final charts out. Everything is read and checked before anything is written.

mod error;
mod frame;
mod imported;
mod patient;
mod plan;
mod run;

pub use error::ImportError;
pub use imported::Imported;
pub use run::{ImportOptions, NoProgress, Progress};
