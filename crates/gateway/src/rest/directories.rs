//! This file is where the directories of all members are opened: what references lead to that belongs to no patient.

use super::gateway::Gateway;
use crate::{http::Refusal, visit::Asking};
use conformance::search::{Condition, Include, Query};
use primitives::{ChartId, Millis, Span};
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// How long the list of directories is used before the ledger is asked again.
const LISTED_FOR: Span = Span::secs(60);

/// The directories of other members, as they were listed.
#[derive(Default)]
pub(crate) struct Directories(Mutex<Option<(Millis, BTreeSet<ChartId>)>>);

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
        {
            let listed = self.directories.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, charts)) = &*listed
                && now.since(*at) < LISTED_FOR
            {
                return Ok(charts.clone());
            }
        }
        let all = asking.user.client().other_directories().await.map_err(|error| {
            tracing::warn!(%error, "the node doesn't say which charts are directories");
            super::refusals::stale()
        })?;
        let charts: BTreeSet<ChartId> = all.into_iter().map(|(chart, _)| chart).collect();
        let mut listed = self.directories.0.lock().unwrap_or_else(PoisonError::into_inner);
        *listed = Some((now, charts.clone()));
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
