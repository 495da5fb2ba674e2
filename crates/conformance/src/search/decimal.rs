//! This file is where decimals of any precision become intervals whose ends sort as bytes.

/// A place between two numbers: just below or just above a decimal, or beyond all of them.
///
/// Its bytes sort (as `memcmp` does, in SQLite's BLOB and PostgreSQL's BYTEA) as the places do, exactly, whatever the
/// number of digits. At most 24 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cut(pub(super) Vec<u8>);

impl Cut {
    /// The bytes that sort.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An interval of numbers. A single number reaches from just below to just above itself; always `from < to`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Where it begins.
    pub from: Cut,
    /// Where it ends.
    pub to: Cut,
}
