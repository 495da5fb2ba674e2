//! This file is where the tables of authorisation have their form, and where one connection is shared.

use super::{
    disk::{OpenError, StoreKey},
    opening::open,
};
use primitives::Millis;
use rusqlite::{Connection, TransactionBehavior};
use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What takes a store from one format to the next; the store's format is how many of them it has seen.
const STEPS: &[&str] = &[
    "
    CREATE TABLE client (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        keys TEXT NOT NULL,
        scopes TEXT NOT NULL,
        purposes TEXT NOT NULL,
        principal TEXT NOT NULL,
        may_introspect INTEGER NOT NULL,
        enabled INTEGER NOT NULL,
        created INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE assertion (
        client TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
        jti BLOB NOT NULL,
        until INTEGER NOT NULL,
        PRIMARY KEY (client, jti)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX assertion_until ON assertion (until);
    CREATE TABLE token (
        hash BLOB PRIMARY KEY,
        client TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
        scopes TEXT NOT NULL,
        purpose TEXT NOT NULL,
        principal TEXT NOT NULL,
        issued INTEGER NOT NULL,
        expires INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX token_expires ON token (expires);
    CREATE INDEX token_client ON token (client);
",
    "
    ALTER TABLE client ADD COLUMN may_vouch INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE token ADD COLUMN authenticated INTEGER;
",
];

/// The store doesn't do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite says no.
    #[error("the store of clients and tokens fails: {0}; is its disk full or damaged?")]
    Sqlite(#[from] rusqlite::Error),
    /// A row says what this version can't read.
    #[error("the store of clients and tokens holds a damaged `{0}`; restore it from its backup")]
    Damaged(&'static str),
    /// The work in the store was given up, as the gateway stops.
    #[error("the gateway is stopping")]
    Stopping,
}

/// A time as SQLite keeps it: signed, so the end of time comes a little earlier.
pub(super) fn column(time: Millis) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// A time as it was kept.
pub(super) fn time(column: i64) -> Millis {
    Millis(u64::try_from(column).unwrap_or(0))
}

/// The one connection. Statements take microseconds, commits one flush; both run away from the network's threads, but for
/// [`Db::look`].
#[derive(Clone)]
pub(super) struct Db(Arc<Inner>);

struct Inner {
    connection: Mutex<Connection>,
    /// How often this process wrote.
    written: AtomicU64,
}

/// As long as it is the same, nothing has changed in the store, whoever writes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edition {
    own: u64,
    others: i64,
}

impl Db {
    pub(super) fn open(path: &Path, key: Option<&StoreKey>) -> Result<Self, OpenError> {
        let mut connection = open(path, key)?;
        let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
        let broken = |source| OpenError::Sqlite { path: path.display().to_string(), source };
        let mut migrate = || -> rusqlite::Result<i64> {
            // Immediate: two processes that open a new store at once must not both make its tables.
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
            if found < known {
                for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
                    tx.execute_batch(step)?;
                }
                tx.pragma_update(None, "user_version", known)?;
            }
            tx.commit()?;
            Ok(found)
        };
        let found = migrate().map_err(broken)?;
        if found > known {
            return Err(OpenError::Newer { found, known });
        }
        Ok(Self(Arc::new(Inner { connection: Mutex::new(connection), written: AtomicU64::new(0) })))
    }

    /// Does `work` in one transaction; an error undoes it.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.0.connection.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.written.fetch_add(1, Ordering::Relaxed);
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&tx)?;
        tx.commit()?;
        Ok(done)
    }

    /// Reads.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        work(&self.0.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Which edition of the store it is; none if somebody is at work in it, who may take as long as a flush takes.
    pub(super) fn look(&self) -> Result<Option<Edition>, StoreError> {
        match self.0.connection.try_lock() {
            Ok(connection) => self.edition(&connection).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The same for who is at work in it.
    pub(super) fn edition(&self, connection: &Connection) -> Result<Edition, StoreError> {
        // SQLite counts what other connections wrote, those of other processes included.
        let mut query = connection.prepare_cached("PRAGMA data_version")?;
        let others = query.query_row([], |row| row.get(0))?;
        Ok(Edition { own: self.0.written.load(Ordering::Relaxed), others })
    }
}
