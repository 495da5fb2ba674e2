//! This file is where what the benches measure has its form.

use crate::exit::Failure;

/// A bench's name, its parameters, its results.
pub(super) type Measured = Result<(&'static str, serde_json::Value, serde_json::Value), Failure>;

/// Milliseconds below which the given share of values lies.
pub(super) fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}
