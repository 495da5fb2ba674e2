//! This file is where an owner opens an audit compartment of her own making: from then on what readers leave for her is sealed
//! under a key that nobody else ever had, the custodian who opened the first one included.

use super::{
    WriteError,
    commit::{Sealed, bytes_of, commit_of},
};
use crate::{
    client::Client,
    committee::EPOCH,
    contents::Contents,
    host::{self, heavy},
    read::Line,
    wire::{Final, PackParts},
};
use envelope::{Class, Compartment, DealTerms, PlainRecord, RecordId, deal, seal_pack};
use ledger::{
    Event,
    charts::{NewCompartment, Role},
    consent::Purpose,
};
use primitives::{ChartId, Hash, Tag};

impl Client {
    /// Opens an audit compartment if the newest isn't the owner's: after a claim, and after an erasure of the whole chart.
    /// None if nothing had to be done.
    ///
    /// # Errors
    /// [`WriteError`]; the ledger refuses it to whoever doesn't act for the owner.
    pub async fn own_audit(&self, chart: ChartId) -> Result<Option<Final>, WriteError> {
        let lines = self.log(chart, 0).await?;
        if lines.is_empty() {
            return Err(WriteError::Unknown(chart));
        }
        let contents = Contents::of(&lines);
        let newest = contents.newest(Role::Audit).map(|(_, kept)| kept.line);
        if newest > claimed(&lines) {
            return Ok(None);
        }
        // The tag says no more than that it is the chart's own; a chart without one gets a random one.
        let known = contents.compartments.values().find(|kept| kept.role == Role::Audit).map(|kept| kept.tag);
        let tag = known.unwrap_or_else(|| Tag(Hash(host::random(&*self.host))));
        self.open_audit(chart, tag).await.map(Some)
    }

    async fn open_audit(&self, chart: ChartId, tag: Tag) -> Result<Final, WriteError> {
        let committee = self.committee().await?;
        let (mut rng, network, writer) = (host::rng(&*self.host), self.network, self.org.clone());
        // A pack has a record: who opened the compartment, readable like all that will be sealed to it.
        let reason = "the owner opened an audit compartment of her own";
        let words = self.words(Purpose::PatientRequest.code(), Some(reason)).to_plaintext();
        let (sealed, parts, dealt) = heavy(&*self.host, move || {
            let class = Class { chart, tag, writer: writer.clone() };
            let opened = Compartment::open(&mut rng, &class, committee.threshold);
            let record = RecordId::generate(&mut rng);
            let plain = PlainRecord { compartment: 0, record, version: 1, plaintext: &words };
            let compartments = [opened.compartment.clone()];
            let pack = seal_pack(&mut rng, &chart, &writer, &compartments, &[plain])?;
            let root = pack.manifest.root();
            let body = opened.compartment.body.clone();
            let terms = DealTerms { network, epoch: EPOCH, writer, chart, pack: root };
            let dealt = deal(&mut rng, terms, &[opened], &committee.boxes)?;
            let sealed = Sealed {
                pack: root,
                entries: 1,
                opens: vec![NewCompartment { role: Role::Audit, special: false, body }],
                into: Vec::new(),
                dealing: dealt.dealing.hash(),
            };
            let parts = PackParts { ciphertexts: pack.ciphertexts, randoms: pack.randoms };
            Ok::<_, WriteError>((sealed, parts, dealt))
        })
        .await?;
        let (write, attested) = self.hand_out(chart, sealed.pack, parts, Some(dealt)).await?;
        let commit = commit_of(chart, write.keep_until, bytes_of(&write), sealed, attested)?;
        Ok(self.act(commit).await?)
    }
}

/// The line of the log in which the chart got its owner.
fn claimed(lines: &[Line]) -> Option<u64> {
    let claimed = lines.iter().rev().find(|line| matches!(line.event, Some(Event::Claimed(_))));
    claimed.map(|line| line.logged.index)
}
