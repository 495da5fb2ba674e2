//! This file is where the caller says how a search is to be read: how strictly, within what bounds, and at what time.

/// What becomes of parameters that are not understood (the HTTP header `Prefer: handling=…`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// They are passed over and listed in [`super::Query::ignored`].
    #[default]
    Lenient,
    /// They are an error.
    Strict,
}

/// Bounds on what one search may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Parameters given, of any kind.
    pub params_max: usize,
    /// Values of all conditions together, those that a chain repeats for each type included.
    pub values_max: usize,
    /// Bytes of one parameter's name, and of its value.
    pub bytes_max: usize,
    /// Steps of a chain or of nested `_has`, both counted together.
    pub depth_max: usize,
    /// Types that chains may lead to, counted at every step: a chain over references to anything branches a hundredfold.
    pub branches_max: usize,
    /// Keys of `_sort`.
    pub sort_max: usize,
    /// The greatest `_count`; a greater one is lowered to it, as the specification allows.
    pub count_max: u32,
}

impl Default for Limits {
    /// 64 parameters, 1,000 values, 8 KiB each, 4 steps, 4,000 branches, 8 sort keys, 1,000 a page.
    fn default() -> Self {
        Self {
            params_max: 64,
            values_max: 1000,
            bytes_max: 8192,
            depth_max: 4,
            branches_max: 4000,
            sort_max: 8,
            count_max: 1000,
        }
    }
}

/// How a search is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What becomes of what is not understood.
    pub strictness: Strictness,
    /// The bounds.
    pub limits: Limits,
    /// The server's own base URL without a `/` at its end, as `https://example.org/fhir`. A reference in a query that
    /// starts with it is read as a relative one; references in resources are indexed as they stand.
    pub base: String,
    /// The present, in milliseconds since 1970 UTC: what `ap` on a date is measured from.
    pub now_ms: i64,
}
