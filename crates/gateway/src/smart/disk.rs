//! This file is where the authorisation store is opened: the one place that knows how it lies on disk.

use rusqlite::Connection;
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};
use zeroize::Zeroizing;

/// The key of a store that is encrypted at rest.
pub struct StoreKey(pub Zeroizing<[u8; 32]>);

/// Why the store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite says no.
    #[error(
        "the store of clients and tokens `{path}` can't be opened: {source}; is the folder there and writable?"
    )]
    Sqlite {
        /// Where.
        path: String,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file can't be made.
    #[error(
        "the store of clients and tokens `{path}` can't be made: {source}; is the folder there and writable?"
    )]
    Make {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A newer version wrote it.
    #[error(
        "the store of clients and tokens is of format {found}, and this version knows up to {known}; update it"
    )]
    Newer {
        /// Its format.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// A key is given, but encryption isn't built in.
    #[error("this build can't encrypt its store; leave the key out")]
    CannotEncrypt,
}

/// Opens the database at `path`, makes it if it isn't there, and sets what makes it durable.
pub(super) fn open(path: &Path, key: Option<&StoreKey>) -> Result<Connection, OpenError> {
    // Better no store than a plain one where an encrypted one was asked for.
    if key.is_some() {
        return Err(OpenError::CannotEncrypt);
    }
    // Whoever else has an account on this machine needn't know who may come in; SQLite's other files follow this one.
    match private_file(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(OpenError::Make { path: path.display().to_string(), source }),
    }
    let connect = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // An assertion that was used must be known as used after a power loss too.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "secure_delete", true)?;
        Ok(connection)
    };
    connect().map_err(|source| OpenError::Sqlite { path: path.display().to_string(), source })
}

/// Makes an empty file that only its owner can read; there must be none yet.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
