//! This file is where a node's own errors get an exit status: what is wrong on this machine, and what in what it was given.

use crate::exit::{Exit, Failure, chain};
use node::{ConfigError, FoundError, StartError};
use std::io;
use store::{Fault, OpenError};

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
        Fault::NotNext { .. } | Fault::Misfit { .. } | Fault::Overtaken => Exit::Fault,
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
        StartError::NotAMember(_) => Failure::new(Exit::Keys, chain(&error)),
        StartError::Packs(_) | StartError::Vault(_) | StartError::Serve(_) => {
            Failure::new(Exit::Machine, chain(&error))
        }
        StartError::Peers(_) => Failure::input(chain(&error)),
        StartError::Engine(error) => of_engine(&error),
    }
}

fn of_engine(error: &consensus::StartError) -> Failure {
    let exit = match error {
        consensus::StartError::Settings(_) => Exit::Input,
        consensus::StartError::NotAMember(_) => Exit::Keys,
        consensus::StartError::Fault(_) => Exit::Fault,
        _ => Exit::Machine,
    };
    Failure::new(exit, chain(error))
}
