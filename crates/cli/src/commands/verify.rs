//! This file is where an exported history is verified: offline, from the genesis file alone.

use crate::{
    context::{Context, passphrase},
    exit::{Exit, Failure},
    out::Table,
    time,
    words::{access_json, as_of, outcome, short},
};
use clap::Args;
use client::{
    export::{Checkpoint, CheckpointSaid, Verified, is_encrypted, unlock, verify},
    read_genesis,
};
use serde_json::json;
use std::{fs, path::PathBuf};
use zeroize::Zeroizing;

/// Largest file that is read.
const BYTES_MAX: u64 = 2 << 30;

/// Verify an exported history offline: records, accesses, completeness, certificates
///
/// Needs no network, no profile and no trust in whoever made the file: only the network's genesis file. A checkpoint, noted
/// earlier by somebody you trust, shows in addition that the file is of the same chain.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The exported file
    file: PathBuf,
    /// The network's genesis file
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// A block that you trust, as `horkos checkpoint` wrote it
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

pub(crate) fn run(args: &Verify, ctx: &Context) -> Result<(), Failure> {
    let genesis = read_genesis(&args.genesis)?;
    let checkpoint = args.checkpoint.as_ref().map(read_checkpoint).transpose()?;
    let length = fs::metadata(&args.file).map_err(|error| Failure::file(&args.file, &error))?.len();
    if length > BYTES_MAX {
        return Err(Failure::input(format!("`{}` is longer than any export", args.file.display())));
    }
    let mut file = Zeroizing::new(fs::read(&args.file).map_err(|error| Failure::file(&args.file, &error))?);
    if is_encrypted(&file) {
        let none = || {
            Failure::new(
                Exit::Keys,
                "the file is encrypted: set HORKOS_PASSPHRASE, or run this at a terminal",
            )
        };
        file = unlock(&file, &passphrase(&args.file).ok_or_else(none)?)?;
    }
    let verified = verify(&file, &genesis, checkpoint.as_ref()).map_err(|error| {
        Failure::from(error).at(format_args!("`{}` does not verify", args.file.display()))
    })?;
    if ctx.out.json {
        return ctx.out.json(&json!({
            "verified": true, "network": verified.network, "chart": verified.chart, "height": verified.as_of.height,
            "time": time::text(verified.as_of.time), "certified": verified.certified.0, "block": verified.certified.1,
            "resources": verified.resources, "deleted": verified.deleted, "erased": verified.erased, "withheld": verified.withheld,
            "packs": verified.packs, "lines": verified.lines, "checkpoint": verified.checkpoint,
            "accesses": verified.accesses.iter().map(access_json).collect::<Vec<_>>(),
        }));
    }
    show(&verified, ctx);
    Ok(())
}

fn read_checkpoint(path: &PathBuf) -> Result<Checkpoint, Failure> {
    let text = fs::read(path).map_err(|error| Failure::file(path, &error))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::input(format!("`{}` is no checkpoint: {error}", path.display())))
}

fn show(verified: &Verified, ctx: &Context) {
    let mut table = Table::default();
    table.row(["verified", "every record, every access, that none is left out, and the signatures"]);
    table.row(["as of", &as_of(verified.as_of)]);
    table.row([
        "vouched for by",
        &format!("block {} at height {}", short(verified.certified.1), verified.certified.0),
    ]);
    table.row(["chart", &verified.chart.to_string()]);
    table.row(["network", &verified.network.to_string()]);
    table.row([
        "records",
        &format!(
            "{} in the file, {} erased, {} withheld; {} packs",
            verified.resources, verified.erased, verified.withheld, verified.packs
        ),
    ]);
    table.row(["log", &format!("{} lines, {} accesses", verified.lines, verified.accesses.len())]);
    table.row([
        "checkpoint",
        match verified.checkpoint {
            CheckpointSaid::NotGiven => "none given",
            CheckpointSaid::Agrees => "agrees: the same chain",
            CheckpointSaid::OutOfReach => "out of reach: of a height that the file's headers don't include",
        },
    ]);
    ctx.out.table(&table);
    if verified.accesses.is_empty() {
        return;
    }
    let mut accesses = Table::new(&["time", "height", "organisation", "role", "for", "decision"]);
    for access in &verified.accesses {
        let owner = if access.reader.owner { "the owner" } else { "" };
        let role = access.reader.role.as_ref().map_or_else(|| owner.to_owned(), ToString::to_string);
        accesses.row([
            time::text(access.time),
            access.height.to_string(),
            access.reader.org.to_string(),
            role,
            access.purpose.code().to_owned(),
            outcome(access.outcome).to_owned(),
        ]);
    }
    ctx.out.line("");
    ctx.out.table(&accesses);
}
