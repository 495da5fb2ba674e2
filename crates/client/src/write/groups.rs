//! This file is where writes into several charts wait for their turn, and those that wait together go together.

use super::{
    Placed, WriteError,
    hand::Hand,
    item::{Item, packs},
};
use crate::{actor::Actor, rpc::Node};
use futures::channel::oneshot;
use ledger::charts::COMMITS_MAX;
use primitives::ChartId;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

/// Records that go together at most, unless one write has more: those who wait shouldn't wait for too many others.
const RECORDS_MAX: usize = 8_000;

/// Records by chart.
pub(super) type Items = BTreeMap<ChartId, Vec<Arc<Item>>>;

/// Where they lie, by chart.
pub(super) type PlacedIn = BTreeMap<ChartId, Vec<Placed>>;

/// Records of several charts to be written at once, by whom, and who waits for it.
pub(super) struct Group {
    pub(super) actor: Actor,
    pub(super) node: Node,
    pub(super) items: Items,
    pub(super) done: oneshot::Sender<Result<PlacedIn, WriteError>>,
}

/// The queue; none while nobody works it off.
#[derive(Clone, Default)]
pub(super) struct Groups(Arc<Mutex<Option<VecDeque<Group>>>>);

/// The queue, being worked off. At most once at a time.
pub(super) struct Driving {
    groups: Groups,
    ended: bool,
}

impl Group {
    fn hand(&self) -> Hand {
        Hand::of(&self.actor, &self.node)
    }
}

impl Groups {
    fn with<T>(&self, work: impl FnOnce(&mut Option<VecDeque<Group>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Queues a write. If nobody works the queue off, the caller is to.
    pub(super) fn push(&self, group: Group) -> Option<Driving> {
        self.with(|queue| {
            let idle = queue.is_none();
            queue.get_or_insert_default().push_back(group);
            idle.then(|| Driving { groups: self.clone(), ended: false })
        })
    }
}

impl Driving {
    /// The next writes that may share a transaction; none once the queue is empty.
    pub(super) fn next(&mut self) -> Option<Vec<Group>> {
        let next: Option<Vec<Group>> = self.groups.with(|all| {
            let queue = all.as_mut()?;
            let count = together(queue);
            let next: Vec<Group> = queue.drain(..count).collect();
            if next.is_empty() {
                *all = None;
                return None;
            }
            Some(next)
        });
        self.ended = next.is_none();
        next
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        // Broken off: those who wait are told by their channels closing.
        if !self.ended {
            let left = self.groups.with(Option::take);
            drop(left);
        }
    }
}

/// All items of these writes, by chart, in the order of the writes.
pub(super) fn merged<'g>(groups: impl IntoIterator<Item = &'g Group>) -> Items {
    let mut all = Items::new();
    for group in groups {
        for (chart, items) in &group.items {
            all.entry(*chart).or_default().extend(items.iter().cloned());
        }
    }
    all
}

/// How many from the front go together: of one hand, with no resource twice, within what a transaction takes.
fn together(queue: &VecDeque<Group>) -> usize {
    let first = queue.front().map(Group::hand);
    let mut records = 0_usize;
    let mut known: BTreeSet<(ChartId, &str, &str)> = BTreeSet::new();
    let mut count = 0;
    for group in queue {
        let items =
            || group.items.iter().flat_map(|(chart, items)| items.iter().map(move |item| (*chart, item)));
        let names = || items().map(|(chart, item)| (chart, &*item.kind, &*item.id));
        records = records.saturating_add(items().count());
        let fits = || {
            records <= RECORDS_MAX
                && Some(group.hand()) == first
                && names().all(|name| !known.contains(&name))
                && commits(&merged(queue.iter().take(count + 1))) <= COMMITS_MAX
        };
        // The first goes in any case: it is bounded by itself.
        if count > 0 && !fits() {
            break;
        }
        known.extend(names());
        count += 1;
    }
    count
}

/// How many packs, and so commits, it takes.
pub(super) fn commits(items: &Items) -> usize {
    items.values().map(|items| packs(items).len()).sum()
}
