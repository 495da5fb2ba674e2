//! This file is where writes are taken in and carried out: queued by chart, those that wait together as one pack, each told
//! where its records lie.

use super::{
    NewRecord, Placed, Remembered, WriteError,
    item::{Item, packs},
    lanes::{Driving, Job, Next, Waiting},
};
use crate::{actor::Actor, client::Client, host::heavy, rpc::CallError};
use futures::channel::oneshot;
use primitives::ChartId;
use std::sync::Arc;

impl Client {
    /// Writes versions of resources into a chart: seals them into as many packs as needed, opens compartments where needed,
    /// and waits until all of it is final. Gives where each lies, in the order of what was handed in.
    ///
    /// May be called at once by many: writes into the same chart follow one another, and those by the same hand that wait
    /// for their turn share a transaction. A caller who stops waiting doesn't stop the write. The version numbers are
    /// the caller's: each resource's count from 1, one after the other, and what doesn't come after what the organisation
    /// remembers is refused.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is written unless it is [`WriteError::Partly`], [`WriteError::Stopped`] or
    /// [`crate::SubmitError::Unknown`].
    pub async fn write(&self, chart: ChartId, records: Vec<NewRecord>) -> Result<Vec<Placed>, WriteError> {
        if matches!(self.actor, Actor::Person(_)) {
            return Err(WriteError::NotAWriter);
        }
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let items = heavy(&*self.host, move || take(records)).await?;
        self.queue_items(chart, items).await
    }

    /// Queues items and waits until they are written.
    pub(super) async fn queue_items(
        &self,
        chart: ChartId,
        items: Vec<Arc<Item>>,
    ) -> Result<Vec<Placed>, WriteError> {
        let (done, placed) = oneshot::channel();
        let job = Job { actor: self.actor.clone(), node: self.node.clone(), items, done };
        self.queue(chart, Waiting::Job(job));
        placed.await.unwrap_or(Err(WriteError::Stopped))
    }

    /// Queues a job or turn, and sees to it that somebody works the queue off.
    pub(super) fn queue(&self, chart: ChartId, waiting: Waiting) {
        if let Some(driving) = self.lanes.push(chart, waiting) {
            let client = self.clone();
            self.host.spawn(Box::pin(client.drive(driving)));
        }
    }

    /// Works off the queue of one chart.
    async fn drive(self, mut driving: Driving) {
        while let Some(next) = driving.next() {
            let jobs = match next {
                Next::Turn(turn) => {
                    turn.pass().await;
                    continue;
                }
                Next::Jobs(jobs) => jobs,
            };
            let Some(first) = jobs.first() else { continue };
            let client = Self { actor: first.actor.clone(), node: first.node.clone(), ..self.clone() };
            client.carry_out(driving.chart, jobs).await;
        }
    }

    async fn carry_out(&self, chart: ChartId, jobs: Vec<Job>) {
        let jobs = self.without_conflicts(chart, jobs).await;
        if jobs.is_empty() {
            return;
        }
        let items: Vec<Arc<Item>> = jobs.iter().flat_map(|job| job.items.iter().cloned()).collect();
        let (placed, failed) = self.write_items(chart, &items).await;
        match failed {
            // One of them may be what the ledger refuses: the others needn't suffer for it.
            Some(WriteError::Submit(error))
                if placed.is_empty() && jobs.len() > 1 && error.reject().is_some() =>
            {
                for job in jobs {
                    let (placed, failed) = self.write_items(chart, &job.items).await;
                    tell(vec![job], placed, failed);
                }
            }
            failed => tell(jobs, placed, failed),
        }
    }

    /// Refuses the jobs whose versions don't come after those that the organisation remembers, and gives the others.
    async fn without_conflicts(&self, chart: ChartId, jobs: Vec<Job>) -> Vec<Job> {
        let items: Vec<&Item> = jobs.iter().flat_map(|job| &job.items).map(|item| &**item).collect();
        let known = match self.remembered_of(chart, &items).await {
            Ok(known) => known,
            Err(error) => {
                tell(jobs, Vec::new(), Some(error.into()));
                return Vec::new();
            }
        };
        let mut known = known.into_iter();
        let mut good = Vec::new();
        for job in jobs {
            let of_job: Vec<Option<Remembered>> = known.by_ref().take(job.items.len()).collect();
            let conflict = job.items.iter().zip(of_job).enumerate().find_map(|(at, (item, known))| {
                conflict(item, known).map(|newest| WriteError::Conflict { at, newest })
            });
            match conflict {
                Some(conflict) => tell(vec![job], Vec::new(), Some(conflict)),
                None => good.push(job),
            }
        }
        good
    }

    /// What the organisation remembers of these items' resources, in their order.
    pub(super) async fn remembered_of(
        &self,
        chart: ChartId,
        items: &[&Item],
    ) -> Result<Vec<Option<Remembered>>, CallError> {
        let names: Vec<(&str, &str)> = items.iter().map(|item| (&*item.kind, &*item.id)).collect();
        self.remembered(chart, &names).await
    }

    /// Writes pack by pack, up to the first that fails.
    async fn write_items(&self, chart: ChartId, items: &[Arc<Item>]) -> (Vec<Placed>, Option<WriteError>) {
        let mut placed = Vec::new();
        for pack in packs(items) {
            match self.write_pack(chart, pack).await {
                Ok(more) => placed.extend(more),
                Err(error) => return (placed, Some(error)),
            }
        }
        (placed, None)
    }
}

/// The version that stands in an item's way, if one does.
pub(super) fn conflict(item: &Item, known: Option<Remembered>) -> Option<u32> {
    known.map(|known| known.version).filter(|newest| *newest >= item.version)
}

/// Takes in what was handed in.
pub(super) fn take(records: Vec<NewRecord>) -> Result<Vec<Arc<Item>>, WriteError> {
    records.into_iter().enumerate().map(|(at, new)| Item::of(at, new).map(Arc::new)).collect()
}

/// Tells each job what became of its part.
fn tell(jobs: Vec<Job>, placed: Vec<Placed>, failed: Option<WriteError>) {
    let mut placed = placed.into_iter();
    for job in jobs {
        let done: Vec<Placed> = placed.by_ref().take(job.items.len()).collect();
        let result = match &failed {
            Some(error) if done.is_empty() => Err(error.clone()),
            Some(error) if done.len() < job.items.len() => {
                Err(WriteError::Partly { done, source: Box::new(error.clone()) })
            }
            Some(_) | None => Ok(done),
        };
        // Whoever waited may have given up; what is final is final.
        let _unheard = job.done.send(result);
    }
}
