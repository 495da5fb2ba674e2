//! This file is where a sealed pack becomes final: handed to the own node, which brings it to trustees and stores, and
//! then committed with what they signed.

use super::{
    ImportError,
    seal::{Batch, SealedWrite, Terms, seal},
};
use crate::{
    client::Client,
    committee::Committee,
    host::{self, heavy},
    notes::{ChartNote, OpenCompartment},
    rpc::CallError,
    submit::SubmitError,
    wire::{Attestations, Code, Final, StageWrite, Write},
};
use envelope::Dealt;
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

/// Bytes of a storage commitment's parts.
fn bytes_of(write: &Write) -> u64 {
    (write.parts.ciphertexts.len() + write.parts.randoms.len()) as u64
}

/// What a pack's commit says besides what was attested.
struct Sealed {
    pack: PackRoot,
    entries: u32,
    opens: Vec<NewCompartment>,
    into: Vec<CompartmentId>,
    dealing: Hash,
}

/// A chart that is being written into.
pub(super) struct Target {
    pub(super) chart: ChartId,
    pub(super) note: ChartNote,
    /// Whether nothing was committed into it yet.
    pub(super) fresh: bool,
    pub(super) committee: Arc<Committee>,
}

impl Client {
    /// Seals one batch into the chart and makes it final. Compartments that were read since they were opened are
    /// replaced by fresh ones.
    pub(super) async fn write_batch(
        &self,
        target: &mut Target,
        batch: &Arc<Batch>,
    ) -> Result<(PackRoot, Final), ImportError> {
        self.drop_unusable(target).await?;
        match self.write_once(target, batch).await {
            // Somebody was let in between our look and the commit: what is opened in the same transaction nobody has read.
            Err(ImportError::Submit(error)) if is_stale(error.reject()) && !target.note.open.is_empty() => {
                target.note.open.clear();
                self.write_once(target, batch).await
            }
            done => done,
        }
    }

    async fn write_once(
        &self,
        target: &mut Target,
        batch: &Arc<Batch>,
    ) -> Result<(PackRoot, Final), ImportError> {
        let terms = Terms {
            network: self.network,
            chart: target.chart,
            writer: self.org.clone(),
            committee: Arc::clone(&target.committee),
            tag_key: target.note.tag_key.clone(),
            fresh_chart: target.fresh,
            open: target.note.open.clone(),
        };
        let (mut rng, batch) = (host::rng(&*self.host), Arc::clone(batch));
        let write = heavy(&*self.host, move || seal(&mut rng, &terms, &batch)).await?;
        self.commit(target, write).await
    }

    async fn commit(
        &self,
        target: &mut Target,
        write: SealedWrite,
    ) -> Result<(PackRoot, Final), ImportError> {
        let SealedWrite { pack, entries, parts, dealt, opens, into, opened } = write;
        let keep_until = self.now().plus(KEEP_FOR);
        let dealing = dealt.as_ref().map_or_else(Hash::default, |dealt| dealt.dealing.hash());
        let dealt = dealt.map(|Dealt { dealing, boxes }| {
            (dealing, boxes.into_vec().into_iter().map(|sealed| sealed.to_vec()).collect())
        });
        let write = Write { chart: target.chart, pack, keep_until, parts, dealt };
        let attested = self.stage(&write).await?;
        let sealed = Sealed { pack, entries, opens, into, dealing };
        let done = self.act(commit_of(target.chart, keep_until, bytes_of(&write), sealed, attested)?).await?;
        drop(write);
        let is_first = target.fresh;
        target.fresh = false;
        if !opened.is_empty() || is_first {
            remember(&mut target.note.open, opened);
            self.put_chart_note(&target.chart, &target.note).await?;
        }
        Ok((pack, done))
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

    /// Forgets open compartments which the ledger says can't be written into any more.
    async fn drop_unusable(&self, target: &mut Target) -> Result<(), ImportError> {
        if target.note.open.is_empty() {
            return Ok(());
        }
        let ids: Vec<CompartmentId> = target.note.open.iter().map(|open| open.compartment.id()).collect();
        let (usable, _) = self
            .view(|state| {
                let usable = |id: &CompartmentId| {
                    charts::compartment(state, id).is_some_and(|row| {
                        let read = charts::class(state, &row.class()).and_then(|class| class.read);
                        !charts::is_erased(state, &row) && read.is_none_or(|read| row.opened > read)
                    })
                };
                ids.iter().map(usable).collect::<Vec<bool>>()
            })
            .await?;
        let mut usable = usable.into_iter();
        target.note.open.retain(|_| usable.next().unwrap_or(false));
        Ok(())
    }
}

fn commit_of(
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
fn remember(open: &mut Vec<OpenCompartment>, opened: Vec<OpenCompartment>) {
    open.retain(|old| opened.iter().all(|new| new.category != old.category));
    open.extend(opened);
}

/// Whether a reject says that a compartment which we thought open isn't any more.
fn is_stale(reject: Option<Reject>) -> bool {
    reject.is_some_and(|reject| {
        [
            charts::COMPARTMENT_READ,
            charts::COMPARTMENT_ERASED,
            charts::COMPARTMENT_UNKNOWN,
            charts::COMPARTMENT_FOREIGN,
        ]
        .contains(&reject)
    })
}

fn is_passing(error: &CallError) -> bool {
    matches!(error.code(), Some(Code::Timeout | Code::Unavailable | Code::NotFound))
}
