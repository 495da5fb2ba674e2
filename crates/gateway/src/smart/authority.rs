//! This file is where authorisation is put together: settings, clients, tokens, keys, clock and limits.

use super::{
    client::ClientId,
    clients::Clients,
    db::StoreError,
    fetch::{Fetcher, Resolve, RootsError, SystemResolver},
    keyring::Keyring,
    reach::Reach,
    replay::Replay,
    token::Tokens,
};
use crate::http::{Limiter, PublicUrl, Rate};
use client::Host;
use ledger::consent::Purpose;
use primitives::{Slug, Span};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};
use zeroize::Zeroizing;

/// How authorisation behaves. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How long an access token lasts, in milliseconds: at most an hour; five minutes unless told otherwise.
    pub token_life: Span,
    /// Where clients' key sets may be fetched from.
    pub reach: Reach,
    /// Certificate authorities for that, besides the machine's own: PEM files.
    pub roots: Vec<PathBuf>,
    /// For clients that act for a practitioner: the purposes that each role may name. A role that isn't listed may
    /// name none. Without any role here, only the client's registration counts.
    pub purposes_of_roles: BTreeMap<Slug, BTreeSet<Purpose>>,
    /// How long ago, in milliseconds, a user may have signed in anew to break the glass; at most 15 minutes.
    pub step_up_max: Span,
    /// Requests of one client.
    pub per_client: Rate,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token_life: Span::secs(300),
            reach: Reach::default(),
            roots: Vec::new(),
            purposes_of_roles: BTreeMap::new(),
            step_up_max: Span::secs(300),
            per_client: Rate { burst: 100, per_sec: 50 },
        }
    }
}

/// The longest that signing in anew may count.
const STEP_UP_MAX: Span = Span::secs(15 * 60);

/// Longest life of an access token.
const TOKEN_LIFE_MAX: Span = Span::hours(1);

/// Authorisation can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Tokens that last too long or not at all.
    #[error("`token_life` must be from 1 s to 1 h")]
    TokenLife,
    /// A sign-in that counts for too long.
    #[error("`step_up_max` must be at most 15 minutes")]
    StepUp,
    /// Certificate authorities.
    #[error(transparent)]
    Roots(#[from] RootsError),
}

/// Who may come in, and how far: the authorisation server and the guard at the door in one.
pub struct Authority {
    pub(super) public: PublicUrl,
    pub(super) settings: Settings,
    pub(super) clients: Clients,
    pub(super) tokens: Tokens,
    pub(super) replay: Replay,
    pub(super) keyring: Keyring,
    pub(super) limiter: Limiter<ClientId>,
    pub(super) host: Arc<dyn Host>,
}

impl Authority {
    /// The authority of the gateway that the world knows as `public`.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn new(
        public: PublicUrl,
        settings: Settings,
        clients: Clients,
        host: Arc<dyn Host>,
    ) -> Result<Arc<Self>, AuthorityError> {
        Self::with_resolver(public, settings, clients, host, Box::new(SystemResolver))
    }

    fn with_resolver(
        public: PublicUrl,
        settings: Settings,
        clients: Clients,
        host: Arc<dyn Host>,
        resolver: Box<dyn Resolve>,
    ) -> Result<Arc<Self>, AuthorityError> {
        if settings.token_life < Span::secs(1) || settings.token_life > TOKEN_LIFE_MAX {
            return Err(AuthorityError::TokenLife);
        }
        if settings.step_up_max > STEP_UP_MAX {
            return Err(AuthorityError::StepUp);
        }
        if settings.reach.loopback {
            tracing::warn!("key sets may come from loopback addresses: for trying things out only");
        }
        let fetcher = Fetcher::new(settings.reach.clone(), &settings.roots, resolver)?;
        let db = clients.db().clone();
        Ok(Arc::new(Self {
            tokens: Tokens::new(db.clone()),
            replay: Replay::new(db),
            keyring: Keyring::new(fetcher, Arc::clone(&host)),
            limiter: Limiter::new(settings.per_client),
            public,
            settings,
            clients,
            host,
        }))
    }

    /// The registered clients.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// 32 random bytes.
    pub(super) fn random(&self) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.host.fill(bytes.as_mut_slice());
        bytes
    }
}

/// Does `work` in the store, away from the network's threads.
pub(super) async fn stored<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Stopping))
}
