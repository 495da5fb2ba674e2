//! This file is where the authorisation store meets the disk: its key, its files, and why it can't be opened.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};
use zeroize::Zeroizing;

/// The key of a store that is encrypted at rest: 32 random bytes.
pub struct StoreKey(pub Zeroizing<[u8; 32]>);

/// The key as SQLCipher takes a raw one. Source: SQLCipher API, `PRAGMA key`.
pub(super) fn spelled(key: &StoreKey) -> Zeroizing<String> {
    let digits = Zeroizing::new(hex::encode(*key.0));
    Zeroizing::new(format!("x'{}'", &*digits))
}

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
    /// It is encrypted under another key, or no database at all.
    #[error(
        "the store of clients and tokens `{path}` can't be opened with this gateway's key, or is damaged; restore it from its backup"
    )]
    Key {
        /// Where.
        path: String,
    },
    /// It is plain and can't be encrypted now.
    #[error(
        "the store of clients and tokens `{path}` is to be encrypted, but another program has it open; stop that and try again"
    )]
    InUse {
        /// Where.
        path: String,
    },
}

/// Makes an empty file that only its owner can read; there must be none yet.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
