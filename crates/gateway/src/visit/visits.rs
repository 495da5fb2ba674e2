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
use ledger::{
    access::{DENIALS_TOO_MANY, Reason},
    reject,
};
use primitives::{ChartId, Millis, OrgId, Span, TxId};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
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

/// How long nothing is asked of the ledger after it said that the organisation has used up its share.
const CROWDED: Span = Span::secs(5);

/// How often a chart is looked at for one request, if things go on happening in it that end visits.
pub(super) const LOOKS: u32 = 3;

/// One visit.
#[derive(Clone, Debug)]
struct Visit {
    /// None if the ledger didn't even record that it was denied.
    access: Option<TxId>,
    height: u64,
    classes: BTreeSet<Class>,
    /// The charts of other patients whom its records name, each with whether anything of it is permitted: it ends with them.
    beside: BTreeMap<ChartId, bool>,
    /// What all of that lets be seen, as long as nothing new came into the working set.
    sight: Option<Sight>,
    /// Whether the organisation answers for the chart.
    is_custodian: bool,
    /// Whether its user had just signed in anew for it.
    stepped_up: bool,
    until: Millis,
}

impl Visit {
    /// One that shows nothing, until then.
    fn blind(until: Millis) -> Self {
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
        if self.classes.is_empty() {
            return Ok(Sight::default());
        }
        let beside = self.beside.iter().filter(|(_, permitted)| **permitted).map(|(chart, _)| chart);
        set.sight_beside(&self.classes, [chart], beside)
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
    /// Until when no access is asked for, as the organisation has used up what the ledger takes from it.
    crowded: AtomicU64,
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

    /// As [`Visits::fresh`], and whether an access could be made now: asked where none is made too, so that what isn't there
    /// answers like that for which it would be refused.
    ///
    /// # Errors
    /// 503 with `Retry-After`, 401 for an emergency before which the user must sign in anew.
    pub fn may_ask(&self, asking: &Asking, now: Millis) -> Result<(), Refusal> {
        self.fresh(now)?;
        if let Some(refusal) = asking.due() {
            return Err(refusal.clone());
        }
        let until = Millis(self.crowded.load(Ordering::Acquire));
        if now < until { Err(crowded()) } else { Ok(()) }
    }

    /// Whether a visit lasts, so that no access is needed. If none can be made now, only one that permits something does.
    pub(super) fn goes_on(&self, asking: &Asking, chart: &ChartId, now: Millis, may_ask: bool) -> bool {
        let lasts = self.lasts(&asking.hand(), chart, now);
        lasts && (may_ask || self.permits(asking, chart))
    }

    /// Makes sure of a visit: one that lasts, or a new access. Whether anything was permitted shows in what is then seen.
    ///
    /// # Errors
    /// 503 if the ledger can't be reached, 403 if the user may not ask at all, 404 if there is no such chart.
    pub async fn open(&self, asking: &Asking, chart: ChartId) -> Result<(), Refusal> {
        let hand = asking.hand();
        let now = asking.user.client().host().now();
        self.fresh(now)?;
        if asking.stepped_up() {
            self.forget_unproven(&hand, &chart);
        }
        let may_ask = self.may_ask(asking, now);
        if self.goes_on(asking, &chart, now, may_ask.is_ok()) {
            return Ok(());
        }
        may_ask?;
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
            let mark = self.watch.mark();
            if self.lasts(hand, &chart, asking.user.client().host().now()) {
                return Ok(());
            }
            self.look(asking, hand, chart, mark).await?;
        }
        Ok(())
    }

    pub(super) async fn look(
        &self,
        asking: &Asking,
        hand: &Hand,
        chart: ChartId,
        mark: u64,
    ) -> Result<(), Refusal> {
        let client = asking.user.client();
        let ask = Ask {
            emergency: asking
                .emergency
                .as_ref()
                .map(|_| Emergency { reason: Reason::Life, step_up: asking.stepped_up() }),
            reason: asking.emergency.as_ref().map(|emergency| emergency.reason.clone()),
            request: asking.request.clone(),
            ..Ask::all(chart, asking.purpose)
        };
        match client.look(&ask).await {
            Ok(look) => self.taken_in(asking, hand, look, mark).await,
            Err(OpenError::Submit(error)) if error.reject() == Some(DENIALS_TOO_MANY) => {
                tracing::warn!(
                    user = asking.user.name(),
                    "so many accesses were denied that no more are recorded"
                );
                self.denied(hand, chart, client.host().now());
                Ok(())
            }
            Err(error) => Err(self.refused(error, client.host().now())),
        }
    }

    /// Forgets that an emergency was denied before its user signed in anew.
    fn forget_unproven(&self, hand: &Hand, chart: &ChartId) {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(round) = rounds.get_mut(hand)
            && round.visits.get(chart).is_some_and(|visit| !visit.stepped_up && visit.classes.is_empty())
        {
            round.visits.remove(chart);
        }
    }

    /// Remembers that a chart shows nothing though the ledger has recorded no denial.
    fn denied(&self, hand: &Hand, chart: ChartId, now: Millis) {
        let until = now.plus(self.settings.denied);
        // No sign-in would change it.
        let visit = Visit { stepped_up: true, ..Visit::blind(until) };
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.entry(hand.clone()).or_default().visits.insert(chart, visit);
    }

    /// How an access that couldn't be made is told.
    pub(super) fn refused(&self, error: OpenError, now: Millis) -> Refusal {
        if let OpenError::Submit(submit) = &error
            && submit.reject() == Some(reject::QUOTA)
        {
            tracing::warn!("the organisation has used up what the ledger takes from it in this window");
            self.crowded.store(now.plus(CROWDED).0, Ordering::Release);
            return crowded();
        }
        refused(error)
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
        let visit = self.visit(asking, &look, client.host().now());
        let (lines, besides) = (look.lines, look.beside.clone());
        let (set, own, hand) = (self.set.clone(), self.own.clone(), hand.clone());
        let (rounds, wiping) = (Arc::clone(&self.rounds), Arc::clone(&self.wiping));
        let taken_in = client::host::heavy(&**client.host(), move || {
            let _nobody_wipes = wiping.lock().unwrap_or_else(PoisonError::into_inner);
            ingest(&set, &own, &look)?;
            let mut rounds = rounds.lock().unwrap_or_else(PoisonError::into_inner);
            for round in rounds.values_mut() {
                if let Some(other) = round.visits.get_mut(&chart) {
                    // Its classes may be in the working set only now.
                    (other.sight, round.sight) = (None, None);
                }
            }
            let round = rounds.entry(hand).or_default();
            round.visits.insert(chart, visit);
            round.sight = None;
            Ok(())
        });
        taken_in.await.map_err(broken)?;
        for other in besides.iter().filter(|other| other.lines > 0) {
            self.watch.follow(other.chart, other.lines, mark);
        }
        // Only now: what is heard ends the visits that stand there, and this one must be among them.
        self.watch.follow(chart, lines, mark);
        Ok(())
    }

    fn visit(&self, asking: &Asking, look: &Look, now: Millis) -> Visit {
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
        let stepped_up = asking.stepped_up();
        Visit {
            access: Some(look.access),
            height: look.as_of.height,
            classes,
            beside: look.beside.iter().map(|other| (other.chart, other.permitted)).collect(),
            is_custodian,
            stepped_up,
            ..Visit::blind(until)
        }
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

fn stale() -> Refusal {
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        IssueCode::Transient,
        "the ledger can't be reached or is behind; nothing is served unrecorded, try again soon",
    )
    .retry_after(5)
}

fn crowded() -> Refusal {
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        IssueCode::Throttled,
        "the organisation has used up its share of the ledger for now; nothing is served unrecorded, try again soon",
    )
    .retry_after(CROWDED.0 / 1000)
}

fn broken(error: WorkingError) -> Refusal {
    tracing::error!(%error, "the working set fails");
    Refusal::fault()
}

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
