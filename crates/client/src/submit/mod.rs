//! Acts: signed, handed in, final.

mod act;
mod error;

pub use error::SubmitError;
