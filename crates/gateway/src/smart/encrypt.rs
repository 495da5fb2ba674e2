//! This file is where a store that an earlier version wrote plain is encrypted, once, when it is opened with a key.

use super::disk::{OpenError, StoreKey, private_file, spelled};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// First bytes of a plain database. Source: SQLite, Database File Format, §1.3.
const PLAIN: &[u8; 16] = b"SQLite format 3\0";

/// How long another program may take to close the store.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// Whether a file is a plain database.
pub(super) fn is_plain(path: &Path) -> io::Result<bool> {
    let mut first = [0; PLAIN.len()];
    match File::open(path)?.read_exact(&mut first) {
        Ok(()) => Ok(first == *PLAIN),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts an encrypted copy in the place of a plain store, and overwrites the plain one. Whatever stops in between, either the
/// plain store stands there whole or the encrypted one does.
pub(super) fn encrypt(path: &Path, key: &StoreKey) -> Result<(), OpenError> {
    let make = |source| OpenError::Make { path: path.display().to_string(), source };
    let beside = beside(path);
    match fs::remove_file(&beside) {
        // One that was begun and never put in place.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(make(error)),
    }
    let sealed = private_file(&beside).map_err(make)?;
    let db = copy(path, &beside, key).map_err(|source| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            OpenError::InUse { path: path.display().to_string() }
        }
        _ => OpenError::Sqlite { path: path.display().to_string(), source },
    })?;
    sealed.sync_all().map_err(make)?;
    let plain = OpenOptions::new().write(true).open(path).map_err(make)?;
    fs::rename(&beside, path).map_err(make)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(make)?;
    // Until here nobody else could open the plain one.
    drop(db);
    overwrite(plain).map_err(make)
}

/// Copies the store; the connection given back keeps others out of the plain one.
fn copy(path: &Path, beside: &Path, key: &StoreKey) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(CLOSED_WITHIN)?;
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    // Takes in what stands in the log, and fails while anybody else has the store open.
    db.pragma_update(None, "journal_mode", "DELETE")?;
    db.execute_batch("BEGIN EXCLUSIVE; COMMIT;")?;
    let format: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let beside = beside.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(beside.to_owned()))?;
    db.execute("ATTACH DATABASE ?1 AS sealed KEY ?2", (beside, &*spelled(key)))?;
    db.query_row("SELECT sqlcipher_export('sealed')", [], |_| Ok(()))?;
    db.pragma_update(Some("sealed"), "user_version", format)?;
    db.execute_batch("DETACH DATABASE sealed")?;
    Ok(db)
}

/// Overwrites what a file holds; how much that helps is up to the file system and the disk.
fn overwrite(mut file: File) -> io::Result<()> {
    let mut left = file.metadata()?.len();
    let zeros = [0; 64 << 10];
    while left > 0 {
        let next = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all(zeros.get(..next).unwrap_or_default())?;
        left = left.saturating_sub(next as u64);
    }
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(".encrypting");
    PathBuf::from(name)
}
