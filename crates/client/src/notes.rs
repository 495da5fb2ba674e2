//! This file is where an organisation remembers what it may not put on the ledger: which patient number is which chart,
//! a chart's tag key, and the compartments that are open for writing. The node keeps it sealed.

use crate::{
    client::Client,
    rpc::CallError,
    wire::{GetNote, Note, PutNote},
};
use borsh::{BorshDeserialize, BorshSerialize};
use envelope::{Compartment, TagKey};
use primitives::{ChartId, Hash, decode, domain, encode, hash};
use zeroize::{Zeroize as _, Zeroizing};

/// Version of the notes' format.
const FORMAT: u8 = 1;

/// What an organisation remembers of a chart.
#[derive(Clone, Debug)]
pub struct ChartNote {
    /// The key to the chart's opaque tags.
    pub tag_key: TagKey,
    /// The patient's name, for the organisation's own lists; none for a directory or an unnamed patient.
    pub name: Option<String>,
    /// Compartments that can be written into, until the ledger says that their class was read.
    pub open: Vec<OpenCompartment>,
}

/// A compartment that can be written into.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OpenCompartment {
    /// The category, as `general` or `HIV+PSY`.
    pub category: String,
    /// The compartment, public key included.
    pub compartment: Compartment,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct StoredChart {
    tag_key: [u8; 32],
    name: Option<String>,
    open: Vec<OpenCompartment>,
}

impl Drop for StoredChart {
    fn drop(&mut self) {
        self.tag_key.zeroize();
    }
}

/// What a note is about.
#[derive(Clone, Copy, Debug)]
pub enum About<'a> {
    /// The chart of the patient with this business identifier (`system|value`) or fullUrl.
    Patient(&'a str),
    /// A chart.
    Chart(&'a ChartId),
    /// The organisation's directory chart.
    Directory,
}

impl About<'_> {
    /// The note's name. The node keys it once more before it is stored, so that it can't be guessed from an identifier.
    #[must_use]
    pub fn name(&self) -> Hash {
        let (kind, value): (&str, &[u8]) = match self {
            Self::Patient(identifier) => ("note patient", identifier.as_bytes()),
            Self::Chart(chart) => ("note chart", chart.as_bytes()),
            Self::Directory => ("note directory", &[]),
        };
        hash(domain::BLOB, &[kind.as_bytes(), value])
    }
}

impl Client {
    /// The chart that the organisation knows under this identifier.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn known_chart(&self, about: About<'_>) -> Result<Option<ChartId>, CallError> {
        self.note(about).await
    }

    /// Remembers a chart under an identifier.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn remember_chart(&self, about: About<'_>, chart: ChartId) -> Result<(), CallError> {
        self.put_note(about, &chart).await
    }

    /// What the organisation remembers of a chart.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn chart_note(&self, chart: &ChartId) -> Result<Option<ChartNote>, CallError> {
        let stored: Option<StoredChart> = self.note(About::Chart(chart)).await?;
        Ok(stored.map(|mut stored| ChartNote {
            tag_key: TagKey::from_bytes(&stored.tag_key),
            name: stored.name.take(),
            open: std::mem::take(&mut stored.open),
        }))
    }

    /// Remembers something of a chart.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn put_chart_note(&self, chart: &ChartId, note: &ChartNote) -> Result<(), CallError> {
        let ChartNote { tag_key, name, open } = note;
        let stored = StoredChart { tag_key: **tag_key.as_bytes(), name: name.clone(), open: open.clone() };
        self.put_note(About::Chart(chart), &stored).await
    }

    async fn note<T: BorshDeserialize>(&self, about: About<'_>) -> Result<Option<T>, CallError> {
        let Some(content) = self.node.call::<GetNote>(&about.name()).await?.map(Zeroizing::new) else {
            return Ok(None);
        };
        match decode::<(u8, T)>(&content) {
            Ok((FORMAT, value)) => Ok(Some(value)),
            Ok(_) | Err(_) => {
                Err(self.malformed("get-note", "the note is of another format; update this program"))
            }
        }
    }

    async fn put_note<T: BorshSerialize>(&self, about: About<'_>, value: &T) -> Result<(), CallError> {
        let content = encode(&(FORMAT, value));
        let mut note = Note { name: about.name(), content: Some(content) };
        let done = self.node.call::<PutNote>(&note).await;
        note.content.zeroize();
        done
    }
}
