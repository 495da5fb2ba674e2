//! This file is where a person gets a second way to the ledger: she asks a further organisation to carry her traffic, and
//! its staff takes that on.

use crate::{
    actor::Actor,
    client::Client,
    keys::{Profile, ProfileError, ProfileKind, ProfileName},
    rpc::CallError,
    submit::SubmitError,
    wire::Final,
};
use ledger::identity::Carry;
use primitives::{OrgId, PrincipalId, decode, encode};
use std::{fmt, str::FromStr};

/// What a person hands to the organisation that is to carry her traffic: who she is, and her signature that she asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked(Carry);

impl Asked {
    /// Who asks.
    #[must_use]
    pub fn principal(&self) -> PrincipalId {
        self.0.principal
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(encode(&self.0)))
    }
}

/// The text isn't what `ask-carriage` printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not what `horkos patient ask-carriage` printed: 192 hexadecimal digits")]
pub struct AskedError;

impl FromStr for Asked {
    type Err = AskedError;

    fn from_str(text: &str) -> Result<Self, AskedError> {
        let bytes = hex::decode(text.trim()).map_err(|_| AskedError)?;
        decode(&bytes).map(Self).map_err(|_| AskedError)
    }
}

/// Why nothing was asked.
#[derive(Debug, thiserror::Error)]
pub enum CarriageError {
    /// Somebody else than a person asked.
    #[error("only a person with a key of her own asks to be carried; use a patient's profile")]
    NoPerson,
    /// The ledger doesn't know the key.
    #[error("the profile's key isn't enrolled, or was replaced")]
    Unknown,
    /// The client wasn't made from a profile.
    #[error("there is no profile to make a second one from")]
    NoProfile,
    /// The profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The node.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Client {
    /// Signs for the actor, a person, that she wants `org` to carry her traffic.
    ///
    /// # Errors
    /// [`CarriageError`].
    pub async fn ask_carriage(&self, org: &OrgId) -> Result<Asked, CarriageError> {
        let Actor::Person(key) = &self.actor else { return Err(CarriageError::NoPerson) };
        let principal = self.principal().await?.ok_or(CarriageError::Unknown)?;
        Ok(Asked(Carry::ask(self.network(), principal, org, key)))
    }

    /// Has the staff's organisation carry the traffic of whoever asked.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn carry(&self, asked: &Asked) -> Result<Final, SubmitError> {
        self.order(asked.0.clone()).await
    }

    /// Writes a second profile for the actor, with the same key, that speaks with `org`'s node at `address`.
    ///
    /// # Errors
    /// [`CarriageError`].
    pub fn profile_by(&self, org: &OrgId, address: String) -> Result<ProfileName, CarriageError> {
        let seat = self.seat().ok_or(CarriageError::NoProfile)?;
        if seat.profile.kind != ProfileKind::Patient {
            return Err(CarriageError::NoPerson);
        }
        let name: ProfileName = format!("{}-by-{org}", seat.name).parse()?;
        let profile = Profile { server: org.clone(), node: address, ..seat.profile.clone() };
        profile.save(&seat.home, &name)?;
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::{NetworkId, SecretKey};

    #[test]
    fn what_was_asked_travels_as_text() {
        let key = SecretKey::from_seed(&[7; 32]);
        let org: OrgId = "lakeside-clinic".parse().unwrap();
        let asked = Asked(Carry::ask(NetworkId::default(), key.public().principal(), &org, &key));
        assert_eq!(asked.to_string().len(), 192);
        assert_eq!(asked.to_string().parse(), Ok(asked.clone()));
        for bad in ["", "zz", &asked.to_string()[1..], &format!("{asked}00")] {
            assert_eq!(bad.parse::<Asked>(), Err(AskedError));
        }
    }
}
