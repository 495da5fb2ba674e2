//! This file is where writes to one chart wait for their turn, and those that wait together go together. Who writes into
//! several charts at once has a turn in each.

use super::{
    Placed, WriteError,
    groups::Groups,
    hand::Hand,
    item::{Item, Load},
};
use crate::{actor::Actor, rpc::Node};
use futures::channel::oneshot;
use primitives::ChartId;
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

/// The whole chart for somebody who writes into others at the same time: nobody else's turn comes before it is over.
pub(super) struct Turn {
    mine: oneshot::Sender<()>,
    over: oneshot::Receiver<()>,
}

/// A turn that has come. It is over when this is dropped.
pub(super) struct Held {
    _over: oneshot::Sender<()>,
}

/// What waits in a queue.
pub(super) enum Waiting {
    Job(Job),
    Turn(Turn),
}

impl Waiting {
    fn job(&self) -> Option<&Job> {
        match self {
            Self::Job(job) => Some(job),
            Self::Turn(_) => None,
        }
    }
}

/// Whose turn it is.
pub(super) enum Next {
    /// Jobs that may share a pack.
    Jobs(Vec<Job>),
    Turn(Turn),
}

type Queues = BTreeMap<ChartId, VecDeque<Waiting>>;

/// A queue for each chart that is being written into. Shared by all clients that were made from one.
#[derive(Clone, Default)]
pub(crate) struct Lanes {
    charts: Arc<Mutex<Queues>>,
    /// Writes into several charts.
    pub(super) groups: Groups,
}

/// One chart's queue, being worked off. At most one at a time.
pub(super) struct Driving {
    lanes: Lanes,
    pub(super) chart: ChartId,
    ended: bool,
}

impl Job {
    fn hand(&self) -> Hand {
        Hand::of(&self.actor, &self.node)
    }
}

impl Turn {
    /// A turn, and what waits for it to come.
    pub(super) fn new() -> (Self, impl Future<Output = Option<Held>>) {
        let (mine, comes) = oneshot::channel();
        let (held, over) = oneshot::channel();
        // None if the lane was broken off.
        let comes = async move { comes.await.ok().map(|()| Held { _over: held }) };
        (Self { mine, over }, comes)
    }

    /// Lets whoever waits have the chart, and waits until that is over.
    pub(super) async fn pass(self) {
        if self.mine.send(()).is_ok() {
            // Nothing is ever sent: the other end is dropped.
            let _over = self.over.await;
        }
    }
}

impl Lanes {
    fn with<T>(&self, work: impl FnOnce(&mut Queues) -> T) -> T {
        work(&mut self.charts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Queues a job or turn. If nobody works the chart's queue off, the caller is to.
    pub(super) fn push(&self, chart: ChartId, waiting: Waiting) -> Option<Driving> {
        self.with(|queues| {
            let idle = !queues.contains_key(&chart);
            queues.entry(chart).or_default().push_back(waiting);
            idle.then(|| Driving { lanes: self.clone(), chart, ended: false })
        })
    }
}

impl Driving {
    /// Who is next; nobody once the queue is empty, and then the lane is idle.
    pub(super) fn next(&mut self) -> Option<Next> {
        let chart = self.chart;
        let next = self.lanes.with(|queues| {
            let next = queues.get_mut(&chart).and_then(pop);
            if next.is_none() {
                queues.remove(&chart);
            }
            next
        });
        self.ended = next.is_none();
        next
    }
}

/// Takes a turn from the front of the queue, or as many jobs as fit together into one pack.
fn pop(queue: &mut VecDeque<Waiting>) -> Option<Next> {
    let mut jobs: Vec<Job> = Vec::new();
    let count = together(queue);
    for waiting in queue.drain(..count.max(1).min(queue.len())) {
        match waiting {
            Waiting::Job(job) => jobs.push(job),
            // Only ever the first, and then alone.
            Waiting::Turn(turn) => return Some(Next::Turn(turn)),
        }
    }
    (!jobs.is_empty()).then_some(Next::Jobs(jobs))
}

/// How many jobs from the front fit together into one pack; none if a turn is at the front.
fn together(queue: &VecDeque<Waiting>) -> usize {
    let mut load = Load::default();
    let hand = queue.front().and_then(Waiting::job).map(Job::hand);
    let jobs = queue.iter().map_while(Waiting::job);
    jobs.take_while(|job| Some(job.hand()) == hand && load.add(&job.items)).count()
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
