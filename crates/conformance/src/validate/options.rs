//! This file is where a caller says what is checked, and within which bounds.

/// What is checked, and within which bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether the FHIRPath invariants are evaluated too. Without them checking is several times as fast; the rules that
    /// are part of the structure (`dom-2`, `dom-3`, `ele-1`, `ext-1`, `ref-1`, `txt-1`, `txt-2`) are checked anyway.
    pub invariants: bool,
    /// Errors after which checking stops, and issues after which further warnings are left out, at most twice as many in
    /// all; a last issue of severity information says so.
    pub issues_max: usize,
    /// Elements nested in each other; deeper ones are an issue and aren't looked at.
    pub depth_max: usize,
    /// Elements that all FHIRPath expressions together may look at. What is left then is reported once, as a warning.
    pub steps_max: usize,
}

impl Default for Options {
    /// Invariants, 100 issues, 100 levels, 20 million steps.
    fn default() -> Self {
        Self { invariants: true, issues_max: 100, depth_max: 100, steps_max: 20_000_000 }
    }
}

impl Options {
    /// The default without invariants, for bulk loads.
    #[must_use]
    pub fn structure_only() -> Self {
        Self { invariants: false, ..Self::default() }
    }
}
