//! This file is where a registered client has its form: who it is, by which keys, for whom and for what it may act.

use super::{
    jwks::{KeySet, KeySetError},
    scope::Context,
    scopes::Scopes,
};
use client::keys::ProfileName;
use ledger::consent::Purpose;
use primitives::{Millis, Slug};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};
use url::Url;

/// A client's id: 1 to 64 letters, digits, `-`, `_` or `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(String);

/// The text is no client id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client id is 1 to 64 letters, digits, `-`, `_` or `.`")]
pub struct ClientIdError;

impl ClientId {
    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientId {
    type Err = ClientIdError;

    fn from_str(text: &str) -> Result<Self, ClientIdError> {
        let good = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if good { Ok(Self(text.to_owned())) } else { Err(ClientIdError) }
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// In whose name a client acts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Principal {
    /// In its organisation's.
    System,
    /// In that of a practitioner whom the organisation certifies.
    Practitioner {
        /// The practitioner's profile, as `riverside/dr-adams`.
        profile: String,
        /// The role that the organisation certifies.
        role: Slug,
    },
}

impl Principal {
    /// The profile's name, if it is a practitioner.
    #[must_use]
    pub fn profile(&self) -> Option<ProfileName> {
        match self {
            Self::System => None,
            Self::Practitioner { profile, role: _ } => profile.parse().ok(),
        }
    }

    /// The role, if it is a practitioner.
    #[must_use]
    pub fn role(&self) -> Option<&Slug> {
        match self {
            Self::System => None,
            Self::Practitioner { profile: _, role } => Some(role),
        }
    }
}

/// Where a client's public keys come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Keys {
    /// A JSON Web Key Set, given at registration.
    Inline(String),
    /// The address of one, fetched when needed.
    Url(String),
}

/// What is registered of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Its name in plain words.
    pub name: String,
    /// Its keys.
    pub keys: Keys,
    /// The most that it may be granted.
    pub scopes: Scopes,
    /// The purposes of use that it may name.
    pub purposes: BTreeSet<Purpose>,
    /// In whose name it acts.
    pub principal: Principal,
    /// Whether it may ask about tokens of others, as a resource server does.
    pub may_introspect: bool,
    /// Whether the organisation believes it when it says that its user has just signed in anew, by more than one factor:
    /// what breaking the glass takes.
    pub may_vouch: bool,
    /// Whether it may come in.
    pub enabled: bool,
    /// When it was registered.
    pub created: Millis,
}

/// A client can't be registered so.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The name.
    #[error("a client's name is 1 to 200 bytes of plain text")]
    Name,
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeySetError),
    /// The keys' address.
    #[error("`{0}` can't be the address of a key set; write https://host/path, without user or fragment")]
    KeysUrl(String),
    /// No scope at all.
    #[error("name at least one scope, as system/Observation.rs")]
    NoScope,
    /// A scope that this principal can't have.
    #[error(
        "`{0}` can't be granted to this client: patient/ needs a launch by a person, user/ a client that acts for a \
         practitioner"
    )]
    Scope(String),
    /// No purpose at all.
    #[error("name at least one purpose of use, as TREAT")]
    NoPurpose,
    /// Somebody to vouch for.
    #[error("a client without a practitioner has no user to vouch for; name one with --as and --role")]
    Vouching,
    /// The practitioner's profile.
    #[error("`{0}` is no profile name; write group/name, as riverside/dr-adams")]
    Profile(String),
}

/// Longest name of a client.
const NAME_BYTES_MAX: usize = 200;
/// Longest address of keys.
const URL_BYTES_MAX: usize = 500;

impl Client {
    /// Refuses what could never work or would allow more than it says.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        let Self {
            id: _,
            name,
            keys,
            scopes,
            purposes,
            principal,
            may_introspect: _,
            may_vouch,
            enabled: _,
            created: _,
        } = self;
        if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(ClientError::Name);
        }
        match keys {
            Keys::Inline(json) => drop(KeySet::parse(json.as_bytes())?),
            Keys::Url(url) => check_keys_url(url)?,
        }
        let practitioner = match principal {
            Principal::System => false,
            Principal::Practitioner { profile, role: _ } => {
                profile.parse::<ProfileName>().map_err(|_| ClientError::Profile(profile.clone()))?;
                true
            }
        };
        if *may_vouch && !practitioner {
            return Err(ClientError::Vouching);
        }
        if scopes.is_empty() {
            return Err(ClientError::NoScope);
        }
        for scope in scopes.iter() {
            let fits = match scope.context() {
                Context::System => true,
                Context::User => practitioner,
                Context::Patient => false,
            };
            if !fits {
                return Err(ClientError::Scope(scope.to_string()));
            }
        }
        if purposes.is_empty() { Err(ClientError::NoPurpose) } else { Ok(()) }
    }
}

fn check_keys_url(text: &str) -> Result<(), ClientError> {
    let error = || ClientError::KeysUrl(text.to_owned());
    let url = Url::parse(text).map_err(|_| error())?;
    let good = text.len() <= URL_BYTES_MAX
        // Plain http is for trying things out on one machine; the fetch itself refuses it elsewhere.
        && matches!(url.scheme(), "https" | "http")
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    if good { Ok(()) } else { Err(error()) }
}
