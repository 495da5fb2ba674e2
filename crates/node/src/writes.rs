//! This file is where an organisation's writes go out: to all members at once, until all hold them, and the late
//! attestations reach the ledger.

use crate::{
    executor::Executor,
    holder::Holder,
    member::Me,
    peers::Peers,
    trustee::Trustee,
    vault::{Vault, VaultError},
};
use borsh::{BorshDeserialize, BorshSerialize};
use client::wire::{Attestations, Code, Held, Hold, HoldWrite, PackParts, Refusal, Write};
use envelope::Dealing;
use ledger::{
    charts::{self, Acknowledge, Attested},
    governance,
};
use primitives::{ChartId, List, Millis, PackRoot, Span, decode, encode};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc;

const ROOM: &str = "outbox";
/// How long one member may take to hold a write.
const HOLD_LIMIT: Span = Span::secs(30);

/// The organisation's writes on their way out.
pub struct Writes {
    me: Arc<Me>,
    executor: Arc<Executor>,
    trustee: Arc<Trustee>,
    holder: Arc<Holder>,
    peers: Peers,
    vault: Arc<Vault>,
    open: Mutex<BTreeMap<PackRoot, Progress>>,
}

/// A write that not all members have attested to.
#[derive(Clone, Default)]
struct Progress {
    late: BTreeMap<u32, Held>,
    committed: bool,
    unsent: bool,
}

/// What is kept, sealed, until all members hold a write: enough to send it again. The boxes are sealed to the trustees,
/// and the whole once more to this organisation.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
struct Outgoing {
    chart: ChartId,
    pack: PackRoot,
    keep_until: Millis,
    dealt: Option<(Dealing, Vec<Vec<u8>>)>,
}

impl Writes {
    /// The writes of `me`.
    #[must_use]
    pub fn new(
        me: Arc<Me>,
        executor: Arc<Executor>,
        trustee: Arc<Trustee>,
        holder: Arc<Holder>,
        peers: Peers,
        vault: Arc<Vault>,
    ) -> Self {
        Self { me, executor, trustee, holder, peers, vault, open: Mutex::default() }
    }

    /// How many writes are under way.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// Sends a write to all members at once and answers as soon as enough have attested for a commit. The others go on
    /// in the background.
    ///
    /// # Errors
    /// [`Code::Timeout`] if too few answered, [`Code::Invalid`] if the write doesn't fit itself.
    pub async fn stage(self: &Arc<Self>, write: Write) -> Result<Attestations, Refusal> {
        let Write { chart, pack, keep_until, parts, dealt } = write;
        if dealt.as_ref().is_some_and(|(dealing, boxes)| {
            let terms = &dealing.terms;
            boxes.len() != self.peers.len()
                || terms.pack != pack
                || terms.chart != chart
                || terms.writer != self.me.org
        }) {
            return Err(Refusal::new(Code::Invalid, "the dealing does not belong to the write"));
        }
        let outgoing = Arc::new(Outgoing { chart, pack, keep_until, dealt });
        self.keep(&outgoing).map_err(|error| {
            tracing::error!(%error, "the outbox met a fault");
            Refusal::new(Code::Fault, "the node met a fault; its operator finds it in the log")
        })?;
        let parts = Arc::new(parts);
        let (sender, mut held) = mpsc::channel(self.peers.len().max(1));
        let this = Arc::clone(self);
        let (own_outgoing, own_parts, own_sender) =
            (Arc::clone(&outgoing), Arc::clone(&parts), sender.clone());
        tokio::spawn(async move {
            let answer = this.hold_here(&own_outgoing, &own_parts).await;
            // The caller may have what it needs already; then the answer only counts as progress.
            let _unheard = own_sender.send((this.me.place, answer)).await;
        });
        for peer in self.peers.others(&self.me).cloned() {
            let (this, outgoing, parts, sender) =
                (Arc::clone(self), Arc::clone(&outgoing), Arc::clone(&parts), sender.clone());
            tokio::spawn(async move {
                let hold = this.hold_of(&outgoing, &parts, peer.place);
                let answer =
                    peer.ask::<HoldWrite>(&hold, HOLD_LIMIT).await.map_err(|error| error.to_string());
                if let Ok(answer) = &answer {
                    this.note(outgoing.pack, peer.place, *answer);
                }
                let _unheard = sender.send((peer.place, answer)).await;
            });
        }
        drop(sender);
        let quorum = governance::quorum(&*self.executor.view());
        let storers = quorum.f.saturating_add(1).min(quorum.n.saturating_sub(1));
        let mut sum = Attestations { acknowledgements: Vec::new(), receipts: Vec::new() };
        let mut failures = Vec::new();
        let opens = outgoing.dealt.is_some();
        while let Some((place, answer)) = held.recv().await {
            match answer {
                Ok(answer) => self.add(&mut sum, place, answer),
                Err(reason) => failures.push(format!("member {place}: {reason}")),
            }
            let acknowledged = !opens || sum.acknowledgements.len() as u64 >= u64::from(quorum.t);
            if acknowledged && sum.receipts.len() as u64 >= u64::from(storers) {
                return Ok(sum);
            }
        }
        let message = format!("too few members hold the write; {}", failures.join("; "));
        Err(Refusal::new(Code::Timeout, message))
    }

    fn add(&self, sum: &mut Attestations, place: u32, held: Held) {
        if let Some(signature) = held.acknowledgement {
            sum.acknowledgements.push(Attested { place, signature });
        }
        if place != self.me.place {
            sum.receipts.push(Attested { place, signature: held.receipt });
        }
    }

    async fn hold_here(&self, outgoing: &Outgoing, parts: &PackParts) -> Result<Held, String> {
        let Outgoing { chart, pack, keep_until, dealt } = outgoing;
        let writer = self.me.org.clone();
        let view = self.executor.view();
        let held = self.holder.hold(&*view, (*chart, writer), *pack, parts.clone(), *keep_until).await;
        let receipt = held.map_err(|error| error.to_string())?;
        let acknowledgement = match dealt {
            Some((dealing, boxes)) => {
                let place = usize::try_from(self.me.place).unwrap_or(usize::MAX);
                let sealed = boxes.get(place).ok_or("there is no box for this member")?;
                let view = self.executor.view();
                let accepted = self.trustee.accept(&*view, dealing, sealed, *keep_until).await;
                Some(accepted.map_err(|error| error.to_string())?)
            }
            None => None,
        };
        let held = Held { acknowledgement, receipt };
        self.note(*pack, self.me.place, held);
        Ok(held)
    }

    fn hold_of(&self, outgoing: &Outgoing, parts: &PackParts, place: u32) -> Hold {
        let Outgoing { chart, pack, keep_until, dealt } = outgoing;
        let dealt = dealt.as_ref().and_then(|(dealing, boxes)| {
            let sealed = usize::try_from(place).ok().and_then(|place| boxes.get(place))?;
            Some((dealing.clone(), sealed.clone()))
        });
        let (writer, parts) = (self.me.org.clone(), parts.clone());
        Hold { writer, chart: *chart, pack: *pack, keep_until: *keep_until, parts, dealt }
    }

    fn keep(&self, outgoing: &Outgoing) -> Result<(), VaultError> {
        self.vault.put(ROOM, &outgoing.pack.to_string(), &encode(outgoing))?;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).entry(outgoing.pack).or_default();
        Ok(())
    }

    fn note(&self, pack: PackRoot, place: u32, held: Held) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(progress) = open.get_mut(&pack) {
            progress.late.insert(place, held);
            progress.unsent = true;
        }
    }

    /// Takes up after a start what was under way before.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn resume(&self) -> Result<(), VaultError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for file in self.vault.list(ROOM)? {
            if let Ok(pack) = file.parse() {
                open.insert(pack, Progress { unsent: true, ..Progress::default() });
            }
        }
        Ok(())
    }

    /// Notes that a commit is final: from now on late attestations go to the ledger.
    pub fn committed(&self, pack: &PackRoot) {
        if let Some(progress) = self.open.lock().unwrap_or_else(PoisonError::into_inner).get_mut(pack) {
            progress.committed = true;
            progress.unsent = true;
        }
    }

    /// Forgets what was erased meanwhile: a dealing must not outlive the shares.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn forget(&self, packs: &[PackRoot]) -> Result<(), VaultError> {
        for pack in packs {
            self.drop_one(pack)?;
        }
        Ok(())
    }

    fn drop_one(&self, pack: &PackRoot) -> Result<(), VaultError> {
        self.vault.remove(ROOM, &pack.to_string())?;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(pack);
        Ok(())
    }

    /// One round over all writes under way: drops what is complete or dead, sends again what members lack, and returns
    /// the acts that bring late attestations to the ledger.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn advance(&self) -> Result<Vec<Acknowledge>, VaultError> {
        let under_way: Vec<(PackRoot, Progress)> = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.iter().map(|(pack, progress)| (*pack, progress.clone())).collect()
        };
        let view = self.executor.view();
        let final_time = self.executor.tip().borrow().time;
        let everyone = governance::quorum(&*view).n;
        let mut acts = Vec::new();
        for (pack, progress) in under_way {
            let Some(bytes) = self.vault.get(ROOM, &pack.to_string())? else {
                self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&pack);
                continue;
            };
            let outgoing: Outgoing =
                decode(&bytes).map_err(|_| VaultError::Tampered(pack.to_string().into()))?;
            let Some(row) = charts::pack(&*view, &pack) else {
                if outgoing.keep_until < final_time {
                    self.drop_one(&pack)?;
                }
                continue;
            };
            let opens = outgoing.dealt.is_some();
            let acknowledged = !opens || row.acknowledged.count() >= everyone;
            if acknowledged && row.stored.count() >= everyone.saturating_sub(1) {
                self.drop_one(&pack)?;
                continue;
            }
            let late = self.collect_late(&outgoing, &row, progress.late).await;
            if !late.acknowledgements.is_empty() || !late.receipts.is_empty() {
                let bound = |list: Vec<Attested>| List::try_from(list).unwrap_or_default();
                let (acknowledgements, receipts) = (bound(late.acknowledgements), bound(late.receipts));
                acts.push(Acknowledge { pack, acknowledgements, receipts });
            }
        }
        Ok(acts)
    }

    /// Attestations that the ledger lacks: those that came late, and those of members who are asked again now.
    async fn collect_late(
        &self,
        outgoing: &Outgoing,
        row: &charts::Pack,
        known: BTreeMap<u32, Held>,
    ) -> Attestations {
        let mut sum = Attestations { acknowledgements: Vec::new(), receipts: Vec::new() };
        let lacks = |place: u32| {
            let share = outgoing.dealt.is_some() && !row.acknowledged.has(place);
            share || (place != self.me.place && !row.stored.has(place))
        };
        let mut parts = None;
        let everyone = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        for place in (0..everyone).filter(|place| lacks(*place)) {
            let held = match known.get(&place) {
                Some(held) => Some(*held),
                None => {
                    if parts.is_none() {
                        parts = self.holder.local(&outgoing.pack).await.ok().flatten();
                    }
                    match &parts {
                        Some(parts) => self.ask_again(outgoing, parts, place).await,
                        None => None,
                    }
                }
            };
            let Some(held) = held else { continue };
            if let Some(signature) = held.acknowledgement.filter(|_| !row.acknowledged.has(place)) {
                sum.acknowledgements.push(Attested { place, signature });
            }
            if place != self.me.place && !row.stored.has(place) {
                sum.receipts.push(Attested { place, signature: held.receipt });
            }
        }
        sum
    }

    async fn ask_again(&self, outgoing: &Outgoing, parts: &PackParts, place: u32) -> Option<Held> {
        if place == self.me.place {
            return self.hold_here(outgoing, parts).await.ok();
        }
        let peer = self.peers.others(&self.me).find(|peer| peer.place == place)?;
        let held = peer.ask::<HoldWrite>(&self.hold_of(outgoing, parts, place), HOLD_LIMIT).await.ok()?;
        self.note(outgoing.pack, place, held);
        Some(held)
    }
}
