//! This file is where compartments that were seen once are remembered, so that their packs aren't fetched again only for
//! a public key.

use envelope::Compartment;
use primitives::CompartmentId;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Most compartments remembered.
const MAX: usize = 1024;

/// Compartments by id. Nothing of it is secret.
#[derive(Clone, Default)]
pub(crate) struct Known(Arc<Mutex<BTreeMap<CompartmentId, Compartment>>>);

impl Known {
    pub(crate) fn get(&self, id: &CompartmentId) -> Option<Compartment> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(crate) fn put(&self, id: CompartmentId, compartment: Compartment) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Forgetting all of it now and then is cheap, and no order of use need be kept.
        if known.len() >= MAX {
            known.clear();
        }
        known.insert(id, compartment);
    }
}
