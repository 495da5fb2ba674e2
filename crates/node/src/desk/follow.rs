//! This file is where those wait who follow charts: until a log goes on, or their time is over.

use super::{door::Caller, ledger_calls::fault, server::Desk};
use client::wire::{Followed, Following, Refusal};
use ledger::{Logged, execute::LOGS};
use primitives::{ChartId, Millis, Span, decode};
use std::{collections::BTreeMap, time::Duration};
use store::View;
use tokio::time::Instant;

/// Longest wait.
const WAIT_MAX: Span = Span::secs(30);
/// Most lines of one answer.
const LINES_MAX: usize = 2_000;
/// Most events of new blocks that are looked through at once for charts that are followed.
const EVENTS_MAX: usize = 4_096;

impl Desk {
    /// Waits until one of the charts' logs goes on, and tells it. A gateway's own node is asked: what it has executed holds
    /// for the organisation.
    pub(super) async fn follow(&self, caller: &Caller, following: Following) -> Result<Followed, Refusal> {
        caller.ours(&self.me)?;
        let Following { charts, wait } = following;
        let charts: BTreeMap<ChartId, u64> = charts.iter().copied().collect();
        let mut tip = self.executor.tip();
        tip.borrow_and_update();
        let view = self.executor.view();
        let mut answer = told(&view, &charts)?;
        let deadline = Instant::now() + Duration::from_millis(wait.min(WAIT_MAX).0);
        // With too many waiting, an answer without waiting is still a right one.
        let Ok(_place) = self.followers.try_acquire() else { return Ok(answer) };
        let mut stopping = self.stopping.clone();
        let mut seen = answer.height;
        while answer.lines.is_empty() {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => break,
                // A closed channel is a stop too.
                _stopped = stopping.wait_for(|stop| *stop) => break,
                changed = tip.changed() => if changed.is_err() { break },
            }
            tip.borrow_and_update();
            let view = self.executor.view();
            if touches(&view, seen, &charts)? {
                answer = told(&view, &charts)?;
            } else {
                (answer.height, answer.time) = as_of(&view);
            }
            seen = answer.height;
        }
        Ok(answer)
    }
}

fn as_of(view: &View) -> (u64, Millis) {
    (view.height().unwrap_or(0), ledger::HEAD.get(view).unwrap_or_default().time)
}

/// Whether something happened after height `seen` in one of the charts; true too if it is too much to look through.
fn touches(view: &View, seen: u64, charts: &BTreeMap<ChartId, u64>) -> Result<bool, Refusal> {
    if charts.is_empty() {
        return Ok(false);
    }
    let events = view.events_since(seen.saturating_add(1), 0, EVENTS_MAX).map_err(fault)?;
    Ok(events.len() >= EVENTS_MAX || events.iter().any(|(_, _, event)| charts.contains_key(&event.chart)))
}

/// The charts' lines from where each is followed, as of one view.
fn told(view: &View, charts: &BTreeMap<ChartId, u64>) -> Result<Followed, Refusal> {
    let (height, time) = as_of(view);
    let mut lines: Vec<Logged> = Vec::new();
    let mut more = false;
    for (chart, from) in charts {
        // One row says whether there is anything, without a walk over the log.
        let count = LOGS.get(view, chart).map_or(0, |head| head.count);
        if count <= *from {
            continue;
        }
        let room = LINES_MAX.saturating_sub(lines.len());
        if room == 0 {
            more = true;
            break;
        }
        let events = view.events(chart, *from, room).map_err(fault)?;
        more |= count.saturating_sub(*from) > events.len() as u64;
        for event in &events {
            lines.push(decode(&event.bytes).map_err(fault)?);
        }
    }
    Ok(Followed { height, time, lines, more })
}
