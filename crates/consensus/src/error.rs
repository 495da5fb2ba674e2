//! This file is where starting and ending go wrong, in words.

use primitives::{NetworkId, PublicKey};
use std::{io, net::SocketAddr, path::PathBuf};

/// Our disk or our bug: the validator stops, loudly, before it writes more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// Why a validator doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error("{0}")]
    Settings(String),
    /// This validator's key isn't one of the committee's.
    #[error("the key `{0}` is not in the committee")]
    NotAMember(PublicKey),
    /// The address to listen on can't be taken.
    #[error("can't listen on {address}: {source}; is another node running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The directory belongs to another network.
    #[error("{} belongs to network `{found}`: choose another directory, or the genesis file it was made with", path.display())]
    OtherNetwork {
        /// The file that says so.
        path: PathBuf,
        /// The network found.
        found: NetworkId,
    },
    /// The directory belongs to another validator.
    #[error("{} belongs to the validator `{found}`: choose another directory or the right key", path.display())]
    OtherKey {
        /// The file that says so.
        path: PathBuf,
        /// The key found.
        found: PublicKey,
    },
    /// The directory was written by another version of this program.
    #[error("{} has format {found}, this program reads {expected}: use the program that wrote it", path.display())]
    Format {
        /// The file that says so.
        path: PathBuf,
        /// The format found.
        found: u16,
        /// The format that this program reads.
        expected: u16,
    },
    /// The directory holds something that isn't the engine's.
    #[error("{} is not empty, and is no data directory", .0.display())]
    NotEmpty(PathBuf),
    /// Another process runs on the directory.
    #[error("another process runs on {}", .0.display())]
    Running(PathBuf),
    /// The marker says that this key has voted, and the directory is gone.
    #[error(
        "{} is empty, but this validator's key has been used up to height {height}: without its journal it could vote \
         twice. Bring the directory back, or join again with a new key", dir.display()
    )]
    DataLost {
        /// The data directory.
        dir: PathBuf,
        /// A height that was durable in it.
        height: u64,
    },
    /// The directory is older than the marker.
    #[error(
        "the data directory ends at height {archived}, but this validator's key has been used up to height {height}: an \
         older copy could vote twice. Bring the newest directory back, or join again with a new key"
    )]
    DataRestored {
        /// A height that was durable before.
        height: u64,
        /// Where the directory ends.
        archived: u64,
    },
    /// The directory is there, the marker isn't.
    #[error(
        "the marker file {} is missing although the data directory has data: if nothing was restored from a copy, put \
         the marker back", .0.display()
    )]
    MarkerLost(PathBuf),
    /// The engine's files or ours are damaged.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// How a validator ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Termination {
    /// It was asked to stop.
    Stopped,
    /// It stopped itself: nothing it says may be trusted until a person has looked.
    Fault(Fault),
}
