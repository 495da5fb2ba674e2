//! This folder is where JSON text becomes a table of places, so that every value can be found again byte for byte.
//!
//! A parser that builds values loses what this crate exists to keep: digits, escapes, order, the place of a string. A
//! visitor over a general parser has no byte ranges for strings with escapes or for numbers. So the scanner here only
//! checks the grammar and notes where each value starts and ends; it agrees with serde_json about what is JSON (tested
//! on real and on mutated bundles), and refuses duplicate keys besides.

mod node;
mod scan;
mod text;
mod value;

pub use node::Kind;
pub use scan::Limits;
pub(crate) use text::escape;
pub use value::{Document, Value};
