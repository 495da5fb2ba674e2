//! This file is where the store of clients and tokens is copied away.

use super::store::{ConfigPath, machine, open};
use crate::{
    context::Context,
    exit::{Failure, chain},
};
use clap::Args;
use gateway::smart::BackupError;
use serde_json::json;
use std::path::PathBuf;

/// Copy the registered clients and their tokens away; the gateway may go on meanwhile
///
/// The copy is encrypted under the gateway's key, of which keep a copy apart, once. To bring it back: stop the gateway and
/// put the copy in the place of `clients.db` in its data folder. The working set needs no backup; see `horkos gateway rebuild`.
#[derive(Args, Debug)]
pub(crate) struct Backup {
    #[command(flatten)]
    gateway: ConfigPath,
    /// The file to write; there must be none of this name
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(args: &Backup, ctx: &Context) -> Result<(), Failure> {
    open(&args.gateway)?.backup(&args.out).map_err(|error| match error {
        BackupError::Name | BackupError::File { .. } => Failure::input(chain(&error)),
        BackupError::Store(_) => machine(error),
    })?;
    if ctx.out.json {
        return ctx.out.json(&json!({ "out": args.out }));
    }
    ctx.out.say(format_args!("Copied clients and tokens to `{}`.", args.out.display()));
    Ok(())
}
