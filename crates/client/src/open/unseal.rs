//! This file is where records are read: every entry of every fetched pack whose compartment has a key, decrypted and
//! checked against what was committed to.

use super::{OpenError, Visit};
use crate::{
    client::Client,
    host::heavy,
    record::{Record, tag_key_of_plaintext},
    wire::PackParts,
};
use envelope::{Manifest, OpenKey, Opening, RecordId, TagKey};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ledger::charts::Role;
use primitives::{CompartmentId, PackRoot};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use zeroize::Zeroizing;

/// Packs decrypted at once.
const AT_ONCE: usize = 4;

/// A record that was read.
pub(crate) struct Found {
    pub(crate) pack: PackRoot,
    /// Its place in the pack.
    pub(crate) at: u32,
    pub(crate) compartment: CompartmentId,
    /// The record's id, the same for all its versions.
    pub(crate) id: RecordId,
    pub(crate) record: Record,
    /// Proves the plaintext to others, where that was asked for.
    pub(crate) opening: Option<Opening>,
}

/// A record that is permitted and yet can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The pack.
    pub pack: PackRoot,
    /// Its place in the pack; none if it is all that the pack holds, or all of one compartment.
    pub at: Option<u32>,
    /// What is wrong with it.
    pub reason: String,
}

/// What was read.
#[derive(Default)]
pub(crate) struct Unsealed {
    /// The resources: bundle by bundle as they came in, each in the order of its bundle.
    pub(crate) found: Vec<Found>,
    /// Places of records that are erased.
    pub(crate) erased: BTreeSet<(PackRoot, u32)>,
    pub(crate) damaged: Vec<Damaged>,
    /// From the index.
    pub(crate) tag_key: Option<TagKey>,
    /// Plaintexts of audit compartments' own records.
    pub(crate) other: Vec<(CompartmentId, Zeroizing<Vec<u8>>)>,
}

/// One pack, to be decrypted elsewhere.
struct Work {
    root: PackRoot,
    manifest: Arc<Manifest>,
    parts: Arc<PackParts>,
    keys: Arc<BTreeMap<CompartmentId, OpenKey>>,
    roles: BTreeMap<CompartmentId, Role>,
    erased: BTreeSet<u32>,
    /// Compartments whose records would be readable, were they not erased.
    gone: Arc<BTreeSet<CompartmentId>>,
    prove: bool,
}

/// Decrypts what the visit permits; with `prove`, makes the proofs by which others can check it.
pub(crate) async fn unseal(client: &Client, visit: &Visit, prove: bool) -> Result<Unsealed, OpenError> {
    let roles: BTreeMap<CompartmentId, Role> =
        visit.contents.compartments.iter().map(|(id, kept)| (*id, kept.role)).collect();
    let gone = Arc::new(super::visit::erased(&visit.contents, &visit.decided));
    let works: Vec<Work> = visit
        .contents
        .packs
        .iter()
        .filter_map(|pack| {
            let (manifest, parts) = visit.fetched.packs.get(&pack.root)?;
            Some(Work {
                root: pack.root,
                manifest: Arc::clone(manifest),
                parts: Arc::clone(parts),
                keys: Arc::clone(&visit.keys.keys),
                roles: roles.clone(),
                erased: pack.erased.clone(),
                gone: Arc::clone(&gone),
                prove,
            })
        })
        .collect();
    let all: Vec<Unsealed> = stream::iter(works)
        .map(|work| heavy(&*client.host, move || work.run()))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut unsealed = Unsealed::default();
    for part in all {
        unsealed.found.extend(part.found);
        unsealed.erased.extend(part.erased);
        unsealed.damaged.extend(part.damaged);
        unsealed.other.extend(part.other);
        unsealed.tag_key = part.tag_key.or(unsealed.tag_key);
    }
    unsealed.drop_impostors(visit);
    for (pack, reason) in &visit.fetched.lost {
        unsealed.damaged.push(Damaged { pack: *pack, at: None, reason: reason.clone() });
    }
    for (id, reason) in &visit.keys.broken {
        let pack = visit.contents.compartments.get(id).map(|kept| kept.pack).unwrap_or_default();
        let reason = format!("compartment {id} doesn't open: {reason}");
        unsealed.damaged.push(Damaged { pack, at: None, reason });
    }
    // A bundle may lie in several packs; it keeps the place of its first one.
    let mut first: BTreeMap<[u8; 16], usize> = BTreeMap::new();
    for (at, found) in unsealed.found.iter().enumerate() {
        first.entry(found.record.around.batch).or_insert(at);
    }
    unsealed.found.sort_by_key(|found| {
        let around = &found.record.around;
        (first.get(&around.batch).copied(), around.ordinal)
    });
    Ok(unsealed)
}

impl Unsealed {
    /// Takes out records that lie under another record's id than their own, which only their writer's program can do.
    fn drop_impostors(&mut self, visit: &Visit) {
        let Some(key) = &self.tag_key else { return };
        let is_own = |found: &Found| {
            let kept = visit.contents.compartments.get(&found.compartment);
            let around = &found.record.around;
            kept.is_some_and(|kept| key.record_id(&kept.writer, &around.kind, &around.id) == found.id)
        };
        let (own, others): (Vec<Found>, Vec<Found>) =
            std::mem::take(&mut self.found).into_iter().partition(is_own);
        self.found = own;
        let reason = "it lies under another record's id than its own";
        let damaged =
            |found: Found| Damaged { pack: found.pack, at: Some(found.at), reason: reason.to_owned() };
        self.damaged.extend(others.into_iter().map(damaged));
    }
}

impl Work {
    fn run(&self) -> Result<Unsealed, OpenError> {
        let wrong = |source| OpenError::Pack { pack: self.root, source };
        let mut unsealed = Unsealed::default();
        for (position, id) in self.manifest.compartment_ids().iter().enumerate() {
            if self.gone.contains(id) {
                let at_all = (0_u32..).zip(self.manifest.entries());
                let lie_there = at_all.filter(|(_, entry)| usize::from(entry.compartment) == position);
                unsealed.erased.extend(lie_there.map(|(at, _)| (self.root, at)));
            }
            let Some(key) = self.keys.get(id) else { continue };
            let opener = self.manifest.opener(position, key).map_err(wrong)?;
            for (at, entry) in self.manifest.entries().iter().enumerate() {
                let place = u32::try_from(at).unwrap_or(u32::MAX);
                if usize::from(entry.compartment) != position {
                    continue;
                }
                if self.erased.contains(&place) {
                    unsealed.erased.insert((self.root, place));
                    continue;
                }
                let PackParts { ciphertexts, randoms } = &*self.parts;
                let ciphertext = self.manifest.ciphertext_range(at).and_then(|range| ciphertexts.get(range));
                let random = self.manifest.random_range(at).and_then(|range| randoms.get(range));
                let (ciphertext, random) = (ciphertext.unwrap_or_default(), random.unwrap_or_default());
                let opened = if self.prove {
                    opener
                        .open_and_prove(at, ciphertext, random)
                        .map(|(plain, opening)| (plain, Some(opening)))
                } else {
                    opener.open(at, ciphertext, random).map(|plain| (plain, None))
                };
                match opened {
                    Ok((plain, opening)) => {
                        self.take(&mut unsealed, *id, (place, entry.record, entry.version), &plain, opening);
                    }
                    Err(envelope::OpenError::Erased(_)) => {
                        unsealed.erased.insert((self.root, place));
                    }
                    Err(error) => unsealed.damaged.push(self.damaged(place, error.to_string())),
                }
            }
        }
        Ok(unsealed)
    }

    fn take(
        &self,
        unsealed: &mut Unsealed,
        id: CompartmentId,
        (at, record_id, version): (u32, RecordId, u32),
        plain: &[u8],
        opening: Option<Opening>,
    ) {
        match self.roles.get(&id) {
            Some(Role::Index) => match tag_key_of_plaintext(plain) {
                Ok(key) => unsealed.tag_key = Some(key),
                Err(error) => unsealed.damaged.push(self.damaged(at, error.to_string())),
            },
            Some(Role::Audit) => unsealed.other.push((id, Zeroizing::new(plain.to_vec()))),
            Some(Role::Records) | None => match Record::of_plaintext(plain) {
                Ok(record) if record.around.version != version => {
                    let reason = "it is another version than its pack says";
                    unsealed.damaged.push(self.damaged(at, reason.to_owned()));
                }
                Ok(record) => {
                    let found =
                        Found { pack: self.root, at, compartment: id, id: record_id, record, opening };
                    unsealed.found.push(found);
                }
                Err(error) => unsealed.damaged.push(self.damaged(at, error.to_string())),
            },
        }
    }

    fn damaged(&self, at: u32, reason: String) -> Damaged {
        Damaged { pack: self.root, at: Some(at), reason }
    }
}
