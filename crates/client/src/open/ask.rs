//! This file is where it stands what a user asks for when she opens a chart.

use crate::record::RequestName;
use fhir::category::Category;
use ledger::{access::Reason, consent::Purpose};
use primitives::ChartId;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The chart.
    pub chart: ChartId,
    /// What for. With an emergency it is break-glass, whatever stands here.
    pub purpose: Purpose,
    /// Only these categories; none named asks for all that there is.
    pub categories: Vec<Category>,
    /// Only what the reader's own organisation wrote; then no categories are named.
    pub authored: bool,
    /// The emergency, if one is declared.
    pub emergency: Option<Emergency>,
    /// Why, in words: goes, sealed, into the chart's audit record.
    pub reason: Option<String>,
    /// The name of the program's request: goes, sealed, into the audit record, and into the organisation's own note of the
    /// access; see [`crate::Client::request_of`].
    pub request: Option<RequestName>,
}

/// A declared emergency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// Why, as the ledger tells it.
    pub reason: Reason,
    /// Whether the practitioner proved once more who it is.
    pub step_up: bool,
}

impl Ask {
    /// Asks for the whole chart.
    #[must_use]
    pub fn all(chart: ChartId, purpose: Purpose) -> Self {
        Self {
            chart,
            purpose,
            categories: Vec::new(),
            authored: false,
            emergency: None,
            reason: None,
            request: None,
        }
    }
}
