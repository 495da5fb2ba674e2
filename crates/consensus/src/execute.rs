//! This file is where finalised blocks reach the state machine, and the engine hears of it only after they are durable.

use crate::{
    Certificate, Fault, FinalBlock, Machine, Termination,
    block::{Block, Scheme},
    head::Head,
    marker::Marker,
    shared::Shared,
};
use commonware_actor::Feedback;
use commonware_consensus::{
    Heightable as _, Reporter,
    marshal::{Identifier, Update, core::Mailbox, standard::Standard},
    types::Height,
};
use commonware_cryptography::Digested;
use commonware_utils::{Acknowledgement as _, acknowledgement::Exact};
use primitives::Header;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The engine's archive of final blocks and certificates.
pub(crate) type Archive = Mailbox<Scheme, Standard<Block>>;

/// How many blocks share one call of the machine, and so one fsync.
const BATCH_MAX: usize = 64;

/// How many heights below the newest are searched for one that was certified directly.
const HEAD_SEARCH_MAX: usize = 256;

type Delivery = (Digested<Block>, Exact);

/// Where the engine hands over what is final.
#[derive(Clone)]
pub(crate) struct Inbox {
    pub shared: Arc<Shared>,
    pub sender: mpsc::UnboundedSender<Delivery>,
}

impl Reporter for Inbox {
    type Activity = Update<Block>;

    fn report(&mut self, update: Update<Block>) -> Feedback {
        match update {
            Update::Tip(round, height, _) => self.shared.progress.send_modify(|progress| {
                if height.get() >= progress.tip {
                    (progress.tip, progress.view) = (height.get(), round.view().get());
                }
            }),
            // Once the executor has ended the validator is stopping, and the block comes again after the next start.
            Update::Block(block, acknowledgement) => {
                if self.sender.send((block, acknowledgement)).is_err() {
                    return Feedback::Closed;
                }
            }
        }
        Feedback::Ok
    }
}

/// Executes what is final, in order.
pub(crate) struct Executor {
    pub shared: Arc<Shared>,
    pub archive: Archive,
    pub inbox: mpsc::UnboundedReceiver<Delivery>,
    pub marker: Option<Marker>,
}

impl Executor {
    /// Runs until the validator ends, or ends it with a fault.
    pub(crate) async fn run(mut self) {
        if let Err(fault) = self.execute().await {
            self.shared.finish(Termination::Fault(fault));
        }
    }

    async fn execute(&mut self) -> Result<(), Fault> {
        self.replay().await?;
        self.find_head().await;
        let mut end = self.shared.end.subscribe();
        loop {
            let first = tokio::select! {
                biased;
                _ = crate::shared::until(&mut end, Option::is_some) => return Ok(()),
                first = self.inbox.recv() => first,
            };
            let Some(first) = first else { return Ok(()) };
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX
                && let Ok(next) = self.inbox.try_recv()
            {
                batch.push(next);
            }
            let executed = self.shared.machine.executed().height;
            let mut fresh = Vec::new();
            for (block, _) in &batch {
                // Deliveries may come again, but nothing is applied twice.
                if block.height().get() > executed {
                    fresh.push(self.final_block(block).await);
                }
            }
            self.apply(&fresh, batch.iter().map(|(block, _)| block))?;
            for (_, acknowledgement) in batch {
                acknowledgement.acknowledge();
            }
        }
    }

    /// Feeds the machine what the engine has counted as delivered and the machine doesn't have.
    async fn replay(&mut self) -> Result<(), Fault> {
        let executed = self.shared.machine.executed().height;
        let delivered = self.archive.get_processed().await.map_or(0, |processed| processed.height().get());
        if executed > 0 && self.archive.get_block(Height::new(executed)).await.is_none() {
            return Err(Fault(format!(
                "the state is at height {executed}, but the block archive lacks that block: restore both together or \
                 neither"
            )));
        }
        let mut next = executed + 1;
        while next <= delivered {
            let mut blocks = Vec::new();
            while next <= delivered && blocks.len() < BATCH_MAX {
                let Some(block) = self.archive.get_block(Height::new(next)).await else {
                    return Err(Fault(format!(
                        "block {next} is missing in the archive, the state ends at height {executed}"
                    )));
                };
                blocks.push(block);
                next += 1;
            }
            let mut finals = Vec::new();
            for block in &blocks {
                finals.push(self.final_block(block).await);
            }
            self.apply(&finals, blocks.iter())?;
            tracing::info!(height = next - 1, "replayed from the block archive");
        }
        Ok(())
    }

    /// Finds what to tell the others: somebody may wait for it, and no new block may come without them.
    async fn find_head(&self) {
        let newest = self.archive.get_info(Identifier::Latest).await.map_or(0, |(height, _)| height.get());
        for height in (1..=newest).rev().take(HEAD_SEARCH_MAX) {
            let height = Height::new(height);
            let Some(block) = self.archive.get_block(height).await else { return };
            if let Some(finalization) = self.archive.get_finalization(height).await {
                let certificate = Certificate::of(&finalization);
                return self.shared.set_head(Head { header: block.inner().header, certificate });
            }
        }
    }

    async fn final_block(&self, block: &Digested<Block>) -> FinalBlock {
        let finalization = self.archive.get_finalization(block.height()).await;
        let Block { header, txs, .. } = block.inner();
        FinalBlock {
            header: *header,
            txs: txs.clone(),
            certificate: finalization.map(|f| Certificate::of(&f)),
        }
    }

    fn apply<'a>(
        &mut self,
        fresh: &[FinalBlock],
        blocks: impl Iterator<Item = &'a Digested<Block>>,
    ) -> Result<(), Fault> {
        let Shared { machine, progress, .. } = &*self.shared;
        if let Some(last) = fresh.last() {
            let before = machine.executed().height;
            let contiguous = (before + 1..).zip(fresh).all(|(height, block)| block.header.height == height);
            if !contiguous {
                return Err(Fault(format!(
                    "the engine delivered blocks that don't follow on height {before}"
                )));
            }
            let known = |block: &&FinalBlock| block.header.executed.height <= before;
            // Compared before anything more is written, as far as possible.
            fresh.iter().filter(known).try_for_each(|block| agrees(&**machine, &block.header))?;
            machine.apply(fresh)?;
            if machine.executed().height != last.header.height {
                return Err(Fault("the state machine did not execute all it was given".into()));
            }
            fresh.iter().filter(|block| !known(block)).try_for_each(|b| agrees(&**machine, &b.header))?;
        }
        let names: Vec<_> = blocks.map(|block| self.shared.fingerprints(block.inner())).collect();
        let mut pool = self.shared.pool();
        names.iter().for_each(|names| pool.finalised(names));
        if let Some(last) = fresh.last() {
            pool.expire(last.header.time);
        }
        drop(pool);
        if let Some(last) = fresh.last() {
            let full = fresh.iter().rev().find(|block| !block.txs.is_empty()).map(|b| b.header.height);
            progress.send_modify(|progress| {
                progress.executed = last.header.height;
                progress.tip = progress.tip.max(last.header.height);
                progress.full = full.unwrap_or(progress.full);
                progress.proven = last.header.executed.height;
            });
            let certified =
                fresh.iter().rev().find_map(|block| Some((block.header, block.certificate.clone()?)));
            if let Some((header, certificate)) = certified {
                self.shared.set_head(Head { header, certificate });
            }
            if let Some(marker) = &mut self.marker {
                marker.note(last.header.height, last.header.time)?;
            }
        }
        Ok(())
    }
}

/// What a quorum certified must be what we executed; if not, our disk, our program or more than f validators are wrong.
fn agrees(machine: &dyn Machine, header: &Header) -> Result<(), Fault> {
    let claimed = header.executed;
    match machine.state_root(claimed.height) {
        Some(root) if root == claimed.state_root => Ok(()),
        Some(root) => Err(Fault(format!(
            "block {} was finalised with state root {} of height {}, but we executed {root}: this validator's state is \
             damaged or its program differs",
            header.height, claimed.state_root, claimed.height
        ))),
        None => Err(Fault(format!("the state machine forgot the root of height {}", claimed.height))),
    }
}
