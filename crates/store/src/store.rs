//! This file is where a data directory is opened, committed to and pruned.

use crate::{
    disk::Disk,
    fault::{Damage, Fault, OpenError, Place},
    hot::Hot,
    identity::{Identity, sync_dir},
    journal, keys,
    mark::{Mark, Marked},
    record::{Head, Record},
    view::View,
};
use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, config::PartitioningPolicy,
};
use primitives::StateProof;
use std::{
    fs::{self, File},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many newest states can be read and proven.
pub const RETAINED_STATES: u64 = 256;

/// What the engine may hold in memory: block cache and memtable. A node stays below 200 MB in all.
const CACHE_BYTES: u64 = 24 << 20;
const MEMTABLE_BYTES: u64 = 12 << 20;
const JOURNAL_BYTES: u64 = 128 << 20;
const OPEN_FILES: usize = 128;

/// Bodies removed per step of a pruning, so that none grows a large batch.
const PRUNED_PER_STEP: u64 = 1024;

/// A node's data directory, open. Clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    db: Database,
    space: Keyspace,
    /// Held by whoever commits.
    mark: Mutex<Mark>,
    hot: Hot,
    /// Released last: the engine has its own lock, but journals are mended before it is taken.
    _lock: File,
}

impl Store {
    /// Opens the data directory `dir` of `identity`'s network; creates it if it is empty or missing.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and what to do about it.
    pub fn open(dir: &Path, identity: Identity) -> Result<Self, OpenError> {
        let lock = identity.claim(dir)?;
        let db = dir.join("chain");
        if !db.exists() {
            create(dir, &db)?;
        }
        journal::mend(&db)?;
        let (db, space) = engine(&db, dir)?;
        let (mark, marked) = Mark::open(dir)?;
        let store =
            Self(Arc::new(Inner { db, space, mark: Mutex::new(mark), hot: Hot::default(), _lock: lock }));
        store.check_mark(marked)?;
        Ok(store)
    }

    /// The state and all that is stored, at the newest committed height, unmoved by later commits.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    pub fn view(&self) -> Result<View, Fault> {
        View::newest(self.disk())
    }

    /// The value of `key` in the newest state with its proof, and the height of that state; `None` before genesis.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    #[expect(clippy::type_complexity, reason = "a value, its proof and its height have no name together")]
    pub fn prove(&self, key: &[u8]) -> Result<Option<(Option<Vec<u8>>, StateProof, u64)>, Fault> {
        let view = self.view()?;
        let Some(height) = view.height() else { return Ok(None) };
        let (value, proof) = view.prove(key)?;
        Ok(Some((value, proof, height)))
    }

    /// Removes the transactions of all blocks below `height`, the newest block's excepted. Headers, receipts, events and
    /// state stay. May be called again after a crash, and at any time.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    pub fn prune_bodies(&self, height: u64) -> Result<(), Fault> {
        loop {
            let lock = self.lock();
            let view = self.view()?;
            let from = view.bodies_from()?;
            let to = height.min(view.height().unwrap_or(0)).min(from.saturating_add(PRUNED_PER_STEP));
            if to <= from {
                return Ok(());
            }
            let mut batch = self.0.db.batch();
            for height in from..to {
                batch.remove(&self.0.space, keys::at(keys::BODY, height));
            }
            batch.insert(&self.0.space, keys::BODIES_FROM, to.to_be_bytes());
            batch.commit()?;
            drop(lock);
        }
    }

    /// Bytes that the engine uses on disk.
    ///
    /// # Errors
    /// A [`Fault`] if the disk fails.
    pub fn disk_bytes(&self) -> Result<u64, Fault> {
        Ok(self.0.db.disk_space()?)
    }

    pub(crate) fn disk(&self) -> Disk {
        Disk { space: self.0.space.clone(), instant: self.0.db.snapshot() }
    }

    pub(crate) fn hot(&self) -> Hot {
        self.0.hot.clone()
    }

    pub(crate) fn commit(
        &self,
        base: Option<Head>,
        head: Head,
        fill: impl FnOnce(&mut OwnedWriteBatch, &Keyspace),
    ) -> Result<(), Fault> {
        let mut mark = self.lock();
        if self.disk().read::<Head>(keys::HEAD, Place::Head)? != base {
            return Err(Fault::Overtaken);
        }
        let mut batch = self.0.db.batch().durability(Some(PersistMode::SyncAll));
        fill(&mut batch, &self.0.space);
        batch.insert(&self.0.space, keys::HEAD, primitives::encode(&head));
        batch.commit()?;
        mark.note(&head)
    }

    fn lock(&self) -> MutexGuard<'_, Mark> {
        // Whoever panicked while committing has left nothing half done in memory.
        self.0.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_mark(&self, marked: Option<Marked>) -> Result<(), Fault> {
        let Some(Marked { height: at, chain }) = marked else { return Ok(()) };
        let disk = self.disk();
        let head: Option<Head> = disk.read(keys::HEAD, Place::Head)?;
        if head.is_none_or(|head| head.height < at) {
            let newest = head.map_or("nothing".into(), |head| format!("block {}", head.height));
            let what = format!("block {at} was acknowledged, {newest} is the newest on disk");
            return Err(Damage::new(Place::Head, what).into());
        }
        let record: Record = disk.need(&keys::at(keys::RECORD, at), Place::Block(at))?;
        if record.chain != chain {
            return Err(Damage::new(Place::Block(at), "another block was acknowledged").into());
        }
        Ok(())
    }
}

/// Creates the engine's directory beside its place and moves it there whole: a crash leaves none or all of it.
fn create(dir: &Path, db: &Path) -> Result<(), OpenError> {
    let fresh = dir.join("chain.new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(Fault::file(fresh.clone()))?;
    }
    drop(engine(&fresh, dir)?);
    fs::rename(&fresh, db).map_err(Fault::file(fresh))?;
    sync_dir(dir).map_err(Fault::file(dir))?;
    Ok(())
}

fn engine(db: &Path, dir: &Path) -> Result<(Database, Keyspace), OpenError> {
    let open = || {
        let database = Database::builder(db)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .max_cached_files(Some(OPEN_FILES))
            .worker_threads(2)
            .open()?;
        // Index and filter of a large table would fill the cache in one piece.
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .index_block_partitioning_policy(PartitioningPolicy::all(true))
                .filter_block_partitioning_policy(PartitioningPolicy::all(true))
        };
        let space = database.keyspace("chain", options)?;
        Ok((database, space))
    };
    // The engine asserts some of what it reads; a garbled file then panics instead of giving an error.
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(fjall::Error::Locked)) => Err(OpenError::Locked { dir: dir.into() }),
        Ok(Err(error)) => match Fault::from(error) {
            Fault::Engine(error) if !matches!(error, fjall::Error::Io(_)) => {
                Err(Fault::damaged(Place::File(db.into()), format!("the storage engine says {error:?}"))
                    .into())
            }
            fault => Err(fault.into()),
        },
        Err(_) => {
            Err(Fault::damaged(Place::File(db.into()), "the storage engine cannot read its files").into())
        }
    }
}
