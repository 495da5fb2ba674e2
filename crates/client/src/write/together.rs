//! This file is where records of several charts become final at once or not at all: sealed chart by chart, and committed in
//! one transaction.

use super::{
    NewRecord, Placed, WriteError,
    commit::{TRIES, is_stale},
    ground::Ground,
    groups::{Driving, Group, Items, PlacedIn, commits, merged},
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

/// What goes into one chart, dealt into packs.
struct Part {
    chart: ChartId,
    packs: Vec<Vec<Arc<Item>>>,
}

/// Packs that are brought to trustees and stores at the same time.
const STAGED_AT_ONCE: usize = 4;

impl Client {
    /// As [`Client::write`], into several charts: all of it becomes final in one transaction of the ledger, or none of it.
    /// Gives for each chart where its records lie, in the order of what was handed in.
    ///
    /// Writes of the same hand that wait for their turn share a transaction, too: what goes into one chart and fits into one
    /// pack as in [`Client::write`], the others with each other. While these are written, nobody else of this process writes
    /// into their charts.
    ///
    /// # Errors
    /// [`WriteError`], [`WriteError::TooMuch`] if more packs are needed than one transaction takes. Places in errors count
    /// through all charts in order. Nothing is written unless it is [`WriteError::Stopped`] or
    /// [`SubmitError::Unknown`].
    pub async fn write_together(
        &self,
        writes: BTreeMap<ChartId, Vec<NewRecord>>,
    ) -> Result<BTreeMap<ChartId, Vec<Placed>>, WriteError> {
        if matches!(self.actor, Actor::Person(_)) {
            return Err(WriteError::NotAWriter);
        }
        let items = heavy(&*self.host, move || items(writes)).await?;
        let count = commits(&items);
        if count > COMMITS_MAX {
            return Err(WriteError::TooMuch { packs: count, max: COMMITS_MAX });
        }
        if count <= 1 {
            let mut placed = BTreeMap::new();
            for (chart, items) in items {
                placed.insert(chart, self.queue_items(chart, items).await?);
            }
            return Ok(placed);
        }
        let (done, placed) = oneshot::channel();
        let group = Group { actor: self.actor.clone(), node: self.node.clone(), items, done };
        if let Some(driving) = self.lanes.groups.push(group) {
            // Whoever stops waiting doesn't stop it.
            self.host.spawn(Box::pin(self.clone().drive_groups(driving)));
        }
        placed.await.unwrap_or(Err(WriteError::Stopped))
    }

    /// Works off the queue of writes into several charts.
    async fn drive_groups(self, mut driving: Driving) {
        while let Some(groups) = driving.next() {
            let Some(first) = groups.first() else { continue };
            let client = Self { actor: first.actor.clone(), node: first.node.clone(), ..self.clone() };
            client.carry_out_groups(groups).await;
        }
    }

    async fn carry_out_groups(&self, groups: Vec<Group>) {
        let charts: Vec<ChartId> = merged(&groups).into_keys().collect();
        let Some(_turns) = self.turns(&charts).await else { return };
        let mut good = Vec::with_capacity(groups.len());
        for group in groups {
            match self.conflict_in(&group.items).await {
                None => good.push(group),
                // Whoever waited may have given up.
                Some(error) => drop(group.done.send(Err(error))),
            }
        }
        if good.is_empty() {
            return;
        }
        match self.write_all(&merged(&good)).await {
            Ok(placed) => tell(good, placed),
            // One of them may be what is refused: the others needn't suffer for it.
            Err(error) if good.len() > 1 && is_nothing(&error) => {
                for group in good {
                    let written = self.write_all(&group.items).await;
                    let _unheard = group.done.send(written);
                }
            }
            Err(error) => {
                for group in good {
                    let _unheard = group.done.send(Err(error.clone()));
                }
            }
        }
    }

    /// What stands in the way of these versions, if anything does.
    async fn conflict_in(&self, items: &Items) -> Option<WriteError> {
        let mut before = 0;
        for (chart, items) in items {
            let borrowed: Vec<&Item> = items.iter().map(|item| &**item).collect();
            let known = match self.remembered_of(*chart, &borrowed).await {
                Ok(known) => known,
                Err(error) => return Some(error.into()),
            };
            for (at, (item, known)) in items.iter().zip(known).enumerate() {
                if let Some(newest) = conflict(item, known) {
                    return Some(WriteError::Conflict { at: before + at, newest });
                }
            }
            before += items.len();
        }
        None
    }

    async fn write_all(&self, items: &Items) -> Result<PlacedIn, WriteError> {
        let part = |(chart, items): (&ChartId, &Vec<Arc<Item>>)| Part {
            chart: *chart,
            packs: packs(items).into_iter().map(<[_]>::to_vec).collect(),
        };
        let parts: Vec<Part> = items.iter().map(part).collect();
        let mut tries = 1;
        loop {
            match self.write_parts(&parts, tries > 1).await {
                Err(error) if tries < TRIES && is_stale(error.reject()) => tries += 1,
                done => return done,
            }
        }
    }

    /// The turns in all charts; none if one was broken off. Always in the same order, so that no two wait for each other.
    async fn turns(&self, charts: &[ChartId]) -> Option<Vec<Held>> {
        let mut turns = Vec::with_capacity(charts.len());
        for chart in charts {
            let (turn, comes) = Turn::new();
            self.queue(*chart, Waiting::Turn(turn));
            turns.push(comes.await?);
        }
        Some(turns)
    }

    /// Seals, hands out and commits all packs. With `afresh` nothing is written into compartments that stand open: somebody
    /// may have been let into them.
    async fn write_parts(&self, parts: &[Part], afresh: bool) -> Result<PlacedIn, WriteError> {
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
        let staged: Vec<(_, ChartId, Vec<Arc<Item>>)> = stream::iter(sealed_packs)
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
        let mut all = PlacedIn::new();
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
fn items(writes: BTreeMap<ChartId, Vec<NewRecord>>) -> Result<Items, WriteError> {
    let mut all = Items::new();
    let mut before = 0;
    for (chart, records) in writes.into_iter().filter(|(_, records)| !records.is_empty()) {
        let count = records.len();
        let items = take(records).map_err(|error| match error {
            WriteError::Malformed { at, reason } => WriteError::Malformed { at: before + at, reason },
            other => other,
        })?;
        before += count;
        all.insert(chart, items);
    }
    Ok(all)
}

/// Whether an error says for sure that nothing was written.
fn is_nothing(error: &WriteError) -> bool {
    !matches!(error, WriteError::Stopped | WriteError::Submit(SubmitError::Unknown { .. }))
}

/// Tells each what became of its part.
fn tell(groups: Vec<Group>, placed: PlacedIn) {
    let mut placed: BTreeMap<ChartId, std::vec::IntoIter<Placed>> =
        placed.into_iter().map(|(chart, placed)| (chart, placed.into_iter())).collect();
    for group in groups {
        let part = |(chart, items): (&ChartId, &Vec<Arc<Item>>)| {
            let of_chart = placed.get_mut(chart).map(|left| left.by_ref().take(items.len()).collect());
            (*chart, of_chart.unwrap_or_default())
        };
        let part: PlacedIn = group.items.iter().map(part).collect();
        let _unheard = group.done.send(Ok(part));
    }
}
