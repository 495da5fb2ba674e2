//! This file is where it is decided who signs a transaction: a session's key, a person's, or the organisation for its staff.

use crate::{
    host::{self, Host},
    keys::CachedSession,
    rpc::{CallError, Node},
    wire::{NewSession, OpenSession},
};
use primitives::{PrincipalId, SecretKey, Slug, domain};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Who signs.
#[derive(Clone)]
pub enum Actor {
    /// A practitioner, by the key of a certified session.
    Practitioner(Arc<CachedSession>),
    /// A patient, delegate or guardian, by her own key.
    Person(Arc<SecretKey>),
    /// Staff: the node has the organisation sign.
    Staff,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[error("the organisation doesn't certify a session: {0}")]
pub struct SessionError(#[source] pub CallError);

impl Actor {
    /// The key that signs here; none for staff.
    #[must_use]
    pub fn key(&self) -> Option<&SecretKey> {
        match self {
            Self::Practitioner(session) => Some(&session.key),
            Self::Person(key) => Some(key),
            Self::Staff => None,
        }
    }

    /// The practitioner, as the ledger knows it; none for others. For any actor see [`crate::Client::principal`].
    #[must_use]
    pub fn practitioner(&self) -> Option<PrincipalId> {
        match self {
            Self::Practitioner(session) => Some(session.practitioner),
            Self::Person(_) | Self::Staff => None,
        }
    }

    /// The certified role of a practitioner.
    #[must_use]
    pub fn role(&self) -> Option<&Slug> {
        match self {
            Self::Practitioner(session) => Some(&session.role),
            Self::Person(_) | Self::Staff => None,
        }
    }
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Practitioner(session) => {
                write!(f, "Practitioner({} as {})", session.practitioner, session.role)
            }
            Self::Person(key) => write!(f, "Person({})", key.public().principal()),
            Self::Staff => f.write_str("Staff"),
        }
    }
}

/// Has the node's organisation certify a session for the staff member whose key this is. The session's key is made here
/// and never leaves.
///
/// # Errors
/// [`SessionError`].
pub async fn open_session(
    node: &Node,
    staff: &SecretKey,
    host: &dyn Host,
) -> Result<CachedSession, SessionError> {
    let seed = Zeroizing::new(host::random(host));
    let key = SecretKey::from_seed(&seed);
    let proof = key.sign(domain::SESSION_PROOF, staff.public().as_bytes());
    let asked = NewSession { session: key.public(), proof };
    let session = node.with_key(staff.clone()).call::<OpenSession>(&asked).await.map_err(SessionError)?;
    Ok(CachedSession {
        network: node.network(),
        key,
        practitioner: session.practitioner,
        role: session.role,
        until: session.until,
    })
}
