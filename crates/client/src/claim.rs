//! This file is where a patient takes over her chart in a real network: a one-time code from the organisation, a key that
//! is born on her side and never leaves it.

use crate::{
    actor::Actor,
    client::{Client, ConnectError, Seat, read_genesis},
    host::{self, Host},
    keys::{KeyFileError, Lock, Profile, ProfileError, ProfileKind, ProfileName, save_signing},
    rpc::{CallError, Http, Node},
    submit::SubmitError,
    wire::{ClaimCode, Final, MakeClaimCode, Offered, UseClaimCode},
    write::WriteError,
};
use ledger::charts::{Claim, OfferClaim};
use primitives::{ChartId, Millis, OrgId, PrincipalId, SecretKey};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// What a patient needs to claim a chart.
#[derive(Clone, Debug)]
pub struct ClaimTerms {
    /// The directory that will hold the patient's key and profile.
    pub home: PathBuf,
    /// Address of the organisation's node.
    pub node: String,
    /// The organisation that gave the code.
    pub server: OrgId,
    /// The genesis file: in `home`, or by an absolute path.
    pub genesis: PathBuf,
    /// The code.
    pub code: String,
    /// The patient's name in plain words, for the logs of charts that she opens.
    pub display: String,
}

/// A chart that was claimed.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The chart.
    pub chart: ChartId,
    /// The patient's id on the ledger.
    pub person: PrincipalId,
    /// The claim's receipt.
    pub done: Final,
    /// The profile that was written.
    pub profile: ProfileName,
}

/// Why a claim comes to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Connecting.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A real network's keys are encrypted.
    #[error("this network is no demonstration: the key file needs a passphrase")]
    Plain,
    /// The node.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The ledger.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The chart is claimed, but the audit compartment is still the custodian's.
    #[error(
        "the chart is claimed, but its audit compartment is still the custodian's ({0}); `audit` tries again"
    )]
    Audit(#[source] WriteError),
}

impl Client {
    /// Has the organisation make a one-time code with which the patient can claim the chart.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn make_claim_code(&self, chart: ChartId) -> Result<String, CallError> {
        Ok(self.node.call::<MakeClaimCode>(&chart).await?.code)
    }

    /// Offers a chart to a person whose id is known, as a patient body does in a silent custodian's stead.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn offer_claim(
        &self,
        chart: ChartId,
        person: PrincipalId,
        until: Millis,
    ) -> Result<Final, SubmitError> {
        self.order(OfferClaim { chart, person, until }).await
    }

    /// Takes a chart that was offered to the actor, and opens an audit compartment of the new owner's own: what readers
    /// leave from then on, only she can open.
    ///
    /// # Errors
    /// [`ClaimError`]; with [`ClaimError::Audit`] the chart is hers all the same.
    pub async fn claim(&self, chart: ChartId) -> Result<Final, ClaimError> {
        let done = self.act(Claim { chart }).await?;
        self.own_audit(chart).await.map_err(ClaimError::Audit)?;
        Ok(done)
    }

    /// Makes a patient's key, hands in the code, claims the chart and writes the profile.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub async fn use_claim_code(
        terms: &ClaimTerms,
        lock: &Lock,
        host: Arc<dyn Host>,
    ) -> Result<Claimed, ClaimError> {
        let ClaimTerms { home, node: address, server, genesis: genesis_path, code, display } = terms;
        let genesis = Arc::new(read_genesis(&home.join(genesis_path)).map_err(ConnectError::from)?);
        if !genesis.demo && matches!(lock, Lock::Plain) {
            return Err(ClaimError::Plain);
        }
        let key = SecretKey::from_seed(&Zeroizing::new(host::random(&*host)));
        // Kept before it is used, under a name that is known before the chart is.
        let key_path = Path::new("profiles/patient").join(format!("{}.key", &key.public().to_string()[..16]));
        save_signing(&home.join(&key_path), &key, lock)?;
        let transport = Arc::new(Http::new(address)?);
        let node = Node::new(transport, genesis.network(), server.clone(), key.clone(), Arc::clone(&host));
        let Offered { chart, person, until: _ } =
            node.call::<UseClaimCode>(&ClaimCode { code: code.clone() }).await?;
        let profile = Profile {
            format: 1,
            kind: ProfileKind::Patient,
            display: display.clone(),
            org: server.clone(),
            server: server.clone(),
            node: address.clone(),
            genesis: genesis_path.clone(),
            key: key_path,
            chart: Some(chart),
        };
        let name = ProfileName::of_patient(&chart)?;
        // Before the claim: if that fails, it can be made again with this profile.
        profile.save(home, &name)?;
        let seat = Seat { home: home.clone(), name: name.clone(), profile };
        let client =
            Self::new(node, Actor::Person(Arc::new(key)), server.clone(), display.clone(), genesis, host)
                .seated(seat);
        let done = client.claim(chart).await?;
        Ok(Claimed { chart, person, done, profile: name })
    }
}
