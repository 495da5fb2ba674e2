//! This file is where it is found out on what ground a write stands: the chart's tag key, what of its compartments can be
//! written into, what has to be opened, and for whom.

use super::WriteError;
use crate::{
    client::Client,
    committee::Committee,
    notes::{ChartNote, OpenCompartment},
};
use envelope::TagKey;
use ledger::{charts, consent};
use primitives::{ChartId, CompartmentId, State};
use std::sync::Arc;

/// What sealing has to know of a chart.
pub(super) struct Ground {
    pub(super) tag_key: TagKey,
    /// Compartments that may be written into.
    pub(super) open: Vec<OpenCompartment>,
    /// Whether the chart has no index that anybody could read.
    pub(super) opens_index: bool,
    /// Whether the chart has no audit compartment, and it is the writer who opens one.
    pub(super) opens_audit: bool,
    pub(super) committee: Committee,
}

impl Ground {
    /// The ground of the next pack into the same chart, once this one is sealed: what it opens is open.
    pub(super) fn after(self, opened: &[OpenCompartment]) -> Self {
        let mut open = self.open;
        open.retain(|old| opened.iter().all(|new| new.category != old.category));
        open.extend_from_slice(opened);
        Self { open, opens_index: false, opens_audit: false, ..self }
    }
}

/// What the ledger says of a chart.
struct Said {
    custodian: bool,
    claimed: bool,
    index: bool,
    audit: bool,
    usable: Vec<bool>,
}

impl Client {
    /// The ground of a write into the chart, as it is now.
    pub(super) async fn ground(&self, chart: ChartId) -> Result<Ground, WriteError> {
        let note = self.writing_note(chart).await?;
        let ids: Vec<CompartmentId> = note.open.iter().map(|open| open.compartment.id()).collect();
        let question = |state: &dyn State| said(state, &chart, &ids, self);
        let (said, committee) = futures::join!(self.view(question), self.committee());
        let said = said?.0.ok_or(WriteError::Unknown(chart))?;
        let ChartNote { tag_key, name: _, open, depth: _ } = note;
        let usable = open.into_iter().zip(said.usable).filter_map(|(open, usable)| usable.then_some(open));
        Ok(Ground {
            tag_key,
            open: usable.collect(),
            opens_index: said.custodian && !said.index,
            // Once the chart is claimed, its audit compartments are the owner's to open.
            opens_audit: said.custodian && !said.audit && !said.claimed,
            committee: committee?,
        })
    }

    /// What the organisation remembers of the chart; of another's chart, into which it may write, begun with the tag key
    /// from its index.
    async fn writing_note(&self, chart: ChartId) -> Result<ChartNote, WriteError> {
        if let Some(note) = self.chart_note(&chart).await? {
            return Ok(note);
        }
        let tag_key = self.writing_key(chart).await.map_err(|error| match error {
            crate::open::OpenError::Unknown(chart) => WriteError::Unknown(chart),
            other => WriteError::Index(Arc::new(other)),
        })?;
        let note = ChartNote { tag_key, name: None, open: Vec::new(), depth: 0 };
        // Another may have begun it meanwhile, with the same key: a chart has one.
        let _begun = self.begin_chart_note(&chart, &note).await?;
        Ok(self.chart_note(&chart).await?.unwrap_or(note))
    }
}

fn said(state: &dyn State, chart: &ChartId, open: &[CompartmentId], client: &Client) -> Option<Said> {
    let row = charts::chart(state, chart)?;
    let live = |id: &CompartmentId| {
        charts::compartment(state, id).filter(|compartment| !charts::is_erased(state, compartment))
    };
    let usable = |id: &CompartmentId| {
        live(id).is_some_and(|compartment| {
            let read = charts::class(state, &compartment.class()).and_then(|class| class.read);
            read.is_none_or(|read| compartment.opened > read)
        })
    };
    Some(Said {
        custodian: row.custodian == client.org,
        claimed: consent::parties(state, chart).is_some_and(|parties| parties.owner.is_some()),
        index: row.index.as_ref().and_then(live).is_some(),
        audit: row.audit.as_ref().and_then(live).is_some(),
        usable: open.iter().map(usable).collect(),
    })
}
