//! This file is where the store's faults are: our disk or our bug, never something that a transaction did.

use primitives::{BlockHash, ChartId, Hash, NetworkId, StateRoot};
use std::{fmt, io, path::PathBuf};

/// The disk failed, holds what it should not, or was used wrongly. The node stops before it writes more.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The storage engine failed.
    #[error("the storage engine failed; check the disk, then restart")]
    Engine(#[source] fjall::Error),
    /// A file of the store could not be read or written.
    #[error("cannot access `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No room left; nothing of the batch is stored.
    #[error("the disk is full; free some space, then restart")]
    DiskFull,
    /// What was read is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A block was pushed that doesn't follow the newest one.
    #[error("block {got} pushed where {expected} comes next")]
    NotNext {
        /// Height that comes next.
        expected: u64,
        /// Height of the pushed block.
        got: u64,
    },
    /// A block doesn't fit its parent, its own header, or a chart's log.
    #[error("block {height} does not fit: {what}")]
    Misfit {
        /// Height of the block.
        height: u64,
        /// What doesn't fit.
        what: &'static str,
    },
    /// A proof of a flat row, or its value before the newest block, was asked for.
    #[error("flat rows can't be proven, and only their newest values are kept")]
    Flat,
    /// Another batch was committed since this one was begun.
    #[error("another batch was committed since this one was begun")]
    Overtaken,
}

/// Where a store is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "damaged at {place}: {what}; wipe the data directory and let the node fetch it again, or restore a backup"
)]
pub struct Damage {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub what: String,
}

/// A place in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The pointer to the newest block.
    Head,
    /// A file.
    File(PathBuf),
    /// Header, body or record of a block.
    Block(u64),
    /// A receipt: height and index in the block.
    Receipt(u64, u32),
    /// An event: chart and index in its log.
    Event(ChartId, u64),
    /// A chart's log.
    Log(ChartId),
    /// The state tree of a height.
    Tree(u64),
    /// A key of the state, as bytes.
    Key(Vec<u8>),
    /// A leaf of the state tree, as hashed key.
    Leaf(Hash),
}

/// Why a data directory can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It belongs to another network.
    #[error("`{}` belongs to network {found}, not to {expected}; name another directory or another genesis file", dir.display())]
    OtherNetwork {
        /// The directory.
        dir: PathBuf,
        /// The network it was made for.
        found: NetworkId,
        /// The network asked for.
        expected: NetworkId,
    },
    /// A newer version wrote it.
    #[error("`{}` has format {found}, this version reads up to {expected}; install the newer version", dir.display())]
    NewerFormat {
        /// The directory.
        dir: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        expected: u32,
    },
    /// An older version wrote it, and it can't be read as it is.
    #[error("`{}` has format {found}, this version reads {expected}; wipe it and let the node fetch it again", dir.display())]
    OlderFormat {
        /// The directory.
        dir: PathBuf,
        /// Its format.
        found: u32,
        /// The format known here.
        expected: u32,
    },
    /// It holds something else.
    #[error("`{}` is not empty and not a data directory; name another one", dir.display())]
    NotAStore {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process has it open.
    #[error("`{}` is in use by another process; stop that one first", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// It is damaged, or its disk fails.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Damage {
    pub(crate) fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, what: what.into() }
    }
}

impl Fault {
    pub(crate) fn damaged(place: Place, what: impl Into<String>) -> Self {
        Self::Damaged(Damage::new(place, what))
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::File { path, source },
        }
    }

    /// Ends the process's work on this thread: what the disk can't answer must not be answered.
    pub(crate) fn stop(self) -> ! {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(&self);
        while let Some(error) = source {
            text.push_str(&format!(": {error}"));
            source = error.source();
        }
        panic!("storage fault: {text}")
    }
}

impl From<fjall::Error> for Fault {
    fn from(error: fjall::Error) -> Self {
        match &error {
            fjall::Error::Io(io) | fjall::Error::Storage(fjall::LsmError::Io(io))
                if matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                Self::DiskFull
            }
            _ => Self::Engine(error),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("the head"),
            Self::File(path) => write!(f, "file `{}`", path.display()),
            Self::Block(height) => write!(f, "block {height}"),
            Self::Receipt(height, index) => write!(f, "receipt {index} of block {height}"),
            Self::Event(chart, index) => write!(f, "event {index} of chart {chart}"),
            Self::Log(chart) => write!(f, "the log of chart {chart}"),
            Self::Tree(height) => write!(f, "the state tree of height {height}"),
            Self::Key(key) => write!(f, "state key `{}`", key.escape_ascii()),
            Self::Leaf(leaf) => write!(f, "state leaf {leaf}"),
        }
    }
}

pub(crate) fn other_root(found: StateRoot, expected: StateRoot) -> String {
    format!("the state root is {found} where {expected} was stored")
}

pub(crate) fn other_block(found: BlockHash, expected: BlockHash) -> String {
    format!("the block hashes to {found} where {expected} was stored")
}
