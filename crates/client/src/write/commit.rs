//! This file is where a sealed pack becomes final: handed to the own node, which brings it to trustees and stores, and
//! then committed with what they signed.

use super::{
    Placed, Remembered, WriteError,
    ground::Ground,
    item::Item,
    seal::{SealedWrite, Terms, seal},
};
use crate::{
    client::Client,
    host::{self, heavy},
    notes::OpenCompartment,
    rpc::CallError,
    submit::SubmitError,
    wire::{Attestations, Code, Final, PackParts, StageWrite, Write},
};
use envelope::{Dealt, RecordId};
use ledger::{
    Reject,
    charts::{self, Commit, NewCompartment},
};
use primitives::{ChartId, CompartmentId, Hash, List, Millis, PackRoot, Span};
use std::sync::Arc;

/// How long trustees and stores keep what never becomes final.
const KEEP_FOR: Span = Span::secs(15 * 60);

/// How often a write is handed out again if too few could take it in.
const STAGE_TRIES: u32 = 6;

/// How long to wait before that.
const STAGE_AGAIN: Span = Span(300);

/// How often it is tried to remember what was written.
const NOTE_TRIES: u32 = 3;

/// How often a pack is sealed anew after somebody was let in, or the chart was claimed, in between.
pub(super) const TRIES: u32 = 4;

/// What a pack's commit says besides what was attested.
pub(super) struct Sealed {
    pub(super) pack: PackRoot,
    pub(super) entries: u32,
    pub(super) opens: Vec<NewCompartment>,
    pub(super) into: Vec<CompartmentId>,
    pub(super) dealing: Hash,
}

/// A pack that trustees and stores have taken in, but for what its commit says.
pub(super) struct Staged {
    pack: PackRoot,
    entries: u32,
    opened: Vec<OpenCompartment>,
    ids: Vec<RecordId>,
}

impl Client {
    /// Seals one pack into the chart and makes it final. Compartments that were read since they were opened are replaced
    /// by fresh ones.
    pub(super) async fn write_pack(
        &self,
        chart: ChartId,
        items: &[Arc<Item>],
    ) -> Result<Vec<Placed>, WriteError> {
        let mut tries = 1;
        loop {
            let mut ground = self.ground(chart).await?;
            if tries > 1 {
                // Somebody was let in between our look and the commit: what is opened in the same transaction nobody
                // has read.
                ground.open.clear();
            }
            match self.write_once(chart, ground, items).await {
                Err(error) if tries < TRIES && is_stale(error.reject()) => tries += 1,
                done => return done,
            }
        }
    }

    async fn write_once(
        &self,
        chart: ChartId,
        ground: Ground,
        items: &[Arc<Item>],
    ) -> Result<Vec<Placed>, WriteError> {
        let terms = self.terms(chart);
        let (mut rng, sealing) = (host::rng(&*self.host), items.to_vec());
        let write = heavy(&*self.host, move || seal(&mut rng, &terms, &ground, &sealing)).await?;
        let (commit, staged) = self.stage_sealed(chart, write).await?;
        let done = self.act(commit).await?;
        Ok(self.made_final(chart, staged, items, &done).await)
    }

    pub(super) fn terms(&self, chart: ChartId) -> Terms {
        Terms { network: self.network, chart, writer: self.org.clone() }
    }

    /// Brings a sealed pack to trustees and stores. What it gives makes the pack final.
    pub(super) async fn stage_sealed(
        &self,
        chart: ChartId,
        write: SealedWrite,
    ) -> Result<(Commit, Staged), WriteError> {
        let SealedWrite { pack, entries, parts, dealt, opens, into, opened, ids } = write;
        let dealing = dealt.as_ref().map_or_else(Hash::default, |dealt| dealt.dealing.hash());
        let sealed = Sealed { pack, entries, opens, into, dealing };
        let (write, attested) = self.hand_out(chart, pack, parts, dealt).await?;
        let commit = commit_of(chart, write.keep_until, bytes_of(&write), sealed, attested)?;
        Ok((commit, Staged { pack, entries, opened, ids }))
    }

    /// Remembers a pack that is final now, and tells where its items lie.
    pub(super) async fn made_final(
        &self,
        chart: ChartId,
        staged: Staged,
        items: &[Arc<Item>],
        done: &Final,
    ) -> Vec<Placed> {
        let Staged { pack, entries, opened, ids } = staged;
        self.remember_write(chart, &opened, &ids, items).await;
        let first = entries.saturating_sub(u32::try_from(ids.len()).unwrap_or(u32::MAX));
        let placed = ids.into_iter().zip(items).zip(first..).map(|((record, item), at)| Placed {
            record,
            version: item.version,
            pack,
            at,
            tx: done.tx,
            height: done.height,
            time: done.time,
        });
        placed.collect()
    }

    /// Remembers what was opened and written. What is final stays so if that fails: then the next write opens compartments
    /// of its own, and its versions aren't checked against these.
    async fn remember_write(
        &self,
        chart: ChartId,
        opened: &[OpenCompartment],
        ids: &[RecordId],
        items: &[Arc<Item>],
    ) {
        let written: Vec<(RecordId, Remembered)> = ids
            .iter()
            .zip(items)
            .map(|(id, item)| (*id, Remembered { version: item.version, content: item.content }))
            .collect();
        for _ in 0..NOTE_TRIES {
            let noted = async {
                if opened.is_empty() {
                    return Ok(());
                }
                self.change_chart_note(&chart, |note| remember(&mut note.open, opened)).await
            };
            if let (Ok(()), Ok(())) = (noted.await, self.remember_versions(chart, &written).await) {
                return;
            }
            self.host.sleep(STAGE_AGAIN).await;
        }
    }

    /// Brings a sealed pack to trustees and stores, and gives what they signed.
    pub(super) async fn hand_out(
        &self,
        chart: ChartId,
        pack: PackRoot,
        parts: PackParts,
        dealt: Option<Dealt>,
    ) -> Result<(Write, Attestations), CallError> {
        let keep_until = self.now().plus(KEEP_FOR);
        let dealt = dealt.map(|Dealt { dealing, boxes }| {
            (dealing, boxes.into_vec().into_iter().map(|sealed| sealed.to_vec()).collect())
        });
        let write = Write { chart, pack, keep_until, parts, dealt };
        let attested = self.stage(&write).await?;
        Ok((write, attested))
    }

    async fn stage(&self, write: &Write) -> Result<Attestations, CallError> {
        let mut tries = 1;
        loop {
            match self.node.call::<StageWrite>(write).await {
                // A member that is a block behind doesn't know the chart yet.
                Err(error) if tries < STAGE_TRIES && is_passing(&error) => {
                    tries += 1;
                    self.host.sleep(STAGE_AGAIN).await;
                }
                done => return done,
            }
        }
    }
}

/// Bytes of a storage commitment's parts.
pub(super) fn bytes_of(write: &Write) -> u64 {
    (write.parts.ciphertexts.len() + write.parts.randoms.len()) as u64
}

pub(super) fn commit_of(
    chart: ChartId,
    keep_until: Millis,
    bytes: u64,
    sealed: Sealed,
    attested: Attestations,
) -> Result<Commit, SubmitError> {
    let Sealed { pack, entries, opens, into, dealing } = sealed;
    let Attestations { acknowledgements, receipts } = attested;
    let too_long = |_| SubmitError::TooLong(ledger::TX_BYTES_MAX);
    Ok(Commit {
        chart,
        pack,
        records: entries,
        bytes,
        opens: List::try_from(opens).map_err(too_long)?,
        into: List::try_from(into).map_err(too_long)?,
        dealing,
        keep_until,
        acknowledgements: List::try_from(acknowledgements).map_err(too_long)?,
        receipts: List::try_from(receipts).map_err(too_long)?,
    })
}

/// Replaces the open compartments of the same categories.
fn remember(open: &mut Vec<OpenCompartment>, opened: &[OpenCompartment]) {
    open.retain(|old| opened.iter().all(|new| new.category != old.category));
    open.extend_from_slice(opened);
}

/// Whether a reject says that what we knew of the chart when we sealed isn't so any more.
pub(super) fn is_stale(reject: Option<Reject>) -> bool {
    reject.is_some_and(|reject| {
        [
            charts::COMPARTMENT_READ,
            charts::COMPARTMENT_ERASED,
            charts::COMPARTMENT_UNKNOWN,
            charts::COMPARTMENT_FOREIGN,
            charts::NOT_CUSTODIAN,
        ]
        .contains(&reject)
    })
}

fn is_passing(error: &CallError) -> bool {
    matches!(error.code(), Some(Code::Timeout | Code::Unavailable | Code::NotFound))
}
