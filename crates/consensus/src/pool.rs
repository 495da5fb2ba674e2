//! This file is where transactions wait to be ordered: in lanes, one for each organisation, that share blocks fairly.

use crate::{Refused, Ticket, block::TX_PREFIX};
use bytes::Bytes;
use primitives::{BlockHash, Hash, Millis, TxId, domain, hash};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// How many finalised transactions are remembered, at least, so that a late copy isn't offered again.
const DONE_MIN: usize = 1 << 16;

/// The pool's name of a transaction: over all its bytes, signature included.
pub(crate) fn fingerprint(tx: &[u8]) -> Hash {
    hash(domain::TX_CACHE, &[tx])
}

struct Waiting {
    tx: Bytes,
    id: TxId,
    valid_until: Millis,
    /// The lane that its bytes count in: the first that had room.
    lane: Hash,
    /// When it was last sent to the others, if it was submitted here.
    sent: Option<Millis>,
}

#[derive(Default)]
struct Lane {
    urgent: VecDeque<Hash>,
    usual: VecDeque<Hash>,
    bytes: usize,
}

/// The pool. Knows nothing of threads or clocks.
pub(crate) struct Pool {
    waiting: HashMap<Hash, Waiting>,
    ids: HashSet<TxId>,
    lanes: BTreeMap<Hash, Lane>,
    bytes: usize,
    bytes_max: usize,
    tx_bytes_max: usize,
    /// Two generations of what was finalised; the older one is forgotten when the younger is full.
    done: [HashSet<Hash>; 2],
}

impl Pool {
    pub(crate) fn new(bytes_max: usize, tx_bytes_max: usize) -> Self {
        Self {
            waiting: HashMap::new(),
            ids: HashSet::new(),
            lanes: BTreeMap::new(),
            bytes: 0,
            bytes_max,
            tx_bytes_max,
            done: Default::default(),
        }
    }

    /// Whether exactly these bytes wait here or were finalised a moment ago.
    pub(crate) fn knows(&self, fingerprint: &Hash) -> bool {
        self.waiting.contains_key(fingerprint) || self.done.iter().any(|done| done.contains(fingerprint))
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What can be refused before anybody looks at the signature.
    pub(crate) fn precheck(&self, fingerprint: &Hash, len: usize) -> Result<(), Refused> {
        if len == 0 || len > self.tx_bytes_max {
            let max = self.tx_bytes_max;
            return Err(Refused::new(
                Refused::TOO_LONG,
                format!("a transaction has 1 to {max} bytes, not {len}"),
            ));
        }
        if self.knows(fingerprint) {
            return Err(Refused::new(Refused::KNOWN, "this transaction is known already"));
        }
        if self.bytes + len > self.bytes_max {
            return Err(Refused::new(Refused::POOL_FULL, "the pool is full, try again in a moment"));
        }
        Ok(())
    }

    /// Takes in a transaction that the machine admitted. `sent` is set if it was submitted here and goes to the others.
    pub(crate) fn insert(
        &mut self,
        fingerprint: Hash,
        tx: Bytes,
        ticket: Ticket,
        sent: Option<Millis>,
    ) -> Result<(), Refused> {
        // Somebody else may have put it in while the signature was being verified.
        self.precheck(&fingerprint, tx.len())?;
        if self.ids.contains(&ticket.id) {
            return Err(Refused::new(
                Refused::KNOWN,
                "another signature over this transaction waits already",
            ));
        }
        let Ticket { id, lanes, urgent, valid_until } = ticket;
        // Half of the pool at most, so that one organisation can't shut out the others.
        let most = (self.bytes_max / 2).saturating_sub(tx.len());
        let has_room = |name: &&Hash| self.lanes.get(*name).is_none_or(|lane| lane.bytes <= most);
        let Some(lane) = lanes.iter().find(has_room).copied() else {
            return Err(Refused::new(
                Refused::POOL_FULL,
                "too many transactions of this organisation wait, try again in a moment",
            ));
        };
        // It stands in every lane, so that no organisation's own traffic can keep it waiting in all of them.
        for name in lanes {
            let lane = self.lanes.entry(name).or_default();
            if urgent { &mut lane.urgent } else { &mut lane.usual }.push_back(fingerprint);
        }
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.bytes += tx.len();
        }
        self.bytes += tx.len();
        self.ids.insert(id);
        self.waiting.insert(fingerprint, Waiting { tx, id, valid_until, lane, sent });
        Ok(())
    }

    fn remove(&mut self, fingerprint: &Hash) {
        let Some(Waiting { tx, id, lane, .. }) = self.waiting.remove(fingerprint) else { return };
        self.bytes -= tx.len();
        self.ids.remove(&id);
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.bytes -= tx.len();
        }
        // The queues still name it; they are swept when they are next walked.
    }

    /// Forgets transactions that are final, for good.
    pub(crate) fn finalised(&mut self, fingerprints: &[Hash]) {
        for fingerprint in fingerprints {
            self.remove(fingerprint);
            self.done[0].insert(*fingerprint);
        }
        if self.done[0].len() >= DONE_MIN {
            self.done.swap(0, 1);
            self.done[0].clear();
        }
        self.sweep();
    }

    /// Drops what can't be executed any more because time has passed it.
    pub(crate) fn expire(&mut self, now: Millis) {
        let late: Vec<Hash> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.valid_until < now)
            .map(|(fingerprint, _)| *fingerprint)
            .collect();
        for fingerprint in &late {
            self.remove(fingerprint);
        }
        self.sweep();
    }

    fn sweep(&mut self) {
        let waiting = &self.waiting;
        self.lanes.retain(|_, lane| {
            let Lane { urgent, usual, bytes: _ } = lane;
            for queue in [urgent, usual] {
                while queue.front().is_some_and(|first| !waiting.contains_key(first)) {
                    queue.pop_front();
                }
            }
            !lane.urgent.is_empty() || !lane.usual.is_empty()
        });
    }

    /// Whether anything waits that isn't in `taken`.
    pub(crate) fn offers(&self, taken: &dyn Fn(&Hash) -> bool, now: Millis) -> bool {
        self.waiting.iter().any(|(fingerprint, waiting)| waiting.valid_until >= now && !taken(fingerprint))
    }

    /// The next block's transactions: urgent ones first, then the rest, each round-robin over the lanes. The order of
    /// lanes changes with the parent, so that no lane is always first.
    pub(crate) fn collect(
        &self,
        parent: BlockHash,
        now: Millis,
        bytes_max: usize,
        taken: &dyn Fn(&Hash) -> bool,
    ) -> Vec<Bytes> {
        let mut order: Vec<(Hash, &Lane)> = self
            .lanes
            .iter()
            .map(|(name, lane)| (hash(domain::LANE_ORDER, &[&parent.0.0, &name.0]), lane))
            .collect();
        order.sort_by_key(|(rank, _)| *rank);
        let mut left = bytes_max;
        let mut txs = Vec::new();
        // One that stands in several lanes goes once.
        let mut picked = HashSet::new();
        for urgent in [true, false] {
            let mut queues: Vec<_> = order
                .iter()
                .map(|(_, lane)| if urgent { lane.urgent.iter() } else { lane.usual.iter() })
                .collect();
            // A lane whose next transaction doesn't fit any more is done, so that its order is kept.
            while !queues.is_empty() {
                queues.retain_mut(|queue| {
                    let next = queue.find_map(|fingerprint| {
                        let waiting = self.waiting.get(fingerprint)?;
                        let may = waiting.valid_until >= now
                            && !taken(fingerprint)
                            && !picked.contains(fingerprint);
                        may.then_some((fingerprint, &waiting.tx))
                    });
                    let Some((fingerprint, tx)) = next else { return false };
                    let Some(rest) = left.checked_sub(TX_PREFIX + tx.len()) else { return false };
                    left = rest;
                    picked.insert(*fingerprint);
                    txs.push(tx.clone());
                    true
                });
            }
        }
        txs
    }

    /// Transactions submitted here that the others were last told of before `since`; they count as sent `now`.
    pub(crate) fn overdue(&mut self, since: Millis, now: Millis, bytes_max: usize) -> Vec<Bytes> {
        let mut left = bytes_max;
        let mut txs = Vec::new();
        // In the lanes' order, which unlike the map's is the same in a replay.
        for name in self.lanes.values().flat_map(|lane| lane.urgent.iter().chain(&lane.usual)) {
            let Some(waiting) = self.waiting.get_mut(name) else { continue };
            if waiting.sent.is_none_or(|sent| sent >= since) {
                continue;
            }
            let Some(rest) = left.checked_sub(waiting.tx.len()) else { break };
            left = rest;
            waiting.sent = Some(now);
            txs.push(waiting.tx.clone());
        }
        txs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Pool {
        Pool::new(1_000, 100)
    }

    fn put(pool: &mut Pool, text: &str, lane: u8, urgent: bool) -> Result<(), Refused> {
        let tx = Bytes::copy_from_slice(text.as_bytes());
        let name = fingerprint(&tx);
        let id = TxId(hash(domain::TX_ID, &[text.trim_end_matches('\'').as_bytes()]));
        pool.insert(
            name,
            tx,
            Ticket { id, lanes: vec![Hash([lane; 32])], urgent, valid_until: Millis(10) },
            None,
        )
    }

    fn take(pool: &Pool, bytes_max: usize) -> Vec<String> {
        let txs = pool.collect(BlockHash::default(), Millis(5), bytes_max, &|_| false);
        txs.iter().map(|tx| String::from_utf8_lossy(tx).into_owned()).collect()
    }

    #[test]
    fn lanes_share_and_urgent_goes_first() {
        let mut pool = pool();
        for (text, lane, urgent) in [
            ("a1", 1, false),
            ("a2", 1, false),
            ("a3", 1, false),
            ("b1", 2, false),
            ("b9", 2, true),
            ("a9", 1, true),
        ] {
            put(&mut pool, text, lane, urgent).unwrap();
        }
        let all = take(&pool, 1_000);
        let (mut urgent, mut first) = (all[..2].to_vec(), all[2..4].to_vec());
        urgent.sort();
        first.sort();
        assert_eq!(urgent, ["a9", "b9"]);
        assert_eq!(first, ["a1", "b1"]);
        assert_eq!(all[4..], ["a2", "a3"]);
        // Six bytes each with the prefix: three fit.
        assert_eq!(take(&pool, 20), all[..3]);
        let taken = fingerprint(b"a1");
        assert!(
            !pool
                .collect(BlockHash::default(), Millis(5), 1_000, &|name| *name == taken)
                .contains(&Bytes::from("a1"))
        );
        assert!(pool.offers(&|name| *name == taken, Millis(5)));
        assert!(!pool.offers(&|_| true, Millis(5)) && !pool.offers(&|_| false, Millis(11)));
    }

    #[test]
    fn nothing_comes_back() {
        let mut pool = pool();
        put(&mut pool, "a1", 1, false).unwrap();
        assert_eq!(put(&mut pool, "a1", 1, false).unwrap_err().code, Refused::KNOWN);
        // Another signature over the same content.
        assert_eq!(put(&mut pool, "a1'", 1, false).unwrap_err().code, Refused::KNOWN);
        pool.finalised(&[fingerprint(b"a1"), fingerprint(b"x1")]);
        assert_eq!((pool.len(), pool.bytes(), pool.lanes.len()), (0, 0, 0));
        assert_eq!(put(&mut pool, "a1", 1, false).unwrap_err().code, Refused::KNOWN);
        assert_eq!(put(&mut pool, "x1", 1, false).unwrap_err().code, Refused::KNOWN);
        put(&mut pool, "a2", 1, false).unwrap();
        pool.expire(Millis(10));
        assert_eq!(pool.len(), 1);
        pool.expire(Millis(11));
        assert_eq!((pool.len(), pool.bytes(), pool.lanes.len()), (0, 0, 0));
    }

    #[test]
    fn one_lane_cannot_fill_the_pool() {
        let mut pool = pool();
        let long = |n: usize| format!("{n:090}");
        let mut n = 0;
        let refused = loop {
            n += 1;
            if let Err(refused) = put(&mut pool, &long(n), 1, false) {
                break refused;
            }
        };
        assert_eq!(refused.code, Refused::POOL_FULL);
        assert!(pool.bytes() <= 500);
        put(&mut pool, &long(99), 2, false).unwrap();
        assert_eq!(put(&mut pool, &"x".repeat(101), 2, false).unwrap_err().code, Refused::TOO_LONG);
        assert_eq!(put(&mut pool, "", 2, false).unwrap_err().code, Refused::TOO_LONG);
    }

    #[test]
    fn a_second_lane_carries_past_a_full_first_one() {
        let mut pool = pool();
        for n in 0..5 {
            put(&mut pool, &format!("{n:090}"), 1, true).unwrap();
        }
        assert_eq!(put(&mut pool, &"9".repeat(90), 1, true).unwrap_err().code, Refused::POOL_FULL);
        let tx = Bytes::from("p".repeat(90));
        let lanes = vec![Hash([1; 32]), Hash([2; 32])];
        let ticket = Ticket { id: TxId::default(), lanes, urgent: true, valid_until: Millis(10) };
        pool.insert(fingerprint(&tx), tx.clone(), ticket, Some(Millis(1))).unwrap();
        // Room for two of six: it doesn't wait behind the five of the first lane.
        let two = take(&pool, 2 * (TX_PREFIX + 90));
        assert!(two.len() == 2 && two.contains(&"p".repeat(90)), "{two:?}");
        let all = take(&pool, 10_000);
        assert_eq!(all.iter().filter(|text| text.starts_with('p')).count(), 1, "it goes once");
        assert_eq!(all.len(), 6);
        assert_eq!(
            pool.overdue(Millis(2), Millis(20), 10_000),
            std::slice::from_ref(&tx),
            "and is sent again once"
        );
        pool.finalised(&[fingerprint(&tx)]);
        assert_eq!((pool.len(), pool.lanes.len()), (5, 1));
        assert_eq!(pool.bytes(), 450);
    }

    #[test]
    fn own_transactions_are_sent_again() {
        let mut pool = pool();
        let tx = Bytes::from("mine");
        let ticket = Ticket {
            id: TxId::default(),
            lanes: vec![Hash::default()],
            urgent: false,
            valid_until: Millis(99),
        };
        pool.insert(fingerprint(&tx), tx.clone(), ticket, Some(Millis(10))).unwrap();
        assert!(pool.overdue(Millis(10), Millis(20), 100).is_empty());
        assert_eq!(pool.overdue(Millis(11), Millis(20), 100), [tx]);
        assert!(pool.overdue(Millis(11), Millis(21), 100).is_empty());
    }
}
