//! This file is where a member holds packs: checks and keeps what it is given, signs for it, serves it, fetches what it
//! lacks, erases what was ordered.

use crate::{
    member::Me,
    peers::{Peer, Peers},
};
use bytes::Bytes;
use client::wire::{Fetch, FetchPack, PackParts};
use envelope::{Manifest, OpenError, Pack};
use ledger::charts::{self, Role, Target};
use primitives::{
    ChartId, Millis, OrgId, PackRoot, Signature, Span, State, StorageReceipt, compartments_hash,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};
use store::{PackError, Packs, Part};

/// How long another member may take to hand a pack over.
const FETCH_LIMIT: Span = Span::secs(20);

/// What one member holds.
pub struct Holder {
    me: Arc<Me>,
    packs: Packs,
    peers: Peers,
    /// Committed packs that this member doesn't hold yet.
    missing: Mutex<BTreeSet<PackRoot>>,
}

/// Why a pack isn't kept or can't be served.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// It isn't what its root says.
    #[error("the pack does not fit its root: {0}")]
    Pack(#[from] OpenError),
    /// It is another chart's or writer's.
    #[error("pack {0} is of another chart or writer than the call says")]
    Foreign(PackRoot),
    /// The disk or bucket.
    #[error(transparent)]
    Store(#[from] PackError),
    /// Nobody who was asked has it.
    #[error("no member that can be reached holds pack {0}")]
    Nowhere(PackRoot),
    /// All of it was erased.
    #[error("pack {0} was erased")]
    Erased(PackRoot),
}

impl Holder {
    /// The packs of `me`.
    #[must_use]
    pub fn new(me: Arc<Me>, packs: Packs, peers: Peers) -> Self {
        Self { me, packs, peers, missing: Mutex::default() }
    }

    /// Checks a pack against its root, keeps it durably, and signs for it.
    ///
    /// # Errors
    /// [`HoldError`].
    pub async fn hold(
        &self,
        chart: ChartId,
        writer: OrgId,
        root: PackRoot,
        parts: PackParts,
        keep_until: Millis,
    ) -> Result<Signature, HoldError> {
        let bytes = parts.ciphertexts.len().saturating_add(parts.randoms.len()) as u64;
        Pack::verify(root, &parts.ciphertexts, &parts.randoms)?;
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

    /// A pack from this member's own store.
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
        if let Some(parts) = self.local(root).await? {
            // A damaged copy is as good as none: fetch a good one over it.
            match Pack::verify(*root, &parts.ciphertexts, &parts.randoms) {
                Ok(_) => return Ok(parts),
                Err(error) => {
                    tracing::warn!(pack = %root, %error, "the local copy is damaged, fetching another")
                }
            }
        }
        for peer in self.peers.others(&self.me) {
            let Some(mut parts) = self.ask(peer, root).await else { continue };
            let ranges = erased_ranges(state, root, &parts)?;
            for range in &ranges {
                // Ranges come from this very manifest, so they fit.
                let _fits = range.apply(&mut parts.ciphertexts, &mut parts.randoms);
            }
            let (ciphertexts, randoms) =
                (Bytes::from(parts.ciphertexts.clone()), Bytes::from(parts.randoms.clone()));
            self.packs.put(root, ciphertexts, randoms, None).await?;
            return Ok(parts);
        }
        Err(HoldError::Nowhere(*root))
    }

    async fn ask(&self, peer: &Peer, root: &PackRoot) -> Option<PackParts> {
        let parts = peer.ask::<FetchPack>(&Fetch { pack: *root, local: true }, FETCH_LIMIT).await.ok()?;
        match Pack::verify(*root, &parts.ciphertexts, &parts.randoms) {
            Ok(_) => Some(parts),
            Err(error) => {
                tracing::warn!(pack = %root, org = %peer.org, %error, "a member served a pack that does not fit its root");
                None
            }
        }
    }

    /// Notes that a pack is committed; it is fetched later if it isn't here.
    ///
    /// # Errors
    /// [`HoldError`].
    pub async fn committed(&self, root: &PackRoot) -> Result<(), HoldError> {
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

    /// Committed packs that are stored below n for want of this member: those that it lacks itself.
    #[must_use]
    pub fn below_n(&self, _state: &dyn State) -> u64 {
        self.missing()
    }
}

/// What of a pack the state says is erased: records by name, compartments, classes, the whole chart.
fn erased_ranges(
    state: &dyn State,
    root: &PackRoot,
    parts: &PackParts,
) -> Result<Vec<envelope::Erasure>, HoldError> {
    let manifest = Manifest::read(*root, &parts.ciphertexts).map_err(OpenError::from)?;
    let Some(row) = charts::pack(state, root) else { return Ok(Vec::new()) };
    let by_name: BTreeSet<u32> = row.erased.iter().copied().collect();
    let at_all = (0_u32..).zip(manifest.entries().iter().enumerate());
    let erased = at_all.filter(|(number, (at, _))| {
        let compartment = manifest.compartment_of(*at).and_then(|id| charts::compartment(state, id));
        by_name.contains(number) || compartment.is_some_and(|row| charts::is_erased(state, &row))
    });
    Ok(erased.filter_map(|(_, (at, _))| manifest.erasure(at)).collect())
}

/// The packs and compartments that an erasure touches, from its chart's log.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Packs with records that may have to go.
    pub packs: Vec<PackRoot>,
    /// Whether shares have to go too: everything but single records.
    pub shares: bool,
}

/// Works out what an erasure touches from the commits in its chart's log.
#[must_use]
pub(crate) fn touched(state: &dyn State, target: &Target, commits: &[charts::Committed]) -> Touched {
    let holds = |commit: &charts::Committed, wanted: &dyn Fn(&charts::Compartment) -> bool| {
        let opened = commit.opened.iter().map(|(id, _, _)| *id);
        opened
            .chain(commit.into.iter().copied())
            .any(|id| charts::compartment(state, &id).is_some_and(|row| wanted(&row)))
    };
    match target {
        Target::Records { pack, .. } => Touched { packs: vec![*pack], shares: false },
        Target::Chart => Touched { packs: commits.iter().map(|commit| commit.pack).collect(), shares: true },
        Target::Class { tag, org } => {
            let wanted = |row: &charts::Compartment| {
                row.tag == *tag && row.writer == *org && matches!(row.role, Role::Records)
            };
            let packs = commits.iter().filter(|commit| holds(commit, &wanted)).map(|commit| commit.pack);
            Touched { packs: packs.collect(), shares: true }
        }
        Target::Compartment(id) => {
            let packs = commits
                .iter()
                .filter(|commit| {
                    commit.opened.iter().any(|(opened, _, _)| opened == id) || commit.into.contains(id)
                })
                .map(|commit| commit.pack);
            Touched { packs: packs.collect(), shares: true }
        }
    }
}
