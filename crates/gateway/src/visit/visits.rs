//! This file is where visits are opened and ended: the first touch of a chart makes an access, final on the ledger before
//! anything is shown; within the visit browsing costs no round.

use super::{
    asking::{Asking, Hand},
    ingest::ingest,
    watch::Watch,
};
use crate::{
    http::{IssueCode, Refusal},
    working::{Class, Sight, WorkingSet},
};
use axum::http::StatusCode;
use client::{
    open::{Ask, Emergency, Look, OpenError},
    rpc::CallError,
};
use ledger::access::Reason;
use primitives::{ChartId, Millis, OrgId, Span, TxId};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// How visits go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How long a visit lasts, in milliseconds; an access that expires sooner ends it sooner.
    pub visit: Span,
    /// How long a denial is remembered, in milliseconds; a change of consent ends it sooner.
    pub denied: Span,
    /// Older than this, in milliseconds, the newest final block may not be, or nothing is served.
    pub staleness_max: Span,
    /// Charts that one request may open besides those it names.
    pub batch_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            visit: Span::secs(15 * 60),
            denied: Span::secs(60),
            staleness_max: Span::secs(10),
            batch_max: 100,
        }
    }
}

/// One visit.
#[derive(Clone, Debug)]
struct Visit {
    access: TxId,
    height: u64,
    classes: BTreeSet<Class>,
    until: Millis,
}

/// What a visit rests on, for those who ask why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The access.
    pub access: TxId,
    /// The block in which it was decided.
    pub height: u64,
    /// What it permits.
    pub classes: BTreeSet<Class>,
    /// When the visit ends.
    pub until: Millis,
}

/// The visits of one hand, and what may be seen in all of them.
#[derive(Default)]
struct Round {
    visits: BTreeMap<ChartId, Visit>,
    sight: Option<(Millis, Sight)>,
}

/// Whoever holds it opens the chart; the others wait.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// All visits of a gateway.
pub struct Visits {
    set: WorkingSet,
    own: OrgId,
    settings: Settings,
    watch: Arc<Watch>,
    rounds: Mutex<BTreeMap<Hand, Round>>,
    /// One access at a time for a hand and a chart: who comes second gets the first one's visit.
    opening: Mutex<BTreeMap<(Hand, ChartId), Turn>>,
}

impl Visits {
    /// No visits yet.
    #[must_use]
    pub fn new(set: WorkingSet, own: OrgId, settings: Settings, watch: Arc<Watch>) -> Arc<Self> {
        Arc::new(Self { set, own, settings, watch, rounds: Mutex::default(), opening: Mutex::default() })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Refuses if the newest final block is too old: nothing is served unrecorded, and nothing past a revocation that
    /// hasn't been heard of.
    ///
    /// # Errors
    /// 503 with `Retry-After`.
    pub fn fresh(&self, now: Millis) -> Result<(), Refusal> {
        match self.watch.newest() {
            Some(time) if now.since(time) <= self.settings.staleness_max => Ok(()),
            Some(time) => {
                tracing::warn!(newest = time.0, now = now.0, "the newest final block is too old");
                Err(stale())
            }
            None => Err(stale()),
        }
    }

    /// Makes sure of a visit: one that lasts, or a new access. Whether anything was permitted shows in what is then seen.
    ///
    /// # Errors
    /// 503 if the ledger can't be reached, 403 if the user may not ask at all, 404 if there is no such chart.
    pub async fn open(&self, asking: &Asking, chart: ChartId) -> Result<(), Refusal> {
        let hand = asking.hand();
        let now = asking.user.client().host().now();
        self.fresh(now)?;
        if self.lasts(&hand, &chart, now) {
            return Ok(());
        }
        let turn = {
            let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(opening.entry((hand.clone(), chart)).or_default())
        };
        let result = {
            let _turn = turn.lock().await;
            if self.lasts(&hand, &chart, now) { Ok(()) } else { self.look(asking, &hand, chart).await }
        };
        drop(turn);
        let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        opening.retain(|_, turn| Arc::strong_count(turn) > 1);
        result
    }

    async fn look(&self, asking: &Asking, hand: &Hand, chart: ChartId) -> Result<(), Refusal> {
        let client = asking.user.client();
        let ask = Ask {
            // Nobody proved once more who it is: a token of a program says nothing of who sits before it.
            emergency: asking.emergency.as_ref().map(|_| Emergency { reason: Reason::Life, step_up: false }),
            reason: asking.emergency.as_ref().map(|emergency| emergency.reason.clone()),
            ..Ask::all(chart, asking.purpose)
        };
        // What happens from here on ends the visit, even before it has begun.
        let mark = self.watch.mark(&chart);
        let look = client.look(&ask).await.map_err(refused)?;
        let (set, own) = (self.set.clone(), self.own.clone());
        let look = client::host::heavy(&**client.host(), move || ingest(&set, &own, &look).map(|()| look))
            .await
            .map_err(broken)?;
        let now = client.host().now();
        let visit = self.visit(&look, now);
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let round = rounds.entry(hand.clone()).or_default();
        round.visits.insert(chart, visit);
        round.sight = None;
        drop(rounds);
        // Only now: what is heard ends the visits that stand there, and this one must be among them.
        self.watch.follow(chart, look.lines, mark);
        Ok(())
    }

    fn visit(&self, look: &Look, now: Millis) -> Visit {
        let permitted = look.classes.iter().filter(|class| class.decision.permit);
        let classes: BTreeSet<Class> = permitted
            .filter_map(|class| {
                let category = class.category.clone()?;
                Some(Class { chart: look.chart, category, writer: class.writer.clone() })
            })
            .collect();
        let lasts = if look.permitted { self.settings.visit } else { self.settings.denied };
        let until = now.plus(lasts);
        let until = look.expires.map_or(until, |expires| expires.min(until));
        Visit { access: look.access, height: look.as_of.height, classes, until }
    }

    fn lasts(&self, hand: &Hand, chart: &ChartId, now: Millis) -> bool {
        self.hear();
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let visit = rounds.get(hand).and_then(|round| round.visits.get(chart));
        visit.is_some_and(|visit| now < visit.until)
    }

    /// Ends the visits in charts in which something happened that may change what is permitted.
    fn hear(&self) {
        let changed = self.watch.changed();
        if changed.is_empty() {
            return;
        }
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        for round in rounds.values_mut() {
            round.visits.retain(|chart, _| !changed.contains(chart));
            round.sight = None;
        }
        drop(rounds);
        for chart in changed {
            self.tidy(&chart);
        }
    }

    /// Wipes what nobody may see any more.
    fn tidy(&self, chart: &ChartId) {
        let kept: BTreeSet<Class> = {
            let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
            let visits = rounds.values().filter_map(|round| round.visits.get(chart));
            visits.flat_map(|visit| visit.classes.iter().cloned()).collect()
        };
        if let Err(error) = self.set.purge(chart, &kept) {
            tracing::error!(%error, "what nobody may see any more can't be wiped from the working set");
        }
    }

    /// What may be seen now, in all visits of this hand together.
    ///
    /// # Errors
    /// 503 if the newest final block is too old, 500 if the working set fails.
    pub fn sight(&self, asking: &Asking) -> Result<Sight, Refusal> {
        let now = asking.user.client().host().now();
        self.fresh(now)?;
        self.hear();
        let mut ended = BTreeSet::new();
        let sight = {
            let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(round) = rounds.get_mut(&asking.hand()) else { return Ok(Sight::default()) };
            if let Some((until, sight)) = &round.sight
                && now < *until
            {
                return Ok(sight.clone());
            }
            round.visits.retain(|chart, visit| {
                let lasts = now < visit.until;
                if !lasts {
                    ended.insert(*chart);
                }
                lasts
            });
            let until = round.visits.values().map(|visit| visit.until).min().unwrap_or(now);
            let classes = round.visits.values().flat_map(|visit| &visit.classes);
            let charts = round.visits.iter().filter(|(_, visit)| !visit.classes.is_empty());
            let sight = self.set.sight(classes, charts.map(|(chart, _)| chart)).map_err(broken)?;
            round.sight = Some((until, sight.clone()));
            sight
        };
        for chart in ended {
            self.tidy(&chart);
        }
        Ok(sight)
    }

    /// What the visit in a chart rests on, if there is one.
    #[must_use]
    pub fn seen(&self, asking: &Asking, chart: &ChartId) -> Option<Seen> {
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let visit = rounds.get(&asking.hand())?.visits.get(chart)?;
        Some(Seen {
            access: visit.access,
            height: visit.height,
            classes: visit.classes.clone(),
            until: visit.until,
        })
    }

    /// Tells that the organisation has written into these classes: whoever's visit doesn't cover one of them makes a new
    /// access at the next touch, and sees in every other case what was written at once.
    pub fn written(&self, classes: &BTreeSet<Class>) {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        for round in rounds.values_mut() {
            for class in classes {
                if round.visits.get(&class.chart).is_some_and(|visit| !visit.classes.contains(class)) {
                    round.visits.remove(&class.chart);
                }
            }
            // A class that is new to the working set has a number only now.
            round.sight = None;
        }
    }
}

fn stale() -> Refusal {
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        IssueCode::Transient,
        "the ledger can't be reached or is behind; nothing is served unrecorded, try again soon",
    )
    .retry_after(5)
}

fn broken(error: crate::working::WorkingError) -> Refusal {
    tracing::error!(%error, "the working set fails");
    Refusal::fault()
}

/// How an access that couldn't be made is told.
fn refused(error: OpenError) -> Refusal {
    match error {
        OpenError::Unknown(_) => {
            Refusal::new(StatusCode::NOT_FOUND, IssueCode::NotFound, "there is no such resource")
        }
        OpenError::NoReason => Refusal::new(
            StatusCode::FORBIDDEN,
            IssueCode::Forbidden,
            "break-glass is for practitioners, with a reason in words",
        ),
        OpenError::Submit(error) if error.reject().is_some() => {
            let said = format!("the ledger refuses the access: {error}");
            Refusal::new(StatusCode::FORBIDDEN, IssueCode::BusinessRule, said)
        }
        OpenError::Submit(_) | OpenError::Call(CallError::Unreachable { .. }) => stale(),
        error => {
            tracing::error!(%error, "a chart doesn't open");
            stale()
        }
    }
}
