//! This file is where the tables of contents of a chart's packs are fetched: they say which versions of which records there
//! are, readable or not.

use super::{OpenError, Visit};
use crate::{
    client::Client,
    wire::{Fetch, FetchPack},
};
use envelope::Manifest;
use futures::{StreamExt as _, stream};
use primitives::PackRoot;
use std::{collections::BTreeMap, sync::Arc};

/// Tables of contents fetched at once.
const FETCHES: usize = 8;

/// Tables of contents of packs that a visit didn't fetch whole.
#[derive(Default)]
pub(crate) struct Heads {
    pub(crate) manifests: BTreeMap<PackRoot, Arc<Manifest>>,
    /// Packs whose table can't be had or doesn't verify, and why.
    pub(crate) lost: BTreeMap<PackRoot, String>,
}

impl Heads {
    /// A pack's table, as the visit or this has it.
    pub(crate) fn get<'a>(&'a self, visit: &'a Visit, root: &PackRoot) -> Option<&'a Arc<Manifest>> {
        let whole = visit.fetched.packs.get(root).map(|(manifest, _)| manifest);
        whole.or_else(|| self.manifests.get(root))
    }
}

impl Client {
    /// The tables of contents that a visit lacks. A visit that permits nothing needs none.
    pub(super) async fn heads(&self, visit: &Visit) -> Heads {
        if !visit.decided.permitted() {
            return Heads::default();
        }
        let packs = visit.contents.packs.iter().map(|pack| pack.root);
        self.heads_of(packs.filter(|root| !visit.fetched.packs.contains_key(root))).await
    }

    /// The tables of contents of these packs.
    pub(crate) async fn heads_of(&self, packs: impl Iterator<Item = PackRoot>) -> Heads {
        let mut heads = Heads::default();
        let mut fetched = stream::iter(packs.collect::<Vec<_>>())
            .map(|root| async move { (root, self.fetch_head(root).await) })
            .buffer_unordered(FETCHES);
        while let Some((root, head)) = fetched.next().await {
            match head {
                Ok(manifest) => drop(heads.manifests.insert(root, manifest)),
                Err(error) => drop(heads.lost.insert(root, error.to_string())),
            }
        }
        heads
    }

    /// One pack's table of contents.
    pub(crate) async fn fetch_head(&self, root: PackRoot) -> Result<Arc<Manifest>, OpenError> {
        let parts = self.node.call::<FetchPack>(&Fetch { pack: root, local: false, head: true }).await?;
        let manifest = Manifest::read(root, &parts.ciphertexts)
            .map_err(|source| OpenError::Pack { pack: root, source: source.into() })?;
        for (id, sealed) in manifest.compartment_ids().iter().zip(manifest.compartments()) {
            self.compartments.put(*id, sealed.compartment.clone());
        }
        Ok(Arc::new(manifest))
    }
}
