//! This file is where records of several charts become final at once or not at all: sealed chart by chart, and committed in
//! one transaction.

use super::{
    NewRecord, Placed, WriteError,
    commit::{Staged, TRIES, is_stale},
    ground::Ground,
    item::{Item, packs},
    lanes::{Held, Turn, Waiting},
    run::{conflict, take},
    seal::{SealedWrite, Terms, seal},
};
use crate::{
    actor::Actor,
    client::Client,
    host::{self, heavy},
    submit::SubmitError,
};
use futures::{
    StreamExt as _, TryStreamExt as _,
    channel::oneshot,
    future::{join_all, try_join_all},
    stream,
};
use ledger::{
    Act, BODY_BYTES_MAX,
    charts::{COMMITS_MAX, Commit, CommitTogether},
};
use primitives::{ChartId, List};
use rand_core::CryptoRng;
use std::{collections::BTreeMap, sync::Arc};

/// Packs that are brought to trustees and stores at the same time.
const STAGED_AT_ONCE: usize = 4;

/// What goes into one chart, dealt into packs.
struct Part {
    chart: ChartId,
    packs: Vec<Vec<Arc<Item>>>,
}

impl Client {
    /// As [`Client::write`], into several charts: all of it becomes final in one transaction of the ledger, or none of it.
    /// Gives for each chart where its records lie, in the order of what was handed in.
    ///
    /// What goes into one chart and fits into one pack shares a transaction with others, as it does in [`Client::write`].
    /// Otherwise the charts are written into by nobody else of this process meanwhile.
    ///
    /// # Errors
    /// [`WriteError`], [`WriteError::TooMuch`] if more packs are needed than one transaction takes. Places in errors count
    /// through all charts in order. Nothing is written unless it is [`WriteError::Stopped`] or
    /// [`crate::SubmitError::Unknown`].
    pub async fn write_together(
        &self,
        writes: BTreeMap<ChartId, Vec<NewRecord>>,
    ) -> Result<BTreeMap<ChartId, Vec<Placed>>, WriteError> {
        if matches!(self.actor, Actor::Person(_)) {
            return Err(WriteError::NotAWriter);
        }
        let parts = heavy(&*self.host, move || parts(writes)).await?;
        let count: usize = parts.iter().map(|part| part.packs.len()).sum();
        if count > COMMITS_MAX {
            return Err(WriteError::TooMuch { packs: count, max: COMMITS_MAX });
        }
        if parts.is_empty() {
            return Ok(BTreeMap::new());
        }
        if let (1, [Part { chart, packs }]) = (count, &parts[..]) {
            let placed = self.queue_items(*chart, packs.concat()).await?;
            return Ok(BTreeMap::from([(*chart, placed)]));
        }
        // Whoever stops waiting doesn't stop it.
        let (done, placed) = oneshot::channel();
        let client = self.clone();
        self.host.spawn(Box::pin(async move {
            let _unheard = done.send(client.carry_out_together(parts).await);
        }));
        placed.await.unwrap_or(Err(WriteError::Stopped))
    }

    async fn carry_out_together(
        &self,
        parts: Vec<Part>,
    ) -> Result<BTreeMap<ChartId, Vec<Placed>>, WriteError> {
        let _turns = self.turns(&parts).await?;
        let mut before = 0;
        for part in &parts {
            let items: Vec<&Item> = part.packs.iter().flatten().map(|item| &**item).collect();
            let known = self.remembered_of(part.chart, &items).await?;
            for (at, (item, known)) in items.iter().zip(known).enumerate() {
                if let Some(newest) = conflict(item, known) {
                    return Err(WriteError::Conflict { at: before + at, newest });
                }
            }
            before += items.len();
        }
        let mut tries = 1;
        loop {
            match self.write_parts(&parts, tries > 1).await {
                Err(error) if tries < TRIES && is_stale(error.reject()) => tries += 1,
                done => return done,
            }
        }
    }

    /// The turns in all charts. Always in the same order, so that no two wait for each other.
    async fn turns(&self, parts: &[Part]) -> Result<Vec<Held>, WriteError> {
        let mut turns = Vec::with_capacity(parts.len());
        for part in parts {
            let (turn, comes) = Turn::new();
            self.queue(part.chart, Waiting::Turn(turn));
            turns.push(comes.await.ok_or(WriteError::Stopped)?);
        }
        Ok(turns)
    }

    /// Seals, hands out and commits all packs. With `afresh` nothing is written into compartments that stand open: somebody
    /// may have been let into them.
    async fn write_parts(
        &self,
        parts: &[Part],
        afresh: bool,
    ) -> Result<BTreeMap<ChartId, Vec<Placed>>, WriteError> {
        let mut sealing = Vec::with_capacity(parts.len());
        for part in parts {
            sealing.push(self.seal_part(part, afresh));
        }
        let sealed = try_join_all(sealing).await?;
        // By value: a task that is spawned mustn't borrow within its closures.
        let mut sealed_packs: Vec<(ChartId, Vec<Arc<Item>>, SealedWrite)> = Vec::new();
        for (part, writes) in parts.iter().zip(sealed) {
            for (items, write) in part.packs.iter().zip(writes) {
                sealed_packs.push((part.chart, items.clone(), write));
            }
        }
        let staged: Vec<((Commit, Staged), ChartId, Vec<Arc<Item>>)> = stream::iter(sealed_packs)
            .map(|(chart, items, write)| async move {
                self.stage_sealed(chart, write).await.map(|staged| (staged, chart, items))
            })
            .buffered(STAGED_AT_ONCE)
            .try_collect()
            .await?;
        let (commits, staged): (Vec<Commit>, Vec<_>) = staged
            .into_iter()
            .map(|((commit, staged), chart, items)| (commit, (staged, chart, items)))
            .unzip();
        let too_long = |_| SubmitError::TooLong(ledger::TX_BYTES_MAX);
        let act: Act = CommitTogether { commits: List::try_from(commits).map_err(too_long)? }.into();
        let len = act.encode().1.len();
        if len > BODY_BYTES_MAX {
            return Err(SubmitError::TooLong(len).into());
        }
        let done = self.act(act).await?;
        let placed = staged.into_iter().map(|(staged, chart, items)| {
            let done = &done;
            async move { (chart, self.made_final(chart, staged, &items, done).await) }
        });
        let mut all: BTreeMap<ChartId, Vec<Placed>> = BTreeMap::new();
        for (chart, placed) in join_all(placed).await {
            all.entry(chart).or_default().extend(placed);
        }
        Ok(all)
    }

    async fn seal_part(&self, part: &Part, afresh: bool) -> Result<Vec<SealedWrite>, WriteError> {
        let mut ground = self.ground(part.chart).await?;
        if afresh {
            ground.open.clear();
        }
        let (mut rng, terms) = (host::rng(&*self.host), self.terms(part.chart));
        let packs = part.packs.clone();
        heavy(&*self.host, move || seal_all(&mut rng, &terms, ground, &packs)).await
    }
}

/// Seals packs for one chart, one after the other: later ones write into what earlier ones open.
fn seal_all(
    rng: &mut impl CryptoRng,
    terms: &Terms,
    mut ground: Ground,
    packs: &[Vec<Arc<Item>>],
) -> Result<Vec<SealedWrite>, WriteError> {
    let mut sealed = Vec::with_capacity(packs.len());
    for items in packs {
        let write = seal(rng, terms, &ground, items)?;
        ground = ground.after(&write.opened);
        sealed.push(write);
    }
    Ok(sealed)
}

/// Takes in what was handed in.
fn parts(writes: BTreeMap<ChartId, Vec<NewRecord>>) -> Result<Vec<Part>, WriteError> {
    let mut parts = Vec::with_capacity(writes.len());
    let mut before = 0;
    for (chart, records) in writes.into_iter().filter(|(_, records)| !records.is_empty()) {
        let count = records.len();
        let items = take(records).map_err(|error| match error {
            WriteError::Malformed { at, reason } => WriteError::Malformed { at: before + at, reason },
            other => other,
        })?;
        before += count;
        parts.push(Part { chart, packs: packs(&items).into_iter().map(<[_]>::to_vec).collect() });
    }
    Ok(parts)
}
