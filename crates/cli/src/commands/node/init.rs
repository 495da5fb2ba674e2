//! This file is where everything that a node needs is checked before its first start.

use crate::{
    context::{ConfigPath, Context, passphrase},
    exit::{Exit, Failure},
    fault::of_config,
    network::check_keys,
};
use clap::Args;
use node::{Config, Keys, load_config, load_genesis};
use serde_json::json;
use std::{fs, net::TcpListener, path::Path};

/// Check configuration, keys, ports and disk, and make the data directory
///
/// Starting does all of this too; here it is done without joining the network.
#[derive(Args, Debug)]
pub(crate) struct Init {
    #[command(flatten)]
    config: ConfigPath,
}

pub(super) fn run(args: &Init, ctx: &Context) -> Result<(), Failure> {
    let path = &args.config.config;
    let config = load_config(path).map_err(of_config)?;
    let genesis = load_genesis(&config.genesis).map_err(of_config)?;
    let member = genesis.members.iter().find(|member| member.org == config.org).ok_or_else(|| {
        Failure::input(format!("`{}` of `{}` is not a member of this network", config.org, path.display()))
    })?;
    for member in genesis.members.iter() {
        if !config.members.iter().any(|address| address.org == member.org) {
            return Err(Failure::input(format!(
                "`{}` has no address of member `{}`",
                path.display(),
                member.org
            )));
        }
    }
    if config.data.join("ledger").exists() {
        // Keys may have been rotated since the genesis: starting holds them against the ledger itself.
        Keys::load(&config.keys, passphrase)?;
    } else {
        check_keys(&config.keys, member, passphrase)?;
    }
    check_ports(&config)?;
    check_disk(&config.data)?;
    if let Some(dir) = config.marker.parent() {
        check_disk(dir)?;
    }
    if ctx.out.json {
        return ctx
            .out
            .json(&json!({ "org": config.org, "network": genesis.network(), "data": config.data }));
    }
    ctx.out.say(format_args!(
        "{} is ready for network {}: keys fit, ports are free, `{}` can be written. Start it with:\n  horkos node start --config {}",
        config.org,
        genesis.network(),
        config.data.display(),
        path.display()
    ));
    Ok(())
}

fn check_ports(config: &Config) -> Result<(), Failure> {
    for address in [config.p2p, config.rpc] {
        TcpListener::bind(address).map_err(|error| {
            let message = format!(
                "cannot listen on {address}: {error}; is another node running, or is the port taken?"
            );
            Failure::new(Exit::Machine, message)
        })?;
    }
    Ok(())
}

fn check_disk(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir)
        .map_err(|error| Failure::new(Exit::Machine, format!("`{}`: {error}", dir.display())))?;
    tempfile::tempfile_in(dir)
        .map_err(|error| Failure::new(Exit::Machine, format!("`{}`: {error}", dir.display())))?;
    Ok(())
}
