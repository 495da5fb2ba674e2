//! This file is where the tables of the working set stand, and where a database is opened, or made anew if it doesn't fit.
//!
//! `resource` holds what is current, `version` what came before, `alias` under which `urn:` others may refer to it. Each kind
//! of search value has a table: `p` is the parameter's number ([`super::numbers`]), `rid` the resource. Folded texts and the ends of intervals are blobs, which
//! sort by their bytes. A composite value is a row of `cmp`, and its components' values are rows of the other tables with
//! numbers of their own: the component's as `p`, the composite value's as `rid`.

use super::{error::WorkingError, numbers};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::{fs, path::Path};
use zeroize::Zeroizing;

/// Raised when the tables change: then the working set is made anew.
const FORMAT: i64 = 3;

/// How long a connection waits for another one.
pub(super) const BUSY: std::time::Duration = std::time::Duration::from_secs(10);

/// Pages kept in memory by each connection, in KiB.
const CACHE_KIB: i64 = 32 << 10;

const TABLES: &str = "
    CREATE TABLE format(format INTEGER NOT NULL, numbering INTEGER NOT NULL);
    CREATE TABLE chart(id INTEGER PRIMARY KEY, chart BLOB NOT NULL UNIQUE, lines INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE class(id INTEGER PRIMARY KEY, chart INTEGER NOT NULL, category TEXT NOT NULL, writer TEXT NOT NULL,
        own INTEGER NOT NULL, UNIQUE(chart, category, writer));
    CREATE TABLE resource(rid INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, id TEXT NOT NULL,
        chart INTEGER NOT NULL, class INTEGER NOT NULL, version INTEGER NOT NULL, updated INTEGER NOT NULL,
        deleted INTEGER NOT NULL, shared INTEGER NOT NULL, present TEXT NOT NULL, source BLOB NOT NULL,
        bytes BLOB NOT NULL, UNIQUE(kind, id));
    CREATE INDEX resource_class ON resource(class, kind, updated);
    CREATE INDEX resource_updated ON resource(kind, updated);
    CREATE TABLE version(rid INTEGER NOT NULL, version INTEGER NOT NULL, class INTEGER NOT NULL,
        updated INTEGER NOT NULL, deleted INTEGER NOT NULL, bytes BLOB NOT NULL,
        PRIMARY KEY(rid, version)) WITHOUT ROWID;
    CREATE TABLE also(rid INTEGER NOT NULL, chart INTEGER NOT NULL, PRIMARY KEY(rid, chart)) WITHOUT ROWID;
    CREATE TABLE audited(chart INTEGER PRIMARY KEY, lines INTEGER NOT NULL);
    CREATE TABLE alias(url TEXT NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY(url, rid)) WITHOUT ROWID;
    CREATE INDEX alias_rid ON alias(rid);
    CREATE TRIGGER resource_gone AFTER DELETE ON resource BEGIN DELETE FROM alias WHERE rid = old.rid; END;
    CREATE TABLE system(id INTEGER PRIMARY KEY, uri TEXT NOT NULL UNIQUE);

    CREATE TABLE tok(p INTEGER, key TEXT, rid INTEGER, sys INTEGER, PRIMARY KEY(p, key, rid, sys)) WITHOUT ROWID;
    CREATE TABLE typ(p INTEGER, key TEXT, rid INTEGER, sys INTEGER, code TEXT,
        PRIMARY KEY(p, key, rid, sys, code)) WITHOUT ROWID;
    CREATE TABLE txt(p INTEGER, folded BLOB, rid INTEGER, PRIMARY KEY(p, folded, rid)) WITHOUT ROWID;
    CREATE TABLE str(p INTEGER, folded BLOB, rid INTEGER, text TEXT, PRIMARY KEY(p, folded, rid, text)) WITHOUT ROWID;
    CREATE TABLE dat(p INTEGER, lo INTEGER, rid INTEGER, hi INTEGER, PRIMARY KEY(p, lo, rid, hi)) WITHOUT ROWID;
    CREATE INDEX dat_rid ON dat(rid, p);
    CREATE TABLE num(p INTEGER, lo BLOB, rid INTEGER, hi BLOB, PRIMARY KEY(p, lo, rid, hi)) WITHOUT ROWID;
    CREATE TABLE qty(p INTEGER, lo BLOB, rid INTEGER, hi BLOB, sys INTEGER, code TEXT, unit TEXT,
        PRIMARY KEY(p, lo, rid, hi, sys, code, unit)) WITHOUT ROWID;
    CREATE TABLE qtc(p INTEGER, unit TEXT, lo BLOB, rid INTEGER, hi BLOB,
        PRIMARY KEY(p, unit, lo, rid, hi)) WITHOUT ROWID;
    CREATE TABLE uri(p INTEGER, uri TEXT, rid INTEGER, ver TEXT, PRIMARY KEY(p, uri, rid, ver)) WITHOUT ROWID;
    CREATE TABLE ref(p INTEGER, id TEXT, rid INTEGER, kind INTEGER, base TEXT, ver TEXT,
        PRIMARY KEY(p, id, rid, kind, base, ver)) WITHOUT ROWID;
    CREATE INDEX ref_rid ON ref(rid, p);
    CREATE TABLE rfu(p INTEGER, url TEXT, rid INTEGER, ver TEXT, PRIMARY KEY(p, url, rid, ver)) WITHOUT ROWID;
    CREATE TABLE rfi(p INTEGER, key TEXT, rid INTEGER, sys INTEGER, PRIMARY KEY(p, key, rid, sys)) WITHOUT ROWID;
    CREATE TABLE cmp(p INTEGER, rid INTEGER, part INTEGER, PRIMARY KEY(p, rid, part)) WITHOUT ROWID;
";

/// Tables with values that a resource is found by; each has `p` and `rid`.
pub(super) const VALUES: &[&str] =
    &["tok", "typ", "txt", "str", "dat", "num", "qty", "qtc", "uri", "ref", "rfu", "rfi", "cmp"];

/// Opens the database for writing: made if it isn't there, made anew if it is of another format.
pub(super) fn open(path: &Path, key: &Zeroizing<[u8; 32]>) -> Result<Connection, WorkingError> {
    let failed = |source| WorkingError::Open { path: path.to_owned(), source };
    match connect(path, key, true) {
        Ok(db) if fits(&db) => return Ok(db),
        Ok(_) => {}
        // Another key, or damage: either way nothing in it can be read.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {}
        Err(error) => return Err(failed(error)),
    }
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        // What isn't there needn't be deleted; what can't be deleted shows when it is opened.
        let _gone = fs::remove_file(name);
    }
    let db = connect(path, key, true).map_err(failed)?;
    db.execute_batch(TABLES).map_err(failed)?;
    db.execute("INSERT INTO format VALUES (?1, ?2)", (FORMAT, numbers::numbering())).map_err(failed)?;
    Ok(db)
}

/// One more connection, for reading.
pub(super) fn reader(path: &Path, key: &Zeroizing<[u8; 32]>) -> Result<Connection, WorkingError> {
    connect(path, key, false).map_err(|source| WorkingError::Open { path: path.to_owned(), source })
}

/// Whether it can be read with this key and has the tables of this version. A wrong key and damage look alike: either
/// way it is rebuilt, it holds nothing of its own.
fn fits(db: &Connection) -> bool {
    let found =
        db.query_row("SELECT format, numbering FROM format", [], |row| Ok((row.get(0)?, row.get(1)?)));
    found.is_ok_and(|found: (i64, i64)| found == (FORMAT, numbers::numbering()))
}

fn connect(path: &Path, key: &Zeroizing<[u8; 32]>, write: bool) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags |= if write {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    } else {
        // A reader of a WAL writes its shared memory.
        OpenFlags::SQLITE_OPEN_READ_WRITE
    };
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    // A raw key: it is random, so no passphrase derivation is wanted (SQLCipher documentation, `PRAGMA key`).
    let spelled = Zeroizing::new(hex::encode(**key));
    db.execute_batch(&Zeroizing::new(format!("PRAGMA key = \"x'{}'\";", &*spelled)))?;
    // What has reached the ledger is there again after a rebuild, so that a power cut may cost the newest pages: the log's
    // lines that are known are written with them, and what is missing is fetched anew.
    db.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -{CACHE_KIB};
         PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF; PRAGMA secure_delete = ON;
         PRAGMA wal_autocheckpoint = 2000;"
    ))?;
    db.set_prepared_statement_cache_capacity(256);
    rusqlite::vtab::array::load_module(&db)?;
    if !write {
        db.execute_batch("PRAGMA query_only = ON;")?;
    }
    Ok(db)
}
