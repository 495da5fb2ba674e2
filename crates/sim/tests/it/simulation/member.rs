//! This file is where a simulated member lives: its store and vault on disk, its executor and trustee while it runs, the
//! moments at which its power fails, and the auditor that reads along.

use super::{
    chain::{Block, Chain},
    liar::Liar,
    network::{box_key, first, vault_key},
};
use bytes::Bytes;
use client::keys::{Lock, save_box};
use consensus::{Fault, FinalBlock, Machine, Refused, Ticket, sim::Open};
use ledger::{
    Event, Logged, Outcome,
    charts::ERASURES,
    consent::By,
    governance::Genesis,
    reject::EXPIRED,
    testing::{ORGS, key, org},
};
use node::{BoxKeys, Executor, Me, Trustee, Vault};
use primitives::{Executed, Hash, Millis, SecretKey, StateRoot, TxId, decode};
use sim::Naive;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    pin::pin,
    rc::Rc,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};
use store::{Identity, Store, View};

/// What the engine is told when the power fails in the middle of its work.
pub(super) const POWER: &str = "the power failed";

/// Where in the next blocks' way to the disk the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slip {
    /// Nothing is written yet.
    Before,
    /// The first half of the blocks is on disk.
    Amid,
    /// All is on disk, but the engine doesn't hear of it.
    After,
}

/// What all members of one run share.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) genesis: Rc<Genesis>,
    pub(super) clock: Arc<AtomicU64>,
}

impl Site {
    pub(super) fn now(&self) -> Millis {
        Millis(self.clock.load(Ordering::SeqCst))
    }

    /// Opens a member's ledger as a node does at its start.
    pub(super) fn executor(&self, dir: &Path) -> Executor {
        let store = Store::open(&dir.join("ledger"), Identity { network: self.genesis.network() }).unwrap();
        store.check_head().unwrap();
        let clock = Arc::clone(&self.clock);
        let clock = move || Millis(clock.load(Ordering::SeqCst));
        Executor::open(store, &self.genesis, first(&self.genesis), clock).unwrap()
    }

    /// Opens a member's trustee as a node does at its start.
    pub(super) fn trustee(&self, dir: &Path, place: usize) -> Trustee {
        let me = Me {
            network: self.genesis.network(),
            org: org(ORGS[place].0),
            place: u32::try_from(place).unwrap(),
            key: key(ORGS[place].0),
        };
        let vault = Vault::open(&dir.join("vault"), &vault_key(place)).unwrap();
        let keys = dir.join("keys");
        let file = keys.join("trustee.key");
        if !file.exists() {
            fs::create_dir_all(&keys).unwrap();
            save_box(&file, &box_key(place), &Lock::Plain).unwrap();
        }
        let keys = BoxKeys::load(&keys, |_| None).unwrap();
        Trustee::new(Arc::new(me), Arc::new(keys), Arc::new(vault))
    }
}

/// What of a member is gone when its power fails. The engine alone holds on to the executor.
#[derive(Default)]
struct Running {
    executor: Weak<Executor>,
    trustee: Option<Rc<Trustee>>,
}

/// A member as the simulation sees it.
pub(super) struct Member {
    pub(super) place: usize,
    pub(super) key: SecretKey,
    pub(super) dir: PathBuf,
    site: Site,
    running: Rc<RefCell<Running>>,
    slip: Arc<Mutex<Option<Slip>>>,
    /// The naive ledger at the height that was last seen here.
    pub(super) auditor: Naive,
    /// The newest height that this member ever showed anybody.
    pub(super) seen: u64,
    /// Dealings that its trustee signed for.
    pub(super) promised: BTreeSet<Hash>,
    follows_from: (u64, u32),
}

impl Member {
    pub(super) fn new(root: &Path, site: &Site, place: usize) -> Self {
        let name = ORGS[place].0;
        Self {
            place,
            key: key(name),
            dir: root.join(name),
            site: site.clone(),
            running: Rc::default(),
            slip: Arc::default(),
            auditor: Naive::new(&site.genesis),
            seen: 0,
            promised: BTreeSet::new(),
            follows_from: (0, 0),
        }
    }

    /// How the engine opens this member's machine at each of its starts.
    pub(super) fn open(&self) -> Open {
        let (dir, place, site) = (self.dir.clone(), self.place, self.site.clone());
        let (running, slip) = (Rc::clone(&self.running), Arc::clone(&self.slip));
        Box::new(move || {
            *slip.lock().unwrap() = None;
            let executor = Arc::new(site.executor(&dir));
            let trustee = Some(Rc::new(site.trustee(&dir, place)));
            *running.borrow_mut() = Running { executor: Arc::downgrade(&executor), trustee };
            Arc::new(Powered { inner: executor, slip: Arc::clone(&slip) }) as Arc<dyn Machine>
        })
    }

    /// The executor, while the member runs. Nobody may keep it beyond a moment.
    pub(super) fn executor(&self) -> Option<Arc<Executor>> {
        self.running.borrow().executor.upgrade()
    }

    /// Executor and trustee, while the member runs.
    pub(super) fn up(&self) -> Option<(Arc<Executor>, Rc<Trustee>)> {
        let running = self.running.borrow();
        Some((running.executor.upgrade()?, Rc::clone(running.trustee.as_ref()?)))
    }

    /// Makes the power fail at the next blocks.
    pub(super) fn slip(&self, slip: Slip) {
        *self.slip.lock().unwrap() = Some(slip);
    }

    /// Takes away what a power failure takes. `torn` leaves half a file of shares behind, as if one was being written.
    pub(super) fn power_off(&mut self, torn: bool) {
        self.running.borrow_mut().trustee = None;
        self.follows_from = (0, 0);
        let shares = self.dir.join("vault/shares");
        let entries = fs::read_dir(&shares).into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_none()).collect();
        files.sort();
        if let Some(file) = files.first().filter(|_| torn) {
            let whole = fs::read(file).unwrap();
            fs::write(file.with_extension("new"), &whole[..whole.len() / 2]).unwrap();
        }
    }

    /// Reads what the member executed since the last look, and holds it against the others and against the auditor.
    pub(super) fn catch_up(&mut self, chain: &mut Chain) {
        let Some(executor) = self.executor() else { return };
        let view = executor.view();
        let top = view.height().unwrap();
        assert!(top >= self.seen, "member {} showed block {} and has only {top} now", self.place, self.seen);
        for height in self.seen + 1..=top {
            let block = Block::read(&view, height);
            audit(&mut self.auditor, &view, &block);
            chain.hear(self.place, &block);
        }
        self.seen = top;
    }

    /// Does what the ledger asks of a trustee since the last look, as a node does: erases. Returns the erasures that are
    /// done here and that the ledger doesn't know to be.
    pub(super) fn follow(&mut self) -> Vec<TxId> {
        let Some((executor, trustee)) = self.up() else { return Vec::new() };
        let view = executor.view();
        let mut done = Vec::new();
        for (height, index, event) in
            view.events_since(self.follows_from.0, self.follows_from.1, usize::MAX).unwrap()
        {
            let line: Logged = decode(&event.bytes).unwrap();
            if let Some(Event::ErasureOrdered(_)) = Event::decode(line.tag, &line.body)
                && !ERASURES.get(&*view, &line.tx).unwrap().receipted.has(self.place as u32)
            {
                ready(trustee.erase(&*view)).unwrap();
                done.push(line.tx);
            }
            self.follows_from = (height, index + 1);
        }
        done
    }

    /// Drops what never became final, as a node does every few moments.
    pub(super) fn look_after(&self) {
        let Some((executor, trustee)) = self.up() else { return };
        let final_time = executor.tip().borrow().time;
        ready(trustee.sweep(&*executor.view(), final_time)).unwrap();
    }
}

/// Feeds the naive ledger one block, and compares all that it says.
pub(super) fn audit(auditor: &mut Naive, view: &View, block: &Block) {
    let height = block.header.height;
    let answers = auditor.block(height, block.header.time, &block.txs);
    assert_eq!(answers.len(), block.receipts.len(), "block {height}");
    let mut decided = BTreeMap::new();
    for event in view.events_at(height).unwrap() {
        let line: Logged = decode(&event.bytes).unwrap();
        if let Some(Event::Decided(one)) = Event::decode(line.tag, &line.body) {
            decided.insert((line.tx, line.chart), one);
        }
    }
    for (answer, receipt) in answers.iter().zip(&block.receipts) {
        // Once the window is over it is all the same whether the id is still known.
        let over = (answer.outcome, receipt.outcome) == (Outcome::Duplicate, Outcome::Rejected(EXPIRED));
        assert_eq!(answer.tx, receipt.tx, "block {height}");
        assert!(over || answer.outcome == receipt.outcome, "block {height}: {receipt:?} but {answer:?}");
        let applied = receipt.outcome == Outcome::Applied;
        for (chart, classes) in answer.classes.iter().filter(|_| applied) {
            // An equal denial is only counted.
            let Some(decided) = decided.get(&(receipt.tx, *chart)) else { continue };
            let rests = |by: &By| if let By::Directive(id) = by { Some(*id) } else { None };
            let told = decided.classes.iter().map(|one| {
                let permit = one.decision.permit;
                (one.tag, one.writer.clone(), permit, rests(&one.decision.by).filter(|_| permit))
            });
            assert_eq!(told.collect::<Vec<_>>(), *classes, "block {height}, access {}", receipt.tx);
        }
    }
}

/// The machine of an honest member: the production executor, whose power fails now and then.
struct Powered {
    inner: Arc<Executor>,
    slip: Arc<Mutex<Option<Slip>>>,
}

impl Machine for Powered {
    fn admit(&self, tx: &[u8]) -> Result<Ticket, Refused> {
        self.inner.admit(tx)
    }

    fn body_ok(&self, txs: &[Bytes]) -> bool {
        self.inner.body_ok(txs)
    }

    fn executed(&self) -> Executed {
        self.inner.executed()
    }

    fn state_root(&self, height: u64) -> Option<StateRoot> {
        self.inner.state_root(height)
    }

    fn apply(&self, blocks: &[FinalBlock]) -> Result<(), Fault> {
        let written = match self.slip.lock().unwrap().take() {
            None => return self.inner.apply(blocks),
            Some(Slip::Before) => 0,
            Some(Slip::Amid) => blocks.len() / 2,
            Some(Slip::After) => blocks.len(),
        };
        self.inner.apply(&blocks[..written])?;
        Err(Fault(POWER.into()))
    }
}

/// How the engine opens the machine of a validator that lies, or of its double.
pub(super) fn open_liar(dir: PathBuf, site: &Site) -> Open {
    let site = site.clone();
    Box::new(move || {
        Arc::new(Liar::new(Arc::new(site.executor(&dir)), Arc::clone(&site.clock))) as Arc<dyn Machine>
    })
}

/// What a future comes to that waits for nobody: a trustee with one caller at a time.
pub(super) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a trustee with one caller waits"),
    }
}
