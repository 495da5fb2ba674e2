//! This file is where a command opens the store of clients and tokens, with the gateway's key.

use crate::{
    context::passphrase,
    exit::{Exit, Failure, chain},
};
use clap::Args;
use client::keys::load_storage;
use gateway::{
    smart::{Clients, StoreKey},
    start::{Config, load_config},
};
use std::{fs, path::PathBuf};

/// Where the gateway's configuration lies.
#[derive(Args, Debug)]
pub(crate) struct ConfigPath {
    /// The gateway's configuration file
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    pub(crate) config: PathBuf,
}

impl ConfigPath {
    /// The configuration.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        load_config(&self.config).map_err(|error| Failure::input(chain(&error)))
    }
}

/// A failure of the machine.
pub(super) fn machine(error: impl std::error::Error) -> Failure {
    Failure::new(Exit::Machine, chain(&error))
}

/// Opens the store; makes it if there is none.
pub(super) fn open(path: &ConfigPath) -> Result<Clients, Failure> {
    let config = path.load()?;
    let key = load_storage(&config.key, passphrase)?;
    fs::create_dir_all(&config.data).map_err(|error| Failure::file(&config.data, &error))?;
    Clients::open(&config.data.join("clients.db"), Some(&StoreKey(key))).map_err(machine)
}
