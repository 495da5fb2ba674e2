//! This file is where the gateway takes up the users in whose name its clients act: practitioners by certified sessions, and
//! the organisation itself.

use crate::smart::Principal;
use client::{
    Actor, Client, ConnectError, Host,
    keys::{ProfileError, ProfileName},
};
use primitives::Span;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// A session that ends sooner is replaced by a fresh one.
const SESSION_LEFT_MIN: Span = Span::secs(30 * 60);

/// A user at the organisation's node.
#[derive(Debug)]
pub struct User {
    name: String,
    client: Client,
}

/// Why a user can't be taken up.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The name of the profile.
    #[error(transparent)]
    Name(#[from] ProfileError),
    /// The profile, its key, the node or the session.
    #[error("profile `{profile}`: {source}")]
    Connect {
        /// The profile.
        profile: String,
        /// What is wrong.
        #[source]
        source: ConnectError,
    },
    /// The profile isn't what the registration says.
    #[error("profile `{0}` is no practitioner of the registered role; register the client anew")]
    Role(String),
}

/// The users whose keys this gateway holds.
pub struct Users {
    home: PathBuf,
    system: ProfileName,
    host: Arc<dyn Host>,
    passphrase: Option<Zeroizing<String>>,
    taken: Mutex<BTreeMap<String, Arc<User>>>,
}

impl User {
    /// The profile's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client that signs for the user.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn lasts(&self, host: &dyn Host) -> bool {
        match self.client.actor() {
            Actor::Practitioner(session) => session.until > host.now().plus(SESSION_LEFT_MIN),
            Actor::Person(_) | Actor::Staff => true,
        }
    }
}

impl Users {
    /// Users with profiles under `home`; `system` is the one that acts as the organisation itself.
    #[must_use]
    pub fn new(
        home: &Path,
        system: ProfileName,
        passphrase: Option<Zeroizing<String>>,
        host: Arc<dyn Host>,
    ) -> Self {
        Self { home: home.to_owned(), system, host, passphrase, taken: Mutex::default() }
    }

    /// The organisation itself.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn system(&self) -> Result<Arc<User>, UserError> {
        self.take(&self.system).await
    }

    /// The user in whose name a client acts.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn of(&self, principal: &Principal) -> Result<Arc<User>, UserError> {
        match principal {
            Principal::System => self.system().await,
            Principal::Practitioner { profile, role } => {
                let user = self.take(&profile.parse()?).await?;
                if user.client.actor().role() == Some(role) {
                    Ok(user)
                } else {
                    Err(UserError::Role(profile.clone()))
                }
            }
        }
    }

    async fn take(&self, name: &ProfileName) -> Result<Arc<User>, UserError> {
        let key = name.to_string();
        let mut taken = self.taken.lock().await;
        if let Some(user) = taken.get(&key).filter(|user| user.lasts(&*self.host)) {
            return Ok(Arc::clone(user));
        }
        let passphrase = |_: &Path| self.passphrase.clone();
        let client = Client::connect(&self.home, name, passphrase, Arc::clone(&self.host))
            .await
            .map_err(|source| UserError::Connect { profile: key.clone(), source })?;
        // Whoever writes: versions of one resource follow one another.
        let client = match taken.values().next() {
            Some(other) => client.beside(&other.client),
            None => client,
        };
        let user = Arc::new(User { name: key.clone(), client });
        taken.insert(key, Arc::clone(&user));
        Ok(user)
    }
}
