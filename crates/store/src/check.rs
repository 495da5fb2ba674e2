//! This file is where a store is checked at start: head, newest blocks, and the state that they wrote.

use crate::{
    disk::Disk,
    fault::{Damage, Fault, Place, other_block, other_root},
    keys,
    record::{Event, Head, Record, Trail},
    store::Store,
    tree::{self, Nodes},
    view::View,
};
use primitives::{Hash, Header, TxId, merkle_root};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Newest blocks that are hashed again, whole.
const BLOCKS: u64 = 16;

/// Newest headers whose chain is followed: more than any journal of the engine holds.
const HEADERS: u64 = 65_536;

/// State entries, of those changed last, that are held against the tree.
const ENTRIES: usize = 4_000;

impl Store {
    /// Checks the head and what was written last: the header chain, the newest blocks with their receipts and events, the
    /// newest roots, and the entries changed last against the state root. Takes well under a second.
    ///
    /// # Errors
    /// A [`Fault`] that says where the store is damaged.
    pub fn check_head(&self) -> Result<(), Fault> {
        guarded(Place::Head, || check(&self.view()?))
    }
}

fn check(view: &View) -> Result<(), Fault> {
    nothing_beyond(&view.disk, view.head)?;
    let Some(head) = view.head else { return Ok(()) };
    let newest = view.record(head.height)?;
    if newest.is_none_or(|record| record.chain != head.chain || record.state_root != head.state_root) {
        return Err(Fault::damaged(Place::Head, "the newest block's record is another"));
    }
    let from = head.height.saturating_sub(HEADERS);
    let mut before: Option<(Header, Record)> = None;
    for height in from..=head.height {
        let place = Place::Block(height);
        let header: Header =
            guarded(place.clone(), || view.disk.need(&keys::at(keys::HEADER, height), place.clone()))?;
        let record: Record =
            guarded(place.clone(), || view.disk.need(&keys::at(keys::RECORD, height), place.clone()))?;
        follows(before.as_ref(), &header, &record)?;
        if height.saturating_add(BLOCKS) > head.height {
            let chain = before.as_ref().map(|(_, record)| record.chain);
            guarded(place, || whole(view, &header, &record, chain).map(drop))?;
            guarded(Place::Tree(height), || root(view, height, &record))?;
        }
        before = Some((header, record));
    }
    entries(view, head)
}

/// That `header` and `record` are of one block and continue the one before.
pub(crate) fn follows(
    before: Option<&(Header, Record)>,
    header: &Header,
    record: &Record,
) -> Result<(), Fault> {
    let place = Place::Block(header.height);
    if header.hash() != record.block {
        return Err(Fault::damaged(place, other_block(header.hash(), record.block)));
    }
    let Some((parent, earlier)) = before else { return Ok(()) };
    if header.height != parent.height.saturating_add(1) || header.parent != earlier.block {
        return Err(Fault::damaged(place, "it does not continue the block before"));
    }
    if record.chained(&earlier.chain) != record.chain {
        return Err(Fault::damaged(place, "its record does not continue the one before"));
    }
    Ok(())
}

/// That the block's body, receipts and events are what its header and record say; gives the receipts.
pub(crate) fn whole(
    view: &View,
    header: &Header,
    record: &Record,
    before: Option<Hash>,
) -> Result<Vec<(TxId, Vec<u8>)>, Fault> {
    let height = header.height;
    let place = || Place::Block(height);
    match view.txs(height)? {
        Some(_) if height < view.bodies_from()? => {
            return Err(Fault::damaged(place(), "its transactions are there, but count as pruned"));
        }
        Some(txs) if merkle_root(&txs) == header.txs_root => {}
        Some(_) => return Err(Fault::damaged(place(), "its transactions do not hash to its header")),
        None if height < view.bodies_from()? => {}
        None => return Err(Fault::damaged(place(), "its transactions are missing")),
    }
    let (receipts, events) = (view.receipts(height)?, view.events_at(height)?);
    // Without the record before (only where a check begins in mid-chain), everything but the chain is compared.
    let trail = if trailed(view, height) {
        view.disk.need::<Trail>(&keys::at(keys::TRAIL, height), Place::Tree(height))?.digest()
    } else {
        record.trail_digest
    };
    let head = before.unwrap_or_default();
    let again = Record::new(&head, record.block, record.state_root, &receipts, &events, trail);
    let again = Record { chain: before.map_or(record.chain, |_| again.chain), ..again };
    if again.receipts != record.receipts || again.receipts_digest != record.receipts_digest {
        return Err(Fault::damaged(place(), "its receipts are not those that were stored"));
    }
    if again.trail_digest != record.trail_digest {
        return Err(Fault::damaged(Place::Tree(height), "what it replaced is not what was stored"));
    }
    if again != *record {
        return Err(Fault::damaged(place(), "its events are not those that were stored"));
    }
    for (index, (tx, _)) in (0_u32..).zip(&receipts) {
        found_by_id(view, height, index, tx)?;
    }
    for Event { chart, index, .. } in &events {
        let before = index.checked_sub(1).map(|before| keys::event(chart, before));
        if let Some(before) = before
            && !view.disk.has(&before)?
        {
            return Err(Fault::damaged(Place::Event(*chart, index.saturating_sub(1)), "it is missing"));
        }
    }
    Ok(receipts)
}

/// Whether the block's trail is kept: the state before it can be asked for.
pub(crate) fn trailed(view: &View, height: u64) -> bool {
    height > view.states_from()
}

/// That the receipt is what a look-up by its id finds, or an earlier one of the same transaction.
fn found_by_id(view: &View, height: u64, index: u32, tx: &TxId) -> Result<(), Fault> {
    match view.receipt(tx)? {
        Some((at, place, _)) if (at, place) <= (height, index) => Ok(()),
        _ => Err(Fault::damaged(Place::Receipt(height, index), "it is not found by its transaction")),
    }
}

/// That the root node of `height`, where it is retained, hashes to what the record says.
pub(crate) fn root(view: &View, height: u64, record: &Record) -> Result<(), Fault> {
    if height < view.states_from() {
        return Ok(());
    }
    let nodes = Nodes { fresh: None, disk: &view.disk };
    match nodes.root(height).map_err(tree::fault(height))? {
        Some(root) if root == record.state_root => Ok(()),
        Some(root) => Err(Fault::damaged(Place::Tree(height), other_root(root, record.state_root))),
        None => Err(Fault::damaged(Place::Tree(height), "its root node is missing")),
    }
}

/// That the plain entry of `key` is what the tree holds under the newest root.
fn entry(view: &View, key: &[u8]) -> Result<(), Fault> {
    let (value, proof) = view.prove(key)?;
    proof
        .verify(view.root(), key, value.as_deref())
        .map_err(|error| Fault::damaged(Place::Key(key.to_vec()), error.to_string()))
}

fn entries(view: &View, head: Head) -> Result<(), Fault> {
    let mut left = ENTRIES;
    for height in (head.states_from.saturating_add(1)..=head.height).rev() {
        let at = keys::at(keys::TRAIL, height);
        let trail: Trail = guarded(Place::Tree(height), || view.disk.need(&at, Place::Tree(height)))?;
        // The newest block's are held against it in any case.
        if trail.keys.len() > left && height < head.height {
            break;
        }
        left = left.saturating_sub(trail.keys.len());
        for key in &trail.keys {
            guarded(Place::Key(key.clone()), || entry(view, key))?;
        }
    }
    Ok(())
}

/// That no block lies above the head: the engine would have given us an old head.
pub(crate) fn nothing_beyond(disk: &Disk, head: Option<Head>) -> Result<(), Fault> {
    let next = head.map_or(0, |head| head.height.saturating_add(1));
    for kind in [keys::HEADER, keys::RECORD, keys::BODY, keys::RECEIPT, keys::EVENT_AT, keys::TRAIL] {
        let beyond = disk.range(keys::at(kind, next)..vec![kind.saturating_add(1)]).next();
        if beyond.transpose()?.is_some() {
            return Err(Fault::damaged(Place::Head, format!("block {next} is stored, but lies beyond it")));
        }
    }
    Ok(())
}

/// Runs `step`; gives the engine's errors and panics the place where they happened.
pub(crate) fn guarded<T>(place: Place, step: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // The engine asserts some of what it reads, so garbled bytes may panic instead of giving an error.
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(Err(Fault::Engine(error))) => {
            Err(Damage::new(place, format!("the storage engine says {error:?}")).into())
        }
        Ok(result) => result,
        Err(_) => Err(Fault::damaged(place, "the storage engine cannot read it")),
    }
}
