//! This file is where an export is made: the chart opened with proofs, its log and state proven, all of it in one file, and
//! that file verified before anybody gets it.

use super::{
    ExportError, VerifyError,
    format::{Answer, Deletion, Here, PackProof, Proof, RecordProof, limits, question},
    verify::{Verified, verify},
};
use crate::{
    client::Client,
    contents::Contents,
    host::heavy,
    open::{Ask, Damaged, Found, OpenError, Visit, unseal},
    proof::check_log,
    read::Line,
    wire::Proven,
};
use envelope::Manifest;
use fhir::collect::{self, Form};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ledger::{Logged, charts::Role};
use primitives::{List, PackRoot};
use std::{collections::BTreeMap, sync::Arc};

/// Manifests fetched at once.
const FETCHES: usize = 4;

/// A file, made and verified.
pub struct Exported {
    /// The file.
    pub file: Vec<u8>,
    /// What verifying it said.
    pub verified: Verified,
    /// What was permitted and yet couldn't be read: it is accounted for in the file, but not in it.
    pub damaged: Vec<Damaged>,
}

impl Client {
    /// Exports a chart: what the actor is permitted to read, with proofs of all that the chart holds and of everybody who
    /// looked, complete as of a block no older than the access made for it.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn export(&self, ask: &Ask) -> Result<Exported, ExportError> {
        let visit = self.visit_all(ask).await?;
        let unsealed = unseal(self, &visit, true).await?;
        let damaged = unsealed.damaged;
        let (logged, contents, proven) = self.prove_chart(&visit).await?;
        let manifests = self.manifests(&visit, &contents).await?;
        let (network, chart) = (self.network, visit.chart);
        let found = self.shown(&visit, unsealed.found).await?;
        drop(visit);
        let genesis = Arc::clone(&self.genesis);
        heavy(&*self.host, move || {
            let packs = packs(&contents, &manifests, &found)?;
            let too_large = |what| move |_| ExportError::TooLarge(what);
            let proof = Proof {
                network,
                chart,
                log: List::try_from(logged).map_err(too_large("its log is too long"))?,
                packs: List::try_from(packs).map_err(too_large("it has too many packs"))?,
                rows: List::try_from(proven.rows).map_err(too_large("it has too many packs"))?,
                anchor: proven.anchor,
            };
            let file = write(&found, &proof.to_binary())?;
            let verified = verify(&file, &genesis, None)?;
            Ok(Exported { file, verified, damaged })
        })
        .await
    }

    /// Log and state of the chart, as of a block that has the export's own access in it.
    async fn prove_chart(&self, visit: &Visit) -> Result<(Vec<Logged>, Contents, Proven), ExportError> {
        let chart = visit.chart;
        let mut lines: Vec<Line> = visit.lines.clone();
        loop {
            let contents = Contents::of(&lines);
            let ask = |state: &dyn primitives::State| question(state, &chart, &contents);
            let (answer, _, proven) = self.prove_with(visit.done.height, ask).await?;
            let Answer { head, .. } = answer;
            // Something was written or read meanwhile: the rows to be proven are others, too.
            if head.count != lines.len() as u64 {
                lines = self.log_up_to(chart, head.count).await?.into_iter().map(Line::from).collect();
                continue;
            }
            let logged: Vec<Logged> = lines.into_iter().map(|line| line.logged).collect();
            check_log(chart, head, &logged)?;
            return Ok((logged, contents, proven));
        }
    }

    /// The manifests of all packs, permitted or not: they prove what there is without opening it.
    async fn manifests(
        &self,
        visit: &Visit,
        contents: &Contents,
    ) -> Result<BTreeMap<PackRoot, Arc<Manifest>>, OpenError> {
        stream::iter(&contents.packs)
            .map(|pack| async move {
                match visit.fetched.packs.get(&pack.root) {
                    Some((manifest, _)) => Ok((pack.root, Arc::clone(manifest))),
                    None => Ok((pack.root, self.fetch_head(pack.root).await?)),
                }
            })
            .buffer_unordered(FETCHES)
            .try_collect()
            .await
    }
}

/// What the proof says of every record of every pack.
fn packs(
    contents: &Contents,
    manifests: &BTreeMap<PackRoot, Arc<Manifest>>,
    found: &[Found],
) -> Result<Vec<PackProof>, ExportError> {
    let mut entries: BTreeMap<(PackRoot, u32), (u32, &Found)> = BTreeMap::new();
    for (entry, found) in (0_u32..).zip(found.iter().filter(|found| !found.record.around.deleted)) {
        entries.insert((found.pack, found.at), (entry, found));
    }
    let mut deletions: BTreeMap<(PackRoot, u32), &Found> = BTreeMap::new();
    for found in found.iter().filter(|found| found.record.around.deleted) {
        deletions.insert((found.pack, found.at), found);
    }
    let mut packs = Vec::new();
    for written in &contents.packs {
        let manifest = manifests.get(&written.root).ok_or(ExportError::TooLarge("a pack is missing"))?;
        let mut records = Vec::new();
        for (place, at) in (0_u32..).zip(0..manifest.entries().len()) {
            let here = entries.get(&(written.root, place)).and_then(|(entry, found)| {
                let opening = found.opening.clone()?;
                Some(Here { entry: *entry, around: found.record.around.clone(), opening })
            });
            let deleted = deletions.get(&(written.root, place)).and_then(|found| {
                Some(Deletion { around: found.record.around.clone(), opening: found.opening.clone()? })
            });
            records.push(match (here, deleted) {
                (Some(here), _) => RecordProof::Here(Box::new(here)),
                (None, Some(deleted)) => RecordProof::Deleted(Box::new(deleted)),
                (None, None) => RecordProof::Absent(
                    manifest.prove(at).ok_or(VerifyError::Malformed("a record has no place in its pack"))?,
                ),
            });
        }
        let records =
            List::try_from(records).map_err(|_| ExportError::TooLarge("a pack has too many records"))?;
        packs.push(PackProof { records });
    }
    Ok(packs)
}

/// The file: the records in order, then the proof.
fn write(found: &[Found], proof: &[u8]) -> Result<Vec<u8>, ExportError> {
    let present = found.iter().filter(|found| !found.record.around.deleted);
    let records = present.map(|found| collect::Record {
        full_url: found.record.around.full_url.as_deref(),
        resource: &found.record.bytes,
    });
    let proof = collect::Record { full_url: None, resource: proof };
    Ok(collect::collect(Form::Collection, records.chain([proof]), &limits())?)
}

impl Client {
    async fn visit_all(&self, ask: &Ask) -> Result<Visit, OpenError> {
        let extent = self.extent(ask).await?;
        self.visit(&crate::open::Asked::of(ask, extent), &[Role::Records, Role::Index]).await
    }

    /// What of the found records the actor may see.
    async fn shown(&self, visit: &Visit, found: Vec<Found>) -> Result<Vec<Found>, OpenError> {
        Ok(self.without_strangers(visit, found).await?.0)
    }
}
