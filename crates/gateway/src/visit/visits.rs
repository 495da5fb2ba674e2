//! This file is where visits are opened and ended: the first touch of a chart makes an access, final on the ledger before
//! anything is shown; within the visit browsing costs no round.

use super::{
    asking::{Asking, Hand},
    watch::{Changed, Watch},
};
use crate::{
    http::Refusal,
    working::{Class, Sight, WorkingError, WorkingSet},
};
use client::{FOLLOWED_MAX, Host};
use primitives::{ChartId, Millis, OrgId, Span, TxId};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
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
    /// How long it takes at least, in milliseconds, to be told that something isn't there. What is there and hidden costs a
    /// first access, which is recorded; as long as that takes no longer than this, the two can't be told apart by a clock.
    /// 0 answers at once.
    pub missing_min: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            visit: Span::secs(15 * 60),
            denied: Span::secs(60),
            staleness_max: Span::secs(10),
            batch_max: 100,
            missing_min: Span(200),
        }
    }
}

/// How often it is looked whether a visit's time has come, if nothing else happens.
const TEND: Span = Span::secs(1);

/// One visit.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// None if the ledger didn't even record that it was denied.
    pub(super) access: Option<TxId>,
    pub(super) height: u64,
    pub(super) classes: BTreeSet<Class>,
    /// The charts of other patients whom its records name, each with whether she may be named: it ends with them.
    pub(super) beside: BTreeMap<ChartId, bool>,
    /// What all of that lets be seen, as long as nothing new came into the working set.
    pub(super) sight: Option<Sight>,
    /// Whether the organisation answers for the chart.
    pub(super) is_custodian: bool,
    /// Whether its user had just signed in anew for it.
    pub(super) stepped_up: bool,
    pub(super) until: Millis,
}

impl Visit {
    /// One that shows nothing, until then.
    pub(super) fn blind(until: Millis) -> Self {
        Self {
            access: None,
            height: 0,
            classes: BTreeSet::new(),
            beside: BTreeMap::new(),
            sight: None,
            is_custodian: false,
            stepped_up: false,
            until,
        }
    }

    /// What it lets be seen. No class that it holds is taken out of the working set as long as it lasts.
    fn sees(&self, set: &WorkingSet, chart: &ChartId) -> Result<Sight, WorkingError> {
        let mut beside =
            self.beside.iter().filter(|(_, may_be_named)| **may_be_named).map(|(chart, _)| chart).peekable();
        if self.classes.is_empty() && beside.peek().is_none() {
            return Ok(Sight::default());
        }
        let chart = Some(chart).filter(|_| !self.classes.is_empty());
        set.sight_beside(&self.classes, chart, beside)
    }
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
pub(super) struct Round {
    pub(super) visits: BTreeMap<ChartId, Visit>,
    pub(super) sight: Option<(Millis, Sight)>,
}

/// Whoever holds it opens the chart; the others wait.
pub(super) type Turn = Arc<tokio::sync::Mutex<()>>;

/// All visits of a gateway.
pub struct Visits {
    pub(super) set: WorkingSet,
    pub(super) own: OrgId,
    pub(super) settings: Settings,
    pub(super) watch: Arc<Watch>,
    pub(super) rounds: Arc<Mutex<BTreeMap<Hand, Round>>>,
    /// Held while a chart is taken in until its visit stands, and while it is wiped but for what visits see: so that nothing
    /// is wiped of which a visit is about to stand.
    pub(super) wiping: Arc<Mutex<()>>,
    /// One access at a time for a hand and a chart: who comes second gets the first one's visit.
    pub(super) opening: Mutex<BTreeMap<(Hand, ChartId), Turn>>,
    /// Until when no access is asked for, as the organisation has used up what the ledger takes from it.
    pub(super) crowded: AtomicU64,
}

impl Visits {
    /// No visits yet.
    #[must_use]
    pub fn new(set: WorkingSet, own: OrgId, settings: Settings, watch: Arc<Watch>) -> Arc<Self> {
        Arc::new(Self {
            set,
            own,
            settings,
            watch,
            rounds: Arc::default(),
            wiping: Arc::default(),
            opening: Mutex::default(),
            crowded: AtomicU64::new(0),
        })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn lasts(&self, hand: &Hand, chart: &ChartId, now: Millis) -> bool {
        self.hear();
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let visit = rounds.get(hand).and_then(|round| round.visits.get(chart));
        visit.is_some_and(|visit| now < visit.until)
    }

    /// Ends the visits in charts in which something happened that may change what is permitted.
    fn hear(&self) {
        // Under the lock: what one has heard and not yet carried out, no other may pass by.
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let Changed { charts: changed, erased } = self.watch.changed();
        if changed.is_empty() {
            return;
        }
        let mut ended = changed.clone();
        for chart in &erased {
            if let Err(error) = self.set.hollow(chart) {
                tracing::error!(%error, "what was erased can't be wiped from the working set");
            }
        }
        for round in rounds.values_mut() {
            round.visits.retain(|chart, visit| {
                let is_over =
                    changed.contains(chart) || visit.beside.keys().any(|other| changed.contains(other));
                if is_over {
                    ended.insert(*chart);
                }
                !is_over
            });
            round.sight = None;
        }
        drop(rounds);
        for chart in ended {
            self.tidy(&chart);
        }
    }

    /// Wipes what nobody may see any more.
    fn tidy(&self, chart: &ChartId) {
        let _nobody_takes_in = self.wiping.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: BTreeSet<Class> = {
            let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
            let visits = rounds.values().filter_map(|round| round.visits.get(chart));
            visits.flat_map(|visit| visit.classes.iter().cloned()).collect()
        };
        if let Err(error) = self.set.purge(chart, &kept) {
            tracing::error!(%error, "what nobody may see any more can't be wiped from the working set");
        }
    }

    /// Ends visits when their time has come or the ledger ends them, and wipes what nobody may see any more: whether anybody
    /// asks again or not. Until it is told to stop.
    pub async fn tend(self: Arc<Self>, host: Arc<dyn Host>, mut stop: tokio::sync::watch::Receiver<bool>) {
        loop {
            let (visits, machine) = (Arc::clone(&self), Arc::clone(&host));
            client::host::heavy(&*host, move || {
                visits.hear();
                visits.end(machine.now());
            })
            .await;
            tokio::select! {
                () = self.watch.happens() => {}
                () = host.sleep(TEND) => {}
                _ = stop.changed() => return,
            }
        }
    }

    /// Ends the visits whose time has come.
    fn end(&self, now: Millis) {
        let mut ended = BTreeSet::new();
        {
            let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
            for round in rounds.values_mut() {
                let before = round.visits.len();
                round.visits.retain(|chart, visit| {
                    let lasts = now < visit.until;
                    if !lasts {
                        ended.insert(*chart);
                    }
                    lasts
                });
                if round.visits.len() < before {
                    round.sight = None;
                }
            }
            rounds.retain(|_, round| !round.visits.is_empty());
            let visits = rounds.values().flat_map(|round| &round.visits);
            let needed =
                visits.flat_map(|(chart, visit)| visit.beside.keys().chain([chart]).copied()).collect();
            // Under the lock: who opens a chart asks for it to be followed only after the visit stands here.
            self.watch.make_room(&needed);
        }
        for chart in ended {
            self.tidy(&chart);
        }
    }

    /// Takes up what an earlier run left in the working set: nobody may see what others wrote until somebody opens it again,
    /// and what was erased meanwhile is heard of.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn resume(&self) -> Result<(), WorkingError> {
        for (place, (chart, lines)) in self.set.charts(usize::MAX)?.into_iter().enumerate() {
            self.set.purge(&chart, &BTreeSet::new())?;
            // The newest; of the others it is heard when they are next opened, before anything of them is served.
            if place < FOLLOWED_MAX / 2 {
                self.watch.follow(chart, lines, self.watch.mark());
            }
        }
        Ok(())
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
            for (chart, visit) in round.visits.iter_mut().filter(|(_, visit)| visit.sight.is_none()) {
                visit.sight = Some(visit.sees(&self.set, chart).map_err(broken)?);
            }
            let sight = Sight::all(round.visits.values().filter_map(|visit| visit.sight.as_ref()));
            round.sight = Some((until, sight.clone()));
            sight
        };
        for chart in ended {
            self.tidy(&chart);
        }
        Ok(sight)
    }

    /// The charts in which there is a visit now, be it one that permits nothing.
    #[must_use]
    pub fn visited(&self, asking: &Asking) -> BTreeSet<ChartId> {
        let now = asking.user.client().host().now();
        self.hear();
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let visits = rounds.get(&asking.hand()).into_iter().flat_map(|round| &round.visits);
        visits.filter(|(_, visit)| now < visit.until).map(|(chart, _)| *chart).collect()
    }

    /// Whether there is a visit in a chart that permits anything.
    pub(crate) fn permits(&self, asking: &Asking, chart: &ChartId) -> bool {
        let now = asking.user.client().host().now();
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let visit = rounds.get(&asking.hand()).and_then(|round| round.visits.get(chart));
        visit.is_some_and(|visit| now < visit.until && !visit.classes.is_empty())
    }

    /// What the visit in a chart rests on, if there is one.
    #[must_use]
    pub fn seen(&self, asking: &Asking, chart: &ChartId) -> Option<Seen> {
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let visit = rounds.get(&asking.hand())?.visits.get(chart)?;
        Some(Seen {
            access: visit.access?,
            height: visit.height,
            classes: visit.classes.clone(),
            until: visit.until,
        })
    }

    /// The charts in which this hand has a visit that permits anything, each with whether the organisation answers for it.
    #[must_use]
    pub fn open_charts(&self, asking: &Asking) -> Vec<(ChartId, bool)> {
        let now = asking.user.client().host().now();
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(round) = rounds.get(&asking.hand()) else { return Vec::new() };
        let open = round.visits.iter().filter(|(_, visit)| now < visit.until && !visit.classes.is_empty());
        open.map(|(chart, visit)| (*chart, visit.is_custodian)).collect()
    }

    /// Tells that the working set may hold classes that it didn't before.
    pub fn grown(&self) {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        for round in rounds.values_mut() {
            round.sight = None;
            for visit in round.visits.values_mut() {
                visit.sight = None;
            }
        }
    }

    /// Tells that the organisation has written into these classes: whoever's visit doesn't cover one of them makes a new
    /// access at the next touch, and sees in every other case what was written at once.
    pub fn written(&self, classes: &BTreeSet<Class>) {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        for round in rounds.values_mut() {
            for class in classes {
                match round.visits.get_mut(&class.chart) {
                    // A class that is new to the working set has a number only now.
                    Some(visit) if visit.classes.contains(class) => visit.sight = None,
                    Some(_) => drop(round.visits.remove(&class.chart)),
                    None => continue,
                }
                round.sight = None;
            }
        }
    }
}

pub(super) fn broken(error: WorkingError) -> Refusal {
    tracing::error!(%error, "the working set fails");
    Refusal::fault()
}
