//! This file is where visits to several charts are opened by one access, for searches over many patients: each patient's log
//! tells it.

use super::{
    asking::Asking,
    opening::LOOKS,
    visits::{Turn, Visits},
};
use crate::http::{IssueCode, Refusal};
use axum::http::StatusCode;
use client::open::OpenError;
use ledger::access::{CHARTS_TOGETHER_MAX, CLASSES_ASKED_TOO_MANY, DENIALS_TOO_MANY};
use primitives::ChartId;
use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};

impl Visits {
    /// Makes sure of a visit in each of these charts: one that lasts, or one that an access to all the others together opens.
    ///
    /// # Errors
    /// As [`Visits::open`]; 403 `too-costly` if they hold more than one access is decided for, or for break-glass, which opens
    /// the chart that is named.
    pub async fn open_together(&self, asking: &Asking, charts: BTreeSet<ChartId>) -> Result<(), Refusal> {
        let hand = asking.hand();
        let now = asking.user.client().host().now();
        self.fresh(now)?;
        let mut charts = charts;
        let may_ask = self.may_ask(asking, now);
        charts.retain(|chart| !self.goes_on(asking, chart, now, may_ask.is_ok()));
        if charts.is_empty() {
            return Ok(());
        }
        may_ask?;
        if asking.emergency.is_some() {
            return Err(too_costly("break-glass opens one chart at a time; name the patient"));
        }
        let turns: Vec<Turn> = {
            let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
            let turns =
                charts.iter().map(|chart| Arc::clone(opening.entry((hand.clone(), *chart)).or_default()));
            turns.collect()
        };
        let result = {
            // In the order of the charts: no two wait for each other.
            let mut held = Vec::with_capacity(turns.len());
            for turn in &turns {
                held.push(turn.lock().await);
            }
            self.opened_together(asking, charts).await
        };
        drop(turns);
        let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        opening.retain(|_, turn| Arc::strong_count(turn) > 1);
        result
    }

    /// Looks, and again where visits ended before they began.
    async fn opened_together(&self, asking: &Asking, mut charts: BTreeSet<ChartId>) -> Result<(), Refusal> {
        for _ in 0..LOOKS {
            let now = asking.user.client().host().now();
            charts.retain(|chart| !self.lasts(&asking.hand(), chart, now));
            if charts.is_empty() {
                break;
            }
            self.look_together(asking, charts.clone()).await?;
        }
        Ok(())
    }

    async fn look_together(&self, asking: &Asking, mut charts: BTreeSet<ChartId>) -> Result<(), Refusal> {
        let (hand, client) = (asking.hand(), asking.user.client());
        while !charts.is_empty() {
            let some: Vec<ChartId> = charts.iter().copied().take(CHARTS_TOGETHER_MAX).collect();
            // What happens from here on ends the visits, even before they have begun.
            let mark = self.watch.mark();
            let looks = match client.look_together(&some, asking.purpose, asking.request.as_ref()).await {
                Ok(looks) => looks,
                // One that isn't there shows nothing, and keeps nobody from the others.
                Err(OpenError::Unknown(chart)) if charts.remove(&chart) => continue,
                Err(OpenError::Submit(error)) if error.reject() == Some(CLASSES_ASKED_TOO_MANY) => {
                    return Err(too_costly(
                        "the charts hold too much to be opened together; name the patient",
                    ));
                }
                // Those that aren't denied are permitted each by itself.
                Err(OpenError::Submit(error)) if error.reject() == Some(DENIALS_TOO_MANY) => {
                    for chart in &some {
                        self.look(asking, &hand, *chart, mark).await?;
                    }
                    charts.retain(|chart| !some.contains(chart));
                    continue;
                }
                Err(error) => return Err(self.refused(error, client.host().now())),
            };
            for look in looks {
                self.taken_in(asking, &hand, look, mark).await?;
            }
            charts.retain(|chart| !some.contains(chart));
        }
        Ok(())
    }
}

fn too_costly(said: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, IssueCode::TooCostly, said)
}
