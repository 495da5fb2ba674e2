//! This file is where visits are opened: an access is made, final on the ledger, and what it brought is taken in before
//! anything is shown. What can't be asked now is refused, be there something or not.

use super::{
    asking::{Asking, Hand},
    ingest::ingest,
    visits::{Visit, Visits, broken},
};
use crate::{
    http::{IssueCode, Refusal},
    working::Class,
};
use axum::http::StatusCode;
use client::{
    open::{Ask, Emergency, Look, OpenError},
    rpc::CallError,
};
use ledger::{
    access::{DENIALS_TOO_MANY, Reason},
    reject,
};
use primitives::{ChartId, Millis, Span};
use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, atomic::Ordering},
};

/// How long nothing is asked of the ledger after it said that the organisation has used up its share.
const CROWDED: Span = Span::secs(5);

/// How often a chart is looked at for one request, if things go on happening in it that end visits.
pub(super) const LOOKS: u32 = 3;

impl Visits {
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
        let others = look.beside.iter().map(|other| other.until);
        let until = [look.expires, look.turns].into_iter().chain(others).flatten().fold(until, Millis::min);
        let stepped_up = asking.stepped_up();
        Visit {
            access: Some(look.access),
            height: look.as_of.height,
            classes,
            beside: look
                .beside
                .iter()
                .map(|other| (other.chart, other.permitted))
                .chain(look.is_stub.then_some((look.chart, true)))
                .collect(),
            is_custodian,
            stepped_up,
            ..Visit::blind(until)
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
