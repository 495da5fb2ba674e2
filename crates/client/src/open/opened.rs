//! This file is where a user opens a chart and gets what is permitted of its present content, in the order in which it was
//! submitted, and is told what isn't.

use super::{Ask, ClassSaid, Damaged, Distrust, Look, NotShown, OpenError, Seen, Timings};
use crate::{client::Client, read::AsOf, record::Record};
use fhir::{
    Limits,
    collect::{self, Form},
};
use ledger::consent::Purpose;
use primitives::{ChartId, OrgId, PackRoot, TxId};

/// A record that was opened.
#[derive(Clone)]
pub struct OpenedRecord {
    /// Its pack.
    pub pack: PackRoot,
    /// Its place in the pack.
    pub at: u32,
    /// Its category, if its name is known.
    pub category: Option<String>,
    /// The writing organisation.
    pub writer: OrgId,
    /// The record.
    pub record: Record,
}

/// What opening a chart came to.
#[derive(Clone)]
pub struct Opened {
    /// The chart.
    pub chart: ChartId,
    /// The access.
    pub access: TxId,
    /// The block in which it was decided.
    pub as_of: AsOf,
    /// The purpose recorded.
    pub purpose: Purpose,
    /// Whether anything was permitted.
    pub permitted: bool,
    /// If the same was denied before in a row: how often by now.
    pub repeated: Option<u64>,
    /// The classes asked for, without the chart's own index and audit.
    pub classes: Vec<ClassSaid>,
    /// What was opened, in the order of submission: of each resource its newest version, unless that is a deletion.
    pub records: Vec<OpenedRecord>,
    /// Versions that were permitted, too, but that newer ones have replaced.
    pub older: usize,
    /// Resources that were deleted.
    pub deleted: usize,
    /// What is permitted and yet not shown.
    pub not_shown: Vec<NotShown>,
    /// Permitted records that are erased.
    pub erased: usize,
    /// Records that don't read.
    pub damaged: Vec<Damaged>,
    /// Trustees that lied.
    pub distrust: Vec<Distrust>,
    /// How long it took.
    pub timings: Timings,
}

impl Opened {
    /// The opened resources as a FHIR Bundle of type collection: the submitted bytes with their fullUrls.
    ///
    /// # Errors
    /// If a record of another organisation isn't one resource.
    pub fn bundle(&self) -> Result<Vec<u8>, collect::CollectError> {
        let records = self.records.iter().map(|opened| collect::Record {
            full_url: opened.record.around.full_url.as_deref(),
            resource: &opened.record.bytes,
        });
        collect::collect(Form::Collection, records, &Limits::default())
    }

    /// The classes that were denied.
    pub fn denied(&self) -> impl Iterator<Item = &ClassSaid> {
        self.classes.iter().filter(|class| !class.decision.permit)
    }

    /// Whether there is something to read.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.records.is_empty()
    }
}

impl Client {
    /// Opens a chart: asks the ledger, gathers keys, reads what is permitted. That all is denied is an answer too.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(&self, ask: &Ask) -> Result<Opened, OpenError> {
        Ok(Opened::of(self.look(ask).await?))
    }
}

impl Opened {
    /// The present content of what a look gave.
    #[must_use]
    pub fn of(look: Look) -> Self {
        let Look {
            chart,
            access,
            as_of,
            purpose,
            custodian: _,
            permitted,
            is_stub: _,
            repeated,
            expires: _,
            turns: _,
            classes,
            records: seen,
            not_shown,
            erased,
            damaged,
            distrust,
            lines: _,
            beside: _,
            timings,
        } = look;
        let (mut older, mut deleted) = (0, 0);
        let mut records = Vec::new();
        for Seen { pack, at, category, writer, newest, record, .. } in seen {
            match (newest, record.around.deleted) {
                (true, false) => records.push(OpenedRecord { pack, at, category, writer, record }),
                (true, true) => deleted += 1,
                (false, _) => older += 1,
            }
        }
        let erased = erased.len();
        Self {
            chart,
            access,
            as_of,
            purpose,
            permitted,
            repeated,
            classes,
            records,
            older,
            deleted,
            not_shown,
            erased,
            damaged,
            distrust,
            timings,
        }
    }
}
