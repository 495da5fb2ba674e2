//! This file is where a copy of a pack is held against its root and the ledger: what must be there, what must be gone, and
//! what an erasure touches.

use client::wire::PackParts;
use envelope::{Manifest, OpenError, Pack};
use ledger::charts::{self, Role, Target};
use primitives::{PackRoot, State};
use std::collections::BTreeSet;
use store::PackError;

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
    /// A copy in which a record is zeroed that nobody had erased.
    #[error("record {1} of pack {0} is zeroed, and the ledger knows no erasure of it")]
    Zeroed(PackRoot, usize),
}

/// The places of the records in a pack that the state says are erased: by name, or with compartment, class or chart.
/// Nothing of a pack that isn't committed is.
fn erased(state: &dyn State, root: &PackRoot, manifest: &Manifest) -> Vec<usize> {
    let Some(row) = charts::pack(state, root) else { return Vec::new() };
    let by_name: BTreeSet<u32> = row.erased.iter().copied().collect();
    let at_all = (0_u32..).zip(0..manifest.entries().len());
    let erased = at_all.filter(|(number, at)| {
        let compartment = manifest.compartment_of(*at).and_then(|id| charts::compartment(state, id));
        by_name.contains(number) || compartment.is_some_and(|row| charts::is_erased(state, &row))
    });
    erased.map(|(_, at)| at).collect()
}

/// The bytes of a pack that the state says are erased.
///
/// # Errors
/// [`HoldError::Pack`] if the manifest isn't that of `root`.
pub(crate) fn erased_ranges(
    state: &dyn State,
    root: &PackRoot,
    parts: &PackParts,
) -> Result<Vec<envelope::Erasure>, HoldError> {
    let manifest = Manifest::read(*root, &parts.ciphertexts).map_err(OpenError::from)?;
    Ok(erased(state, root, &manifest).into_iter().filter_map(|at| manifest.erasure(at)).collect())
}

/// A record of the pack that is zeroed, in whole or in part, although the state knows no erasure of it: whoever holds this
/// copy has lost or withheld what it promised to keep.
///
/// # Errors
/// [`OpenError`] if the pack is damaged otherwise.
pub fn zeroed_unasked(
    state: &dyn State,
    root: &PackRoot,
    pack: &Pack<'_>,
) -> Result<Option<usize>, OpenError> {
    let erased: BTreeSet<usize> = erased(state, root, pack.manifest()).into_iter().collect();
    for at in (0..pack.manifest().entries().len()).filter(|at| !erased.contains(at)) {
        let left = pack.state(at)?;
        if left.ciphertext == envelope::Part::Erased || left.random == envelope::Part::Erased {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Makes a copy of a pack what the state says that it must be: checks it against its root, refuses one in which more is
/// erased than was ordered, and erases what was ordered and still is there.
///
/// # Errors
/// [`HoldError::Pack`], [`HoldError::Zeroed`].
pub(crate) fn conform(state: &dyn State, root: &PackRoot, parts: &mut PackParts) -> Result<(), HoldError> {
    let pack = Pack::verify(*root, &parts.ciphertexts, &parts.randoms)?;
    if let Some(at) = zeroed_unasked(state, root, &pack)? {
        return Err(HoldError::Zeroed(*root, at));
    }
    for range in erased_ranges(state, root, parts)? {
        // Ranges come from this very manifest, so they fit.
        let _fits = range.apply(&mut parts.ciphertexts, &mut parts.randoms);
    }
    Ok(())
}

/// Whether an erasure of `target` takes shares with it: everything but single records.
#[must_use]
pub(crate) fn takes_shares(target: &Target) -> bool {
    match target {
        Target::Records { .. } => false,
        Target::Chart | Target::Class { .. } | Target::Compartment(_) => true,
    }
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
