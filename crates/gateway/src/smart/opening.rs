//! This file is where the authorisation store is opened, made, or encrypted if it is plain still.

use super::{
    disk::{OpenError, StoreKey, private_file, spelled},
    encrypt::{encrypt, is_plain},
};
use rusqlite::{Connection, ErrorCode};
use std::{io, path::Path, time::Duration};
use zeroize::Zeroizing;

/// Opens the database at `path`, makes it if it isn't there, and sets what makes it durable. With a key it is encrypted
/// page by page (SQLCipher), a plain one that is found at once; without one it is plain.
pub(super) fn open(path: &Path, key: Option<&StoreKey>) -> Result<Connection, OpenError> {
    let make = |source| OpenError::Make { path: path.display().to_string(), source };
    // Whoever else has an account on this machine needn't know who may come in; SQLite's other files follow this one.
    match private_file(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(make(source)),
    }
    let told = |source| OpenError::Sqlite { path: path.display().to_string(), source };
    match (connect(path, key), key) {
        (Err(error), Some(key)) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            if !is_plain(path).map_err(make)? {
                return Err(OpenError::Key { path: path.display().to_string() });
            }
            encrypt(path, key)?;
            connect(path, Some(key)).map_err(told)
        }
        (result, _) => result.map_err(told),
    }
}

fn connect(path: &Path, key: Option<&StoreKey>) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    if let Some(key) = key {
        connection.execute_batch(&Zeroizing::new(format!("PRAGMA key = \"{}\";", &*spelled(key))))?;
        // A wrong key shows at the first page that is read.
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // An assertion that was used must be known as used after a power loss too.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}
