//! This file is where it is told what an import did to a chart.

use crate::keys::ProfileName;
use primitives::{ChartId, PackRoot};
use serde::Serialize;

/// What an import did to one chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The chart.
    pub chart: ChartId,
    /// Resources written into it, new ones and new versions.
    pub records: usize,
    /// Resources that the chart had already, byte for byte, and that weren't written again.
    pub unchanged: usize,
    /// The last pack written; none if nothing was new.
    pub pack: Option<PackRoot>,
    /// Height of the block in which that became final; none if nothing was new.
    pub height: Option<u64>,
    /// All packs written, in order.
    pub packs: Vec<PackRoot>,
    /// Whether the chart is the organisation's directory.
    pub directory: bool,
    /// Whether the chart is new.
    pub created: bool,
    /// The patient's name, for the organisation that wrote it.
    pub name: Option<String>,
    /// The profile that was made for the patient, in a demonstration network.
    #[serde(serialize_with = "profile_name")]
    pub profile: Option<ProfileName>,
}

fn profile_name<S: serde::Serializer>(name: &Option<ProfileName>, serializer: S) -> Result<S::Ok, S::Error> {
    name.as_ref().map(ToString::to_string).serialize(serializer)
}
