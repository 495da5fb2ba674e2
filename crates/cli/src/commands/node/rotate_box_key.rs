//! This file is where an operator has the node replace its trustee's box key.

use crate::{
    context::{ConfigPath, Context, passphrase},
    exit::Failure,
    fault::of_config,
};
use clap::Args;
use client::{
    SystemHost,
    keys::load_signing,
    rpc::{Http, Node},
    wire,
};
use node::{load_config, load_genesis};
use primitives::Span;
use serde_json::json;
use std::sync::Arc;

/// How long making, locking and finalising a key may take.
const LIMIT: Span = Span::secs(90);

/// Replace the key to which shares for this node's trustee are dealt; the node must be running
///
/// The node makes the new key, keeps it in its folder of keys, locked like the others, brings it to the ledger and uses it
/// from then on without a restart. The earlier key opens what is still under way, and is then destroyed: copy the folder
/// of keys anew, and destroy the old copies of `trustee` keys once `horkos node status` shows no more than one. After an
/// erasure the node does all this by itself; see `box_keys` in node.toml. Reads the organisation's key to sign the call.
#[derive(Args, Debug)]
pub(crate) struct RotateBoxKey {
    #[command(flatten)]
    config: ConfigPath,
}

pub(super) async fn run(args: &RotateBoxKey, ctx: &Context) -> Result<(), Failure> {
    let config = load_config(&args.config.config).map_err(of_config)?;
    let genesis = load_genesis(&config.genesis).map_err(of_config)?;
    let key = load_signing(&config.keys.join("organisation.key"), passphrase)?;
    let transport = Arc::new(Http::new(&config.rpc.to_string())?);
    let node = Node::new(transport, genesis.network(), config.org, key, SystemHost::shared());
    let spinner = ctx.out.spinner("making a key and bringing it to the ledger");
    let rotated = node.call_within::<wire::RotateBoxKey>(&(), LIMIT).await;
    spinner.finish_and_clear();
    let wire::BoxKeyRotated { key, done } = rotated?;
    if ctx.out.json {
        return ctx.out.json(&json!({ "box_key": key, "tx": done.tx, "height": done.height }));
    }
    ctx.out.line(key);
    ctx.out.say(format_args!(
        "In force since height {}; it lies in `{}`. Copy that folder anew to where you keep your copy of the keys.",
        done.height,
        config.keys.display()
    ));
    Ok(())
}
