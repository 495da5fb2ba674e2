//! This file is where it is decided when a trustee's box key is replaced, and when an earlier one may be destroyed.
//!
//! The shares themselves lie in the vault, under its key, as soon as their box was opened: an earlier box key is needed
//! only for boxes that haven't come yet. Once it is gone, a box that somebody recorded on its way opens for nobody, so
//! what was in it dies with the share. That is why an erasure asks for a new key.

use crate::{
    box_keys::{BoxKeys, box_key_id},
    config::BoxKeyRules,
    vault::{Vault, VaultError},
};
use borsh::{BorshDeserialize, BorshSerialize};
use client::keys::KeyFileError;
use ledger::{
    charts::{self, Committed},
    governance,
};
use primitives::{Blob, CompartmentId, Hash, Millis, OrgId, PackRoot, State, decode, encode};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

const ROOM: &str = "box-keys";
const FILE: &str = "stages";

/// What a key has come to, by the chain's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
enum Stage {
    /// Made, not seen in force yet.
    Fresh { made: Millis },
    /// In force; made at this time, or for the first key at none.
    InForce { since: Millis },
    /// Another was seen in force since this time.
    Retired { at: Millis },
}

type Stages = BTreeMap<Hash, Stage>;

/// A committed write of whose shares this trustee hasn't been told yet.
struct Owed {
    committed: Millis,
    compartments: Vec<CompartmentId>,
}

/// What the charts' logs tell.
#[derive(Default)]
struct Seen {
    /// Block time of the newest erasure of shares that became effective.
    erased: Option<Millis>,
    owed: BTreeMap<PackRoot, Owed>,
}

/// When one trustee's box keys change.
pub struct Rotation {
    org: OrgId,
    keys: Arc<BoxKeys>,
    vault: Arc<Vault>,
    rules: BoxKeyRules,
    seen: Mutex<Seen>,
    /// One change at a time.
    turn: tokio::sync::Mutex<()>,
}

/// Why keys can't be looked after.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The new key can't be kept, so it is not used.
    #[error("the new box key can't be kept: {0}")]
    Keep(#[from] KeyFileError),
    /// An earlier key's file can't be destroyed.
    #[error("an earlier box key can't be destroyed: {0}")]
    Destroy(#[source] io::Error),
    /// The ledger knows no such member.
    #[error("the organisation is not a member")]
    NotAMember,
}

impl Rotation {
    /// For the keys of `org`, with notes in `vault`.
    #[must_use]
    pub fn new(org: OrgId, keys: Arc<BoxKeys>, vault: Arc<Vault>, rules: BoxKeyRules) -> Self {
        Self { org, keys, vault, rules, seen: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// Notes a committed write whose shares may still come.
    pub(crate) fn committed(&self, state: &dyn State, place: u32, commit: &Committed, at: Millis) {
        let come = charts::pack(state, &commit.pack).is_none_or(|row| row.acknowledged.has(place));
        if come || commit.opened.is_empty() {
            return;
        }
        let compartments = commit.opened.iter().map(|(id, _, _)| *id).collect();
        self.seen().owed.insert(commit.pack, Owed { committed: at, compartments });
    }

    /// Notes that an erasure of shares became effective.
    pub(crate) fn erased(&self, at: Millis) {
        let mut seen = self.seen();
        seen.erased = seen.erased.max(Some(at));
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_force(&self, state: &dyn State) -> Result<Hash, RotationError> {
        let member = governance::member(state, &self.org).ok_or(RotationError::NotAMember)?;
        box_key_id(&member).ok_or(RotationError::NotAMember)
    }

    fn stages(&self) -> Result<Stages, VaultError> {
        match self.vault.get(ROOM, FILE)? {
            Some(bytes) => decode(&bytes).map_err(|_| VaultError::Tampered(FILE.into())),
            None => Ok(Stages::new()),
        }
    }

    /// Brings the notes up to the state: what is in force now, and what isn't any more.
    fn observe(&self, in_force: Hash, now: Millis) -> Result<Stages, RotationError> {
        let noted = self.stages()?;
        let held = self.keys.held();
        let stages =
            held.iter().map(|key| (*key.id(), stage_now(noted.get(key.id()), *key.id() == in_force, now)));
        let stages: Stages = stages.collect();
        if stages != noted {
            self.vault.put(ROOM, FILE, &encode(&stages))?;
        }
        Ok(stages)
    }

    /// A key for the ledger, kept durably: one that was made before and never came into force, or a fresh one.
    pub(crate) async fn prepare(
        &self,
        state: &(dyn State + Sync),
        now: Millis,
    ) -> Result<Blob<{ envelope::SEAL_KEY_BYTES }>, RotationError> {
        let _turn = self.turn.lock().await;
        let mut stages = self.observe(self.in_force(state)?, now)?;
        let waiting = stages.iter().find(|(_, stage)| matches!(stage, Stage::Fresh { .. }));
        let key = match waiting.and_then(|(id, _)| self.keys.find(id)) {
            Some(key) => key,
            None => {
                let keys = Arc::clone(&self.keys);
                let made = tokio::task::spawn_blocking(move || keys.make()).await;
                let made = made.map_err(|_| KeyFileError::Encrypt("the task ended".into()))??;
                stages.insert(*made.id(), Stage::Fresh { made: now });
                self.vault.put(ROOM, FILE, &encode(&stages))?;
                made
            }
        };
        Blob::try_from(key.pair().public().as_bytes().to_vec()).map_err(|_| RotationError::NotAMember)
    }

    /// Whether an erasure asks for a new key now: one became effective since the key in force was made, and that was a
    /// window ago.
    pub(crate) async fn is_due(
        &self,
        state: &(dyn State + Sync),
        now: Millis,
    ) -> Result<bool, RotationError> {
        let _turn = self.turn.lock().await;
        let in_force = self.in_force(state)?;
        let stages = self.observe(in_force, now)?;
        // A key that isn't here was brought to the ledger by other hands: those must say what to do.
        let Some(Stage::InForce { since }) = stages.get(&in_force) else { return Ok(false) };
        let erased = self.seen().erased;
        Ok(erased.is_some_and(|erased| erased > *since) && since.plus(self.rules.every) <= now)
    }

    /// Destroys earlier keys that nothing waits for any more. Returns how many went.
    pub(crate) async fn destroy_earlier(
        &self,
        state: &(dyn State + Sync),
        place: u32,
        now: Millis,
    ) -> Result<usize, RotationError> {
        let _turn = self.turn.lock().await;
        let in_force = self.in_force(state)?;
        let stages = self.observe(in_force, now)?;
        let oldest_owed = self.oldest_owed(state, place);
        if self.keys.find(&in_force).is_none() {
            return Ok(0);
        }
        let doomed = stages.iter().filter(|(_, stage)| match stage {
            Stage::Retired { at } => is_over(&self.rules, *at, oldest_owed, now),
            Stage::Fresh { .. } | Stage::InForce { .. } => false,
        });
        let mut gone = 0_usize;
        for (id, _) in doomed {
            self.keys.destroy(id).map_err(RotationError::Destroy)?;
            tracing::info!(key = %id, "an earlier box key was destroyed");
            gone = gone.saturating_add(1);
        }
        if gone > 0 {
            self.observe(in_force, now)?;
        }
        Ok(gone)
    }

    /// When the oldest write was committed whose shares still have to come. Forgets those that came or were erased.
    fn oldest_owed(&self, state: &dyn State, place: u32) -> Option<Millis> {
        let mut seen = self.seen();
        seen.owed.retain(|pack, owed| {
            let acknowledged = charts::pack(state, pack).is_none_or(|row| row.acknowledged.has(place));
            let lives = |id: &CompartmentId| {
                charts::compartment(state, id).is_some_and(|row| !charts::is_erased(state, &row))
            };
            !acknowledged && owed.compartments.iter().any(lives)
        });
        seen.owed.values().map(|owed| owed.committed).min()
    }

    /// Keys held besides the one in force, and whether that one is held.
    #[must_use]
    pub(crate) fn count(&self, state: &dyn State) -> (u32, bool) {
        let held = self.keys.held();
        let in_force = self.in_force(state).ok();
        let has = held.iter().any(|key| Some(*key.id()) == in_force);
        let others = held.len().saturating_sub(usize::from(has));
        (u32::try_from(others).unwrap_or(u32::MAX), has)
    }
}

/// The stage of a held key, given what was noted of it and whether it is in force.
fn stage_now(noted: Option<&Stage>, is_in_force: bool, now: Millis) -> Stage {
    match (noted, is_in_force) {
        (Some(Stage::InForce { since }), true) => Stage::InForce { since: *since },
        // What was erased between making a key and its coming into force may have been dealt to it already.
        (Some(Stage::Fresh { made }), true) => Stage::InForce { since: *made },
        (Some(Stage::Retired { .. }), true) => Stage::InForce { since: now },
        (None, true) => Stage::InForce { since: Millis(0) },
        (Some(Stage::Fresh { made }), false) => Stage::Fresh { made: *made },
        (Some(Stage::Retired { at }), false) => Stage::Retired { at: *at },
        (Some(Stage::InForce { .. }) | None, false) => Stage::Retired { at: now },
    }
}

/// Whether nothing waits any more for a key retired `at`: writers have had their time to commit what they dealt before,
/// and the shares of all such writes have come, were erased, or were waited for long enough. The last keeps a writer that
/// never delivers from keeping an old key alive.
fn is_over(rules: &BoxKeyRules, at: Millis, oldest_owed: Option<Millis>, now: Millis) -> bool {
    let committed_by = at.plus(rules.grace);
    let waits = oldest_owed.is_some_and(|oldest| oldest <= committed_by) && now < at.plus(rules.keep_max);
    now >= committed_by && !waits
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::Span;

    #[test]
    fn an_earlier_key_goes_when_nothing_waits_for_it() {
        let rules = BoxKeyRules { every: Span(0), grace: Span(10), keep_max: Span(100) };
        for (oldest_owed, now, over) in [
            (None, 109, false),
            (None, 110, true),
            // Dealt to the old key, perhaps: committed before or within the grace.
            (Some(50), 110, false),
            (Some(110), 199, false),
            (Some(110), 200, true),
            // Committed later: dealt to the new one.
            (Some(111), 110, true),
        ] {
            let found = is_over(&rules, Millis(100), oldest_owed.map(Millis), Millis(now));
            assert_eq!(found, over, "{oldest_owed:?} at {now}");
        }
    }

    #[test]
    fn stages_only_go_on() {
        let (made, since, at, now) = (Millis(1), Millis(2), Millis(3), Millis(9));
        for (noted, in_force, expected) in [
            (None, true, Stage::InForce { since: Millis(0) }),
            (None, false, Stage::Retired { at: now }),
            (Some(Stage::Fresh { made }), false, Stage::Fresh { made }),
            (Some(Stage::Fresh { made }), true, Stage::InForce { since: made }),
            (Some(Stage::InForce { since }), true, Stage::InForce { since }),
            (Some(Stage::InForce { since }), false, Stage::Retired { at: now }),
            (Some(Stage::Retired { at }), false, Stage::Retired { at }),
            (Some(Stage::Retired { at }), true, Stage::InForce { since: now }),
        ] {
            assert_eq!(stage_now(noted.as_ref(), in_force, now), expected, "{noted:?} {in_force}");
        }
    }
}
