//! This file is where a chart's history leaves the network as one file.

use super::consent::parse_category;
use crate::{
    context::{Context, new_passphrase},
    exit::{Exit, Failure},
    time,
    words::{self, as_of},
};
use clap::Args;
use client::{
    export::{LockError, encrypt},
    keys::write_private,
    open::Ask,
};
use ledger::consent::Purpose;
use serde_json::json;
use std::path::PathBuf;

/// Export a chart with proofs: a FHIR Bundle that any system reads and anybody can verify offline
///
/// Complete as of the block it names: every record of the chart is in it or accounted for as erased or withheld, and so is
/// every access. See `horkos verify`.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The chart's id, its first digits, or `mine`
    chart: String,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Encrypt it with a passphrase, as `age` does
    #[arg(long)]
    encrypt: bool,
    /// What for; for anybody but the patient
    #[arg(long, value_name = "CODE", default_value = "PATRQT")]
    purpose: Purpose,
    /// Only these categories [default: all that there is]
    #[arg(long = "category", value_name = "CODE", value_delimiter = ',')]
    categories: Vec<String>,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

/// Note the newest certified block, to hold exports against it later
#[derive(Args, Debug)]
pub(crate) struct CheckpointArgs {
    /// The file to write [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(args: &Export, ctx: &Context) -> Result<(), Failure> {
    if args.out.exists() && !args.force {
        let message = format!("`{}` exists already; name another file or say --force", args.out.display());
        return Err(Failure::new(Exit::Machine, message));
    }
    let categories = args.categories.iter().map(|text| parse_category(text)).collect::<Result<_, _>>()?;
    let passphrase = if args.encrypt { Some(new_passphrase()?) } else { None };
    let client = ctx.client().await?;
    let chart = words::chart(&client, &args.chart).await?;
    let spinner = ctx.out.spinner("opening, proving, verifying");
    let ask = Ask { categories, ..Ask::all(chart, args.purpose) };
    let exported = client.export(&ask).await;
    spinner.finish_and_clear();
    let exported = exported?;
    let verified = &exported.verified;
    if verified.resources == 0 && verified.withheld > 0 {
        return Err(Failure::new(
            Exit::Denied,
            "all of it was denied, and that is recorded; no file was written",
        ));
    }
    let file = match &passphrase {
        None => exported.file,
        Some(passphrase) => {
            encrypt(&exported.file, passphrase, None).map_err(|error: LockError| Failure::from(error))?
        }
    };
    write_private(&args.out, &file, args.force)?;
    if ctx.out.json {
        return ctx.out.json(&json!({
            "out": args.out, "bytes": file.len(), "encrypted": args.encrypt, "chart": chart,
            "height": verified.as_of.height, "time": time::text(verified.as_of.time), "resources": verified.resources,
            "deleted": verified.deleted, "erased": verified.erased, "withheld": verified.withheld, "accesses": verified.accesses.len(),
        }));
    }
    ctx.out.line(args.out.display());
    ctx.out.say(format_args!(
        "{} resources and {} accesses, complete as of {}; {} records erased, {} withheld. Verified before it was written.",
        verified.resources,
        verified.accesses.len(),
        as_of(verified.as_of),
        verified.erased,
        verified.withheld
    ));
    ctx.out.say(format_args!(
        "Anybody can verify it: horkos verify {} --genesis genesis.json",
        args.out.display()
    ));
    Ok(())
}

pub(crate) async fn checkpoint(args: &CheckpointArgs, ctx: &Context) -> Result<(), Failure> {
    let checkpoint = ctx.client().await?.checkpoint().await?;
    match &args.out {
        None => ctx.out.json(&checkpoint),
        Some(path) => {
            crate::network::write_public(path, &checkpoint)?;
            ctx.out.say(format_args!("Height {} is noted in {}.", checkpoint.height, path.display()));
            Ok(())
        }
    }
}
