//! This file is where a gateway's process lives.

use crate::{
    context::{Context, known_passphrase},
    exit::{Exit, Failure, chain},
    logs::log_to,
};
use clap::Args;
use client::SystemHost;
use gateway::start::{ConfigError, Running, StartError, load_config};
use node::LogFormat;
use serde_json::json;
use std::path::PathBuf;
use tokio::{
    io::AsyncReadExt as _,
    signal::unix::{SignalKind, signal},
};

/// Start the gateway and run until SIGTERM or SIGINT
///
/// Prints one line on stdout once it answers. Logs go to stderr, or to a file with --log; HORKOS_LOG sets what is logged.
/// Passphrases come from HORKOS_PASSPHRASE or from the file that HORKOS_PASSPHRASE_FILE names. SIGHUP reads the certificate
/// again.
#[derive(Args, Debug)]
pub(crate) struct Start {
    /// The gateway's configuration file
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    config: PathBuf,
    /// Append logs to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Logs as JSON lines
    #[arg(long)]
    json_logs: bool,
    /// Stop when stdin ends: the gateway of a parent that must not leave it behind
    #[arg(long, hide = true)]
    with_stdin: bool,
}

pub(super) async fn run(args: Start, ctx: &Context) -> Result<(), Failure> {
    let config = load_config(&args.config).map_err(of_config)?;
    let format = if args.json_logs { LogFormat::Json } else { LogFormat::Text };
    log_to(args.log.as_deref(), format)?;
    let signals = |kind| signal(kind).map_err(|error| Failure::new(Exit::Fault, format!("signals: {error}")));
    let (mut terminate, mut interrupt) =
        (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
    let running = Running::start(&config, known_passphrase(), SystemHost::shared())
        .await
        .map_err(|error| of_start(&error))?;
    tracing::info!(address = %running.address(), public = %running.public(), "the gateway answers");
    if ctx.out.json {
        ctx.out.json(&json!({
            "address": running.address(), "fhir": running.public().fhir(), "pid": std::process::id(),
        }))?;
    } else {
        ctx.out.line(format_args!("FHIR at {}, listening on {}", running.public().fhir(), running.address()));
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stdin_ended(), if args.with_stdin => {}
    }
    tracing::info!("the gateway stops");
    running.stop().await;
    Ok(())
}

async fn stdin_ended() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 64];
    // An error ends it like an end: either way nobody holds the other side.
    while stdin.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

fn of_config(error: ConfigError) -> Failure {
    Failure::input(chain(&error))
}

pub(super) fn of_start(error: &StartError) -> Failure {
    let exit = match error {
        StartError::Name(_) | StartError::Public(_) | StartError::Cors(_) | StartError::Authority(_) => {
            Exit::Input
        }
        StartError::User(_) | StartError::Node(_) => Exit::Unreachable,
        StartError::Key(_) => Exit::Keys,
        StartError::Data { .. } | StartError::Working(_) | StartError::Clients(_) | StartError::Serve(_) => {
            Exit::Machine
        }
    };
    Failure::new(exit, chain(error))
}
