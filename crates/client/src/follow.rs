//! This file is where charts are followed: what happens in them, as soon as the node has executed it, and how new the
//! newest final block is.

use crate::{
    client::Client,
    read::{AsOf, Line},
    rpc::CallError,
    wire::{Follow, Followed, Following},
};
use primitives::{ChartId, List, Millis, Span};
use std::collections::BTreeMap;

/// Most charts followed at once.
pub const FOLLOWED_MAX: usize = 8192;

/// How much longer than asked for an answer may take on its way.
const ON_THE_WAY: Span = Span::secs(10);

/// Follows charts. What happens between two calls of [`Follower::next`] is told by the next one: nothing is left out, whenever
/// a chart was added. Dropping the future of `next` loses nothing.
pub struct Follower {
    client: Client,
    /// For each chart the first line that isn't known yet.
    charts: BTreeMap<ChartId, u64>,
    as_of: AsOf,
}

/// Too many charts are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{FOLLOWED_MAX} charts are followed already; stop following one")]
pub struct TooManyFollowed;

/// What was heard.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The newest block that the node has executed. All that happened in the followed charts up to it has been told,
    /// unless there is more to be had at once.
    pub as_of: AsOf,
    /// What happened, chart by chart, each chart's lines in order and without gaps.
    pub lines: Vec<Line>,
    /// Whether there is more to be had at once.
    pub more: bool,
}

impl Heard {
    /// How old the newest final block is by this clock.
    #[must_use]
    pub fn age(&self, now: Millis) -> Span {
        now.since(self.as_of.time)
    }
}

impl Client {
    /// Follows charts, none at first.
    #[must_use]
    pub fn follow(&self) -> Follower {
        Follower { client: self.clone(), charts: BTreeMap::new(), as_of: AsOf::default() }
    }
}

impl Follower {
    /// Follows a chart from this line of its log on; see [`crate::open::Look::lines`].
    ///
    /// # Errors
    /// [`TooManyFollowed`].
    pub fn add(&mut self, chart: ChartId, from: u64) -> Result<(), TooManyFollowed> {
        if self.charts.len() >= FOLLOWED_MAX && !self.charts.contains_key(&chart) {
            return Err(TooManyFollowed);
        }
        self.charts.insert(chart, from);
        Ok(())
    }

    /// Stops following a chart.
    pub fn remove(&mut self, chart: &ChartId) {
        self.charts.remove(chart);
    }

    /// The charts that are followed, each with its first line that isn't known yet.
    pub fn charts(&self) -> impl Iterator<Item = (&ChartId, u64)> {
        self.charts.iter().map(|(chart, from)| (chart, *from))
    }

    /// The newest block heard of.
    #[must_use]
    pub fn as_of(&self) -> AsOf {
        self.as_of
    }

    /// Waits until something happens in a followed chart, at most so long (and at most 30 seconds), and tells it.
    ///
    /// # Errors
    /// [`CallError`]; nothing is lost by it, call again.
    pub async fn next(&mut self, wait: Span) -> Result<Heard, CallError> {
        let charts: Vec<(ChartId, u64)> = self.charts.iter().map(|(chart, from)| (*chart, *from)).collect();
        let asked = Following { charts: List::try_from(charts).unwrap_or_default(), wait };
        let limit = Span(wait.0.saturating_add(ON_THE_WAY.0));
        let Followed { height, time, lines, more } =
            self.client.node.call_within::<Follow>(&asked, limit).await?;
        let mut known = self.charts.clone();
        for line in &lines {
            match known.get_mut(&line.chart) {
                Some(next) if *next == line.index => *next = next.saturating_add(1),
                Some(_) | None => {
                    return Err(self.client.malformed("follow", "lines are missing or of another chart"));
                }
            }
        }
        if height < self.as_of.height {
            return Err(self.client.malformed("follow", "the node has gone back in time"));
        }
        self.charts = known;
        self.as_of = AsOf { height, time };
        Ok(Heard { as_of: self.as_of, lines: lines.into_iter().map(Line::from).collect(), more })
    }
}
