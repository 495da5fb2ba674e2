//! This file is where fetched key sets are kept for a while, so that a client is asked for its keys seldom and never
//! more often because a stranger wants it.

use super::{
    client::Keys,
    fetch::{FetchError, Fetcher},
    jwks::{KeySet, KeySetError},
};
use client::Host;
use primitives::{Millis, Span};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

/// How long a fetched set counts: a key taken out of it counts no longer than this.
const FRESH: Span = Span::secs(300);
/// How long between two attempts to fetch one set, whatever is asked.
const BETWEEN: Span = Span::secs(10);
/// Most sets remembered.
const SETS_MAX: usize = 1024;
/// Most fetches at a time.
const FETCHES_MAX: usize = 8;

/// Keys of a client aren't to be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    #[error(transparent)]
    Inline(#[from] KeySetError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the key set was asked for a moment ago; try again in {} s", BETWEEN.0 / 1000)]
    TooSoon,
    #[error("too many key sets are being fetched; try again in a moment")]
    Busy,
}

#[derive(Default)]
struct Entry {
    keys: Option<(Arc<KeySet>, Millis)>,
    tried: Option<Millis>,
}

impl Entry {
    fn fresh(&self, now: Millis) -> Option<&Arc<KeySet>> {
        self.keys.as_ref().filter(|(_, at)| now.since(*at) < FRESH && now >= *at).map(|(keys, _)| keys)
    }

    fn waits(&self, now: Millis) -> bool {
        self.tried.is_some_and(|at| now >= at && now.since(at) < BETWEEN)
    }
}

/// The key sets of clients.
pub(super) struct Keyring {
    fetcher: Fetcher,
    host: Arc<dyn Host>,
    entries: Mutex<HashMap<String, Arc<AsyncMutex<Entry>>>>,
    fetches: Semaphore,
}

impl Keyring {
    pub(super) fn new(fetcher: Fetcher, host: Arc<dyn Host>) -> Self {
        Self { fetcher, host, entries: Mutex::default(), fetches: Semaphore::new(FETCHES_MAX) }
    }

    /// The keys of a client, among which `kid` is looked for: if it isn't there, the set may have changed.
    pub(super) async fn keys(&self, keys: &Keys, kid: &str) -> Result<Arc<KeySet>, KeysError> {
        match keys {
            Keys::Inline(json) => Ok(Arc::new(KeySet::parse(json.as_bytes())?)),
            Keys::Url(url) => self.fetched(url, kid).await,
        }
    }

    async fn fetched(&self, url: &str, kid: &str) -> Result<Arc<KeySet>, KeysError> {
        let entry = self.entry(url)?;
        // Whoever comes while a set is being fetched waits for it instead of fetching it again.
        let mut entry = entry.lock().await;
        let now = self.host.now();
        if let Some(keys) = entry.fresh(now)
            && (keys.has(kid) || entry.waits(now))
        {
            return Ok(Arc::clone(keys));
        }
        if entry.waits(now) {
            return Err(KeysError::TooSoon);
        }
        let _permit = self.fetches.try_acquire().map_err(|_| KeysError::Busy)?;
        entry.tried = Some(now);
        match self.fetcher.fetch(url).await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                entry.keys = Some((Arc::clone(&keys), now));
                Ok(keys)
            }
            // A set that is still fresh goes on to count: it lacks this key, which is an answer too.
            Err(error) => match entry.fresh(now) {
                Some(keys) => {
                    tracing::warn!(%error, "a client's key set can't be fetched again");
                    Ok(Arc::clone(keys))
                }
                None => Err(error.into()),
            },
        }
    }

    fn entry(&self, url: &str) -> Result<Arc<AsyncMutex<Entry>>, KeysError> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= SETS_MAX && !entries.contains_key(url) {
            let now = self.host.now();
            entries.retain(|_, entry| match entry.try_lock() {
                Ok(entry) => entry.fresh(now).is_some() || entry.waits(now),
                Err(_) => true,
            });
            if entries.len() >= SETS_MAX {
                return Err(KeysError::Busy);
            }
        }
        Ok(Arc::clone(entries.entry(url.to_owned()).or_default()))
    }
}
