//! This file is where the working set is opened and shared: one connection that writes, several that read.

use super::{
    error::WorkingError,
    place::Class,
    rows::Systems,
    schema,
    sight::{Sight, chart_key},
};
use primitives::{ChartId, OrgId};
use rusqlite::{Connection, OptionalExtension as _};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
};
use zeroize::Zeroizing;

/// Connections that read at the same time.
const READERS: usize = 4;

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
        let mut writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Writer { db, systems } = &mut *writer;
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let done = work(&tx, systems);
        match done {
            Ok(done) => {
                tx.commit()?;
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
        let mut numbers = BTreeSet::new();
        for chart in charts {
            numbers.extend(find_chart(&db, chart)?);
        }
        Ok(Sight::new(found, numbers))
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
