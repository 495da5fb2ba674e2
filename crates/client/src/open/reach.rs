//! This file is where it is found out how far an access reaches: into which classes, and into whose charts besides.

use super::{Ask, Found, OpenError, Visit, visit::Asked};
use crate::{client::Client, contents::Contents, names::tags_within};
use ledger::{
    access::{DENIALS_TOO_MANY, Extent},
    charts::{self, Role},
    consent::Purpose,
};
use primitives::{ChartId, List, Millis, OrgId, Tag};
use std::collections::BTreeSet;

/// What was asked of the chart of another patient, whom a record of the one that is looked at names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beside {
    /// The other patient's chart.
    pub chart: ChartId,
    /// Whether anything of it is permitted, or she is treated and it is an empty stub of the reader's own organisation: only
    /// then is what names her shown.
    pub permitted: bool,
    /// Until when that holds, unless something happens in her chart before; none if it does for good.
    pub until: Option<Millis>,
    /// Lines of its log up to and with that access; 0 if none was made.
    pub lines: u64,
}

impl Client {
    /// How much is asked for: categories named are turned into the classes that there are.
    pub(crate) async fn extent(&self, ask: &Ask) -> Result<Extent, OpenError> {
        if ask.authored {
            return self.extent_authored(ask.chart).await;
        }
        if ask.categories.is_empty() {
            return Ok(Extent::All);
        }
        let key = self.tag_key(ask).await?;
        let tags = tags_within(&key, &ask.categories);
        let (classes, _) = self.view(|state| charts::classes(state, &ask.chart)).await?;
        let named: Vec<(Tag, OrgId)> = classes
            .into_iter()
            .filter(|class| tags.contains(&class.tag))
            .map(|class| (class.tag, class.writer))
            .collect();
        if named.is_empty() {
            return Err(OpenError::NothingThere);
        }
        Ok(Extent::Classes(List::try_from(named).map_err(|_| OpenError::NothingThere)?))
    }

    /// The classes that the reader's organisation wrote, as far as they aren't erased.
    async fn extent_authored(&self, chart: ChartId) -> Result<Extent, OpenError> {
        let lines = self.log(chart, 0).await?;
        if lines.is_empty() {
            return Err(OpenError::Unknown(chart));
        }
        let contents = Contents::of(&lines);
        let mine = contents
            .compartments
            .values()
            .filter(|kept| kept.role == Role::Records && !kept.erased && kept.writer == self.org);
        let tags: BTreeSet<Tag> = mine.map(|kept| kept.tag).collect();
        if tags.is_empty() {
            return Err(OpenError::NothingThere);
        }
        let classes: Vec<(Tag, OrgId)> = tags.into_iter().map(|tag| (tag, self.org.clone())).collect();
        Ok(Extent::Classes(List::try_from(classes).map_err(|_| OpenError::NothingThere)?))
    }

    /// Takes out what names other patients in whose charts the reader may not look.
    pub(crate) async fn without_strangers(
        &self,
        visit: &Visit,
        found: Vec<Found>,
    ) -> Result<(Vec<Found>, Vec<Beside>), OpenError> {
        let others: BTreeSet<ChartId> =
            found.iter().flat_map(|found| found.record.around.also.iter().copied()).collect();
        let mut all = Vec::with_capacity(others.len());
        for chart in others {
            all.push(self.may_look(chart, visit.decided.purpose).await?);
        }
        let allowed: BTreeSet<ChartId> =
            all.iter().filter(|beside| beside.permitted).map(|beside| beside.chart).collect();
        let is_allowed = |found: &Found| found.record.around.also.iter().all(|chart| allowed.contains(chart));
        let found: Vec<Found> = found.into_iter().filter(is_allowed).collect();
        Ok((found, all))
    }

    /// Whether the reader is permitted anything of another patient's chart: asked and recorded there like any access.
    async fn may_look(&self, chart: ChartId, purpose: Purpose) -> Result<Beside, OpenError> {
        let not = Beside { chart, permitted: false, until: None, lines: 0 };
        // An emergency of one patient opens nobody else's chart.
        if purpose == Purpose::BreakGlass {
            return Ok(not);
        }
        let reason = Some("a record of another patient names this one".to_owned());
        let asked = Asked { chart, purpose, extent: Extent::General, emergency: None, reason, request: None };
        match self.visit(&asked, &[]).await {
            Ok(visit) => Ok(Beside {
                chart,
                permitted: visit.decided.permitted() || visit.is_stub_of(&self.org),
                until: visit.decided.expires.into_iter().chain(visit.turns()).min(),
                lines: visit.lines.len() as u64,
            }),
            Err(OpenError::Unknown(_)) => Ok(not),
            // As many were denied as are recorded: it would be denied.
            Err(OpenError::Submit(error)) if error.reject() == Some(DENIALS_TOO_MANY) => Ok(not),
            Err(error) => Err(error),
        }
    }
}
