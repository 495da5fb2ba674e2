//! This file is where a running node is asked where it stands.

use crate::{
    context::{ConfigPath, Context},
    exit::Failure,
    fault::of_config,
    network::fresh_key,
    out::Table,
    time,
};
use clap::Args;
use client::{
    SystemHost,
    rpc::{Http, Node},
    wire::GetStatus,
};
use node::{load_config, load_genesis};
use primitives::Span;
use serde_json::json;
use std::sync::Arc;

/// How long to wait for a node of this machine.
const LIMIT: Span = Span::secs(10);

/// Ask a running node where it stands: height, time, what waits
#[derive(Args, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    config: ConfigPath,
}

pub(super) async fn run(args: &Status, ctx: &Context) -> Result<(), Failure> {
    let config = load_config(&args.config.config).map_err(of_config)?;
    let genesis = load_genesis(&config.genesis).map_err(of_config)?;
    let transport = Arc::new(Http::new(&config.rpc.to_string())?);
    // The status is open to every caller: a key made for this one call will do.
    let node = Node::new(transport, genesis.network(), config.org, fresh_key(), SystemHost::shared());
    let status = node.call_within::<GetStatus>(&(), LIMIT).await?;
    if ctx.out.json {
        return ctx.out.json(&json!({
            "org": status.org, "network": status.network, "version": status.version, "height": status.height,
            "time": time::text(status.time), "tip": status.tip, "validators": status.validators, "pool": status.pool,
            "packs_missing": status.packs_missing, "packs_below_n": status.packs_below_n,
            "writes_pending": status.writes_pending, "box_key_held": status.box_key_held,
            "box_keys_other": status.box_keys_other,
        }));
    }
    let mut table = Table::default();
    table.row(["organisation".to_owned(), status.org.to_string()]);
    table.row(["network".to_owned(), status.network.to_string()]);
    table.row(["version".to_owned(), status.version]);
    table.row(["executed".to_owned(), format!("height {} of {}", status.height, time::text(status.time))]);
    table.row(["known final".to_owned(), format!("height {}", status.tip)]);
    table.row(["validators".to_owned(), status.validators.to_string()]);
    table.row(["waiting".to_owned(), format!("{} transactions", status.pool)]);
    let packs = format!(
        "{} committed but not held here yet, {} not known to be stored by all members",
        status.packs_missing, status.packs_below_n
    );
    table.row(["packs".to_owned(), packs]);
    table.row([
        "writes".to_owned(),
        format!("{} not yet acknowledged by every trustee", status.writes_pending),
    ]);
    let box_key = match (status.box_key_held, status.box_keys_other) {
        (true, 0) => "the one that the ledger names".to_owned(),
        (true, other) => {
            format!("the one that the ledger names, and {other} more, kept for shares under way")
        }
        (false, _) => {
            "NOT the one that the ledger names: put its file back, or run `horkos node rotate-box-key`"
                .to_owned()
        }
    };
    table.row(["box key".to_owned(), box_key]);
    ctx.out.table(&table);
    Ok(())
}
