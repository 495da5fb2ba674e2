//! This file is where a member holds packs: checks and keeps what it is given, signs for it, serves it, fetches what it
//! lacks, erases what was ordered.

use crate::{
    erased::{HoldError, conform, erased_ranges},
    member::Me,
    peers::{Peer, Peers},
};
use bytes::Bytes;
use client::wire::{Fetch, FetchPack, PackParts};
use envelope::{Manifest, OpenError};
use ledger::{
    charts::{self, Committed},
    governance,
};
use primitives::{
    ChartId, CompartmentId, Millis, OrgId, PackRoot, Signature, Span, State, StorageReceipt,
    compartments_hash,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};
use store::{Packs, Part};

/// How long another member may take to hand a pack over.
const FETCH_LIMIT: Span = Span::secs(20);

/// What one member holds.
pub struct Holder {
    me: Arc<Me>,
    packs: Packs,
    peers: Peers,
    /// Committed packs that this member doesn't hold yet.
    missing: Mutex<BTreeSet<PackRoot>>,
    /// Committed packs that not all members have confirmed to store, with the compartments that they use.
    below_n: Mutex<BTreeMap<PackRoot, Vec<CompartmentId>>>,
}

impl Holder {
    /// The packs of `me`.
    #[must_use]
    pub fn new(me: Arc<Me>, packs: Packs, peers: Peers) -> Self {
        Self { me, packs, peers, missing: Mutex::default(), below_n: Mutex::default() }
    }

    /// Checks a pack against its root and the ledger, keeps it durably, and signs for it.
    ///
    /// # Errors
    /// [`HoldError`].
    pub async fn hold(
        &self,
        state: &(dyn State + Sync),
        (chart, writer): (ChartId, OrgId),
        root: PackRoot,
        mut parts: PackParts,
        keep_until: Millis,
    ) -> Result<Signature, HoldError> {
        let bytes = parts.ciphertexts.len().saturating_add(parts.randoms.len()) as u64;
        conform(state, &root, &mut parts)?;
        let manifest = Manifest::read(root, &parts.ciphertexts).map_err(OpenError::from)?;
        if manifest.chart() != &chart || manifest.writer() != &writer {
            return Err(HoldError::Foreign(root));
        }
        // What the ledger compares with the commit is what we read here, not what the writer says.
        let records = u32::try_from(manifest.entries().len()).unwrap_or(u32::MAX);
        let compartments = compartments_hash(manifest.compartment_ids().iter().copied());
        self.packs.put(&root, parts.ciphertexts.into(), parts.randoms.into(), Some(keep_until)).await?;
        let storer = self.me.org.clone();
        let network = self.me.network;
        let receipt = StorageReceipt {
            network,
            pack: root,
            chart,
            writer,
            storer,
            bytes,
            records,
            compartments,
            keep_until,
        };
        Ok(receipt.sign(&self.me.key))
    }

    /// A pack from this member's own store, without what the state says is erased; `None` if it isn't there.
    ///
    /// # Errors
    /// [`HoldError`], also if the copy is damaged.
    pub async fn own(
        &self,
        state: &(dyn State + Sync),
        root: &PackRoot,
    ) -> Result<Option<PackParts>, HoldError> {
        let Some(mut parts) = self.local(root).await? else { return Ok(None) };
        conform(state, root, &mut parts)?;
        Ok(Some(parts))
    }

    /// A pack from this member's own store, as it lies there.
    ///
    /// # Errors
    /// [`HoldError`].
    pub async fn local(&self, root: &PackRoot) -> Result<Option<PackParts>, HoldError> {
        let ciphertexts = self.packs.get(root, Part::Ciphertext).await?;
        let randoms = self.packs.get(root, Part::Random).await?;
        let (Some(ciphertexts), Some(randoms)) = (ciphertexts, randoms) else { return Ok(None) };
        Ok(Some(PackParts { ciphertexts: ciphertexts.to_vec(), randoms: randoms.to_vec() }))
    }

    /// A pack, from here or from whoever has it, checked against its root. What was fetched is kept, with everything
    /// erased that the state says is erased.
    ///
    /// # Errors
    /// [`HoldError`].
    pub async fn fetch(&self, state: &(dyn State + Sync), root: &PackRoot) -> Result<PackParts, HoldError> {
        match self.own(state, root).await {
            Ok(Some(parts)) => return Ok(parts),
            Ok(None) => {}
            // A damaged copy is as good as none: fetch a good one over it.
            Err(error @ (HoldError::Pack(_) | HoldError::Zeroed(..))) => {
                tracing::warn!(pack = %root, %error, "the local copy is damaged, fetching another");
            }
            Err(error) => return Err(error),
        }
        for peer in self.peers.others(&self.me) {
            let Some(parts) = self.ask(state, peer, root).await else { continue };
            let (ciphertexts, randoms) =
                (Bytes::from(parts.ciphertexts.clone()), Bytes::from(parts.randoms.clone()));
            self.packs.put(root, ciphertexts, randoms, None).await?;
            return Ok(parts);
        }
        Err(HoldError::Nowhere(*root))
    }

    async fn ask(&self, state: &(dyn State + Sync), peer: &Peer, root: &PackRoot) -> Option<PackParts> {
        let fetch = Fetch { pack: *root, local: true, head: false };
        let mut parts = peer.ask::<FetchPack>(&fetch, FETCH_LIMIT).await.ok()?;
        match conform(state, root, &mut parts) {
            Ok(()) => Some(parts),
            Err(error) => {
                tracing::warn!(pack = %root, org = %peer.org, %error, "a member served a pack that is not what it must be");
                None
            }
        }
    }

    /// Notes that a pack is committed; it is fetched later if it isn't here.
    ///
    /// # Errors
    /// [`HoldError`].
    pub async fn committed(&self, state: &(dyn State + Sync), commit: &Committed) -> Result<(), HoldError> {
        let root = &commit.pack;
        if is_below_n(state, root) {
            let opened = commit.opened.iter().map(|(id, _, _)| *id);
            let compartments = opened.chain(commit.into.iter().copied()).collect();
            self.below_n.lock().unwrap_or_else(PoisonError::into_inner).insert(*root, compartments);
        }
        self.packs.committed(root).await?;
        if !self.packs.has(root).await? {
            self.missing.lock().unwrap_or_else(PoisonError::into_inner).insert(*root);
        }
        Ok(())
    }

    /// Fetches up to `most` packs that are missing here. Returns how many came.
    pub async fn repair(&self, state: &(dyn State + Sync), most: usize) -> usize {
        let wanted: Vec<PackRoot> = {
            let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
            missing.iter().take(most).copied().collect()
        };
        let mut came = 0_usize;
        for root in wanted {
            match self.fetch(state, &root).await {
                Ok(_) => {
                    self.missing.lock().unwrap_or_else(PoisonError::into_inner).remove(&root);
                    came = came.saturating_add(1);
                }
                Err(error) => {
                    tracing::debug!(pack = %root, %error, "a missing pack could not be fetched yet")
                }
            }
        }
        came
    }

    /// Committed packs that this member lacks.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// Drops packs that never became final and whose time has passed in the final state.
    ///
    /// # Errors
    /// [`HoldError`].
    pub async fn drop_expired(&self, final_time: Millis) -> Result<usize, HoldError> {
        Ok(self.packs.drop_expired(final_time).await?.len())
    }

    /// Erases here what an erasure is about.
    ///
    /// # Errors
    /// [`HoldError`].
    pub async fn erase(&self, state: &(dyn State + Sync), packs: &[PackRoot]) -> Result<(), HoldError> {
        for root in packs {
            let Some(parts) = self.local(root).await? else {
                self.missing.lock().unwrap_or_else(PoisonError::into_inner).remove(root);
                continue;
            };
            let ranges = erased_ranges(state, root, &parts)?;
            let wide = |range: &std::ops::Range<usize>| range.start as u64..range.end as u64;
            let ciphertexts: Vec<_> = ranges.iter().map(|range| wide(&range.ciphertext)).collect();
            let randoms: Vec<_> = ranges.iter().map(|range| wide(&range.random)).collect();
            self.packs.erase(root, Part::Ciphertext, &ciphertexts).await?;
            self.packs.erase(root, Part::Random, &randoms).await?;
        }
        Ok(())
    }

    /// Notes that the ledger heard more of who holds a pack.
    pub fn acknowledged(&self, state: &dyn State, root: &PackRoot) {
        if !is_below_n(state, root) {
            self.below_n.lock().unwrap_or_else(PoisonError::into_inner).remove(root);
        }
    }

    /// Notes that something was erased: a pack of which nothing is left need not be stored by all.
    pub fn forget_erased(&self, state: &dyn State) {
        let lives = |id: &CompartmentId| {
            charts::compartment(state, id).is_some_and(|row| !charts::is_erased(state, &row))
        };
        let mut below = self.below_n.lock().unwrap_or_else(PoisonError::into_inner);
        below.retain(|_, compartments| compartments.iter().any(lives));
    }

    /// Committed packs of which the ledger doesn't say that all members store them.
    #[must_use]
    pub fn below_n(&self) -> u64 {
        self.below_n.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
}

/// Whether the ledger lacks a member's word that it stores the pack. The writer's own isn't asked for.
fn is_below_n(state: &dyn State, root: &PackRoot) -> bool {
    let others = governance::quorum(state).n.saturating_sub(1);
    charts::pack(state, root).is_some_and(|row| row.stored.count() < others)
}
