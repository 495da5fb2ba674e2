//! This file is where a reader leaves a note for the patient: who it is and why in plain words, sealed to the chart's audit
//! compartment, kept by the members, named on the ledger by its hash.

use super::OpenError;
use crate::{
    actor::Actor,
    client::Client,
    contents::Contents,
    host::{self, heavy},
    record::{Words, cut},
    rpc::CallError,
    wire::{AuditRecord, Code, PackParts, StoreAudit},
};
use envelope::{Compartment, PlainRecord, RecordId, seal_pack};
use ledger::charts::Role;
use primitives::{ChartId, CompartmentId, PackRoot, Span};

/// How often storing is tried: a record that is missing counts as a complaint against the organisation.
const TRIES: u32 = 4;

/// How long to wait before trying again.
const AGAIN: Span = Span(250);

impl Client {
    /// What the user says of herself.
    pub(crate) fn words(&self, purpose: &str, reason: Option<&str>) -> Words {
        let member = self.genesis.members.iter().find(|member| member.org == self.org);
        let role = match &self.actor {
            Actor::Practitioner(session) => Some(cut(&session.role)),
            Actor::Person(_) | Actor::Staff => None,
        };
        Words {
            who: cut(&self.display),
            org: member.map_or_else(|| cut(&self.org.0), |member| cut(&member.name)),
            role,
            purpose: cut(purpose),
            reason: reason.map(cut),
            request: None,
        }
    }

    /// Seals the words to the chart's newest audit compartment; nothing if it has none.
    pub(crate) async fn seal_words(
        &self,
        chart: ChartId,
        contents: &Contents,
        words: &Words,
    ) -> Result<Option<AuditRecord>, OpenError> {
        let Some((id, kept)) = contents.newest(Role::Audit) else { return Ok(None) };
        let Some(compartment) = self.compartment(*id, kept.pack).await? else { return Ok(None) };
        let (mut rng, writer, plaintext) = (host::rng(&*self.host), self.org.clone(), words.to_plaintext());
        let sealed = heavy(&*self.host, move || {
            let record = RecordId::generate(&mut rng);
            let plain = PlainRecord { compartment: 0, record, version: 1, plaintext: &plaintext };
            seal_pack(&mut rng, &chart, &writer, &[compartment], &[plain])
        })
        .await
        .map_err(OpenError::Words)?;
        let parts = PackParts { ciphertexts: sealed.ciphertexts, randoms: sealed.randoms };
        Ok(Some(AuditRecord { chart, pack: sealed.manifest.root(), parts }))
    }

    /// Hands the audit record to the members.
    pub(crate) async fn store_words(&self, record: &AuditRecord) -> Result<(), CallError> {
        let mut tries = 1;
        loop {
            match self.node.call::<StoreAudit>(record).await {
                Err(error)
                    if tries < TRIES && matches!(error.code(), Some(Code::Unavailable | Code::Timeout)) =>
                {
                    tries += 1;
                    self.host.sleep(AGAIN).await;
                }
                done => return done,
            }
        }
    }

    /// A compartment with its public key, from the pack that it was opened with; none if that pack doesn't name it.
    async fn compartment(&self, id: CompartmentId, pack: PackRoot) -> Result<Option<Compartment>, OpenError> {
        if let Some(known) = self.compartments.get(&id) {
            return Ok(Some(known));
        }
        let manifest = self.fetch_head(pack).await?;
        let at = manifest.compartment_ids().iter().position(|found| *found == id);
        let found =
            at.and_then(|at| manifest.compartments().get(at)).map(|sealed| sealed.compartment.clone());
        Ok(found)
    }
}
