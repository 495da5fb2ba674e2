//! This file is where a node's data is copied away and brought back.
//!
//! The engine's journal and the marker are never copied: a validator that goes on from an older journal could sign twice
//! for one height. What is restored can be read, verified and served; to validate again, the organisation needs a new
//! validator key.

use crate::{
    commands::network::check_empty,
    context::{ConfigPath, Context},
    exit::{Exit, Failure},
    fault::{of_config, of_open, of_store},
    network::{fill, write_public},
};
use clap::Args;
use node::{Config, load_config, load_genesis};
use primitives::{NetworkId, OrgId, StateRoot};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use store::{Identity, Store};

const FORMAT: u32 = 1;

/// The folders of a data directory that are worth a backup.
const PARTS: [&str; 4] = ["ledger", "packs", "audit", "vault"];

/// Copy the node's data away: ledger, packs, audit records and vault; the node must not be running
///
/// Keys and node.toml are not part of it: keep a copy of those apart, once. The validator's journal and marker are
/// never copied; see `horkos node restore --help`.
#[derive(Args, Debug)]
pub(crate) struct Backup {
    #[command(flatten)]
    config: ConfigPath,
    /// Where to copy it; must be empty or missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Bring a backup back into an empty data directory
///
/// Ledger, packs, audit records and vault come back. The validator does not: a restored journal could make it sign twice
/// for one height, so `horkos node start` refuses to validate with the old validator key over restored data. Verify what
/// came back with `horkos node verify`.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    #[command(flatten)]
    config: ConfigPath,
    /// The backup
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    network: NetworkId,
    org: OrgId,
    height: Option<u64>,
    state_root: StateRoot,
    parts: Vec<String>,
}

/// Opens the store, which only one process can, and so keeps the node from running meanwhile.
fn hold(config: &Config, network: NetworkId) -> Result<Store, Failure> {
    Store::open(&config.data.join("ledger"), Identity { network }).map_err(of_open)
}

pub(super) async fn backup(args: &Backup, ctx: &Context) -> Result<(), Failure> {
    let config = load_config(&args.config.config).map_err(of_config)?;
    let genesis = load_genesis(&config.genesis).map_err(of_config)?;
    check_empty(&args.out)?;
    if !config.data.join("ledger").exists() {
        let message = format!("`{}` holds nothing yet", config.data.display());
        return Err(Failure::new(Exit::Machine, message));
    }
    let store = hold(&config, genesis.network())?;
    store.check_head().map_err(|fault| of_store(&fault))?;
    let view = store.view().map_err(|fault| of_store(&fault))?;
    let parts: Vec<&str> = PARTS.into_iter().filter(|part| config.data.join(part).is_dir()).collect();
    let spinner = ctx.out.spinner("copying");
    let manifest = Manifest {
        format: FORMAT,
        network: genesis.network(),
        org: config.org,
        height: view.height(),
        state_root: view.root(),
        parts: parts.iter().map(ToString::to_string).collect(),
    };
    let copied = fill(&args.out, || {
        for part in &parts {
            spinner.set_message(format!("copying {part}"));
            copy(&config.data.join(part), &args.out.join(part))?;
        }
        // Last: a copy without its manifest is an unfinished one.
        write_public(&args.out.join("backup.json"), &manifest)
    });
    spinner.finish_and_clear();
    copied?;
    drop(store);
    if ctx.out.json {
        return ctx.out.json(&json!({ "out": args.out, "height": manifest.height, "parts": manifest.parts }));
    }
    let height = manifest.height.unwrap_or(0);
    ctx.out.say(format_args!(
        "Copied {} up to height {height} to `{}`.",
        manifest.parts.join(", "),
        args.out.display()
    ));
    if config.packs.contains("://") {
        ctx.out.say(format_args!("Packs lie at {} and were not copied.", config.packs));
    }
    Ok(())
}

pub(super) fn restore(args: &Restore, ctx: &Context) -> Result<(), Failure> {
    let config = load_config(&args.config.config).map_err(of_config)?;
    let genesis = load_genesis(&config.genesis).map_err(of_config)?;
    check_empty(&config.data)?;
    let path = args.from.join("backup.json");
    let text = fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| Failure::input(format!("`{}` is no backup: {error}", path.display())))?;
    if manifest.format != FORMAT {
        let message = format!("the backup is of format {}; this version knows {FORMAT}", manifest.format);
        return Err(Failure::input(message));
    }
    if manifest.network != genesis.network() || manifest.org != config.org {
        let message = format!("the backup is of `{}` in network {}", manifest.org, manifest.network);
        return Err(Failure::new(Exit::Machine, message));
    }
    if let Some(part) = manifest.parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        return Err(Failure::input(format!("the backup names `{part}`, which is no part of one")));
    }
    fill(&config.data, || {
        let mut parts = manifest.parts.iter();
        parts.try_for_each(|part| copy(&args.from.join(part), &config.data.join(part)))
    })?;
    let store = hold(&config, genesis.network())?;
    store.check_head().map_err(|fault| of_store(&fault))?;
    let root = store.view().map_err(|fault| of_store(&fault))?.root();
    if root != manifest.state_root {
        return Err(Failure::new(
            Exit::Unverified,
            "what came back has another state root than the backup names",
        ));
    }
    if ctx.out.json {
        return ctx
            .out
            .json(&json!({ "data": config.data, "height": manifest.height, "parts": manifest.parts }));
    }
    ctx.out.say(format_args!(
        "Restored {} up to height {}. Check all of it with `horkos node verify`. The validator stays off: its old key must not sign over restored data.",
        manifest.parts.join(", "),
        manifest.height.unwrap_or(0)
    ));
    Ok(())
}

/// Copies a folder, durably. Nothing but files and folders is followed.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to)
        .map_err(|error| Failure::new(Exit::Machine, format!("`{}`: {error}", to.display())))?;
    let failed = |path: &Path, error: &io::Error| {
        Failure::new(Exit::Machine, format!("`{}`: {error}", path.display()))
    };
    for entry in fs::read_dir(from).map_err(|error| failed(from, &error))? {
        let entry = entry.map_err(|error| failed(from, &error))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(|error| failed(&source, &error))?;
        if kind.is_dir() {
            copy(&source, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target).map_err(|error| failed(&source, &error))?;
            fs::File::open(&target)
                .and_then(|file| file.sync_all())
                .map_err(|error| failed(&target, &error))?;
        }
    }
    fs::File::open(to).and_then(|dir| dir.sync_all()).map_err(|error| failed(to, &error))
}
