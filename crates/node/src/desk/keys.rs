//! This file is where keys are released: by this organisation's trustee, and gathered from all of them.

use super::{door::Caller, ledger_calls::fault, server::Desk};
use crate::{
    member::wall_clock,
    trustee::{ReleaseError, Relied},
};
use client::wire::{Code, More, Refusal, Release, ReleaseShares, Released, TrusteeAnswer};
use ledger::{
    access::{access, access_in},
    governance,
};
use primitives::Span;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How long one trustee may take.
const RELEASE_LIMIT: Span = Span::secs(10);
/// How long a trustee waits to execute an access that the reader knows to be final already.
const CATCH_UP: std::time::Duration = std::time::Duration::from_secs(5);

impl Desk {
    /// Our trustee's release: decided from our own newest final state, and from nothing that the caller says.
    pub(super) async fn release(&self, caller: &Caller, wanted: &Release) -> Result<Released, Refusal> {
        caller.known()?;
        self.await_access(wanted).await;
        self.fresh()?;
        let view = self.executor.view();
        let header = view.height().map(|height| view.header(height)).transpose().map_err(fault)?.flatten();
        let header = header.ok_or_else(|| fault("there is no block yet"))?.hash();
        let relied = Relied { state: &*view, header, now: wall_clock() };
        let released =
            self.trustee.release(&relied, wanted.access, &wanted.session_key, &wanted.compartments).await;
        let (release, withheld) = released.map_err(|error| match error {
            ReleaseError::SessionKey | ReleaseError::Envelope(_) => {
                Refusal::new(Code::Invalid, error.to_string())
            }
            ReleaseError::Vault(error) => fault(error),
            ReleaseError::Share => fault(error),
        })?;
        Ok(Released { release, withheld })
    }

    /// Waits a moment until this node has executed the access: others may be a block ahead.
    async fn await_access(&self, wanted: &Release) {
        let mut tip = self.executor.tip();
        let known = || {
            let view = self.executor.view();
            // Of an access to several charts it is known what it permits in the first compartment's.
            let of_chart = |id| {
                let row = ledger::charts::compartment(&*view, id);
                row.is_some_and(|row| access_in(&*view, &wanted.access, &row.chart).is_some())
            };
            access(&*view, &wanted.access).is_some() || wanted.compartments.first().is_some_and(of_chart)
        };
        let caught_up = async { while !known() && tip.changed().await.is_ok() {} };
        // Unknown after that: the trustee's own check withholds.
        let _late = tokio::time::timeout(CATCH_UP, caught_up).await;
    }

    /// Asks all trustees but those that have answered already, and waits for all of them: for a reader to whom one of
    /// the first sent a false share.
    pub(super) async fn gather_more(
        self: &Arc<Self>,
        caller: &Caller,
        more: More,
    ) -> Result<Vec<TrusteeAnswer>, Refusal> {
        let More { release, except } = more;
        self.gather_from(caller, release, &|place| !except.contains(&place), usize::MAX).await
    }

    /// Asks all trustees, and answers when as many as needed have released everything, or all have answered.
    pub(super) async fn gather(
        self: &Arc<Self>,
        caller: &Caller,
        wanted: Release,
    ) -> Result<Vec<TrusteeAnswer>, Refusal> {
        let needed = governance::quorum(&*self.executor.view()).t as usize;
        self.gather_from(caller, wanted, &|_| true, needed).await
    }

    async fn gather_from(
        self: &Arc<Self>,
        caller: &Caller,
        wanted: Release,
        asks: &(dyn Fn(u32) -> bool + Sync),
        needed: usize,
    ) -> Result<Vec<TrusteeAnswer>, Refusal> {
        caller.known()?;
        let wanted = Arc::new(wanted);
        let (sender, mut answers) = mpsc::channel(self.peers.len().max(1));
        for peer in self.peers.others(&self.me).filter(|peer| asks(peer.place)).cloned() {
            let (wanted, sender) = (Arc::clone(&wanted), sender.clone());
            tokio::spawn(async move {
                let answer =
                    peer.ask::<ReleaseShares>(&wanted, RELEASE_LIMIT).await.map_err(|error| match error {
                        client::rpc::CallError::Refused(refusal) => refusal,
                        other => Refusal::new(Code::Unavailable, other.to_string()),
                    });
                // Enough others may have answered before.
                let _unheard = sender.send(TrusteeAnswer { place: peer.place, answer }).await;
            });
        }
        if asks(self.me.place) {
            let (this, own_wanted, own_sender, own_caller) =
                (Arc::clone(self), Arc::clone(&wanted), sender.clone(), caller.clone());
            tokio::spawn(async move {
                let answer = this.release(&own_caller, &own_wanted).await;
                let _unheard = own_sender.send(TrusteeAnswer { place: this.me.place, answer }).await;
            });
        }
        drop(sender);
        let mut all = Vec::new();
        let mut whole = 0_usize;
        while let Some(answer) = answers.recv().await {
            if matches!(&answer.answer, Ok(Released { release: Some(_), withheld }) if withheld.is_empty()) {
                whole = whole.saturating_add(1);
            }
            all.push(answer);
            if whole >= needed {
                break;
            }
        }
        Ok(all)
    }
}
