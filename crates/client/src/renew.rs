//! This file is where a person puts a fresh key in place of her old one, as after a lost device or a copied file.

use crate::{
    actor::Actor,
    client::Client,
    host,
    keys::{KeyFileError, Lock, Profile, ProfileError, ProfileName, save_signing},
    rpc::CallError,
    submit::SubmitError,
    wire::Final,
};
use ledger::identity::{KEYS, KeyOwner, Rotate};
use primitives::{PrincipalId, PublicKey, SecretKey};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A key that was replaced.
#[derive(Clone, Debug)]
pub struct Renewed {
    /// The receipt.
    pub done: Final,
    /// The fresh public key.
    pub key: PublicKey,
    /// The profiles that use it from now on.
    pub profiles: Vec<ProfileName>,
    /// The old key's file, which is good for nothing any more.
    pub old: PathBuf,
}

/// Why the key wasn't replaced.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// Somebody else than a person asked, or the client wasn't made from a profile.
    #[error("only a person's profile has a key that it may replace")]
    NoPerson,
    /// A real network's keys are encrypted.
    #[error("this network is no demonstration: the key file needs a passphrase")]
    Plain,
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The ledger. The fresh key's file stays: whether it is in force isn't always known.
    #[error("{source}; the fresh key lies in `{}`", fresh.display())]
    Submit {
        /// Why.
        source: SubmitError,
        /// The fresh key's file.
        fresh: PathBuf,
    },
    /// A profile still names the old key.
    #[error("the key is replaced, but a profile isn't: name `{}` in it as its key ({source})", fresh.display())]
    Profile {
        /// Why.
        source: ProfileError,
        /// The fresh key's file, relative to the home directory.
        fresh: PathBuf,
    },
}

impl Client {
    /// Who acts, as the ledger knows it: a person by the hash of her first key, which only the ledger remembers once she
    /// has replaced it. None for staff, and for a key that isn't enrolled.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn principal(&self) -> Result<Option<PrincipalId>, CallError> {
        let Actor::Person(key) = &self.actor else { return Ok(self.actor.practitioner()) };
        let public = key.public();
        let (owner, _) = self.view(|state| KEYS.get(state, &public)).await?;
        Ok(match owner {
            Some(KeyOwner::Principal(principal)) => Some(principal),
            _ => None,
        })
    }

    /// Makes a fresh key for the actor, a person, has the ledger retire the old one, and lets every profile in her home
    /// directory that named the old key's file name the new one's.
    ///
    /// # Errors
    /// [`RenewError`].
    pub async fn renew_key(&self, lock: &Lock) -> Result<Renewed, RenewError> {
        let (Actor::Person(old), Some(seat)) = (&self.actor, self.seat()) else {
            return Err(RenewError::NoPerson);
        };
        if !self.genesis.demo && matches!(lock, Lock::Plain) {
            return Err(RenewError::Plain);
        }
        let fresh = SecretKey::from_seed(&Zeroizing::new(host::random(&*self.host)));
        let key = fresh.public();
        let path = Path::new("profiles/patient").join(format!("{}.key", &key.to_string()[..16]));
        // Kept before it is in force: a key that only the ledger knows would lock her out.
        save_signing(&seat.home.join(&path), &fresh, lock)?;
        let done = match self.act(Rotate::to(old.public(), &fresh)).await {
            Ok(done) => done,
            Err(source) => return Err(RenewError::Submit { source, fresh: seat.home.join(path) }),
        };
        let mut profiles = Vec::new();
        for name in Profile::list(&seat.home) {
            let Ok(mut profile) = Profile::load(&seat.home, &name) else { continue };
            if profile.key != seat.profile.key {
                continue;
            }
            profile.key.clone_from(&path);
            profile
                .save(&seat.home, &name)
                .map_err(|source| RenewError::Profile { source, fresh: path.clone() })?;
            profiles.push(name);
        }
        Ok(Renewed { done, key, profiles, old: seat.home.join(&seat.profile.key) })
    }
}
