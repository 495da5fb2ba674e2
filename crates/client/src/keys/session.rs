//! This file is where a practitioner's session outlives one command: its key, role and end, in a private file.

use super::{FileError, ProfileName, read_private, write_private};
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{Millis, NetworkId, PrincipalId, SecretKey, Slug, Span, decode, encode};
use std::path::Path;
use zeroize::Zeroizing;

/// A session isn't used in its last minutes: what is begun in it must be able to end in it.
const REST_MIN: Span = Span::secs(300);

/// First bytes of a session file.
const MAGIC: [u8; 16] = *b"horkos session 1";

/// A certified session and the key that signs in it.
#[derive(Clone)]
pub struct CachedSession {
    /// The network in which it holds.
    pub network: NetworkId,
    /// The key.
    pub key: SecretKey,
    /// The practitioner's id on the ledger.
    pub practitioner: PrincipalId,
    /// The certified role.
    pub role: Slug,
    /// When it ends.
    pub until: Millis,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct Stored {
    magic: [u8; 16],
    network: NetworkId,
    seed: [u8; 32],
    practitioner: PrincipalId,
    role: Slug,
    until: Millis,
}

impl CachedSession {
    /// Whether there is enough left of it to begin something.
    #[must_use]
    pub fn is_usable(&self, now: Millis) -> bool {
        now.plus(REST_MIN) < self.until
    }
}

/// The profile's kept session, if there is a usable one. A damaged file counts as none: another session is opened.
#[must_use]
pub fn load_session(
    home: &Path,
    name: &ProfileName,
    network: NetworkId,
    now: Millis,
) -> Option<CachedSession> {
    let bytes = read_private(&name.session_path(home)).ok()?;
    let stored: Stored = decode(&bytes).ok()?;
    let seed = Zeroizing::new(stored.seed);
    let session = CachedSession {
        network: stored.network,
        key: SecretKey::from_seed(&seed),
        practitioner: stored.practitioner,
        role: stored.role,
        until: stored.until,
    };
    (stored.magic == MAGIC && session.network == network && session.is_usable(now)).then_some(session)
}

/// Keeps a session for the profile's next command.
///
/// # Errors
/// [`FileError`].
pub fn save_session(home: &Path, name: &ProfileName, session: &CachedSession) -> Result<(), FileError> {
    let stored = Stored {
        magic: MAGIC,
        network: session.network,
        seed: *session.key.to_seed(),
        practitioner: session.practitioner,
        role: session.role.clone(),
        until: session.until,
    };
    write_private(&name.session_path(home), &Zeroizing::new(encode(&stored)), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::Hash;

    #[test]
    fn a_session_is_reused_until_its_last_minutes() {
        let home = tempfile::tempdir().unwrap();
        let name: ProfileName = "riverside/dr-adams".parse().unwrap();
        let network = NetworkId(Hash([1; 32]));
        let now = Millis(1_000_000_000);
        let session = CachedSession {
            network,
            key: SecretKey::from_seed(&[3; 32]),
            practitioner: PrincipalId(Hash([4; 32])),
            role: "physician".parse().unwrap(),
            until: now.plus(Span::hours(1)),
        };
        let load = |network, now| load_session(home.path(), &name, network, now);
        assert!(load(network, now).is_none());
        save_session(home.path(), &name, &session).unwrap();
        assert_eq!(load(network, now).unwrap().key.public(), session.key.public());
        assert!(load(network, now.plus(Span::secs(3600 - 301))).is_some());
        assert!(load(network, now.plus(Span::secs(3600 - 299))).is_none());
        assert!(load(NetworkId(Hash([2; 32])), now).is_none());
        std::fs::write(name.session_path(home.path()), b"junk").unwrap();
        assert!(load(network, now).is_none());
    }
}
