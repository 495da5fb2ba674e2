//! This file is where dates of any precision become intervals of instants.

/// A stretch of time in milliseconds since 1970-01-01T00:00:00Z, `from` included, `to` excluded; always `from < to`.
///
/// `2013-01` is the whole month; a second is 1000 ms. Without a time zone, UTC is taken. What is open (a Period without an
/// end) reaches to `i64::MIN` or `i64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    /// The first millisecond in it.
    pub from: i64,
    /// The first millisecond after it.
    pub to: i64,
}
