//! This file is where the owner reads who opened her chart in plain words: the sealed records that readers left, opened with
//! the chart's audit compartments, those that are missing or garbage told as such.

use super::Told;
use crate::{
    client::Client,
    names::Names,
    open::{Asked, OpenError, Visit, unseal},
    read::Line,
    record::Words,
    rpc::CallError,
    wire::{AuditRecord, FetchAudit},
};
use envelope::Pack;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ledger::{Event, access::Extent, charts::Role, consent::Purpose};
use primitives::{ChartId, Hash, TxId};
use std::collections::BTreeMap;

/// Audit records fetched at once.
const FETCHES: usize = 8;

/// What the owner can read.
pub(super) struct Read {
    pub(super) names: Names,
    pub(super) told: BTreeMap<TxId, Told>,
}

impl Client {
    /// Reads the words of all accesses in the log, by an access to the chart's index and audit.
    pub(super) async fn read_words(&self, chart: ChartId, lines: &[Line]) -> Result<Read, OpenError> {
        let asked = Asked {
            chart,
            purpose: Purpose::PatientRequest,
            extent: Extent::Index,
            emergency: None,
            reason: Some("the owner reads the log".to_owned()),
            request: None,
        };
        let visit = self.visit(&asked, &[Role::Index, Role::Audit]).await?;
        let names = unseal(self, &visit, false).await?.tag_key.map(|key| Names::of(&key)).unwrap_or_default();
        let records = lines.iter().filter_map(|line| match &line.event {
            Some(Event::Decided(decided)) => Some((line.logged.tx, decided.record)),
            Some(_) | None => None,
        });
        let told: Vec<(TxId, Told)> = stream::iter(records)
            .map(|(access, hash)| {
                let visit = &visit;
                async move { Ok::<_, CallError>((access, self.read_one(visit, &hash).await?)) }
            })
            .buffered(FETCHES)
            .try_collect()
            .await?;
        Ok(Read { names, told: told.into_iter().collect() })
    }

    async fn read_one(&self, visit: &Visit, hash: &Hash) -> Result<Told, CallError> {
        if *hash == Hash::default() {
            return Ok(Told::Missing);
        }
        let Some(record) = self.node.call::<FetchAudit>(hash).await? else { return Ok(Told::Missing) };
        Ok(told(visit, hash, &record))
    }
}

fn told(visit: &Visit, hash: &Hash, record: &AuditRecord) -> Told {
    // A node that answers with another record is found out here.
    if record.hash() != *hash || record.chart != visit.chart {
        return Told::Missing;
    }
    let AuditRecord { chart: _, pack, parts } = record;
    let Ok(pack) = Pack::verify(*pack, &parts.ciphertexts, &parts.randoms) else { return Told::Garbage };
    let manifest = pack.manifest();
    for (position, id) in manifest.compartment_ids().iter().enumerate() {
        let Some(key) = visit.keys.keys.get(id) else { continue };
        let Ok(opener) = manifest.opener(position, key) else { return Told::Garbage };
        let words = pack.open(&opener, 0).ok().and_then(|plaintext| Words::of_plaintext(&plaintext).ok());
        return words.map_or(Told::Garbage, Told::Words);
    }
    // Sealed to no audit compartment of this chart: nobody will ever read it.
    if manifest.compartment_ids().iter().any(|id| visit.contents.compartments.contains_key(id)) {
        Told::Sealed
    } else {
        Told::Garbage
    }
}
