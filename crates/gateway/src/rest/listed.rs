//! This file is where the list of other members' directories is kept for a while, so that not every request asks for it.

use primitives::{ChartId, Millis, Span};
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// The directories of other members, as they were listed.
#[derive(Default)]
pub(crate) struct Directories(Mutex<Option<(Millis, BTreeSet<ChartId>)>>);

impl Directories {
    /// The list, if it is new enough.
    pub(super) fn known(&self, now: Millis, lasts: Span) -> Option<BTreeSet<ChartId>> {
        let listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listed.as_ref().filter(|(at, _)| now.since(*at) < lasts).map(|(_, charts)| charts.clone())
    }

    /// Keeps a list.
    pub(super) fn learn(&self, now: Millis, charts: BTreeSet<ChartId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, charts));
    }
}
