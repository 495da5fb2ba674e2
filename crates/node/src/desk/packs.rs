//! This file is where calls about packs are answered: hold, fetch, and audit records.

use super::{
    door::{Caller, forbidden},
    ledger_calls::fault,
    server::Desk,
};
use crate::erased::HoldError;
use client::wire::{
    Attestations, AuditRecord, Code, Fetch, FetchAudit, Held, Hold, PackParts, Refusal, StoreAudit, Write,
};
use envelope::{Manifest, Pack};
use ledger::{Signer, charts, consent, governance};
use primitives::{Hash, PackRoot, Span, decode, encode};
use std::sync::Arc;

/// Longest promise to keep what never becomes final.
const KEEP_MAX: Span = Span::days(1);
/// Longest pack in which an owner opens an audit compartment.
const AUDIT_BYTES_MAX: usize = 1 << 16;
/// How long another node may take over an audit record.
const AUDIT_LIMIT: Span = Span::secs(5);

fn hold_refusal(error: HoldError) -> Refusal {
    match error {
        HoldError::Pack(_) | HoldError::Foreign(_) | HoldError::Zeroed(..) => {
            Refusal::new(Code::Invalid, error.to_string())
        }
        HoldError::Nowhere(_) => Refusal::new(Code::Unavailable, error.to_string()),
        HoldError::Store(error) => fault(error),
    }
}

impl Desk {
    pub(super) async fn stage(
        self: &Arc<Self>,
        caller: &Caller,
        write: Write,
    ) -> Result<Attestations, Refusal> {
        if !self.is_owners_audit(caller, &write) {
            caller.ours(&self.me)?;
        }
        self.writes.stage(write).await
    }

    /// Whether an owner whom this organisation enrolled hands in a fresh audit compartment of her chart, and nothing else.
    fn is_owners_audit(&self, caller: &Caller, write: &Write) -> bool {
        let Write { chart, pack: _, keep_until: _, parts, dealt } = write;
        let Some(signer) = caller.signer.as_ref().filter(|signer| *signer.org() == self.me.org) else {
            return false;
        };
        let small = parts.ciphertexts.len() <= AUDIT_BYTES_MAX && parts.randoms.len() <= AUDIT_BYTES_MAX;
        let opens_one = dealt.as_ref().is_some_and(|(dealing, _)| dealing.compartments.len() == 1);
        let now = self.executor.tip().borrow().time;
        small && opens_one && consent::acts_for_owner(&*self.executor.view(), signer, chart, now)
    }

    /// Holds what another member writes: the pack, and the shares in our box.
    pub(super) async fn hold(&self, caller: &Caller, hold: Hold) -> Result<Held, Refusal> {
        let Hold { writer, chart, pack, keep_until, parts, dealt } = hold;
        if !matches!(&caller.signer, Some(Signer::Organisation(org)) if *org == writer) {
            return Err(forbidden("only the writing organisation's node may ask to hold its write"));
        }
        let view = self.executor.view();
        let now = self.executor.tip().borrow().time;
        // A promise that has run out binds nobody, unless the write became final meanwhile.
        let is_final = charts::pack(&*view, &pack).is_some();
        if keep_until > now.plus(KEEP_MAX) || (keep_until < now && !is_final) {
            return Err(Refusal::new(Code::Invalid, "`keep_until` must lie ahead, at most a day"));
        }
        if charts::chart(&*view, &chart).is_none() {
            return Err(Refusal::new(Code::NotFound, "there is no such chart here yet"));
        }
        if let Some((dealing, _)) = &dealt {
            let fits =
                dealing.terms.chart == chart && dealing.terms.pack == pack && dealing.terms.writer == writer;
            if !fits {
                return Err(Refusal::new(Code::Invalid, "the dealing does not belong to the write"));
            }
        }
        let held = self.holder.hold(&*view, (chart, writer), pack, parts, keep_until).await;
        let receipt = held.map_err(hold_refusal)?;
        let acknowledgement = match dealt {
            Some((dealing, sealed)) => {
                let accepted = self.trustee.accept(&*view, &dealing, &sealed, keep_until).await;
                Some(accepted.map_err(|error| Refusal::new(Code::Invalid, error.to_string()))?)
            }
            None => None,
        };
        Ok(Held { acknowledgement, receipt })
    }

    pub(super) async fn fetch(&self, caller: &Caller, fetch: Fetch) -> Result<PackParts, Refusal> {
        caller.known()?;
        let Fetch { pack, local, head } = fetch;
        let view = self.executor.view();
        if charts::pack(&*view, &pack).is_none() {
            return Err(Refusal::new(Code::NotFound, "there is no such pack"));
        }
        let mut parts = if local {
            let parts = self.holder.own(&*view, &pack).await.map_err(hold_refusal)?;
            parts.ok_or_else(|| Refusal::new(Code::NotFound, "this member does not hold the pack"))?
        } else {
            self.holder.fetch(&*view, &pack).await.map_err(hold_refusal)?
        };
        if head {
            let manifest = Manifest::bytes_needed(&parts.ciphertexts);
            parts.ciphertexts.truncate(manifest.ok_or_else(|| fault("a pack that is held has no manifest"))?);
            parts.randoms.clear();
        }
        Ok(parts)
    }

    /// Keeps an audit record here and hands it to the other members, so that the patient finds it wherever she asks.
    pub(super) async fn store_audit(&self, caller: &Caller, record: AuditRecord) -> Result<(), Refusal> {
        caller.known()?;
        let hash = record.hash();
        let root = PackRoot(hash);
        if !is_audit(&record) {
            return Err(Refusal::new(Code::Invalid, "the audit record is not a pack of one record"));
        }
        if charts::chart(&*self.executor.view(), &record.chart).is_none() {
            return Err(Refusal::new(Code::NotFound, "there is no such chart"));
        }
        let fresh = self.audit.get(&root, store::Part::Ciphertext).await.map_err(fault)?.is_none();
        if fresh {
            self.audit.put(&root, encode(&record).into(), bytes::Bytes::new(), None).await.map_err(fault)?;
        }
        let from_member = matches!(&caller.signer, Some(Signer::Organisation(org)) if *org != self.me.org);
        if fresh && !from_member {
            let sends = self.peers.others(&self.me).map(|peer| peer.ask::<StoreAudit>(&record, AUDIT_LIMIT));
            let taken = futures::future::join_all(sends).await.iter().filter(|answer| answer.is_ok()).count();
            // One more copy than may fail, ours among them.
            if (taken as u64) < u64::from(governance::quorum(&*self.executor.view()).f) {
                return Err(Refusal::new(
                    Code::Unavailable,
                    "too few members could take the audit record; try again",
                ));
            }
        }
        Ok(())
    }

    pub(super) async fn fetch_audit(
        &self,
        caller: &Caller,
        hash: &Hash,
    ) -> Result<Option<AuditRecord>, Refusal> {
        caller.known()?;
        let root = PackRoot(*hash);
        if let Some(bytes) = self.audit.get(&root, store::Part::Ciphertext).await.map_err(fault)? {
            let record = decode(&bytes).map_err(fault)?;
            return Ok(Some(record));
        }
        if matches!(&caller.signer, Some(Signer::Organisation(_))) {
            return Ok(None);
        }
        for peer in self.peers.others(&self.me) {
            let answer = peer.ask::<FetchAudit>(hash, AUDIT_LIMIT).await;
            if let Ok(Some(record)) = answer
                && record.hash() == *hash
            {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// Audit records are small, and each is a pack of its own.
fn is_audit(record: &AuditRecord) -> bool {
    let AuditRecord { chart: _, pack, parts } = record;
    parts.ciphertexts.len() < 1 << 16 && Pack::verify(*pack, &parts.ciphertexts, &parts.randoms).is_ok()
}
