//! This file is where access tokens are issued, looked up and revoked: the client holds 256 random bits, the store
//! only their hash.

use super::{
    client::{Client, ClientId, Principal},
    clients::{json, principal},
    db::{Db, Edition, StoreError, column, time},
    scopes::Scopes,
};
use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger::consent::Purpose;
use primitives::{Millis, Span};
use rusqlite::{OptionalExtension as _, params};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// What a token allows: the answer to "who asks, in whose name, for what and how far?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The client.
    pub client: ClientId,
    /// Its name in plain words.
    pub client_name: String,
    /// In whose name it acts.
    pub principal: Principal,
    /// What it may do.
    pub scopes: Scopes,
    /// Why it asks.
    pub purpose: Purpose,
    /// When its user signed in anew, by more than one factor, as its client vouches; none if nobody vouched.
    pub authenticated: Option<Millis>,
    /// Whether its client may vouch for that.
    pub may_vouch: bool,
    /// Names the token in logs and visits without being of use to anybody: the first half of its hash, in hex.
    pub token: String,
    /// When it was issued.
    pub issued: Millis,
    /// When it ends.
    pub expires: Millis,
}

/// An access token as the client holds it. Has no `Debug`: it never reaches a log.
pub(super) struct Secret(Zeroizing<String>);

/// Length of a token's text: 32 bytes in base64url.
const TEXT_BYTES: usize = 43;

impl Secret {
    /// A token of these random bytes.
    pub(super) fn of(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What a caller presents, if it has the form of a token.
    pub(super) fn presented(text: &str) -> Option<Self> {
        let form = text.len() == TEXT_BYTES
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        form.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        // SHA-256 of 256 random bits can't be turned back; no salt is needed.
        for (to, from) in hash.iter_mut().zip(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref()) {
            *to = *from;
        }
        hash
    }
}

/// The issued tokens.
#[derive(Clone)]
pub(super) struct Tokens {
    db: Db,
    found: Arc<Mutex<Found>>,
}

/// The tokens that were looked up in one edition of the store, by their hashes.
#[derive(Default)]
struct Found {
    edition: Option<Edition>,
    grants: HashMap<[u8; 32], Grant>,
}

/// Most tokens that are remembered.
const FOUND_MAX: usize = 4096;

/// Most live tokens of one client: five minutes of two hundred a minute.
pub(super) const TOKENS_MAX: i64 = 1000;

/// A client has too many tokens.
pub(super) struct TooMany;

impl Tokens {
    pub(super) fn new(db: Db) -> Self {
        Self { db, found: Arc::default() }
    }

    /// What `secret` allows at `now`, if that was looked up before and nothing has changed in the store since. Waits for nobody.
    pub(super) fn known(&self, secret: &Secret, now: Millis) -> Result<Option<Grant>, StoreError> {
        let Some(edition) = self.db.look()? else { return Ok(None) };
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let grant = found.grants.get(&secret.hash()).filter(|_| found.edition == Some(edition));
        Ok(grant.filter(|grant| now < grant.expires).cloned())
    }

    fn remember(&self, edition: Edition, hash: [u8; 32], grant: &Grant) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.edition != Some(edition) || found.grants.len() >= FOUND_MAX {
            *found = Found { edition: Some(edition), grants: HashMap::new() };
        }
        found.grants.insert(hash, grant.clone());
    }

    /// Keeps `secret` as a token of `client` for `life`; tells the name under which logs know it.
    pub(super) fn issue(
        &self,
        secret: &Secret,
        client: &Client,
        (scopes, purpose, authenticated): (&Scopes, Purpose, Option<Millis>),
        now: Millis,
        life: Span,
    ) -> Result<Result<String, TooMany>, StoreError> {
        let expires = now.plus(life);
        let hash = secret.hash();
        let principal = json(&client.principal)?;
        self.db.write(|tx| {
            tx.execute("DELETE FROM token WHERE expires <= ?", [column(now)])?;
            let live: i64 =
                tx.query_row("SELECT count(*) FROM token WHERE client = ?", [client.id.as_str()], |row| {
                    row.get(0)
                })?;
            if live >= TOKENS_MAX {
                return Ok(Err(TooMany));
            }
            tx.execute(
                "INSERT INTO token (hash, client, scopes, purpose, principal, issued, expires, authenticated)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    hash.as_slice(),
                    client.id.as_str(),
                    scopes.to_string(),
                    purpose.code(),
                    principal,
                    column(now),
                    column(expires),
                    authenticated.map(column),
                ],
            )?;
            Ok(Ok(name_of(&hash)))
        })
    }

    /// What `secret` allows at `now`; nothing if it is unknown, over, revoked, or its client is kept out.
    pub(super) fn find(&self, secret: &Secret, now: Millis) -> Result<Option<Grant>, StoreError> {
        let hash = secret.hash();
        self.db.read(|db| {
            // Before the token itself: what is written in between makes the edition another one.
            let edition = self.db.edition(db)?;
            let mut query = db.prepare_cached(
                "SELECT token.hash, client.id, client.name, token.scopes, token.purpose, token.principal,
                        token.issued, token.expires, token.authenticated, client.may_vouch
                 FROM token JOIN client ON client.id = token.client
                 WHERE token.hash = ? AND client.enabled AND token.expires > ?",
            )?;
            let found = query.query_row(params![hash.as_slice(), column(now)], |row| {
                let kept: [u8; 32] = row.get(0)?;
                let texts: [String; 5] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
                let vouched = (row.get::<_, Option<i64>>(8)?.map(time), row.get(9)?);
                Ok((kept, texts, time(row.get(6)?), time(row.get(7)?), vouched))
            });
            let Some((kept, [client, client_name, scopes, purpose, whose], issued, expires, vouched)) =
                found.optional()?
            else {
                return Ok(None);
            };
            if !bool::from(kept.ct_eq(&hash)) {
                return Ok(None);
            }
            let grant = Grant {
                client: client.parse().map_err(|_| StoreError::Damaged("client id"))?,
                client_name,
                principal: principal(&whose)?,
                scopes: Scopes::parse(&scopes).map_err(|_| StoreError::Damaged("token's scopes"))?,
                purpose: purpose.parse().map_err(|_| StoreError::Damaged("token's purpose"))?,
                authenticated: vouched.0,
                may_vouch: vouched.1,
                token: name_of(&hash),
                issued,
                expires,
            };
            self.remember(edition, hash, &grant);
            Ok(Some(grant))
        })
    }

    /// Ends a token, if it is this client's.
    pub(super) fn revoke(&self, secret: &Secret, client: &ClientId) -> Result<(), StoreError> {
        let hash = secret.hash();
        self.db.write(|tx| {
            tx.execute(
                "DELETE FROM token WHERE hash = ? AND client = ?",
                params![hash.as_slice(), client.as_str()],
            )?;
            Ok(())
        })
    }
}

/// The first half of a token's hash, in hex.
fn name_of(hash: &[u8; 32]) -> String {
    let mut name = hex::encode(hash);
    name.truncate(32);
    name
}
