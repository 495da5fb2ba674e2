//! This file is where calls about the ledger are answered: submit, receipts, rows, proofs, logs, status.

use super::server::Desk;
use crate::member::wall_clock;
use client::wire::{
    Anchor, Code, Final, LogRange, Proven, ProvenRow, Read, Refusal, Rows, Scan, Status, Submit,
};
use ledger::{HEAD, Logged};
use primitives::{List, Millis, Span, TxId, decode, is_flat};
use std::{sync::Arc, time::Duration};
use store::View;

const WAIT_MAX: Span = Span::secs(60);
/// How far below the executed height a certified header is looked for.
const ANCHOR_STEPS: usize = 64;
const ROWS_MAX: usize = 4096;
const LINES_MAX: u32 = 10_000;

pub(super) fn fault(error: impl std::fmt::Display) -> Refusal {
    tracing::error!(%error, "a call met a fault");
    Refusal::new(Code::Fault, "the node met a fault; its operator finds it in the log")
}

fn as_of(view: &View) -> (u64, Millis) {
    (view.height().unwrap_or(0), HEAD.get(view).unwrap_or_default().time)
}

impl Desk {
    /// Hands a transaction in and waits until it is final here.
    pub(super) async fn submit(&self, submit: Submit) -> Result<Final, Refusal> {
        let Submit { tx, wait } = submit;
        let id = ledger::Signed::decode(&tx)
            .map_err(|reject| Refusal::new(Code::Rejected(reject.0), reject.to_string()))?
            .tx
            .id();
        let waiting = self.executor.waiters().wait(id);
        if let Err(refused) = self.engine.submit(tx.into()) {
            // One that is in the pool or final already is as good as submitted.
            if refused.code != consensus::Refused::KNOWN {
                return Err(Refusal::new(Code::Rejected(refused.code), refused.message));
            }
        }
        if let Some(done) = self.executor.receipt(&id).map_err(fault)? {
            return Ok(done);
        }
        let limit = Duration::from_millis(wait.min(WAIT_MAX).0);
        match tokio::time::timeout(limit, waiting).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) | Err(_) => Err(Refusal::new(
                Code::Timeout,
                format!(
                    "transaction {id} is not final yet; ask for its receipt before sending anything like it again"
                ),
            )),
        }
    }

    pub(super) fn find_tx(&self, tx: &TxId) -> Result<Option<Final>, Refusal> {
        self.executor.receipt(tx).map_err(fault)
    }

    pub(super) fn status(&self) -> Status {
        let tip = *self.executor.tip().borrow();
        let engine = self.engine.status();
        let (box_keys_other, box_key_held) = self.rotation.count(&*self.executor.view());
        Status {
            org: self.me.org.clone(),
            network: self.me.network,
            version: env!("CARGO_PKG_VERSION").into(),
            height: tip.height,
            time: tip.time,
            tip: engine.tip,
            validators: u32::try_from(self.peers.len()).unwrap_or(u32::MAX),
            pool: engine.pool as u64,
            packs_missing: self.holder.missing(),
            packs_below_n: self.holder.below_n(),
            writes_pending: self.writes.pending(),
            box_key_held,
            box_keys_other,
        }
    }

    fn view_at(&self, min_height: u64) -> Result<Arc<View>, Refusal> {
        let view = self.executor.view();
        let height = view.height().unwrap_or(0);
        if height < min_height {
            let message = format!("this node has executed height {height}, not yet {min_height}; try again");
            return Err(Refusal::new(Code::Unavailable, message));
        }
        Ok(view)
    }

    pub(super) fn rows(&self, read: &Read) -> Result<Rows, Refusal> {
        let view = self.view_at(read.min_height)?;
        let (height, time) = as_of(&view);
        let rows = read.keys.iter().map(|key| Ok((key.clone(), view.value(key).map_err(fault)?)));
        Ok(Rows { height, time, rows: rows.collect::<Result<_, Refusal>>()? })
    }

    pub(super) fn scan(&self, scan: &Scan) -> Result<Rows, Refusal> {
        let view = self.executor.view();
        let (height, time) = as_of(&view);
        let limit = usize::try_from(scan.limit).unwrap_or(ROWS_MAX).min(ROWS_MAX);
        let found = view.scan(&scan.prefix, scan.after.as_deref(), limit).map_err(fault)?;
        Ok(Rows { height, time, rows: found.into_iter().map(|(key, value)| (key, Some(value))).collect() })
    }

    /// Proves rows against the newest state root that a certified chain of headers names.
    pub(super) async fn prove(&self, read: &Read) -> Result<Proven, Refusal> {
        if read.keys.iter().any(|key| is_flat(key)) {
            return Err(Refusal::new(Code::Invalid, "flat rows can't be proven; read them as they are"));
        }
        let view = self.executor.view();
        let (anchor, at) = self.anchor(&view).await?;
        if at < read.min_height {
            let message = format!(
                "the newest certified state is that of height {at}; try again for {}",
                read.min_height
            );
            return Err(Refusal::new(Code::Unavailable, message));
        }
        let view = view.at(at).map_err(fault)?.ok_or_else(|| fault("the certified state is not retained"))?;
        let rows = read.keys.iter().map(|key| {
            let (value, proof) = view.prove(key).map_err(fault)?;
            Ok(ProvenRow { key: key.clone(), value, proof })
        });
        Ok(Proven { rows: rows.collect::<Result<_, Refusal>>()?, anchor })
    }

    /// The newest certified chain of headers at or below the executed height, and the height whose state it vouches for.
    async fn anchor(&self, view: &View) -> Result<(Anchor, u64), Refusal> {
        let mut height = view.height().unwrap_or(0);
        // A chain begins at its lowest header; the newest that ends in what is final here is found from the top.
        for _ in 0..ANCHOR_STEPS {
            let Some(chain) = self.engine.chain(height).await else {
                height = height.saturating_sub(1);
                continue;
            };
            let first = chain.headers.first().ok_or_else(|| fault("a chain has no header"))?;
            let at = first.executed.height;
            let headers = List::try_from(chain.headers).map_err(fault)?;
            return Ok((Anchor { headers, certificate: chain.certificate.as_bytes().to_vec() }, at));
        }
        Err(Refusal::new(Code::Unavailable, "there is no certified block yet; try again"))
    }

    pub(super) fn log(&self, range: &LogRange) -> Result<Vec<Logged>, Refusal> {
        let limit = usize::try_from(range.limit.min(LINES_MAX)).unwrap_or(0);
        let events = self.executor.view().events(&range.chart, range.from, limit).map_err(fault)?;
        events.iter().map(|event| decode(&event.bytes).map_err(fault)).collect()
    }

    /// Refuses while the newest final block is old: what a stale node says may be overtaken.
    pub(crate) fn fresh(&self) -> Result<(), Refusal> {
        let tip = *self.executor.tip().borrow();
        let age = wall_clock().since(tip.time.max(tip.at));
        if age > self.staleness_max {
            let message = format!("the newest final block is {} ms old; the network can't be reached", age.0);
            return Err(Refusal::new(Code::Unavailable, message));
        }
        Ok(())
    }
}
