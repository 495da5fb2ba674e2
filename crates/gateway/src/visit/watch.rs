//! This file is where the gateway listens to the ledger: how new the newest final block is, and in which charts something
//! happened that may end a visit.

use client::{Client, FOLLOWED_MAX, Follower, Heard, rpc::CallError};
use ledger::Event;
use primitives::{ChartId, Millis, Span};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{Notify, watch};

/// How long one call waits for something to happen. Short enough that the newest block's time is never much older.
const WAIT: Span = Span::secs(1);

/// Pause after a call that failed.
const PAUSE: Span = Span(500);

/// What is heard of the ledger.
#[derive(Default)]
pub struct Watch {
    /// Time of the newest final block; 0 before the first was heard of.
    newest: AtomicU64,
    state: Mutex<State>,
    wake: Notify,
    happened: Notify,
}

#[derive(Default)]
struct State {
    /// Charts to be followed from a line on, not yet with the follower.
    waiting: BTreeMap<ChartId, u64>,
    /// Charts that need no longer be followed.
    leaving: BTreeSet<ChartId>,
    followed: BTreeSet<ChartId>,
    changed: Changed,
    /// How often something happened, in whatever chart.
    happened: u64,
    /// How often until it last happened in a chart: so that what happens while a chart is being opened isn't missed.
    last: BTreeMap<ChartId, u64>,
}

/// In which charts something happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// Visits end here.
    pub(super) charts: BTreeSet<ChartId>,
    /// And here something was erased.
    pub(super) erased: BTreeSet<ChartId>,
}

impl Watch {
    /// Time of the newest final block that was heard of.
    #[must_use]
    pub fn newest(&self) -> Option<Millis> {
        match self.newest.load(Ordering::Acquire) {
            0 => None,
            time => Some(Millis(time)),
        }
    }

    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes how things stand before a chart is opened.
    pub(super) fn mark(&self) -> u64 {
        self.state(|state| state.happened)
    }

    /// Follows a chart from this line of its log on. If something happened since the mark, the visit ends at once.
    pub(super) fn follow(&self, chart: ChartId, lines: u64, mark: u64) {
        self.state(|state| {
            if state.last.get(&chart).is_some_and(|last| *last > mark) {
                state.changed.charts.insert(chart);
            }
            state.leaving.remove(&chart);
            let from = state.waiting.entry(chart).or_insert(lines);
            *from = lines.min(*from);
        });
        self.wake.notify_one();
    }

    /// The charts in which something happened since this was last asked.
    pub(super) fn changed(&self) -> Changed {
        self.state(|state| std::mem::take(&mut state.changed))
    }

    /// Waits until something happens that ends visits.
    pub(super) async fn happens(&self) {
        self.happened.notified().await;
    }

    /// If so many charts are followed that there is hardly room for more: follows only those that are still needed, until
    /// somebody asks for others again.
    pub(super) fn make_room(&self, needed: &BTreeSet<ChartId>) {
        self.state(|state| {
            if state.followed.len() > FOLLOWED_MAX / 2 {
                let State { waiting, leaving, followed, .. } = state;
                let left = followed.difference(needed).filter(|chart| !waiting.contains_key(*chart));
                leaving.extend(left.copied());
            }
        });
    }

    fn heard(&self, heard: &Heard) {
        self.state(|state| {
            for line in heard.lines.iter().filter(|line| ends(line.event.as_ref())) {
                let chart = line.logged.chart;
                state.happened += 1;
                state.last.insert(chart, state.happened);
                state.changed.charts.insert(chart);
                if matches!(line.event, Some(Event::ErasureOrdered(_)) | None) {
                    state.changed.erased.insert(chart);
                }
            }
        });
        if self.state(|state| !state.changed.charts.is_empty()) {
            self.happened.notify_one();
        }
        // As long as there is more to be had, not all up to that block has been told.
        if !heard.more {
            self.newest.store(heard.as_of.time.0, Ordering::Release);
        }
    }

    /// Asks once how things stand, so that something can be served at once.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn begin(&self, client: &Client) -> Result<(), CallError> {
        let status = client.status().await?;
        self.newest.store(status.time.0, Ordering::Release);
        Ok(())
    }

    /// Listens until it is told to stop.
    pub async fn run(self: Arc<Self>, client: Client, mut stop: watch::Receiver<bool>) {
        let mut follower = client.follow();
        let mut wait = WAIT;
        loop {
            self.take_up(&mut follower);
            // A call that waits is broken off for a new chart; the one after that isn't, and answers at once. Else a gateway to
            // which new charts keep coming would never hear how new the newest block is.
            let breaks_off = wait > Span(0);
            let next = tokio::select! {
                next = follower.next(wait) => Some(next),
                () = self.wake.notified(), if breaks_off => None,
                _ = stop.changed() => return,
            };
            wait = if next.is_some() { WAIT } else { Span(0) };
            match next {
                None => {}
                Some(Ok(heard)) => self.heard(&heard),
                Some(Err(error)) => {
                    tracing::warn!(%error, "the node doesn't tell what happens on the ledger");
                    client.host().sleep(PAUSE).await;
                }
            }
        }
    }

    fn take_up(&self, follower: &mut Follower) {
        let (waiting, leaving) =
            self.state(|state| (std::mem::take(&mut state.waiting), std::mem::take(&mut state.leaving)));
        for chart in leaving {
            follower.remove(&chart);
        }
        for (chart, line) in waiting {
            // Somebody else's visit may still wait to be told of earlier lines: none is passed over.
            let known = follower.charts().find(|(known, _)| **known == chart).map(|(_, from)| from);
            if follower.add(chart, known.map_or(line, |from| from.min(line))).is_err() {
                // A chart that can't be followed is never browsed without a round: its visits end at once.
                self.state(|state| state.changed.charts.insert(chart));
                self.happened.notify_one();
            }
        }
        let followed = follower.charts().map(|(chart, _)| *chart).collect();
        self.state(|state| state.followed = followed);
    }
}

/// Whether an event may change what somebody may see. What isn't known may.
fn ends(event: Option<&Event>) -> bool {
    match event {
        Some(
            Event::Committed(_)
            | Event::Acknowledged(_)
            | Event::Decided(_)
            | Event::Repeated(_)
            | Event::ClaimOffered(_)
            | Event::Created(_),
        ) => false,
        Some(_) | None => true,
    }
}
