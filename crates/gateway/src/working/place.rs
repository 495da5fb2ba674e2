//! This file is where it stands to what a resource belongs: the unit in which consent is decided.

use primitives::{ChartId, OrgId};

/// Chart, category and writing organisation: what an access is decided for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class {
    /// The chart.
    pub chart: ChartId,
    /// The category's name, as `general` or `HIV+PSY`.
    pub category: String,
    /// Who wrote it.
    pub writer: OrgId,
}

/// Where a resource stands here: its type and the id under which it is served.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The type.
    pub kind: &'static str,
    /// The id.
    pub id: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}
