//! This file is where packs lie that were fetched for one access.

use crate::wire::PackParts;
use envelope::Manifest;
use primitives::{CompartmentBody, CompartmentId, PackRoot};
use std::{collections::BTreeMap, sync::Arc};

/// Packs as fetched, and the manifests in them.
#[derive(Default)]
pub(crate) struct Fetched {
    pub(crate) packs: BTreeMap<PackRoot, (Arc<Manifest>, Arc<PackParts>)>,
    /// Packs that can't be had or don't verify, and why.
    pub(crate) lost: BTreeMap<PackRoot, String>,
}

impl Fetched {
    /// What the compartment's id commits to, from whichever pack names it.
    pub(crate) fn body(&self, id: &CompartmentId) -> Option<CompartmentBody> {
        self.packs.values().find_map(|(manifest, _)| {
            let at = manifest.compartment_ids().iter().position(|found| found == id)?;
            Some(manifest.compartments().get(at)?.compartment.body.clone())
        })
    }
}
