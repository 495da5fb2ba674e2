//! This file is where an assertion counts once: its `jti` is remembered on disk for as long as it could be used again.

use super::{
    client::ClientId,
    db::{Db, StoreError, column},
};
use aws_lc_rs::digest;
use primitives::Millis;
use rusqlite::params;

/// Most live assertions of one client: six minutes of thirty a second.
pub(super) const LIVE_MAX: i64 = 10_000;

/// What became of an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    /// It was fresh and is used up now.
    Now,
    /// It was used before.
    Before,
    /// The client has too many live ones to remember more; none may be forgotten, so none is taken.
    TooMany,
}

/// The assertions that were used.
#[derive(Clone)]
pub(super) struct Replay {
    db: Db,
}

impl Replay {
    pub(super) fn new(db: Db) -> Self {
        Self { db }
    }

    /// Uses up `jti` of `client`, which could be presented until `until`.
    pub(super) fn use_up(
        &self,
        client: &ClientId,
        jti: &str,
        until: Millis,
        now: Millis,
    ) -> Result<Used, StoreError> {
        // Its hash: of one length, whatever the client chose.
        let hash = digest::digest(&digest::SHA256, jti.as_bytes());
        self.db.write(|tx| {
            tx.execute("DELETE FROM assertion WHERE until <= ?", [column(now)])?;
            let live: i64 =
                tx.query_row("SELECT count(*) FROM assertion WHERE client = ?", [client.as_str()], |row| {
                    row.get(0)
                })?;
            if live >= LIVE_MAX {
                return Ok(Used::TooMany);
            }
            let fresh = tx.execute(
                "INSERT INTO assertion (client, jti, until) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                params![client.as_str(), hash.as_ref(), column(until)],
            )?;
            Ok(if fresh == 1 { Used::Now } else { Used::Before })
        })
    }
}
