//! This file is where a node does what the ledger asks of it: follows the charts' events, keeps what is committed,
//! erases what was ordered, repairs what it lacks.

use crate::{
    desk::Desk,
    erased::{HoldError, takes_shares, touched},
    rotation::RotationError,
    vault::VaultError,
};
use ledger::{
    Event, Logged,
    charts::{self, ERASURES, Erasure, ErasureEffective, ReceiptErasure},
};
use primitives::{ChartId, Millis, TxId, decode};
use std::{sync::Arc, time::Duration};
use store::{Fault, View};
use tokio::sync::watch;

/// Most events handled between two looks at the newest block.
const EVENTS_PER_ROUND: usize = 1_000;
/// How often late attestations, repairs and expired promises are looked after when nothing else happens.
const ROUND: Duration = Duration::from_secs(2);
/// Most packs fetched per round.
const REPAIRS_PER_ROUND: usize = 16;
/// Most lines of a chart's log read at once.
const LINES: usize = 10_000;

/// Why following stopped.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The store.
    #[error(transparent)]
    Store(#[from] Fault),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The packs.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// The box keys.
    #[error(transparent)]
    Rotation(#[from] RotationError),
    /// A line of a log doesn't decode.
    #[error("line {1} of the log of chart {0} does not decode")]
    Line(ChartId, u64),
}

/// Where following stands: the next event to handle.
#[derive(Clone, Copy, Default)]
struct Cursor {
    height: u64,
    index: u32,
}

/// Follows the ledger until told to stop.
///
/// # Errors
/// [`WatchError`]: a fault of this node.
pub(crate) async fn follow(desk: Arc<Desk>, mut stop: watch::Receiver<bool>) -> Result<(), WatchError> {
    desk.writes.resume()?;
    let mut tip = desk.executor.tip();
    let mut cursor = Cursor::default();
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let caught_up = handle_events(&desk, &mut cursor).await?;
        if !caught_up {
            continue;
        }
        tokio::select! {
            _ = stop.changed() => return Ok(()),
            changed = tip.changed() => if changed.is_err() { return Ok(()) },
            _ = rounds.tick() => tokio::select! {
                // Bringing something to the ledger may wait for a quorum that is stopping, too. Each step is durable by
                // itself, so what is broken off here is taken up at the next start.
                _ = stop.changed() => return Ok(()),
                done = look_after(&desk) => done?,
            },
        }
    }
}

/// Handles the next events; true once none is left.
async fn handle_events(desk: &Arc<Desk>, cursor: &mut Cursor) -> Result<bool, WatchError> {
    let view = desk.executor.view();
    let events = view.events_since(cursor.height, cursor.index, EVENTS_PER_ROUND)?;
    let caught_up = events.len() < EVENTS_PER_ROUND;
    for (height, index, event) in events {
        let line: Logged = decode(&event.bytes).map_err(|_| WatchError::Line(event.chart, event.index))?;
        handle(desk, &view, height, &line).await?;
        *cursor = Cursor { height, index: index.saturating_add(1) };
    }
    Ok(caught_up)
}

async fn handle(desk: &Arc<Desk>, view: &View, height: u64, line: &Logged) -> Result<(), WatchError> {
    let event = Event::decode(line.tag, &line.body).ok_or(WatchError::Line(line.chart, line.index))?;
    match event {
        Event::Committed(commit) => {
            desk.rotation.committed(view, desk.me.place, &commit, time_of(view, height)?);
            desk.holder.committed(view, &commit).await?;
            if commit.writer == desk.me.org {
                desk.writes.committed(&commit.pack);
            }
        }
        Event::Acknowledged(acknowledged) => desk.holder.acknowledged(view, &acknowledged.pack),
        Event::ErasureOrdered(_) => {
            desk.holder.forget_erased(view);
            erase(desk, view, line.chart, line.tx).await?;
        }
        Event::ErasureEffective(ErasureEffective { erasure })
            if ERASURES.get(view, &erasure).is_some_and(|row| takes_shares(&row.target)) =>
        {
            desk.rotation.erased(time_of(view, height)?);
        }
        // What else happens to a chart asks nothing of the node.
        _ => {}
    }
    Ok(())
}

fn time_of(view: &View, height: u64) -> Result<Millis, Fault> {
    Ok(view.header(height)?.map_or(Millis(0), |header| header.time))
}

/// Erases here what was ordered, then confirms it on the ledger unless that was done before.
async fn erase(desk: &Arc<Desk>, view: &View, chart: ChartId, ordered: TxId) -> Result<(), WatchError> {
    let Some(Erasure { target, receipted, .. }) = ERASURES.get(view, &ordered) else { return Ok(()) };
    if receipted.has(desk.me.place) {
        return Ok(());
    }
    let touched = touched(view, &target, &commits(view, chart)?);
    if touched.shares {
        desk.trustee.erase(view).await?;
        desk.writes.forget(&touched.packs)?;
    }
    desk.holder.erase(view, &touched.packs).await?;
    let desk = Arc::clone(desk);
    // Confirming waits for finality, which must not hold up the events behind it.
    tokio::spawn(async move {
        if let Err(refusal) = desk.order_own(ReceiptErasure { erasure: ordered }.into()).await {
            tracing::warn!(erasure = %ordered, %refusal, "an erasure done here could not be confirmed yet");
            desk.confirm_later(ordered);
        }
    });
    Ok(())
}

fn commits(view: &View, chart: ChartId) -> Result<Vec<charts::Committed>, WatchError> {
    let mut commits = Vec::new();
    let mut from = 0_u64;
    loop {
        let events = view.events(&chart, from, LINES)?;
        for event in &events {
            let line: Logged = decode(&event.bytes).map_err(|_| WatchError::Line(chart, event.index))?;
            if let Some(Event::Committed(commit)) = Event::decode(line.tag, &line.body) {
                commits.push(commit);
            }
        }
        if events.len() < LINES {
            return Ok(commits);
        }
        from = from.saturating_add(events.len() as u64);
    }
}

/// What has to be looked after from time to time.
async fn look_after(desk: &Arc<Desk>) -> Result<(), WatchError> {
    let view = desk.executor.view();
    let final_time = desk.executor.tip().borrow().time;
    desk.holder.drop_expired(final_time).await?;
    desk.trustee.sweep(&*view, final_time).await?;
    desk.holder.repair(&*view, REPAIRS_PER_ROUND).await;
    for act in desk.writes.advance().await? {
        if let Err(refusal) = desk.order_own(act.into()).await {
            tracing::warn!(%refusal, "late attestations could not be brought to the ledger yet");
        }
    }
    look_after_box_keys(desk).await?;
    for erasure in desk.take_unconfirmed() {
        let done = ERASURES.get(&*view, &erasure).is_none_or(|row| row.receipted.has(desk.me.place));
        if !done && desk.order_own(ReceiptErasure { erasure }.into()).await.is_err() {
            desk.confirm_later(erasure);
        }
    }
    Ok(())
}

/// Replaces the box key after an erasure, and destroys the earlier one when its time has come.
async fn look_after_box_keys(desk: &Arc<Desk>) -> Result<(), WatchError> {
    // Only by the newest state: an older one may name a key that has been replaced since.
    if desk.fresh().is_err() {
        return Ok(());
    }
    let view = desk.executor.view();
    let now = desk.executor.tip().borrow().time;
    if desk.rotation.is_due(&*view, now).await?
        && let Err(refusal) = desk.rotate_box_key().await
    {
        tracing::warn!(%refusal, "the box key could not be replaced yet");
    }
    let view = desk.executor.view();
    let now = desk.executor.tip().borrow().time;
    match desk.rotation.destroy_earlier(&*view, desk.me.place, now).await {
        Ok(_) => Ok(()),
        // The ledger goes on without it; the status keeps showing that there are more keys than one.
        Err(error @ RotationError::Destroy(_)) => {
            tracing::error!(%error, "an earlier box key is still there");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
