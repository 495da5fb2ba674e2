//! This file is where an organisation remembers what it may not put on the ledger: which patient number is which chart,
//! a chart's tag key, and the compartments that are open for writing. The node keeps it sealed.

use crate::{
    client::Client,
    record::RequestName,
    rpc::CallError,
    wire::{Before, GetNote, Note, PutNote},
};
use borsh::{BorshDeserialize, BorshSerialize};
use envelope::{Compartment, TagKey};
use primitives::{ChartId, Hash, TxId, decode, domain, encode, hash};
use zeroize::{Zeroize as _, Zeroizing};

/// Version of the notes' format.
const FORMAT: u8 = 1;

/// How often a change is tried again because somebody else made one in between.
const CHANGES_MAX: u32 = 32;

/// Said when that isn't enough.
const CONTENDED: &str = "the note changes all the time; try again";

/// What an organisation remembers of a chart.
#[derive(Clone, Debug)]
pub struct ChartNote {
    /// The key to the chart's opaque tags.
    pub tag_key: TagKey,
    /// The patient's name, for the organisation's own lists; none for a directory or an unnamed patient.
    pub name: Option<String>,
    /// Compartments that can be written into, until the ledger says that their class was read.
    pub open: Vec<OpenCompartment>,
    /// Into how many notes, as a power of two, it is divided what the organisation wrote; see [`About::Versions`].
    pub depth: u8,
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
    depth: u8,
}

impl StoredChart {
    fn of(note: &ChartNote) -> Self {
        let ChartNote { tag_key, name, open, depth } = note;
        Self { tag_key: **tag_key.as_bytes(), name: name.clone(), open: open.clone(), depth: *depth }
    }

    fn into_note(mut self) -> ChartNote {
        ChartNote {
            tag_key: TagKey::from_bytes(&self.tag_key),
            name: self.name.take(),
            open: std::mem::take(&mut self.open),
            depth: self.depth,
        }
    }
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
    /// The request for which the organisation made an access.
    Access(&'a TxId),
    /// Which versions the organisation wrote into a chart, one part of it.
    Versions {
        /// The chart.
        chart: &'a ChartId,
        /// Into how many parts it is divided, as a power of two.
        depth: u8,
        /// Which of them.
        part: u8,
    },
}

impl About<'_> {
    /// The note's name. The node keys it once more before it is stored, so that it can't be guessed from an identifier.
    #[must_use]
    pub fn name(&self) -> Hash {
        let parts: [&[u8]; 3] = match self {
            Self::Patient(identifier) => [b"note patient", identifier.as_bytes(), &[]],
            Self::Chart(chart) => [b"note chart", chart.as_bytes(), &[]],
            Self::Directory => [b"note directory", &[], &[]],
            Self::Access(access) => [b"note access", access.0.as_bytes(), &[]],
            Self::Versions { chart, depth, part } => [b"note versions", chart.as_bytes(), &[*depth, *part]],
        };
        hash(domain::BLOB, &parts)
    }
}

impl Client {
    /// The chart that the organisation knows under this identifier.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn known_chart(&self, about: About<'_>) -> Result<Option<ChartId>, CallError> {
        Ok(self.note(about).await?.map(|(chart, _)| chart))
    }

    /// The chart that the organisation knows under this business identifier (`system|value`) or absolute fullUrl.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn chart_of_token(&self, token: &str) -> Result<Option<ChartId>, CallError> {
        self.known_chart(About::Patient(token)).await
    }

    /// Remembers a chart under an identifier, whatever stood there.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn remember_chart(&self, about: About<'_>, chart: ChartId) -> Result<(), CallError> {
        self.put_note(about, &chart, Before::Any).await.map(drop)
    }

    /// Remembers a chart under an identifier unless another is known under it, and gives the one that is known now: of two
    /// who do this at once, both get the same.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn bind_chart(&self, about: About<'_>, chart: ChartId) -> Result<ChartId, CallError> {
        for _ in 0..CHANGES_MAX {
            if let Some(known) = self.known_chart(about).await? {
                return Ok(known);
            }
            if self.put_note(about, &chart, Before::Nothing).await? {
                return Ok(chart);
            }
        }
        Err(self.malformed("put-note", CONTENDED))
    }

    /// What the organisation remembers of a chart.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn chart_note(&self, chart: &ChartId) -> Result<Option<ChartNote>, CallError> {
        Ok(self.note(About::Chart(chart)).await?.map(|(stored, _): (StoredChart, _)| stored.into_note()))
    }

    /// Remembers a chart of which nothing is remembered yet; false, and nothing changed, if something is.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn begin_chart_note(
        &self,
        chart: &ChartId,
        note: &ChartNote,
    ) -> Result<bool, CallError> {
        self.put_note(About::Chart(chart), &StoredChart::of(note), Before::Nothing).await
    }

    /// Changes what is remembered of a chart, as it stands by then: changes made at once don't undo each other. Nothing
    /// is done if nothing is remembered.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn change_chart_note(
        &self,
        chart: &ChartId,
        mut change: impl FnMut(&mut ChartNote),
    ) -> Result<(), CallError> {
        for _ in 0..CHANGES_MAX {
            let Some((stored, before)) = self.note::<StoredChart>(About::Chart(chart)).await? else {
                return Ok(());
            };
            let mut note = stored.into_note();
            change(&mut note);
            if self.put_note(About::Chart(chart), &StoredChart::of(&note), before).await? {
                return Ok(());
            }
        }
        Err(self.malformed("put-note", CONTENDED))
    }

    /// Remembers for which request an access was made.
    pub(crate) async fn note_request(
        &self,
        access: TxId,
        request: Option<&RequestName>,
    ) -> Result<(), CallError> {
        match request {
            Some(request) => self.put_note(About::Access(&access), request, Before::Any).await.map(drop),
            None => Ok(()),
        }
    }

    /// The name of the request for which the organisation made an access, if there was one.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn request_of(&self, access: TxId) -> Result<Option<RequestName>, CallError> {
        Ok(self.note(About::Access(&access)).await?.map(|(request, _)| request))
    }

    /// A note, and what must stand there for nobody else's change to be undone.
    pub(crate) async fn note<T: BorshDeserialize>(
        &self,
        about: About<'_>,
    ) -> Result<Option<(T, Before)>, CallError> {
        let Some(content) = self.node.call::<GetNote>(&about.name()).await?.map(Zeroizing::new) else {
            return Ok(None);
        };
        match decode::<(u8, T)>(&content) {
            Ok((FORMAT, value)) => Ok(Some((value, Before::Content(Note::hash(&content))))),
            Ok(_) | Err(_) => {
                Err(self.malformed("get-note", "the note is of another format; update this program"))
            }
        }
    }

    /// Drops a note if `before` holds; false if it doesn't.
    pub(crate) async fn drop_note(&self, about: About<'_>, before: Before) -> Result<bool, CallError> {
        self.node.call::<PutNote>(&Note { name: about.name(), content: None, before }).await
    }

    /// Puts a note if `before` holds; false if it doesn't.
    pub(crate) async fn put_note<T: BorshSerialize>(
        &self,
        about: About<'_>,
        value: &T,
        before: Before,
    ) -> Result<bool, CallError> {
        let content = encode(&(FORMAT, value));
        let mut note = Note { name: about.name(), content: Some(content), before };
        let done = self.node.call::<PutNote>(&note).await;
        note.content.zeroize();
        done
    }
}
