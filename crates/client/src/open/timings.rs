//! This file is where it is told how long each part of opening took.

use primitives::Span;

/// How long each part of opening took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Timings {
    /// From the request to its receipt, the audit record included.
    pub consensus: Span,
    /// Fetching packs, while the trustees answer.
    pub fetch: Span,
    /// Gathering and combining shares, the packs' fetching included.
    pub release: Span,
    /// Decrypting.
    pub decrypt: Span,
}
