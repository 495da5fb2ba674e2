//! This file is where the working set is opened and shared: one connection that writes, several that read.

use super::{
    error::WorkingError,
    place::Class,
    rows::Systems,
    schema,
    sight::{Sight, chart_key},
};
use primitives::{ChartId, Hash, OrgId};
use rusqlite::{Connection, OptionalExtension as _};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use zeroize::Zeroizing;

/// Connections that read at the same time.
const READERS: usize = 4;

/// How long wiping waits for those who read.
const SETTLE_WAIT: Duration = Duration::from_millis(250);

/// The key under which the working set is encrypted.
#[derive(Clone)]
pub struct WorkingKey(pub(super) Zeroizing<[u8; 32]>);

impl WorkingKey {
    /// From 32 random bytes.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for WorkingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WorkingKey")
    }
}

/// The working set. Cheap to clone. Its calls block: microseconds for a read by id, up to seconds for a large write, so
/// long ones belong on a thread that may wait.
#[derive(Clone)]
pub struct WorkingSet(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// The server's own base URL, without `/` at its end.
    base: String,
    writer: Mutex<Writer>,
    readers: Mutex<Vec<Connection>>,
    back: Condvar,
    reads: AtomicU64,
    writes: AtomicU64,
    /// Whether former pages of what was wiped still stand in the log of changes.
    unsettled: AtomicBool,
}

/// How often a working set was asked and changed since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Times that somebody read.
    pub reads: u64,
    /// Transactions that changed it, or would have.
    pub writes: u64,
}

pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) systems: Systems,
}

/// A connection for reading, given back when dropped.
pub(super) struct Reader<'a> {
    inner: &'a Inner,
    db: Option<Connection>,
}

impl WorkingSet {
    /// Opens the working set in this file; makes it if it isn't there, and makes it anew if it is of another format or
    /// can't be read with this key.
    ///
    /// # Errors
    /// [`WorkingError::Open`].
    pub fn open(path: &Path, key: &WorkingKey, base: &str) -> Result<Self, WorkingError> {
        let db = schema::open(path, &key.0)?;
        let readers = (0..READERS).map(|_| schema::reader(path, &key.0)).collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            base: base.trim_end_matches('/').to_owned(),
            writer: Mutex::new(Writer { db, systems: Systems::default() }),
            readers: Mutex::new(readers),
            back: Condvar::new(),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            unsettled: AtomicBool::new(false),
        })))
    }

    pub(super) fn base(&self) -> &str {
        &self.0.base
    }

    /// Writes all of it or nothing.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Connection, &mut Systems) -> Result<T, WorkingError>,
    ) -> Result<T, WorkingError> {
        self.0.writes.fetch_add(1, Ordering::Relaxed);
        let mut writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Writer { db, systems } = &mut *writer;
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let done = work(&tx, systems);
        match done {
            Ok(done) => {
                tx.commit()?;
                if self.0.unsettled.load(Ordering::Relaxed) {
                    self.truncate(db, Duration::ZERO)?;
                }
                Ok(done)
            }
            Err(error) => {
                // Systems that were numbered in it are forgotten with it.
                *systems = Systems::default();
                Err(error)
            }
        }
    }

    pub(super) fn read(&self) -> Reader<'_> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        let mut readers = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(db) = readers.pop() {
                return Reader { inner: &self.0, db: Some(db) };
            }
            readers = self.0.back.wait(readers).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What may be seen by whom these classes are permitted, and these charts as a whole.
    ///
    /// # Errors
    /// [`WorkingError::Database`].
    pub fn sight<'a>(
        &self,
        classes: impl IntoIterator<Item = &'a Class>,
        charts: impl IntoIterator<Item = &'a ChartId>,
    ) -> Result<Sight, WorkingError> {
        self.sight_beside(classes, charts, [])
    }

    /// The same, and in which charts something is permitted of patients who are named beside.
    pub(crate) fn sight_beside<'a>(
        &self,
        classes: impl IntoIterator<Item = &'a Class>,
        charts: impl IntoIterator<Item = &'a ChartId>,
        beside: impl IntoIterator<Item = &'a ChartId>,
    ) -> Result<Sight, WorkingError> {
        let db = self.read();
        let mut found = BTreeSet::new();
        for class in classes {
            let number: Option<i64> = db
                .prepare_cached(
                    "SELECT class.id FROM class JOIN chart ON chart.id = class.chart
                     WHERE chart.chart = ?1 AND category = ?2 AND writer = ?3",
                )?
                .query_row((chart_key(&class.chart), &class.category, &*class.writer.0), |row| row.get(0))
                .optional()?;
            found.extend(number);
        }
        let (mut numbers, mut others) = (BTreeSet::new(), BTreeSet::new());
        for chart in charts {
            numbers.extend(find_chart(&db, chart)?);
        }
        for chart in beside {
            others.extend(find_chart(&db, chart)?);
        }
        Ok(Sight::new(found, numbers, &others))
    }

    /// The classes of a chart that the working set holds anything of.
    ///
    /// # Errors
    /// [`WorkingError::Database`].
    pub fn classes(&self, chart: &ChartId) -> Result<Vec<Class>, WorkingError> {
        let db = self.read();
        let mut all = db.prepare_cached(
            "SELECT category, writer FROM class JOIN chart ON chart.id = class.chart WHERE chart.chart = ?1",
        )?;
        let rows = all.query_map([chart_key(chart)], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        let mut classes = Vec::new();
        for row in rows {
            let (category, writer) = row?;
            // Written by us; what doesn't parse belongs to nobody and is shown to nobody.
            let Ok(writer) = writer.parse::<OrgId>() else { continue };
            classes.push(Class { chart: *chart, category, writer });
        }
        Ok(classes)
    }

    /// How often it was asked and changed: what answers alike must cost alike.
    #[must_use]
    pub fn calls(&self) -> Calls {
        Calls { reads: self.0.reads.load(Ordering::Relaxed), writes: self.0.writes.load(Ordering::Relaxed) }
    }

    /// Sees to it that what was just wiped is in no file any more: not in the log of changes either, where its former pages
    /// stand until somebody writes over them. If somebody reads for long, the next change makes up for it.
    pub(super) fn settle(&self) -> Result<(), WorkingError> {
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.truncate(&writer.db, SETTLE_WAIT)
    }

    fn truncate(&self, db: &Connection, wait: Duration) -> Result<(), WorkingError> {
        db.busy_timeout(wait)?;
        let busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        db.busy_timeout(schema::BUSY)?;
        self.0.unsettled.store(busy?, Ordering::Relaxed);
        Ok(())
    }

    /// All charts of which it knows anything, each with the line of its log up to which it is complete; at most so many, the
    /// newest first.
    ///
    /// # Errors
    /// [`WorkingError::Database`].
    pub fn charts(&self, most: usize) -> Result<Vec<(ChartId, u64)>, WorkingError> {
        let db = self.read();
        let mut all = db.prepare_cached("SELECT chart, lines FROM chart ORDER BY id DESC LIMIT ?1")?;
        let rows = all.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| {
            Ok((ChartId(Hash(row.get(0)?)), u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The file in which it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl std::fmt::Debug for WorkingSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WorkingSet({})", self.0.path.display())
    }
}

impl std::ops::Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.db {
            Some(db) => db,
            // It is taken out only when this is dropped.
            None => unreachable!("a reader without its connection"),
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut readers = self.inner.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.extend(self.db.take());
        self.inner.back.notify_one();
    }
}

/// The number of a chart that is known.
pub(super) fn find_chart(db: &Connection, chart: &ChartId) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM chart WHERE chart = ?1")?
        .query_row([chart_key(chart)], |row| row.get(0))
        .optional()
}
