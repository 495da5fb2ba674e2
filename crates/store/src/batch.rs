//! This file is where executed blocks are gathered and committed: several blocks, one batch, one fsync.

use crate::{
    check::guarded,
    disk::Disk,
    fault::{Fault, Place},
    hot::Hot,
    keys,
    record::{Event, Head, Record, StoredReceipt, Trail},
    store::{RETAINED_STATES, Store},
    tree::{self, Nodes},
};
use bytes::Bytes;
use jmt::storage::Node;
use primitives::{
    BlockHash, EMPTY_STATE_ROOT, FLAT_KEY, FlatDigest, Hash, Header, State, StateRoot, TxId, encode, is_flat,
    merkle_root, state_key,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
};

/// Greatest length of a state key; the engine's own limit lies a little higher.
const STATE_KEY_BYTES_MAX: usize = 65_000;

/// An executed block: what it is and what it did.
#[derive(Clone, Debug)]
pub struct BlockCommit {
    /// The header. The first block has height 0, each further one the next height.
    pub header: Header,
    /// The encoded transactions; the header's `txs_root` is [`merkle_root`] over them.
    pub txs: Vec<Bytes>,
    /// State entries to put (`Some`) or remove (`None`). Those that [`is_flat`] get no leaf in the tree: the digest of all
    /// of them, under [`FLAT_KEY`], has one.
    pub writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Receipts in the block's order. Of several for one transaction, the first is the one found by its id.
    pub receipts: Vec<(TxId, Vec<u8>)>,
    /// Events added to charts' logs, in order; each continues its chart's log.
    pub events: Vec<Event>,
}

/// Executed blocks that wait for their one commit. Dropping it forgets them.
pub struct Batch {
    store: Store,
    disk: Disk,
    hot: Hot,
    base: Option<Head>,
    head: Option<Head>,
    parent: BlockHash,
    values: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// What was read from the disk since the last block was pushed: execution reads what it then replaces.
    read: RefCell<HashMap<Vec<u8>, Option<Vec<u8>>>>,
    /// Tree nodes by storage key.
    nodes: HashMap<Vec<u8>, Node>,
    /// All entries but nodes and values, as they will be written.
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    removals: Vec<Vec<u8>>,
    /// Nodes that the tree after the newest block doesn't refer to any more.
    stale: Vec<Vec<u8>>,
}

/// The state as the blocks of a [`Batch`] leave it, before they are committed.
#[derive(Clone, Copy)]
pub struct BatchView<'a>(&'a Batch);

impl State for BatchView<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.value(key).unwrap_or_else(|fault| fault.stop())
    }
}

impl BatchView<'_> {
    /// Height of the newest block, be it in the batch or committed before it.
    #[must_use]
    pub fn height(&self) -> Option<u64> {
        self.0.head.map(|head| head.height)
    }

    /// Root of the state after that block.
    #[must_use]
    pub fn root(&self) -> StateRoot {
        self.0.head.map_or(EMPTY_STATE_ROOT, |head| head.state_root)
    }
}

impl Store {
    /// Begins a batch on top of the newest committed height.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    pub fn batch(&self) -> Result<Batch, Fault> {
        Batch::begin(self.clone())
    }
}

impl Batch {
    pub(crate) fn begin(store: Store) -> Result<Self, Fault> {
        let (disk, hot) = (store.disk(), store.hot());
        let base: Option<Head> = disk.read(keys::HEAD, Place::Head)?;
        let parent = match base {
            None => BlockHash::default(),
            Some(head) => {
                let height = head.height;
                disk.need::<Record>(&keys::at(keys::RECORD, height), Place::Block(height))?.block
            }
        };
        Ok(Self {
            store,
            disk,
            hot,
            base,
            head: base,
            parent,
            values: BTreeMap::new(),
            read: RefCell::default(),
            nodes: HashMap::new(),
            entries: BTreeMap::new(),
            removals: Vec::new(),
            stale: Vec::new(),
        })
    }

    /// The state after all blocks pushed so far.
    #[must_use]
    pub fn view(&self) -> BatchView<'_> {
        BatchView(self)
    }

    /// How many bytes of values the batch holds, roughly: a caller commits before this grows large.
    #[must_use]
    pub fn weight(&self) -> usize {
        let values: usize = self.values.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, Vec::len)).sum();
        values + self.entries.values().map(Vec::len).sum::<usize>()
    }

    /// Adds the next executed block and returns the state's root after it.
    ///
    /// # Errors
    /// A [`Fault`] if the block doesn't follow the one before, doesn't fit its header, or the disk fails. The batch is
    /// then to be dropped.
    pub fn push(&mut self, commit: BlockCommit) -> Result<StateRoot, Fault> {
        let BlockCommit { header, txs, writes, receipts, events } = commit;
        let height = header.height;
        let expected = self.head.map_or(0, |head| head.height.saturating_add(1));
        if height != expected {
            return Err(Fault::NotNext { expected, got: height });
        }
        if self.head.is_some() && header.parent != self.parent {
            return Err(Fault::Misfit { height, what: "its parent is another block" });
        }
        if merkle_root(&txs) != header.txs_root {
            return Err(Fault::Misfit { height, what: "its transactions do not hash to its header" });
        }
        let refused =
            |key: &Vec<u8>| key.is_empty() || key.len() > STATE_KEY_BYTES_MAX || key.as_slice() == FLAT_KEY;
        if writes.keys().any(refused) {
            return Err(Fault::Misfit { height, what: "a state key is empty, too long or the store's own" });
        }

        let (state_root, trail) = self.put_state(height, writes)?;
        let block = header.hash();
        let before = self.head.map_or(Hash::default(), |head| head.chain);
        let record = Record::new(&before, block, state_root, &receipts, &events, trail);
        self.put_events(height, events)?;
        self.put_receipts(height, receipts)?;
        self.entries.insert(keys::at(keys::HEADER, height), encode(&header));
        let txs: Vec<&[u8]> = txs.iter().map(AsRef::as_ref).collect();
        self.entries.insert(keys::at(keys::BODY, height), encode(&txs));
        self.entries.insert(keys::at(keys::RECORD, height), encode(&record));

        let states_from = self.forget_state(height)?;
        // No more than one block's reads are held.
        self.read.get_mut().clear();
        self.parent = block;
        self.head = Some(Head { height, state_root, chain: record.chain, states_from });
        Ok(state_root)
    }

    /// Makes all pushed blocks durable, with one fsync, all or none.
    ///
    /// # Errors
    /// A [`Fault`]; nothing is then acknowledged, and the node must stop.
    pub fn commit(self) -> Result<(), Fault> {
        let Some(head) = self.head.filter(|_| self.head != self.base) else { return Ok(()) };
        let Self { store, base, hot, values, nodes, entries, removals, stale, .. } = self;
        store.commit(base, head, |batch, space| {
            for (key, value) in values {
                match value {
                    Some(value) => batch.insert(space, keys::value(&key), value),
                    None => batch.remove(space, keys::value(&key)),
                }
            }
            for (key, node) in &nodes {
                batch.insert(space, key.as_slice(), encode(node));
            }
            for (key, entry) in entries {
                batch.insert(space, key, entry);
            }
            for key in &removals {
                batch.remove(space, key.as_slice());
            }
        })?;
        hot.keep(nodes, &stale);
        Ok(())
    }

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        if let Some(value) = self.values.get(key) {
            return Ok(value.clone());
        }
        if let Some(value) = self.read.borrow().get(key) {
            return Ok(value.clone());
        }
        let value = self.disk.get(&keys::value(key))?.map(|value| value.to_vec());
        self.read.borrow_mut().insert(key.to_vec(), value.clone());
        Ok(value)
    }

    fn put_state(
        &mut self,
        height: u64,
        writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    ) -> Result<(StateRoot, Hash), Fault> {
        let mut changes = BTreeMap::new();
        let mut flat: Option<FlatDigest> = None;
        for (key, value) in writes {
            let old = self.value(&key)?;
            // What changes nothing leaves no trace in the tree either, so neither does it here.
            if old == value {
                continue;
            }
            if !is_flat(&key) {
                changes.insert(key, (old, value));
                continue;
            }
            let digest = match &mut flat {
                Some(digest) => digest,
                None => flat.insert(self.flat_digest()?),
            };
            if let Some(old) = old {
                digest.remove(&key, &old);
            }
            if let Some(value) = &value {
                digest.add(&key, value);
            }
            self.values.insert(key, value);
        }
        if let Some(digest) = flat {
            // Without flat rows there is no leaf, so that the root depends on the rows alone and not on their history.
            let new = (digest != FlatDigest::default()).then(|| digest.to_bytes());
            changes.insert(FLAT_KEY.to_vec(), (self.value(FLAT_KEY)?, new));
        }
        let paths = changes.keys().map(|key| state_key(key)).collect::<Vec<_>>();
        let mut writes = Vec::with_capacity(changes.len());
        for (path, (old, new)) in paths.iter().zip(changes.values()) {
            if height > 0 {
                self.entries.insert(keys::former(path, height), encode(old));
            }
            writes.push((*path, new.as_deref()));
        }
        let nodes = Nodes { fresh: Some((&self.nodes, &self.hot)), disk: &self.disk };
        // The tree's library asserts that the nodes beside a path are there.
        let place = Place::Tree(height);
        let update = guarded(place, || nodes.update(height, &writes).map_err(tree::fault(height)))?;
        let trail = Trail {
            keys: changes.keys().cloned().collect(),
            stale: update.stale.iter().map(tree::storage_key).collect(),
        };
        // Before the first block there is no state to go back to.
        if height > 0 {
            self.entries.insert(keys::at(keys::TRAIL, height), encode(&trail));
        }
        self.stale.extend_from_slice(&trail.stale);
        self.nodes.extend(update.nodes);
        self.values.extend(changes.into_iter().map(|(key, (_, new))| (key, new)));
        Ok((update.root, trail.digest()))
    }

    /// The digest of all flat rows so far.
    fn flat_digest(&self) -> Result<FlatDigest, Fault> {
        let Some(bytes) = self.value(FLAT_KEY)? else { return Ok(FlatDigest::default()) };
        let place = || Place::Key(FLAT_KEY.to_vec());
        FlatDigest::from_bytes(&bytes).ok_or_else(|| Fault::damaged(place(), "it has another length"))
    }

    /// Drops what only the state of `RETAINED_STATES` blocks ago needed; returns the lowest height still whole.
    fn forget_state(&mut self, height: u64) -> Result<u64, Fault> {
        let mut states_from = self.head.map_or(0, |head| head.states_from);
        while height.saturating_sub(states_from) >= RETAINED_STATES {
            states_from = states_from.saturating_add(1);
            let at = keys::at(keys::TRAIL, states_from);
            let trail: Trail = match self.entries.get(&at) {
                Some(bytes) => crate::disk::decode(bytes, Place::Tree(states_from))?,
                None => self.disk.need(&at, Place::Tree(states_from))?,
            };
            let former = trail.keys.iter().map(|key| keys::former(&state_key(key), states_from));
            for key in trail.stale.into_iter().chain(former).chain([at]) {
                // The engine can't order a put and a removal of one key in one batch.
                if self.nodes.remove(&key).is_none() && self.entries.remove(&key).is_none() {
                    self.removals.push(key);
                }
            }
        }
        Ok(states_from)
    }

    fn put_receipts(&mut self, height: u64, receipts: Vec<(TxId, Vec<u8>)>) -> Result<(), Fault> {
        for (index, (tx, bytes)) in (0_u32..).zip(receipts) {
            let of = keys::receipt_of(&tx);
            if !self.entries.contains_key(&of) && !self.disk.has(&of)? {
                self.entries.insert(of, encode(&(height, index)));
            }
            self.entries.insert(keys::receipt(height, index), encode(&StoredReceipt { tx, bytes }));
        }
        Ok(())
    }

    fn put_events(&mut self, height: u64, events: Vec<Event>) -> Result<(), Fault> {
        for (position, Event { chart, index, bytes }) in (0_u32..).zip(events) {
            let at = keys::event(&chart, index);
            let follows = match index.checked_sub(1) {
                None => true,
                Some(before) => self.holds(&keys::event(&chart, before))?,
            };
            if !follows || self.holds(&at)? {
                return Err(Fault::Misfit { height, what: "an event does not continue its chart's log" });
            }
            self.entries.insert(at, bytes);
            self.entries.insert(keys::event_at(height, position), encode(&(chart, index)));
        }
        Ok(())
    }

    fn holds(&self, key: &[u8]) -> Result<bool, Fault> {
        if self.entries.contains_key(key) { Ok(true) } else { self.disk.has(key) }
    }
}
