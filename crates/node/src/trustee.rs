//! This file is where a trustee holds its shares: takes them in, hands them over for a permitted access, erases them.

use crate::{
    box_keys::{BoxKeys, box_key_id},
    member::Me,
    vault::{Vault, VaultError},
};
use borsh::{BorshDeserialize, BorshSerialize};
use envelope::{Dealing, ReleaseTerms, SealKey, Share, Threshold};
use ledger::{access, charts, governance};
use primitives::{BlockHash, CompartmentId, Hash, Millis, PackRoot, Signature, State, TxId, decode, encode};
use std::{collections::BTreeMap, sync::Arc};
use zeroize::Zeroizing;

const ROOM: &str = "shares";
/// The committee's epoch; there is one until membership can change.
const EPOCH: u64 = 0;

/// The trustee of one organisation.
pub struct Trustee {
    me: Arc<Me>,
    box_keys: Arc<BoxKeys>,
    vault: Arc<Vault>,
    // Reading, changing and writing a file of shares is one step.
    files: tokio::sync::Mutex<()>,
}

/// The shares of one dealing, as they lie in the vault.
#[derive(BorshSerialize, BorshDeserialize)]
struct Kept {
    pack: PackRoot,
    keep_until: Millis,
    shares: Vec<(CompartmentId, [u8; 64])>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        for (_, share) in &mut self.shares {
            zeroize::Zeroize::zeroize(share);
        }
    }
}

/// Why a trustee doesn't take in a dealing.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The dealing doesn't belong to the write or comes from somebody else.
    #[error("the dealing does not belong to this write")]
    Foreign,
    /// A share doesn't fit.
    #[error(transparent)]
    Share(#[from] envelope::AcceptError),
    /// It isn't kept long enough to be of use, or too long.
    #[error("`keep_until` must lie ahead, at most a day")]
    KeepUntil,
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The network's committee can't share keys.
    #[error("the committee can't share keys")]
    Committee,
}

/// What one call released and withheld.
pub(crate) type Handover = (Option<envelope::Release>, Vec<(CompartmentId, u16)>);

/// Why a trustee can't even decide.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The key isn't a session key.
    #[error("the session key is malformed")]
    SessionKey,
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The envelope.
    #[error(transparent)]
    Envelope(#[from] envelope::ReleaseError),
    /// A share in the vault is malformed.
    #[error("a share in the vault is malformed")]
    Share,
}

/// On what a trustee relies when it releases.
pub struct Relied<'a> {
    /// Its newest final state.
    pub state: &'a (dyn State + Sync),
    /// The header of that state's block.
    pub header: BlockHash,
    /// Its wall clock, which may only refuse.
    pub now: Millis,
}

impl Trustee {
    /// The trustee of `me`, whose boxes `box_keys` open and whose shares lie in `vault`.
    #[must_use]
    pub fn new(me: Arc<Me>, box_keys: Arc<BoxKeys>, vault: Arc<Vault>) -> Self {
        Self { me, box_keys, vault, files: tokio::sync::Mutex::new(()) }
    }

    fn index(&self) -> u16 {
        u16::try_from(self.me.place.saturating_add(1)).unwrap_or(u16::MAX)
    }

    /// Opens and checks the box, keeps the shares durably, and signs for them. Shares of what was erased meanwhile aren't
    /// kept: a late dealing must not bring them back.
    ///
    /// # Errors
    /// [`AcceptError`].
    pub async fn accept(
        &self,
        state: &(dyn State + Sync),
        dealing: &Dealing,
        sealed: &[u8],
        keep_until: Millis,
    ) -> Result<Signature, AcceptError> {
        if dealing.terms.network != self.me.network || dealing.terms.epoch != EPOCH {
            return Err(AcceptError::Foreign);
        }
        let quorum = governance::quorum(state);
        let number = |n: u32| u16::try_from(n).map_err(|_| AcceptError::Committee);
        let threshold =
            Threshold::new(number(quorum.t)?, number(quorum.n)?).map_err(|_| AcceptError::Committee)?;
        let shares = self.open(state, dealing, threshold, sealed)?;
        let ids = dealing.compartments.iter().map(primitives::CompartmentBody::id);
        let wanted = ids.zip(&shares).filter(|(id, _)| !is_erased(state, id));
        let kept = Kept {
            pack: dealing.terms.pack,
            keep_until,
            shares: wanted.map(|(id, share)| (id, *share.to_bytes())).collect(),
        };
        let _guard = self.files.lock().await;
        if !kept.shares.is_empty() {
            self.put(&dealing.hash(), &kept)?;
        }
        Ok(dealing.acknowledgement(keep_until).sign(&self.me.key))
    }

    /// Opens a box with the key in force, or else with another that is held: the writer may have looked at the ledger
    /// before the last rotation, or after one that isn't executed here yet.
    fn open(
        &self,
        state: &dyn State,
        dealing: &Dealing,
        threshold: Threshold,
        sealed: &[u8],
    ) -> Result<Vec<Share>, envelope::AcceptError> {
        let in_force = governance::member(state, &self.me.org).and_then(|member| box_key_id(&member));
        let mut held = self.box_keys.held();
        // The newest last, so that it comes right after the one in force.
        held.sort_by_key(|key| Some(*key.id()) == in_force);
        let mut refused = envelope::AcceptError::Open(envelope::OpenBoxError);
        for key in held.iter().rev() {
            match envelope::accept(&mut crate::rng(), dealing, threshold, self.index(), key.pair(), sealed) {
                // Not sealed to this key, or changed: every key says the same of a changed one.
                Err(error @ envelope::AcceptError::Open(_)) => refused = error,
                done => return done,
            }
        }
        Err(refused)
    }

    fn put(&self, dealing: &Hash, kept: &Kept) -> Result<(), VaultError> {
        self.vault.put(ROOM, &dealing.to_string(), &Zeroizing::new(encode(kept)))
    }

    fn get(&self, dealing: &Hash) -> Result<Option<Kept>, VaultError> {
        let Some(bytes) = self.vault.get(ROOM, &dealing.to_string())? else { return Ok(None) };
        decode(&bytes).map(Some).map_err(|_| VaultError::Tampered(dealing.to_string().into()))
    }

    /// Releases what `access` permits of `wanted`, sealed to `session`: a pure function of the relied-on state and the
    /// shares. Says of each withheld compartment why.
    ///
    /// # Errors
    /// [`ReleaseError`].
    pub async fn release(
        &self,
        relied: &Relied<'_>,
        access: TxId,
        session: &[u8],
        wanted: &[CompartmentId],
    ) -> Result<Handover, ReleaseError> {
        let session = SealKey::try_from(session).map_err(|_| ReleaseError::SessionKey)?;
        let session_hash = envelope::session_hash(&session);
        // Block time and wall clock may only refuse: the later of the two counts.
        let now = ledger::HEAD.or_default(relied.state).time.max(relied.now);
        let mut withheld = Vec::new();
        let mut by_dealing: BTreeMap<Hash, Vec<CompartmentId>> = BTreeMap::new();
        for id in wanted {
            match access::releasable(relied.state, &access, id, &session_hash, now) {
                Ok(()) => {
                    let dealing =
                        charts::compartment(relied.state, id).map(|row| row.dealing).unwrap_or_default();
                    by_dealing.entry(dealing).or_default().push(*id);
                }
                Err(why) => withheld.push((*id, why.code())),
            }
        }
        let _guard = self.files.lock().await;
        let mut shares: Vec<(CompartmentId, Share)> = Vec::new();
        for (dealing, ids) in by_dealing {
            let kept = self.get(&dealing)?;
            for id in ids {
                let held = kept.as_ref().and_then(|kept| kept.shares.iter().find(|(held, _)| *held == id));
                match held {
                    Some((_, bytes)) => {
                        let share =
                            Share::from_bytes(self.index(), bytes).map_err(|_| ReleaseError::Share)?;
                        shares.push((id, share));
                    }
                    None => withheld.push((id, access::Withheld::NotHeld.code())),
                }
            }
        }
        if shares.is_empty() {
            return Ok((None, withheld));
        }
        let terms = ReleaseTerms {
            network: self.me.network,
            access,
            session: session_hash,
            epoch: EPOCH,
            trustee: self.index(),
            header: relied.header,
        };
        let borrowed: Vec<_> = shares.iter().map(|(id, share)| (*id, share)).collect();
        let release = envelope::release(&mut crate::rng(), terms, &session, &borrowed)?;
        Ok((Some(release), withheld))
    }

    /// Erases the shares of every compartment that the state says is erased, among those held. Returns how many went.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn erase(&self, state: &(dyn State + Sync)) -> Result<usize, VaultError> {
        self.retain(|_, id| !is_erased(state, id)).await
    }

    /// Drops the shares of writes that never became final and whose time has passed in the final state, and those of what
    /// was erased while they came in.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn sweep(&self, state: &(dyn State + Sync), final_time: Millis) -> Result<usize, VaultError> {
        let is_due = |kept: &Kept| kept.keep_until >= final_time || charts::pack(state, &kept.pack).is_some();
        self.retain(|kept, id| is_due(kept) && !is_erased(state, id)).await
    }

    async fn retain(&self, keep: impl Fn(&Kept, &CompartmentId) -> bool) -> Result<usize, VaultError> {
        let _guard = self.files.lock().await;
        let mut gone = 0_usize;
        for file in self.vault.list(ROOM)? {
            let Ok(dealing) = file.parse::<Hash>() else { continue };
            let Some(mut kept) = self.get(&dealing)? else { continue };
            let doomed: Vec<CompartmentId> =
                kept.shares.iter().filter(|(id, _)| !keep(&kept, id)).map(|(id, _)| *id).collect();
            if doomed.is_empty() {
                continue;
            }
            gone = gone.saturating_add(doomed.len());
            for (_, share) in kept.shares.extract_if(.., |(id, _)| doomed.contains(id)) {
                drop(Zeroizing::new(share));
            }
            if kept.shares.is_empty() {
                self.vault.remove(ROOM, &file)?;
            } else {
                self.put(&dealing, &kept)?;
            }
        }
        Ok(gone)
    }
}

fn is_erased(state: &dyn State, id: &CompartmentId) -> bool {
    charts::compartment(state, id).is_some_and(|row| charts::is_erased(state, &row))
}
