//! This file is where writes to one chart wait for their turn, and those that wait together go together.

use super::{
    Placed, WriteError,
    item::{Item, Load},
};
use crate::{actor::Actor, rpc::Node};
use futures::channel::oneshot;
use primitives::{ChartId, PublicKey};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

/// Records to be written, by whom, and who waits for it.
pub(super) struct Job {
    pub(super) actor: Actor,
    pub(super) node: Node,
    pub(super) items: Vec<Arc<Item>>,
    pub(super) done: oneshot::Sender<Result<Vec<Placed>, WriteError>>,
}

type Queues = BTreeMap<ChartId, VecDeque<Job>>;

/// A queue for each chart that is being written into. Shared by all clients that were made from one.
#[derive(Clone, Default)]
pub(crate) struct Lanes(Arc<Mutex<Queues>>);

/// One chart's queue, being worked off. At most one at a time.
pub(super) struct Driving {
    lanes: Lanes,
    pub(super) chart: ChartId,
    ended: bool,
}

impl Job {
    /// Who signs: only writes of the same hand share a transaction.
    fn hand(&self) -> (Option<PublicKey>, PublicKey) {
        (self.actor.key().map(primitives::SecretKey::public), self.node.caller())
    }
}

impl Lanes {
    fn with<T>(&self, work: impl FnOnce(&mut Queues) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Queues a job. If nobody works the chart's queue off, the caller is to.
    pub(super) fn push(&self, chart: ChartId, job: Job) -> Option<Driving> {
        self.with(|queues| {
            let idle = !queues.contains_key(&chart);
            queues.entry(chart).or_default().push_back(job);
            idle.then(|| Driving { lanes: self.clone(), chart, ended: false })
        })
    }
}

impl Driving {
    /// The next jobs that may share a pack; none once the queue is empty, and then the lane is idle.
    pub(super) fn next(&mut self) -> Option<Vec<Job>> {
        let chart = self.chart;
        let jobs = self.lanes.with(|queues| {
            let queue = queues.get_mut(&chart)?;
            let mut jobs: Vec<Job> = Vec::new();
            let count = together(queue);
            jobs.extend(queue.drain(..count));
            if jobs.is_empty() {
                queues.remove(&chart);
                return None;
            }
            Some(jobs)
        });
        self.ended = jobs.is_none();
        jobs
    }
}

/// How many jobs from the front fit together into one pack.
fn together(queue: &VecDeque<Job>) -> usize {
    let mut load = Load::default();
    let hand = queue.front().map(Job::hand);
    queue.iter().take_while(|job| Some(job.hand()) == hand && load.add(&job.items)).count()
}

impl Drop for Driving {
    fn drop(&mut self) {
        // Broken off: nobody would come for those who wait, so they are told by their channels closing.
        if !self.ended {
            let left = self.lanes.with(|queues| queues.remove(&self.chart));
            drop(left);
        }
    }
}
