//! This file is where it stands why an import came to nothing, or stopped half-way between charts.

use super::Imported;
use crate::{
    claim::ClaimError,
    keys::{KeyFileError, ProfileError},
    rpc::CallError,
    submit::SubmitError,
    write::WriteError,
};
use primitives::ChartId;
use std::{io, path::PathBuf};

/// Why an import stops.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file can't be read.
    #[error("`{}`: {source}; nothing was imported", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file isn't FHIR R4, or is out of bounds.
    #[error("`{}`: {source}; nothing was imported", path.display())]
    Fhir {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: fhir::ReadError,
    },
    /// A file's content is out of bounds.
    #[error("`{}`: {reason}; nothing was imported", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no file.
    #[error("there are no `.json` files in {0}; nothing was imported")]
    NoFiles(String),
    /// A file names a patient by identifiers of two charts.
    #[error(
        "`{}` names a patient by identifiers of two charts, {one} and {other}; correct the identifiers; nothing was imported",
        path.display()
    )]
    TwoCharts {
        /// The file.
        path: PathBuf,
        /// One of them.
        one: ChartId,
        /// Another.
        other: ChartId,
    },
    /// The organisation has lost its notes of the chart.
    #[error("the organisation's notes of chart {0} are gone; import again")]
    NoNote(ChartId),
    /// Another import, or the gateway, made the patient's chart at the same time.
    #[error("the chart of a patient was made by somebody else meanwhile, as {0}; import again")]
    Raced(ChartId),
    /// The actor can't write.
    #[error("a patient's profile can't import; use a practitioner's or staff's")]
    NotAWriter,
    /// A file changed between check and import.
    #[error("`{}` was changed while it was imported", .0.display())]
    Changed(PathBuf),
    /// The node.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The ledger.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// Writing.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The demonstration patient's claim.
    #[error(transparent)]
    Claim(#[from] Box<ClaimError>),
    /// The patient's key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The patient's profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Some charts are done, the others aren't. What is done is whole.
    #[error("{} of {all} charts were imported and are whole; then: {source}", done.len())]
    Interrupted {
        /// Those that are done.
        done: Vec<Imported>,
        /// How many there were to be.
        all: usize,
        /// What stopped it.
        #[source]
        source: Box<Self>,
    },
}
