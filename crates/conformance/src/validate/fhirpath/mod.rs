//! This folder is where FHIRPath is parsed and evaluated, as far as the invariants of R4 use it.
//!
//! The language is a part of FHIRPath N1: paths through typed elements, choices and contained resources, the operators,
//! and the functions that stand in [`Function`]. An expression outside of it does not compile, and a test compiles every
//! invariant. Values are borrowed from the scanned text, work is counted and bounded, and nothing is cloned by the tree.
//! docs/adr/0006 says why this is not a library.

mod eval;
mod expr;
mod item;
mod parse;

pub(super) use eval::{Scene, Stop, holds};
pub(super) use expr::Expr;
pub(super) use item::{Node, NodeKind};
pub(super) use parse::parse;
