//! This file is where a node's process lives: from configuration to a clean end.

use crate::{
    context::{ConfigPath, Context, passphrase},
    exit::{Exit, Failure},
    fault::{of_config, of_end, of_start},
    logs::log_to,
};
use clap::Args;
use consensus::Termination;
use node::{Keys, Node, load_config};
use serde_json::json;
use std::{path::PathBuf, time::Duration};
use tokio::{
    io::AsyncReadExt as _,
    signal::unix::{SignalKind, signal},
};

/// How often the part that follows the ledger is looked after.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Start the node and run until SIGTERM or SIGINT
///
/// Prints one line on stdout once it answers calls. Logs go to stderr, or to a file with --log; HORKOS_LOG sets what is
/// logged (default `info`). Passphrases come from HORKOS_PASSPHRASE, from the file that HORKOS_PASSPHRASE_FILE names, or
/// from the terminal.
#[derive(Args, Debug)]
pub(crate) struct Start {
    #[command(flatten)]
    config: ConfigPath,
    /// Append logs to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Start although the box key that the ledger names is lost; replace it then with `horkos node rotate-box-key`
    #[arg(long)]
    without_box_key: bool,
    /// Stop when stdin ends: the node of a parent that must not leave it behind
    #[arg(long, hide = true)]
    with_stdin: bool,
}

pub(super) async fn run(args: Start, ctx: &Context) -> Result<(), Failure> {
    let config = load_config(&args.config.config).map_err(of_config)?;
    log_to(args.log.as_deref(), config.log)?;
    // Before anything is opened: a signal that comes early must end the node as cleanly.
    let signals = |kind| signal(kind).map_err(|error| Failure::new(Exit::Fault, format!("signals: {error}")));
    let (mut terminate, mut interrupt) =
        (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
    let keys = Keys::load(&config.keys, passphrase)?;
    let started = if args.without_box_key {
        Node::start_without_box_key(&config, keys).await
    } else {
        Node::start(&config, keys).await
    };
    let node = started.map_err(|error| of_end(of_start(error), &config.data)).inspect_err(|failure| {
        tracing::error!(reason = failure.message, exit = failure.exit.code(), "the node does not start");
    })?;
    tracing::info!(org = %config.org, rpc = %node.rpc, p2p = %config.p2p, "the node answers");
    if ctx.out.json {
        ctx.out.json(
            &json!({ "org": config.org, "rpc": node.rpc, "p2p": config.p2p, "pid": std::process::id() }),
        )?;
    } else {
        ctx.out.line(format_args!("{} answers on {}, validator on {}", config.org, node.rpc, config.p2p));
    }
    let ended = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        () = stdin_ended(), if args.with_stdin => None,
        () = unfollowed(&node) => None,
        ended = node.ended() => Some(ended),
    };
    let followed = node.follows();
    tracing::info!("the node stops");
    let stopped = node.stop().await;
    let message = match ended.unwrap_or(stopped) {
        Termination::Fault(fault) => {
            format!(
                "the node stopped by a fault: {fault}; its log says more, as which file of a journal is damaged, and nothing was written since"
            )
        }
        Termination::Stopped if !followed => {
            "the node stopped: it could not follow the ledger any more; its log says why".to_owned()
        }
        Termination::Stopped => {
            tracing::info!("the node has stopped");
            return Ok(());
        }
    };
    let failure = of_end(Failure::new(Exit::Fault, message), &config.data);
    tracing::error!(reason = failure.message, exit = failure.exit.code(), "the node stopped by a fault");
    Err(failure)
}

async fn stdin_ended() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 64];
    // An error ends it like an end: either way nobody holds the other side.
    while stdin.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

async fn unfollowed(node: &Node) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    while node.follows() {
        ticks.tick().await;
    }
}
