//! This file is where proofs of the state are made, from the nodes on the key's own path alone.
//!
//! The tree's library reads every node beside the path too, several times as many; their hashes stand in the parents.

use crate::{
    fault::{Fault, Place},
    tree::{self, Nodes},
};
use jmt::storage::{LeafNode, Node, NodeKey};
use primitives::{EMPTY_STATE_ROOT, Hash, StateHasher, StateLeaf, StateProof};

/// A child of an inner node.
#[derive(Clone, Copy)]
struct Child {
    hash: Hash,
    version: u64,
    is_leaf: bool,
}

/// What lies below some inner node: its 16 children, or a half, quarter … of them.
type Children<'a> = &'a [Option<Child>];

impl Nodes<'_> {
    /// The proof of the hashed key `path` under the root of `version`, be it there or not.
    pub(crate) fn prove(&self, version: u64, path: &Hash) -> Result<StateProof, Fault> {
        let nibbles: Vec<u8> = path.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect();
        let mut siblings = Vec::new();
        let mut at = version;
        for depth in 0..=nibbles.len() {
            let (above, below) = nibbles.split_at(depth);
            let node = self.need(version, at, above)?;
            let (Node::Internal(inner), Some(nibble)) = (&node, below.first()) else {
                return finish(version, &node, siblings);
            };
            let mut children = [None; 16];
            for (nibble, child) in inner.children_sorted() {
                let child =
                    Child { hash: Hash(child.hash), version: child.version, is_leaf: child.is_leaf() };
                if let Some(slot) = children.get_mut(usize::from(u8::from(nibble))) {
                    *slot = Some(child);
                }
            }
            let (end, place) = descend(&children, *nibble, &mut siblings);
            match end {
                None => return finish(version, &Node::Null, siblings),
                Some(child) if child.is_leaf => {
                    let leaf = self.need(version, child.version, &[above, &[place]].concat())?;
                    return finish(version, &leaf, siblings);
                }
                Some(child) => at = child.version,
            }
        }
        Err(Fault::damaged(Place::Tree(version), "it is deeper than its keys are long"))
    }

    fn need(&self, version: u64, at: u64, path: &[u8]) -> Result<Node, Fault> {
        use jmt::storage::TreeReader as _;
        self.get_node(&NodeKey::new(at, tree::path_of(path))).map_err(tree::fault(version))
    }
}

/// Follows `nibble` through the four binary levels of an inner node and notes what lies beside; gives the child where that
/// ends, and its nibble. A range of a single leaf is that leaf, wherever in the range it is.
fn descend(all: &[Option<Child>; 16], nibble: u8, siblings: &mut Vec<Option<Hash>>) -> (Option<Child>, u8) {
    let (mut range, mut from) = (all.as_slice(), 0_u8);
    loop {
        if range.len() == 1 || only(range).is_none_or(|(child, _)| child.is_leaf) && count(range) < 2 {
            return only(range).map_or((None, from), |(child, at)| (Some(child), from.saturating_add(at)));
        }
        let (left, right) = range.split_at(range.len() / 2);
        let middle = from.saturating_add(u8::try_from(left.len()).unwrap_or(u8::MAX));
        let beside = if nibble < middle { right } else { left };
        siblings.push(Some(hash(beside)).filter(|hash| *hash != EMPTY_STATE_ROOT.0));
        (range, from) = if nibble < middle { (left, from) } else { (right, middle) };
    }
}

fn count(range: Children<'_>) -> usize {
    range.iter().flatten().count()
}

/// The first child of `range`, with its place in it.
fn only(range: Children<'_>) -> Option<(Child, u8)> {
    range.iter().zip(0..).find_map(|(child, at)| child.map(|child| (child, at)))
}

fn hash(range: Children<'_>) -> Hash {
    match (count(range), only(range)) {
        (_, None) => EMPTY_STATE_ROOT.0,
        (1, Some((child, _))) if child.is_leaf || range.len() == 1 => child.hash,
        _ => {
            let (left, right) = range.split_at(range.len() / 2);
            let mut both = StateHasher::new();
            both.update(jmt::proof::INTERNAL_DOMAIN_SEPARATOR).update(&hash(left).0).update(&hash(right).0);
            both.finish()
        }
    }
}

fn finish(version: u64, end: &Node, mut siblings: Vec<Option<Hash>>) -> Result<StateProof, Fault> {
    let leaf = match end {
        Node::Null => None,
        Node::Leaf(leaf) => Some(parts(leaf)?),
        Node::Internal(_) => return Err(Fault::damaged(Place::Tree(version), "a leaf is an inner node")),
    };
    siblings.reverse();
    let siblings = siblings.try_into().map_err(|_| Fault::damaged(Place::Tree(version), "it is too deep"))?;
    Ok(StateProof { leaf, siblings })
}

/// A leaf's hashed key and the hash of its value; the library keeps the latter to itself, but encodes it.
fn parts(leaf: &LeafNode) -> Result<StateLeaf, Fault> {
    let place = Place::Leaf(Hash(leaf.key_hash().0));
    let [key, value]: [[u8; 32]; 2] = crate::disk::decode(&primitives::encode(leaf), place)?;
    Ok(StateLeaf { key: Hash(key), value: Hash(value) })
}
