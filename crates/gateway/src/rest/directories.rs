//! This file is where the directories of all members are opened: what references lead to that belongs to no patient.

use super::gateway::Gateway;
use crate::{http::Refusal, visit::Asking};
use conformance::search::{Condition, Include, Query};
use primitives::ChartId;
use std::collections::BTreeSet;

impl Gateway {
    /// The organisation's own directory and those of other members, at most as many as one request may open.
    pub(crate) async fn directories(&self, asking: &Asking) -> Result<BTreeSet<ChartId>, Refusal> {
        let own = self.directory(asking).await?;
        let others = self.other_directories(asking).await?;
        Ok(own.into_iter().chain(others).take(self.visits.settings().batch_max).collect())
    }

    /// Opens the directories of all members: one access each, of which the visit then lasts for minutes.
    pub(crate) async fn open_directories(&self, asking: &Asking) -> Result<(), Refusal> {
        self.visits.fresh(self.now())?;
        let charts = self.directories(asking).await?;
        self.open_all(asking, charts).await
    }

    async fn other_directories(&self, asking: &Asking) -> Result<BTreeSet<ChartId>, Refusal> {
        let now = self.now();
        if let Some(charts) = self.directories.known(now, self.settings.directories_listed) {
            return Ok(charts);
        }
        let all = asking.user.client().other_directories().await.map_err(|error| {
            tracing::warn!(%error, "the node doesn't say which charts are directories");
            super::refusals::stale()
        })?;
        let charts: BTreeSet<ChartId> = all.into_iter().map(|(chart, _)| chart).collect();
        self.directories.learn(now, charts.clone());
        Ok(charts)
    }

    /// Whether a search leads from patients' charts to what may lie in a directory: by a chain, or by an include.
    pub(crate) fn leads_to_directories(&self, query: &Query) -> bool {
        let includes = |include: &Include| {
            let to = |kind: &&'static str| fhir::types::is_directory(kind);
            match include.target {
                Some(target) => to(&target),
                None => include.params.iter().any(|param| param.targets.iter().any(to)),
            }
        };
        query.includes.iter().any(includes) || query.conditions.iter().any(chains)
    }
}

fn chains(condition: &Condition) -> bool {
    match condition {
        Condition::Param { .. } => false,
        Condition::Chain { targets, .. } => {
            targets.iter().any(|(kind, condition)| fhir::types::is_directory(kind) || chains(condition))
        }
        Condition::Has { condition, .. } => chains(condition),
    }
}
