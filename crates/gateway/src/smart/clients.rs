//! This file is where clients are registered, listed, disabled and looked up.

use super::{
    client::{Client, ClientError, ClientId, Keys, Principal},
    db::{Db, StoreError, column, time},
    disk::{OpenError, StoreKey, private_file},
    scopes::Scopes,
};
use ledger::consent::Purpose;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::{collections::BTreeSet, io, path::Path};

/// The registered clients, in a store of their own that holds tokens too; `horkos gateway client` and the server may
/// have it open at the same time.
#[derive(Clone)]
pub struct Clients {
    db: Db,
}

/// A client isn't registered.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// What is asked for makes no sense.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The id is taken.
    #[error("there is a client `{0}` already; choose another id, or remove it first")]
    Taken(ClientId),
    /// There are too many.
    #[error("there are {CLIENTS_MAX} clients already; remove those that are not used")]
    TooMany,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A copy of the store isn't made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The path.
    #[error("a backup's path must be UTF-8")]
    Name,
    /// The file.
    #[error("`{path}` can't be made: {source}; choose a name that isn't taken, in a folder that is there")]
    File {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Most clients.
pub const CLIENTS_MAX: i64 = 10_000;

impl Clients {
    /// Opens the store at `path`; makes it if there is none. With a key it is encrypted at rest, and a plain one that an
    /// earlier version left is encrypted now; without one, as in tests, it is plain.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, key: Option<&StoreKey>) -> Result<Self, OpenError> {
        Ok(Self { db: Db::open(path, key)? })
    }

    /// Registers a client.
    ///
    /// # Errors
    /// [`AddError`].
    pub fn add(&self, client: &Client) -> Result<(), AddError> {
        client.check()?;
        let keys = json(&client.keys)?;
        let principal = json(&client.principal)?;
        let purposes = json(&client.purposes)?;
        let added = self.db.write(|tx| {
            let count: i64 = tx.query_row("SELECT count(*) FROM client", [], |row| row.get(0))?;
            if count >= CLIENTS_MAX {
                return Ok(None);
            }
            let sql = "INSERT INTO client (id, name, keys, scopes, purposes, principal, may_introspect, enabled, created, may_vouch)
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
            Ok(Some(tx.execute(
                sql,
                params![
                    client.id.as_str(),
                    client.name,
                    keys,
                    client.scopes.to_string(),
                    purposes,
                    principal,
                    client.may_introspect,
                    client.enabled,
                    column(client.created),
                    client.may_vouch,
                ],
            )?))
        })?;
        match added {
            None => Err(AddError::TooMany),
            Some(0) => Err(AddError::Taken(client.id.clone())),
            Some(_) => Ok(()),
        }
    }

    /// All clients, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list(&self) -> Result<Vec<Client>, StoreError> {
        self.db.read(|db| {
            let mut query = db.prepare_cached(&format!("{SELECT} ORDER BY id"))?;
            let mut rows = query.query([])?;
            let mut clients = Vec::new();
            while let Some(row) = rows.next()? {
                clients.push(client(row)?);
            }
            Ok(clients)
        })
    }

    /// One client.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn get(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.db.read(|db| get(db, id))
    }

    /// Lets a client in, or keeps it out from now on: its tokens end at once. Whether there is such a client.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_enabled(&self, id: &ClientId, enabled: bool) -> Result<bool, StoreError> {
        self.db.write(|tx| {
            if !enabled {
                tx.execute("DELETE FROM token WHERE client = ?", [id.as_str()])?;
            }
            Ok(tx.execute("UPDATE client SET enabled = ? WHERE id = ?", params![enabled, id.as_str()])? > 0)
        })
    }

    /// Forgets a client, its tokens, and which assertions it used. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove(&self, id: &ClientId) -> Result<bool, StoreError> {
        self.db.write(|tx| Ok(tx.execute("DELETE FROM client WHERE id = ?", [id.as_str()])? > 0))
    }

    /// Writes a copy of the whole store, consistent in itself, to a new file, encrypted under the same key as the store; the
    /// server may go on meanwhile.
    ///
    /// # Errors
    /// [`BackupError`], also if there is a file at `to`.
    pub fn backup(&self, to: &Path) -> Result<(), BackupError> {
        let path = to.to_str().ok_or(BackupError::Name)?;
        // SQLite writes into an empty file, and this one only its owner can read.
        drop(private_file(to).map_err(|source| BackupError::File { path: path.to_owned(), source })?);
        self.db.read(|db| Ok(db.execute("VACUUM INTO ?", [path])?))?;
        Ok(())
    }

    pub(super) fn db(&self) -> &Db {
        &self.db
    }
}

const SELECT: &str = "SELECT id, name, keys, scopes, purposes, principal, may_introspect, enabled, created, may_vouch FROM client";

pub(super) fn get(db: &Connection, id: &ClientId) -> Result<Option<Client>, StoreError> {
    let mut query = db.prepare_cached(&format!("{SELECT} WHERE id = ?"))?;
    query.query_row([id.as_str()], |row| Ok(client(row))).optional()?.transpose()
}

fn client(row: &Row<'_>) -> Result<Client, StoreError> {
    let text = |place: usize| row.get_ref(place)?.as_str().map_err(rusqlite::Error::from);
    let id = text(0)?.parse().map_err(|_| StoreError::Damaged("client id"))?;
    let keys: Keys = serde_json::from_str(text(2)?).map_err(|_| StoreError::Damaged("client's keys"))?;
    let scopes = Scopes::parse(text(3)?).map_err(|_| StoreError::Damaged("client's scopes"))?;
    let purposes: BTreeSet<Purpose> =
        serde_json::from_str(text(4)?).map_err(|_| StoreError::Damaged("client's purposes"))?;
    let principal = principal(text(5)?)?;
    Ok(Client {
        id,
        name: text(1)?.to_owned(),
        keys,
        scopes,
        purposes,
        principal,
        may_introspect: row.get(6)?,
        enabled: row.get(7)?,
        created: time(row.get(8)?),
        may_vouch: row.get(9)?,
    })
}

pub(super) fn principal(text: &str) -> Result<Principal, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged("principal"))
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Damaged("value to be written"))
}
