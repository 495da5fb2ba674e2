//! This file is where the tree nodes that were written last are kept in memory: the next blocks need most of them again.

use jmt::storage::Node;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Nodes per generation, of which there are two. An inner node takes about 1 kB.
const GENERATION: usize = 8 << 10;

/// Nodes of the newest committed tree, by storage key. A node never changes under its key, so what is kept here is what
/// lies on disk; only commits put anything in, and whoever checks or proves reads the disk.
#[derive(Clone, Default)]
pub(crate) struct Hot(Arc<Mutex<Generations>>);

#[derive(Default)]
struct Generations {
    young: HashMap<Vec<u8>, Node>,
    old: HashMap<Vec<u8>, Node>,
}

impl Hot {
    pub(crate) fn get(&self, key: &[u8]) -> Option<Node> {
        let mut nodes = self.lock();
        if let Some(node) = nodes.young.get(key) {
            return Some(node.clone());
        }
        // What is still asked for outlives its generation.
        let (key, node) = nodes.old.remove_entry(key)?;
        nodes.insert(key, node.clone());
        Some(node)
    }

    /// Keeps what was committed and drops what nothing refers to any more.
    pub(crate) fn keep(&self, committed: HashMap<Vec<u8>, Node>, stale: &[Vec<u8>]) {
        let mut nodes = self.lock();
        for (key, node) in committed {
            nodes.insert(key, node);
        }
        for key in stale {
            if nodes.young.remove(key).is_none() {
                nodes.old.remove(key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn insert(&mut self, key: Vec<u8>, node: Node) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Vec<u8> {
        n.to_be_bytes().to_vec()
    }

    fn filled(hot: &Hot, range: std::ops::Range<usize>) {
        hot.keep(range.map(|n| (key(n), Node::Null)).collect(), &[]);
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_asked_for() {
        let hot = Hot::default();
        filled(&hot, 0..1);
        for round in 0..10 {
            let from = 1 + round * GENERATION / 2;
            filled(&hot, from..from + GENERATION / 2);
            assert!(hot.get(&key(0)).is_some(), "asked for in every round: {round}");
            let nodes = hot.lock();
            assert!(nodes.young.len() <= GENERATION && nodes.old.len() <= GENERATION);
        }
        assert!(hot.get(&key(1)).is_none(), "never asked for");
    }

    #[test]
    fn what_is_stale_is_gone() {
        let hot = Hot::default();
        filled(&hot, 0..2);
        hot.keep(HashMap::from([(key(2), Node::Null)]), &[key(0), key(2)]);
        assert_eq!([0, 1, 2].map(|n| hot.get(&key(n)).is_some()), [false, true, false]);
    }
}
