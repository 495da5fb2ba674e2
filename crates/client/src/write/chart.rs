//! This file is where an organisation's charts are found or made: of a patient, of one whom nobody knows yet, of the
//! organisation's own directory.

use super::WriteError;
use crate::{
    client::Client,
    host,
    notes::{About, ChartNote},
    rpc::CallError,
};
use envelope::TagKey;
use ledger::charts::{self, CHART_EXISTS, Create};
use primitives::ChartId;
use std::collections::BTreeSet;

/// Whose chart is to be found or made.
#[derive(Clone, Debug, Default)]
pub struct NewChart {
    /// By what the organisation finds it again: business identifiers as `system|value`, absolute fullUrls.
    pub tokens: Vec<String>,
    /// The patient's name, for the organisation's own lists.
    pub name: Option<String>,
    /// Whether it is the organisation's directory, which it has one of; then there are no tokens.
    pub directory: bool,
    /// The id that a new chart gets; without one, a random one.
    pub id: Option<ChartId>,
}

/// A chart that was found or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// The chart.
    pub chart: ChartId,
    /// Whether it was made just now.
    pub created: bool,
}

impl NewChart {
    fn names(&self) -> Vec<About<'_>> {
        if self.directory {
            return vec![About::Directory];
        }
        self.tokens.iter().map(|token| About::Patient(token)).collect()
    }
}

impl Client {
    /// Finds the patient's chart, or the directory's, or makes it: with nothing in it yet, index and audit come with the
    /// first write. Of two who do this at once for the same patient, both get the same chart.
    ///
    /// # Errors
    /// [`WriteError`]; [`WriteError::TwoCharts`] if the identifiers are known under two charts already.
    pub async fn create_chart(&self, new: &NewChart) -> Result<Made, WriteError> {
        let names = new.names();
        let mut known: BTreeSet<ChartId> = BTreeSet::new();
        for about in &names {
            known.extend(self.known_chart(*about).await?);
        }
        let fresh = || new.id.unwrap_or_else(|| ChartId::from(host::random(&*self.host)));
        let mut chart = known.pop_first().unwrap_or_else(fresh);
        let two = |one, other| Err(WriteError::TwoCharts { one, other });
        if let Some(other) = known.pop_first() {
            return two(chart, other);
        }
        for (at, about) in names.iter().enumerate() {
            let bound = self.bind_chart(*about, chart).await?;
            if bound != chart && at > 0 {
                return two(chart, bound);
            }
            chart = bound;
        }
        if self.chart_exists(chart).await? {
            return Ok(Made { chart, created: false });
        }
        // Noted before it is made: what stops in between is taken up here the next time.
        let tag_key = TagKey::generate(&mut host::rng(&*self.host));
        let note = ChartNote { tag_key, name: new.name.clone(), open: Vec::new(), depth: 0 };
        let _begun = self.begin_chart_note(&chart, &note).await?;
        match self.act(Create { chart, directory: new.directory }).await {
            Ok(_) => Ok(Made { chart, created: true }),
            // Somebody of ours was faster.
            Err(error) if error.reject() == Some(CHART_EXISTS) && self.is_custodian(chart).await? => {
                Ok(Made { chart, created: false })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn is_custodian(&self, chart: ChartId) -> Result<bool, CallError> {
        let row = self.view(|state| charts::chart(state, &chart)).await?.0;
        Ok(row.is_some_and(|row| row.custodian == self.org))
    }

    /// The organisation's directory chart, made if there is none yet.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn directory_chart(&self) -> Result<ChartId, WriteError> {
        Ok(self.create_chart(&NewChart { directory: true, ..NewChart::default() }).await?.chart)
    }
}
