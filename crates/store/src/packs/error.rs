//! This file is where it is said why packs can't be kept or read.

use primitives::PackRoot;
use std::{io, ops::Range, path::PathBuf};

/// Why a pack can't be put, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The place is neither a directory nor a known URL, or an option is unknown.
    #[error("cannot keep packs at `{place}`: {what}; name a directory or an `s3://bucket/prefix` URL")]
    Place {
        /// The place as configured.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// A file could not be read or written.
    #[error("cannot access `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The object store refused or failed.
    #[error("the object store failed")]
    Remote(#[source] object_store::Error),
    /// What is stored is not what was expected.
    #[error("pack {0} is stored, but is not what it should be; fetch it again from another node")]
    Damaged(PackRoot),
    /// A range lies outside the object.
    #[error("range {}..{} is outside the {size} bytes of pack {root}", range.start, range.end)]
    Range {
        /// The pack.
        root: PackRoot,
        /// The range asked for.
        range: Range<u64>,
        /// The object's size.
        size: u64,
    },
}
