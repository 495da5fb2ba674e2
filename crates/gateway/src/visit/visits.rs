//! This file is where visits are opened and ended: the first touch of a chart makes an access, final on the ledger before
//! anything is shown; within the visit browsing costs no round.

use super::{
    asking::{Asking, Hand},
    ingest::ingest,
    watch::{Changed, Watch},
};
use crate::{
    http::{IssueCode, Refusal},
    working::{Class, Sight, WorkingError, WorkingSet},
};
use axum::http::StatusCode;
use client::{
    FOLLOWED_MAX, Host,
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

/// How often a chart is looked at for one request, if things go on happening in it that end visits.
pub(super) const LOOKS: u32 = 3;

/// One visit.
#[derive(Clone, Debug)]
struct Visit {
    access: TxId,
    height: u64,
    classes: BTreeSet<Class>,
    /// Whether the organisation answers for the chart.
    is_custodian: bool,
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
pub(super) type Turn = Arc<tokio::sync::Mutex<()>>;

/// All visits of a gateway.
pub struct Visits {
    set: WorkingSet,
    own: OrgId,
    settings: Settings,
    pub(super) watch: Arc<Watch>,
    rounds: Arc<Mutex<BTreeMap<Hand, Round>>>,
    /// Held while a chart is taken in until its visit stands, and while it is wiped but for what visits see: so that nothing
    /// is wiped of which a visit is about to stand.
    wiping: Arc<Mutex<()>>,
    /// One access at a time for a hand and a chart: who comes second gets the first one's visit.
    pub(super) opening: Mutex<BTreeMap<(Hand, ChartId), Turn>>,
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
        })
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
            self.opened(asking, &hand, chart).await
        };
        drop(turn);
        let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        opening.retain(|_, turn| Arc::strong_count(turn) > 1);
        result
    }

    /// Looks, and again if the visit ended before it began.
    async fn opened(&self, asking: &Asking, hand: &Hand, chart: ChartId) -> Result<(), Refusal> {
        for _ in 0..LOOKS {
            // What happens from here on ends the visit, even before it has begun; what happened before is heard right after.
            let mark = self.watch.mark(&chart);
            if self.lasts(hand, &chart, asking.user.client().host().now()) {
                return Ok(());
            }
            self.look(asking, hand, chart, mark).await?;
        }
        Ok(())
    }

    async fn look(&self, asking: &Asking, hand: &Hand, chart: ChartId, mark: u64) -> Result<(), Refusal> {
        let client = asking.user.client();
        let ask = Ask {
            // Nobody proved once more who it is: a token of a program says nothing of who sits before it.
            emergency: asking.emergency.as_ref().map(|_| Emergency { reason: Reason::Life, step_up: false }),
            reason: asking.emergency.as_ref().map(|emergency| emergency.reason.clone()),
            request: asking.request.clone(),
            ..Ask::all(chart, asking.purpose)
        };
        let look = client.look(&ask).await.map_err(refused)?;
        self.taken_in(asking, hand, look, mark).await
    }

    /// Takes in what a look brought, and lets the visit begin. `mark` is from before the look.
    pub(super) async fn taken_in(
        &self,
        asking: &Asking,
        hand: &Hand,
        look: Look,
        mark: u64,
    ) -> Result<(), Refusal> {
        let client = asking.user.client();
        let chart = look.chart;
        let visit = self.visit(&look, client.host().now());
        let lines = look.lines;
        let (set, own, hand) = (self.set.clone(), self.own.clone(), hand.clone());
        let (rounds, wiping) = (Arc::clone(&self.rounds), Arc::clone(&self.wiping));
        let taken_in = client::host::heavy(&**client.host(), move || {
            let _nobody_wipes = wiping.lock().unwrap_or_else(PoisonError::into_inner);
            ingest(&set, &own, &look)?;
            let mut rounds = rounds.lock().unwrap_or_else(PoisonError::into_inner);
            let round = rounds.entry(hand).or_default();
            round.visits.insert(chart, visit);
            round.sight = None;
            Ok(())
        });
        taken_in.await.map_err(broken)?;
        // Only now: what is heard ends the visits that stand there, and this one must be among them.
        self.watch.follow(chart, lines, mark);
        Ok(())
    }

    fn visit(&self, look: &Look, now: Millis) -> Visit {
        let permitted = look.classes.iter().filter(|class| class.decision.permit);
        let mut classes: BTreeSet<Class> = permitted
            .filter_map(|class| {
                let category = class.category.clone()?;
                Some(Class { chart: look.chart, category, writer: class.writer.clone() })
            })
            .collect();
        let is_custodian = look.custodian.as_ref() == Some(&self.own);
        // Whoever may see something of a chart sees who looked: the organisation's own accesses, the custodian all of them.
        if !classes.is_empty() {
            classes.insert(Class::of_ledger(look.chart, &self.own, true));
            if is_custodian {
                classes.insert(Class::of_ledger(look.chart, &self.own, false));
            }
        }
        let lasts = if look.permitted { self.settings.visit } else { self.settings.denied };
        let until = now.plus(lasts);
        // An access outlives the directive that permits it; what it brought is shown no longer than that.
        let until = [look.expires, look.turns].into_iter().flatten().fold(until, Millis::min);
        Visit { access: look.access, height: look.as_of.height, classes, is_custodian, until }
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
        for chart in &erased {
            if let Err(error) = self.set.hollow(chart) {
                tracing::error!(%error, "what was erased can't be wiped from the working set");
            }
        }
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
            let needed = rounds.values().flat_map(|round| round.visits.keys().copied()).collect();
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
                self.watch.follow(chart, lines, self.watch.mark(&chart));
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

    /// The charts in which there is a visit now, be it one that permits nothing.
    #[must_use]
    pub fn visited(&self, asking: &Asking) -> BTreeSet<ChartId> {
        let now = asking.user.client().host().now();
        self.hear();
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let visits = rounds.get(&asking.hand()).into_iter().flat_map(|round| &round.visits);
        visits.filter(|(_, visit)| now < visit.until).map(|(chart, _)| *chart).collect()
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
        }
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

fn broken(error: WorkingError) -> Refusal {
    tracing::error!(%error, "the working set fails");
    Refusal::fault()
}

/// How an access that couldn't be made is told.
pub(super) fn refused(error: OpenError) -> Refusal {
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
        OpenError::Submit(error) => {
            tracing::warn!(%error, "an access isn't final");
            stale()
        }
        OpenError::Call(CallError::Unreachable { .. }) => stale(),
        error => {
            tracing::error!(%error, "a chart doesn't open");
            stale()
        }
    }
}
