//! This file is where, in a demonstration network, an import makes the patient's key and has her claim her chart. In a
//! real one the key is born on the patient's side, see [`crate::Client::use_claim_code`].

use super::ImportError;
use crate::{
    actor::Actor,
    client::{Client, Seat},
    host,
    keys::{Lock, Profile, ProfileKind, ProfileName, save_signing},
};
use ledger::{
    charts::OfferClaim,
    identity::{Enrol, PrincipalKind},
};
use primitives::{ChartId, SecretKey, Span};
use std::sync::Arc;
use zeroize::Zeroizing;

/// How long the claim stays on offer.
const OFFER_FOR: Span = Span::hours(1);

/// A demonstration patient: her key, and the profile that will be hers.
pub(super) struct Patient {
    key: SecretKey,
    name: ProfileName,
    profile: Profile,
}

impl Client {
    /// Makes a patient's key for a new chart and enrols it. None where keys aren't made by imports.
    pub(super) async fn make_patient(
        &self,
        seat: Option<&Seat>,
        chart: ChartId,
        display: Option<&str>,
    ) -> Result<Option<Patient>, ImportError> {
        let Some(seat) = seat.filter(|_| self.genesis.demo) else { return Ok(None) };
        let name = ProfileName::of_patient(&chart)?;
        let key = SecretKey::from_seed(&Zeroizing::new(host::random(&*self.host)));
        // Kept before it is enrolled: a key that only the ledger remembers would lock the patient out.
        save_signing(&seat.home.join(name.key_path()), &key, &Lock::Plain)?;
        self.order(Enrol { kind: PrincipalKind::Person, key: key.public() }).await?;
        let profile = Profile {
            format: 1,
            kind: ProfileKind::Patient,
            display: display.unwrap_or("the patient").to_owned(),
            org: self.org.clone(),
            server: seat.profile.server.clone(),
            node: seat.profile.node.clone(),
            genesis: seat.profile.genesis.clone(),
            key: name.key_path(),
            chart: Some(chart),
        };
        Ok(Some(Patient { key, name, profile }))
    }

    /// Has the patient claim her chart, and writes her profile.
    pub(super) async fn claim_for(
        &self,
        seat: &Seat,
        patient: Patient,
        chart: ChartId,
    ) -> Result<ProfileName, ImportError> {
        let Patient { key, name, profile } = patient;
        let until = self.now().plus(OFFER_FOR);
        self.order(OfferClaim { chart, person: key.public().principal(), until }).await?;
        // Before the claim: whatever stops then, the owner's key has its profile.
        profile.save(&seat.home, &name)?;
        let node = self.node.with_key(key.clone());
        let owner = Self { node, ..self.acting(Actor::Person(Arc::new(key)), profile.display) };
        owner.claim(chart).await.map_err(Box::new)?;
        Ok(name)
    }
}
