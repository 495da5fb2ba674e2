//! This file is where the tests have a state machine: a running hash over blocks, in one append-only file.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use consensus::{Fault, FinalBlock, Machine, Refused, Ticket};
use primitives::{BlockHash, Executed, Hash, Millis, StateRoot, TxId, domain, hash};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    sync::{Mutex, MutexGuard},
};

/// What the file holds of each block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Entry {
    pub(crate) height: u64,
    pub(crate) block: BlockHash,
    pub(crate) time: Millis,
    pub(crate) executed: Executed,
    pub(crate) certified: bool,
    pub(crate) txs: Vec<Vec<u8>>,
    pub(crate) root: StateRoot,
}

struct Inner {
    file: File,
    entries: Vec<Entry>,
    seen: BTreeSet<Vec<u8>>,
}

/// Transactions are `lane, urgent, any bytes`; one that ends in `!` is refused.
pub(crate) struct Ledger {
    inner: Mutex<Inner>,
    /// Given to the machine of a validator whose execution goes wrong from here on.
    pub(crate) wrong_from: Option<u64>,
    /// The disk fails from this height on.
    pub(crate) failing_from: Option<u64>,
    /// Lets in what all others refuse.
    pub(crate) rude: bool,
}

fn genesis_root() -> StateRoot {
    StateRoot(hash(domain::GOLDEN, &[b"genesis"]))
}

/// A transaction of `lane`.
pub(crate) fn tx(lane: u8, text: &str) -> Bytes {
    Bytes::from([&[lane, 0], text.as_bytes()].concat())
}

impl Ledger {
    /// Opens the file, without what a crash tore at its end.
    pub(crate) fn open(path: &Path) -> Self {
        let entries = entries(path);
        let mut good = Vec::new();
        for entry in &entries {
            let bytes = primitives::encode(entry);
            good.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            good.extend_from_slice(&bytes);
        }
        let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.set_len(good.len() as u64).unwrap();
        let seen = entries.iter().flat_map(|entry| entry.txs.iter().cloned()).collect();
        Self {
            inner: Mutex::new(Inner { file, entries, seen }),
            wrong_from: None,
            failing_from: None,
            rude: false,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.inner().entries.clone()
    }
}

/// All whole entries of a ledger's file.
pub(crate) fn entries(path: &Path) -> Vec<Entry> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let mut rest = &bytes[..];
    let mut entries = Vec::new();
    while let Some((len, tail)) = rest.split_at_checked(8) {
        let len = u64::from_le_bytes(len.try_into().unwrap()) as usize;
        let Some((entry, tail)) = tail.split_at_checked(len) else { break };
        entries.push(primitives::decode(entry).unwrap());
        rest = tail;
    }
    entries
}

/// Checks one ledger: no hole, nothing twice, time rises, roots lag within bounds. Gives its transactions.
pub(crate) fn check(entries: &[Entry]) -> BTreeMap<Vec<u8>, u64> {
    let mut seen = BTreeMap::new();
    let mut before = (Millis(0), 0);
    for (height, entry) in (1..).zip(entries) {
        assert_eq!(entry.height, height, "heights follow");
        assert!(entry.time > before.0, "time rises");
        assert!(entry.executed.height >= before.1 && entry.executed.height < height);
        let known =
            entries.get((entry.executed.height as usize).wrapping_sub(1)).map_or(genesis_root(), |e| e.root);
        assert_eq!(entry.executed.state_root, known, "the header carries the true root");
        before = (entry.time, entry.executed.height);
        for tx in &entry.txs {
            let earlier = seen.insert(tx.clone(), height);
            assert_eq!(earlier, None, "{} applied twice", String::from_utf8_lossy(tx));
        }
    }
    seen
}

/// Checks that `after` begins as `before`, as far as both go. A replay may have other certificates at hand.
pub(crate) fn continues(after: &[Entry], before: &[Entry]) {
    agree(&[after.to_vec(), before.to_vec()]);
}

/// Checks that the ledgers agree as far as they go.
pub(crate) fn agree(ledgers: &[Vec<Entry>]) {
    let longest = ledgers.iter().max_by_key(|entries| entries.len()).unwrap();
    for entries in ledgers {
        for (one, other) in entries.iter().zip(longest) {
            assert_eq!(
                (one.block, one.root, &one.txs),
                (other.block, other.root, &other.txs),
                "fork at height {}",
                one.height
            );
        }
    }
}

impl Machine for Ledger {
    fn admit(&self, tx: &[u8]) -> Result<Ticket, Refused> {
        let [lane, urgent, rest @ ..] = tx else {
            return Err(Refused { code: 1, message: "too short".into() });
        };
        if rest.ends_with(b"!") && !self.rude {
            return Err(Refused { code: 2, message: "not in this tone".into() });
        }
        if self.inner().seen.contains(tx) {
            return Err(Refused { code: 3, message: "executed already".into() });
        }
        Ok(Ticket {
            id: TxId(hash(domain::TX_ID, &[tx])),
            lanes: vec![Hash([*lane; 32])],
            urgent: *urgent == 1,
            valid_until: Millis::MAX,
        })
    }

    fn body_ok(&self, txs: &[Bytes]) -> bool {
        txs.iter().all(|tx| tx.len() >= 2 && (self.rude || !tx.ends_with(b"!")))
    }

    fn executed(&self) -> Executed {
        let inner = self.inner();
        inner.entries.last().map_or(Executed { height: 0, state_root: genesis_root() }, |last| Executed {
            height: last.height,
            state_root: last.root,
        })
    }

    fn state_root(&self, height: u64) -> Option<StateRoot> {
        let inner = self.inner();
        if height == 0 {
            Some(genesis_root())
        } else {
            inner.entries.get(height as usize - 1).map(|e| e.root)
        }
    }

    fn apply(&self, blocks: &[FinalBlock]) -> Result<(), Fault> {
        let mut root = self.executed().state_root;
        let mut inner = self.inner();
        let mut bytes = Vec::new();
        for FinalBlock { header, txs, certificate } in blocks {
            if self.failing_from.is_some_and(|from| header.height >= from) {
                return Err(Fault("the disk is full".into()));
            }
            let wrong = self.wrong_from.is_some_and(|from| header.height >= from);
            let salt = if wrong { &b"wrong"[..] } else { b"right" };
            root = StateRoot(hash(domain::GOLDEN, &[&root.0.0, &header.hash().0.0, salt]));
            let entry = Entry {
                height: header.height,
                block: header.hash(),
                time: header.time,
                executed: header.executed,
                certified: certificate.is_some(),
                txs: txs.iter().map(|tx| tx.to_vec()).collect(),
                root,
            };
            let encoded = primitives::encode(&entry);
            bytes.extend_from_slice(&(encoded.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&encoded);
            inner.seen.extend(entry.txs.iter().cloned());
            inner.entries.push(entry);
        }
        inner
            .file
            .write_all(&bytes)
            .and_then(|()| inner.file.sync_data())
            .map_err(|error| Fault(error.to_string()))
    }
}
