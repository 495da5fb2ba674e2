//! This file is where a node's own errors get an exit status: what is wrong on this machine, and what in what it was given.

use crate::exit::{Exit, Failure, chain};
use node::{ConfigError, FoundError, StartError};
use std::{fs::File, io, io::Write as _, path::Path};
use store::{Fault, OpenError};

/// What a node needs at the very least to go on.
const ROOM_BYTES: usize = 1 << 20;

/// A configuration or genesis file that can't be used.
pub(crate) fn of_config(error: ConfigError) -> Failure {
    let exit = match &error {
        ConfigError::Read { source, .. } if source.kind() != io::ErrorKind::NotFound => Exit::Machine,
        ConfigError::Read { .. } | ConfigError::Malformed { .. } => Exit::Input,
    };
    Failure::new(exit, chain(&error))
}

/// A fault of the store.
pub(crate) fn of_store(error: &Fault) -> Failure {
    let exit = match error {
        Fault::Damaged(_) => Exit::Unverified,
        Fault::Engine(_) | Fault::File { .. } | Fault::DiskFull => Exit::Machine,
        Fault::NotNext { .. } | Fault::Misfit { .. } | Fault::Flat | Fault::Overtaken => Exit::Fault,
    };
    Failure::new(exit, chain(error))
}

/// A data directory that can't be opened.
pub(crate) fn of_open(error: OpenError) -> Failure {
    match error {
        OpenError::Fault(fault) => of_store(&fault),
        other => Failure::new(Exit::Machine, chain(&other)),
    }
}

/// Why a node doesn't start.
pub(crate) fn of_start(error: StartError) -> Failure {
    match error {
        StartError::Config(error) => of_config(error),
        StartError::Keys(error) => error.into(),
        StartError::Store(error) => of_open(error),
        StartError::Damaged(fault) => {
            of_store(&fault).at("the data directory is damaged, and the node does not start over it")
        }
        StartError::Found(FoundError::Store(fault)) => of_store(&fault),
        StartError::Found(error @ FoundError::Genesis(_)) => Failure::input(chain(&error)),
        StartError::NotAMember(_) | StartError::BoxKey { .. } => Failure::new(Exit::Keys, chain(&error)),
        StartError::Packs(_) | StartError::Leftovers(_) | StartError::Vault(_) | StartError::Serve(_) => {
            Failure::new(Exit::Machine, chain(&error))
        }
        StartError::Peers(_) => Failure::input(chain(&error)),
        StartError::Engine(error) => of_engine(&error),
    }
}

/// Why a node ended or doesn't start, once its disk was looked at: a full one comes up in as many words as there are
/// libraries that write, so it is the disk that is asked.
pub(crate) fn of_end(failure: Failure, data: &Path) -> Failure {
    if has_room(data) {
        return failure;
    }
    let full = "the disk is full; free some space, then restart";
    let message = match failure.message.starts_with(full) {
        true => failure.message,
        false => format!("{full} ({})", failure.message),
    };
    Failure::new(Exit::Machine, message)
}

/// Whether a file of some size can be written in `dir`; true if that can't be told.
fn has_room(dir: &Path) -> bool {
    let path = dir.join(format!(".room.{}", std::process::id()));
    let written = File::create(&path)
        .and_then(|mut file| file.write_all(&vec![0; ROOM_BYTES]).and_then(|()| file.sync_all()));
    // What was written of it is in the way.
    drop(std::fs::remove_file(&path));
    !written
        .is_err_and(|error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

fn of_engine(error: &consensus::StartError) -> Failure {
    if let consensus::StartError::Fault(fault) = error {
        let message = format!(
            "the validator can't go on from its own files: {fault}; keep them, for without its journal it could vote \
             twice: bring the newest directory back, or join again with a new key"
        );
        return Failure::new(Exit::Unverified, message);
    }
    let exit = match error {
        consensus::StartError::Settings(_) => Exit::Input,
        consensus::StartError::NotAMember(_) => Exit::Keys,
        _ => Exit::Machine,
    };
    Failure::new(exit, chain(error))
}
