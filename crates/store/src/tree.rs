//! This file is where the state tree of the `jmt` crate meets our disk and our hashes.
//!
//! The tree never sees a value, only its digest; values lie beside it, so that a read costs one lookup.

use crate::{
    disk::Disk,
    fault::{Fault, Place},
    hot::Hot,
    keys,
};
use jmt::{
    JellyfishMerkleTree, KeyHash, OwnedValue, SimpleHasher, Version,
    storage::{LeafNode, NibblePath, Node, NodeKey, TreeReader},
};
use primitives::{Hash, StateHasher, StateRoot, state_value};
use std::collections::HashMap;

/// The tree's hash function.
pub(crate) struct TreeHasher(StateHasher);

impl SimpleHasher for TreeHasher {
    fn new() -> Self {
        Self(StateHasher::new())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self) -> [u8; 32] {
        self.0.finish().0
    }
}

/// Tree nodes: those of a batch and those kept in memory first, if it is for a batch, then those on disk.
pub(crate) struct Nodes<'a> {
    pub(crate) fresh: Option<(&'a HashMap<Vec<u8>, Node>, &'a Hot)>,
    pub(crate) disk: &'a Disk,
}

/// What one block does to the tree.
pub(crate) struct TreeUpdate {
    pub(crate) root: StateRoot,
    /// New nodes, by storage key.
    pub(crate) nodes: Vec<(Vec<u8>, Node)>,
    /// Nodes that nothing refers to from this version on.
    pub(crate) stale: Vec<NodeKey>,
}

impl TreeReader for Nodes<'_> {
    fn get_node_option(&self, node_key: &NodeKey) -> anyhow::Result<Option<Node>> {
        let key = storage_key(node_key);
        if let Some((fresh, hot)) = self.fresh
            && let Some(node) = fresh.get(&key).cloned().or_else(|| hot.get(&key))
        {
            return Ok(Some(node));
        }
        match self.disk.get(&key)? {
            None => Ok(None),
            Some(bytes) => Ok(Some(primitives::decode(&bytes)?)),
        }
    }

    fn get_value_option(&self, _: Version, _: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        // Only the library's own reads and proofs ask, and the store makes neither.
        Err(anyhow::anyhow!("values are not in the tree"))
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        // Asked only when a tree is restored leaf by leaf, which the store never does.
        Err(anyhow::anyhow!("trees are not restored leaf by leaf"))
    }
}

impl Nodes<'_> {
    fn tree(&self) -> JellyfishMerkleTree<'_, Self, TreeHasher> {
        JellyfishMerkleTree::new(self)
    }

    /// The tree of `version` after `writes`, by hashed key, on top of the version before.
    pub(crate) fn update(
        &self,
        version: u64,
        writes: &[(Hash, Option<&[u8]>)],
    ) -> anyhow::Result<TreeUpdate> {
        let digest = |value: &[u8]| state_value(value).0.to_vec();
        let puts: Option<Vec<_>> =
            writes.iter().map(|(path, value)| Some((KeyHash(path.0), digest((*value)?)))).collect();
        let (roots, batch) = match puts {
            // One pass over the tree; several times as fast, but it can't remove and has no empty case.
            Some(puts) if !puts.is_empty() => self.tree().batch_put_value_sets(vec![puts], None, version)?,
            _ => {
                let writes = writes.iter().map(|(path, value)| (KeyHash(path.0), value.map(digest)));
                self.tree().put_value_sets([writes], version)?
            }
        };
        let root = roots.first().ok_or_else(|| anyhow::anyhow!("no root"))?.0;
        let mut stale: Vec<_> = batch.stale_node_index_batch.into_iter().map(|old| old.node_key).collect();
        if writes.is_empty() && version > 0 {
            // The tree then copies its root to the new version, and leaves the old one to us.
            stale.push(NodeKey::new(version.saturating_sub(1), path_of(&[])));
        }
        let nodes = batch.node_batch.nodes().iter().map(|(key, node)| (storage_key(key), node.clone()));
        Ok(TreeUpdate { root: StateRoot(Hash(root)), nodes: nodes.collect(), stale })
    }

    /// The root hash of `version`, recomputed from its root node.
    pub(crate) fn root(&self, version: u64) -> anyhow::Result<Option<StateRoot>> {
        Ok(self.tree().get_root_hash_option(version)?.map(|root| StateRoot(Hash(root.0))))
    }
}

pub(crate) fn path_of(nibbles: &[u8]) -> NibblePath {
    nibbles.iter().map(|nibble| (*nibble).into()).collect()
}

/// Where a node lies: by version first, so that a block's nodes are written side by side.
pub(crate) fn storage_key(node_key: &NodeKey) -> Vec<u8> {
    let mut key = keys::at(keys::NODE, node_key.version());
    key.extend(node_key.nibble_path().nibbles().map(u8::from));
    key
}

/// What the tree says went wrong: a fault that passed through it, or a node that is missing or garbled.
pub(crate) fn fault(height: u64) -> impl FnOnce(anyhow::Error) -> Fault {
    move |error| match error.downcast::<Fault>() {
        Ok(fault) => fault,
        Err(error) => Fault::damaged(Place::Tree(height), format!("{error:#}")),
    }
}
