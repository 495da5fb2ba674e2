//! This file is where everything stored is verified, for `horkos node verify`.

use crate::{
    check::{follows, guarded, nothing_beyond, root, trailed, whole},
    fault::{Damage, Fault, Place, other_root},
    keys,
    record::{Head, Record, Trail},
    store::Store,
    tree::{self, Nodes},
    view::View,
};
use jmt::storage::{Node, NodeKey, TreeReader as _};
use primitives::{
    ChartId, EMPTY_STATE_ROOT, FLAT_KEY, FlatDigest, Hash, Header, State, StateRoot, TxId, is_flat,
    state_key, state_leaf_value,
};

/// Damages listed before a walk gives up.
const DAMAGES_MAX: usize = 100;

/// How often the caller hears of progress, in entries.
const REPORT_EVERY: u64 = 1024;

/// What the ledger knows of stored entries and the store doesn't.
pub trait Meaning {
    /// Whether the state entry is the head of a chart's log that has events.
    fn is_log_head(&self, key: &[u8], value: &[u8]) -> bool;

    /// Count and running digest of `chart`'s log, as the state has them.
    fn log_head(&self, state: &dyn State, chart: &ChartId) -> Option<LogHead>;

    /// The running digest of a chart's log after `event`; of an empty log it is [`Hash::default`].
    fn next(&self, chart: &ChartId, running: &Hash, event: &[u8]) -> Hash;

    /// Checks what the state says of a block (its entry, its receipts' root), or says what is wrong.
    ///
    /// # Errors
    /// What is wrong, in words.
    fn check_block(
        &self,
        state: &dyn State,
        header: &Header,
        receipts: &[(TxId, Vec<u8>)],
    ) -> Result<(), String>;
}

/// A chart's log, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// How many events it has.
    pub count: u64,
    /// Running digest over them.
    pub digest: Hash,
}

/// How far a walk has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is walked: `entries`, `blocks`, `tree`, `state`, `former` or `logs`.
    pub stage: &'static str,
    /// Entries done.
    pub done: u64,
    /// Entries in all, where known.
    pub total: Option<u64>,
}

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Newest height and state root.
    pub head: Option<(u64, StateRoot)>,
    /// Blocks verified.
    pub blocks: u64,
    /// Receipts verified.
    pub receipts: u64,
    /// State entries verified against a leaf of their own.
    pub entries: u64,
    /// Flat state entries, verified against the digest of all of them.
    pub flat: u64,
    /// Events verified.
    pub events: u64,
    /// Charts' logs verified.
    pub logs: u64,
    /// Every damage, up to a hundred. Empty is what one hopes for.
    pub damages: Vec<Damage>,
}

impl Store {
    /// Verifies all that is stored: every block's hash chain, transactions, receipts and events; every node and entry of
    /// the state against its root; every chart's log against the state. Goes on after a damage, to find all of them.
    #[must_use]
    pub fn walk(&self, meaning: Option<&dyn Meaning>, progress: &mut dyn FnMut(Progress)) -> Walked {
        let mut walk = Walk { meaning, progress, found: Walked::default() };
        let view = match guarded(Place::Head, || self.view()) {
            Ok(view) => view,
            Err(fault) => {
                walk.note(Place::Head, fault);
                return walk.found;
            }
        };
        walk.found.head = view.height().map(|height| (height, view.root()));
        if let Err(fault) = guarded(Place::Head, || nothing_beyond(&view.disk, view.head)) {
            walk.note(Place::Head, fault);
        }
        walk.all(&view);
        if let Some(head) = view.head {
            walk.blocks(&view, head);
            let leaves = walk.tree(&view, head);
            walk.state(&view, head, leaves);
            walk.former(&view, head);
            walk.logs(&view);
        }
        walk.found
    }
}

struct Walk<'a> {
    meaning: Option<&'a dyn Meaning>,
    progress: &'a mut dyn FnMut(Progress),
    found: Walked,
}

impl Walk<'_> {
    fn note(&mut self, place: Place, fault: Fault) {
        let damage = match fault {
            Fault::Damaged(damage) => damage,
            other => Damage::new(place, other.to_string()),
        };
        if self.found.damages.len() < DAMAGES_MAX && !self.found.damages.contains(&damage) {
            self.found.damages.push(damage);
        }
    }

    fn report(&mut self, stage: &'static str, done: u64, total: Option<u64>) {
        if done.is_multiple_of(REPORT_EVERY) || total == Some(done) {
            (self.progress)(Progress { stage, done, total });
        }
    }

    /// Reads every entry once, also those that no newest block or state leads to, so that the engine's checksums are met.
    fn all(&mut self, view: &View) {
        let mut entries = view.disk.prefix(&[]);
        let (mut done, mut last) = (0_u64, Place::Head);
        loop {
            match guarded(last.clone(), || entries.next().transpose()) {
                Ok(None) => break,
                Ok(Some((key, _))) => last = keys::place(&key),
                Err(fault) => {
                    self.note(last, fault);
                    break;
                }
            }
            done = done.saturating_add(1);
            self.report("entries", done, None);
        }
    }

    fn blocks(&mut self, view: &View, head: Head) {
        let mut before: Option<(Header, Record)> = None;
        for height in 0..=head.height {
            let place = Place::Block(height);
            let read = guarded(place.clone(), || {
                let header: Header = view.disk.need(&keys::at(keys::HEADER, height), place.clone())?;
                let record: Record = view.disk.need(&keys::at(keys::RECORD, height), place.clone())?;
                Ok((header, record))
            });
            match read {
                Err(fault) => {
                    self.note(place, fault);
                    before = None;
                }
                Ok((header, record)) => {
                    if let Err(fault) = self.block(view, before.as_ref(), &header, &record) {
                        self.note(place, fault);
                    }
                    before = Some((header, record));
                }
            }
            self.found.blocks = self.found.blocks.saturating_add(1);
            self.report("blocks", height.saturating_add(1), Some(head.height.saturating_add(1)));
        }
        if before.is_none_or(|(_, record)| record.chain != head.chain || record.state_root != head.state_root)
        {
            self.note(Place::Head, Fault::damaged(Place::Head, "the newest block's record is another"));
        }
    }

    fn block(
        &mut self,
        view: &View,
        before: Option<&(Header, Record)>,
        header: &Header,
        record: &Record,
    ) -> Result<(), Fault> {
        let place = Place::Block(header.height);
        guarded(place.clone(), || follows(before, header, record))?;
        // Before the first block stands the empty chain.
        let chain = match (before, header.height) {
            (Some((_, record)), _) => Some(record.chain),
            (None, 0) => Some(Hash::default()),
            (None, _) => None,
        };
        let receipts = guarded(place.clone(), || whole(view, header, record, chain))?;
        guarded(Place::Tree(header.height), || root(view, header.height, record))?;
        guarded(place.clone(), || executed(view, header))?;
        self.found.receipts = self.found.receipts.saturating_add(receipts.len() as u64);
        if let Some(meaning) = self.meaning {
            let checked = guarded(place.clone(), || Ok(meaning.check_block(view, header, &receipts)))?;
            checked.map_err(|what| Fault::damaged(place, what))?;
        }
        Ok(())
    }

    /// Hashes every node under every retained root again; gives the number of leaves under the newest.
    fn tree(&mut self, view: &View, head: Head) -> u64 {
        let leaves = self.under(view, head.height, head.state_root, false).1;
        let mut nodes = 0_u64;
        for height in head.states_from..=head.height {
            let root = guarded(Place::Block(height), || view.state_root(height));
            let Ok(Some(root)) = root else { continue };
            // Each further version shares all nodes but its own with the one before.
            nodes = nodes.saturating_add(self.under(view, height, root, height > head.states_from).0);
        }
        let stored = guarded(Place::Head, || {
            let mut stored = 0_u64;
            for entry in view.disk.prefix(&[keys::NODE]) {
                entry?;
                stored = stored.saturating_add(1);
            }
            Ok(stored)
        });
        let place = Place::Tree(head.height);
        match stored {
            Ok(stored) if stored == nodes => {}
            Ok(stored) => {
                let what = format!("{stored} nodes are stored, {nodes} hang under a retained root");
                self.note(place.clone(), Fault::damaged(place, what));
            }
            Err(fault) => self.note(place, fault),
        }
        leaves
    }

    /// Hashes the nodes under the root of `version`, all or only its own; gives how many there are, and how many leaves.
    fn under(&mut self, view: &View, version: u64, root: StateRoot, own: bool) -> (u64, u64) {
        let (mut count, mut leaves) = (0_u64, 0_u64);
        let place = Place::Tree(version);
        // Each with its hash, what its parent says of it, and the version of what stood in its place before.
        let former = version.checked_sub(1).filter(|_| own);
        let mut open = vec![(version, Vec::<u8>::new(), root.0, None::<(bool, usize)>, former)];
        while let Some((at, path, expected, told, former)) = open.pop() {
            count = count.saturating_add(1);
            self.report("tree", count, None);
            let read = guarded(place.clone(), || {
                let found = node(view, at, &path, expected)?;
                let former = former.map(|former| any_node(view, former, &path)).transpose()?.flatten();
                Ok((found, former))
            });
            let (found, former) = match read {
                Ok(read) => read,
                Err(fault) => {
                    self.note(place.clone(), fault);
                    continue;
                }
            };
            let inner = match (told, found) {
                (None, Node::Null) => continue,
                (None, Node::Leaf(_)) => {
                    leaves = leaves.saturating_add(1);
                    continue;
                }
                (Some((true, _)), Node::Leaf(_)) => {
                    leaves = leaves.saturating_add(1);
                    continue;
                }
                (None, Node::Internal(inner)) => inner,
                (Some((false, leaves)), Node::Internal(inner)) if leaves == inner.leaf_count() => inner,
                (Some(_), _) => {
                    let what = "a node is not of the kind that its parent says";
                    self.note(place.clone(), Fault::damaged(place.clone(), what));
                    continue;
                }
            };
            let former = match former {
                Some(Node::Internal(former)) => Some(former),
                _ => None,
            };
            for (nibble, child) in inner.children_sorted() {
                let before = former.as_ref().and_then(|former| former.child(nibble));
                if own && child.version != version {
                    // Not of this version, so the version before has the very same.
                    if before != Some(child) {
                        let what = "a node refers to one that the version before does not have";
                        self.note(place.clone(), Fault::damaged(place.clone(), what));
                    }
                    continue;
                }
                let mut below = path.clone();
                below.push(u8::from(nibble));
                let former = before.map(|before| before.version);
                let told = (child.is_leaf(), child.leaf_count());
                open.push((child.version, below, Hash(child.hash), Some(told), former));
            }
        }
        (count, leaves)
    }

    /// Holds every plain entry against the tree, and their number against that of the leaves: so they are the same set.
    /// The flat ones are summed up, and the sum held against its leaf.
    fn state(&mut self, view: &View, head: Head, leaves: u64) {
        let nodes = Nodes { fresh: None, disk: &view.disk };
        let mut heads = 0_u64;
        let mut flat = FlatDigest::default();
        let mut entries = view.disk.prefix(&[keys::VALUE]);
        loop {
            let entry = match guarded(Place::Head, || entries.next().transpose()) {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(fault) => {
                    self.note(Place::Head, fault);
                    break;
                }
            };
            let (key, value) = (entry.0.get(1..).unwrap_or_default(), entry.1);
            if is_flat(key) {
                flat.add(key, &value);
                self.found.flat = self.found.flat.saturating_add(1);
                continue;
            }
            let place = Place::Key(key.to_vec());
            let checked = guarded(place.clone(), || {
                let proof = nodes.prove(head.height, &state_key(key))?;
                let leaf = proof.leaf.filter(|leaf| leaf.key == state_key(key));
                match leaf {
                    Some(leaf) if leaf.value == state_leaf_value(&value) => Ok(()),
                    Some(_) => Err(Fault::damaged(place.clone(), "the tree has another value")),
                    None => Err(Fault::damaged(place.clone(), "the tree does not have it")),
                }
            });
            if let Err(fault) = checked {
                self.note(place, fault);
            }
            if self.meaning.is_some_and(|meaning| meaning.is_log_head(key, &value)) {
                heads = heads.saturating_add(1);
            }
            self.found.entries = self.found.entries.saturating_add(1);
            self.report("state", self.found.entries, Some(leaves));
        }
        if self.found.entries != leaves {
            let what = format!("it has {leaves} leaves, {} entries lie beside it", self.found.entries);
            self.note(Place::Tree(head.height), Fault::damaged(Place::Tree(head.height), what));
        }
        let place = Place::Key(FLAT_KEY.to_vec());
        match guarded(place.clone(), || view.value(FLAT_KEY)) {
            Ok(sum) if sum.as_ref().map_or(flat == FlatDigest::default(), |sum| *sum == flat.to_bytes()) => {}
            Ok(_) => {
                let what = "the flat entries are not those that the state sums up";
                self.note(place.clone(), Fault::damaged(place, what));
            }
            Err(fault) => self.note(place, fault),
        }
        self.found.logs = heads;
    }

    /// Holds what blocks replaced against the tree before them, so that older states read as they were.
    fn former(&mut self, view: &View, head: Head) {
        let trails = (0..=head.height).filter(|height| trailed(view, *height));
        let (mut expected, mut done) = (0_u64, 0_u64);
        for height in trails {
            let place = Place::Tree(height);
            let trail = guarded(place.clone(), || {
                view.disk.need::<Trail>(&keys::at(keys::TRAIL, height), place.clone())
            });
            let keys = match trail {
                Ok(trail) => trail.keys,
                Err(fault) => {
                    self.note(place, fault);
                    continue;
                }
            };
            expected = expected.saturating_add(keys.len() as u64);
            for key in keys {
                let place = Place::Key(key.clone());
                if let Err(fault) = guarded(place.clone(), || before(view, height, &key)) {
                    self.note(place, fault);
                }
                done = done.saturating_add(1);
                self.report("former", done, None);
            }
        }
        let stored = guarded(Place::Head, || {
            let former = view.disk.prefix(&[keys::FORMER]).count() as u64;
            let trails = view.disk.prefix(&[keys::TRAIL]).count() as u64;
            Ok((former, trails))
        });
        let trails = (0..=head.height).filter(|height| trailed(view, *height)).count() as u64;
        match stored {
            Ok(stored) if stored == (expected, trails) => {}
            Ok(_) => {
                let what = "as much is not kept of older states as should be";
                self.note(Place::Head, Fault::damaged(Place::Head, what));
            }
            Err(fault) => self.note(Place::Head, fault),
        }
    }

    fn logs(&mut self, view: &View) {
        let mut entries = view.disk.prefix(&[keys::EVENT]);
        let mut log: Option<(ChartId, LogHead)> = None;
        let mut logs = 0_u64;
        loop {
            let entry = match guarded(Place::Head, || entries.next().transpose()) {
                Ok(entry) => entry,
                Err(fault) => {
                    self.note(Place::Head, fault);
                    break;
                }
            };
            let at = entry.as_ref().and_then(|(key, _)| {
                let chart = ChartId::from(keys::bytes_at::<32>(key, 1)?);
                Some((chart, u64::from_be_bytes(keys::bytes_at(key, 33)?)))
            });
            if let Some((chart, found)) = log
                && at.is_none_or(|(next, _)| next != chart)
            {
                self.log_ends(view, chart, found);
                logs = logs.saturating_add(1);
                log = None;
            }
            let (Some((chart, index)), Some((_, event))) = (at, entry) else { break };
            let (_, so_far) = log.unwrap_or((chart, LogHead { count: 0, digest: Hash::default() }));
            if index != so_far.count {
                let place = Place::Event(chart, so_far.count);
                self.note(place.clone(), Fault::damaged(place, "it is missing"));
            }
            let digest =
                self.meaning.map_or(so_far.digest, |meaning| meaning.next(&chart, &so_far.digest, &event));
            log = Some((chart, LogHead { count: index.saturating_add(1), digest }));
            self.found.events = self.found.events.saturating_add(1);
            self.report("logs", self.found.events, None);
        }
        if self.meaning.is_some() && logs != self.found.logs {
            let what = format!("the state knows {} logs, {logs} are stored", self.found.logs);
            self.note(Place::Head, Fault::damaged(Place::Head, what));
        }
        self.found.logs = logs;
    }

    fn log_ends(&mut self, view: &View, chart: ChartId, found: LogHead) {
        let Some(meaning) = self.meaning else { return };
        let place = Place::Log(chart);
        let expected = guarded(place.clone(), || Ok(meaning.log_head(view, &chart)));
        match expected {
            Ok(Some(expected)) if expected == found => {}
            Ok(_) => {
                self.note(place.clone(), Fault::damaged(place, "it is not the log that the state knows"))
            }
            Err(fault) => self.note(place, fault),
        }
    }
}

/// The node at `path`, whatever it is.
fn any_node(view: &View, version: u64, path: &[u8]) -> Result<Option<Node>, Fault> {
    let nodes = Nodes { fresh: None, disk: &view.disk };
    nodes.get_node_option(&NodeKey::new(version, tree::path_of(path))).map_err(tree::fault(version))
}

/// The node at `path`, if it hashes to `expected` and belongs there.
fn node(view: &View, version: u64, path: &[u8], expected: Hash) -> Result<Node, Fault> {
    let nodes = Nodes { fresh: None, disk: &view.disk };
    let key = NodeKey::new(version, tree::path_of(path));
    let node = nodes.get_node(&key).map_err(tree::fault(version))?;
    let (hash, leaf) = match &node {
        Node::Null => (EMPTY_STATE_ROOT.0, None),
        Node::Internal(inner) => (Hash(inner.hash::<tree::TreeHasher>()), None),
        Node::Leaf(leaf) => (Hash(leaf.hash::<tree::TreeHasher>()), Some(Hash(leaf.key_hash().0))),
    };
    if hash != expected {
        let at: String = path.iter().map(|nibble| format!("{nibble:x}")).collect();
        return Err(Fault::damaged(Place::Tree(version), format!("the node at `{at}` hashes to another")));
    }
    match leaf {
        Some(leaf) if !on_path(&leaf, path) => {
            Err(Fault::damaged(Place::Leaf(leaf), "it hangs in another place"))
        }
        _ => Ok(node),
    }
}

/// That what block `height` replaced under `key` is what the tree before it holds.
fn before(view: &View, height: u64, key: &[u8]) -> Result<(), Fault> {
    let place = || Place::Key(key.to_vec());
    let former: Option<Vec<u8>> = view.disk.need(&keys::former(&state_key(key), height), place())?;
    let held = match height.checked_sub(1) {
        None => None,
        Some(before) => {
            let nodes = Nodes { fresh: None, disk: &view.disk };
            nodes.prove(before, &state_key(key))?.leaf
        }
    };
    let held = held.filter(|leaf| leaf.key == state_key(key)).map(|leaf| leaf.value);
    if held == former.map(|value| state_leaf_value(&value)) {
        Ok(())
    } else {
        Err(Fault::damaged(place(), format!("what it was before block {height} is not what the tree held")))
    }
}

/// That the state root which the proposer named is the one this node stored.
fn executed(view: &View, header: &Header) -> Result<(), Fault> {
    let claim = header.executed;
    match view.state_root(claim.height)? {
        // A header without a claim names no root.
        _ if claim.state_root == StateRoot::default() => Ok(()),
        Some(root) if root == claim.state_root => Ok(()),
        Some(root) => Err(Fault::damaged(Place::Tree(claim.height), other_root(root, claim.state_root))),
        None => Err(Fault::damaged(Place::Block(header.height), "it names a height that is not stored")),
    }
}

fn on_path(leaf: &Hash, path: &[u8]) -> bool {
    let nibbles = leaf.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    path.len() <= 64 && nibbles.zip(path).all(|(own, at)| own == *at)
}
