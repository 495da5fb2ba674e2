//! This file is where all that a node stores is verified, entry by entry, without trusting the node.

use crate::{
    context::{ConfigPath, Context},
    exit::{Exit, Failure, chain},
    fault::{of_config, of_open},
    meaning::Ledger,
    out::Table,
};
use clap::Args;
use node::{load_config, load_genesis};
use primitives::{PackRoot, State};
use serde_json::json;
use std::{collections::BTreeMap, path::Path};
use store::{Identity, PackError, Packs, Part, Progress, Store, Walked};

/// Verify all that the node stores; the node must not be running
///
/// Walks every block, receipt and event, every node and entry of the state and every chart's log, and holds every pack
/// against its root and against the ledger. Lists every damage found, and ends with status 7 if there is one.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    config: ConfigPath,
    /// Leave out the packs
    #[arg(long)]
    no_packs: bool,
}

/// What was found of the packs.
#[derive(Default)]
struct PacksFound {
    verified: u64,
    uncommitted: u64,
    damages: Vec<String>,
}

pub(super) async fn run(args: &Verify, ctx: &Context) -> Result<(), Failure> {
    let config = load_config(&args.config.config).map_err(of_config)?;
    let genesis = load_genesis(&config.genesis).map_err(of_config)?;
    let dir = config.data.join("ledger");
    if !dir.exists() {
        let message = format!("`{}` is not there: this node has stored nothing yet", dir.display());
        return Err(Failure::new(Exit::Machine, message));
    }
    let store = Store::open(&dir, Identity { network: genesis.network() }).map_err(of_open)?;
    let walked = walk(&store, ctx);
    let packs = if args.no_packs { PacksFound::default() } else { packs(&store, &config.packs, ctx).await? };
    report(&walked, &packs, &dir, ctx)
}

fn walk(store: &Store, ctx: &Context) -> Walked {
    let bar = ctx.out.bar(0, "");
    let walked = store.walk(Some(&Ledger), &mut |progress: Progress| {
        bar.set_message(stage(progress.stage));
        bar.set_length(progress.total.unwrap_or(progress.done));
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    walked
}

fn stage(name: &'static str) -> &'static str {
    match name {
        "entries" => "reading every entry",
        "blocks" => "blocks and receipts",
        "tree" => "the state's tree",
        "state" => "the state's entries",
        "former" => "former states",
        "logs" => "charts' logs",
        other => other,
    }
}

async fn packs(store: &Store, place: &str, ctx: &Context) -> Result<PacksFound, Failure> {
    let fail = |error: PackError| Failure::new(Exit::Machine, chain(&error));
    let mut found = PacksFound::default();
    let Ok(view) = store.view() else { return Ok(found) };
    if !place.contains("://") && !Path::new(place).exists() {
        return Ok(found);
    }
    let packs = Packs::open(place, &BTreeMap::new()).map_err(fail)?;
    let roots = packs.list().await.map_err(fail)?;
    let bar = ctx.out.bar(roots.len() as u64, "packs");
    for root in roots {
        match check_pack(&packs, &view, &root).await {
            Ok(true) => found.verified += 1,
            Ok(false) => found.uncommitted += 1,
            Err(what) => found.damages.push(format!("pack {root}: {what}")),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(found)
}

/// Whether the pack is on the ledger; what is wrong with it, if something is.
async fn check_pack(packs: &Packs, state: &dyn State, root: &PackRoot) -> Result<bool, String> {
    let part = async |part| match packs.get(root, part).await {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err("a part is missing; the node fetches it again when it runs".to_owned()),
        Err(error) => Err(chain(&error)),
    };
    let (ciphertexts, randoms) = (part(Part::Ciphertext).await?, part(Part::Random).await?);
    let pack = envelope::Pack::verify(*root, &ciphertexts, &randoms).map_err(|error| chain(&error))?;
    let Some(row) = ledger::charts::pack(state, root) else { return Ok(false) };
    if row.chart != *pack.manifest().chart() || row.writer != *pack.manifest().writer() {
        return Err("its chart or writer is not the one that the ledger names".to_owned());
    }
    let zeroed = node::zeroed_unasked(state, root, &pack).map_err(|error| chain(&error))?;
    if let Some(at) = zeroed {
        return Err(format!("record {at} is zeroed, and the ledger knows no erasure of it"));
    }
    Ok(true)
}

fn report(walked: &Walked, packs: &PacksFound, dir: &Path, ctx: &Context) -> Result<(), Failure> {
    let mut damages: Vec<String> = walked.damages.iter().map(ToString::to_string).collect();
    damages.extend(packs.damages.iter().cloned());
    let height = walked.head.map(|(height, _)| height);
    if ctx.out.json {
        ctx.out.json(&json!({
            "height": height, "state_root": walked.head.map(|(_, root)| root.to_string()), "blocks": walked.blocks,
            "receipts": walked.receipts, "entries": walked.entries, "events": walked.events, "logs": walked.logs,
            "packs": packs.verified, "packs_uncommitted": packs.uncommitted, "damages": damages,
        }))?;
    } else {
        let mut table = Table::default();
        table.row([
            "height".to_owned(),
            height.map_or("none: not founded yet".to_owned(), |height| height.to_string()),
        ]);
        if let Some((_, root)) = walked.head {
            table.row(["state root".to_owned(), root.to_string()]);
        }
        table.row(["blocks".to_owned(), walked.blocks.to_string()]);
        table.row(["receipts".to_owned(), walked.receipts.to_string()]);
        table.row(["state entries".to_owned(), walked.entries.to_string()]);
        table.row(["events".to_owned(), format!("{} in {} logs", walked.events, walked.logs)]);
        table.row([
            "packs".to_owned(),
            format!("{}, and {} not on the ledger", packs.verified, packs.uncommitted),
        ]);
        ctx.out.table(&table);
        for damage in &damages {
            ctx.out.line(format_args!("DAMAGE  {damage}"));
        }
    }
    match damages.len() {
        0 => {
            ctx.out.say("All of it verifies.");
            Ok(())
        }
        count => {
            let message = format!(
                "{count} damages in `{}`; move it away and restore a backup, or let the node join again",
                dir.display()
            );
            Err(Failure::new(Exit::Unverified, message))
        }
    }
}
