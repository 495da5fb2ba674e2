//! `horkos`: one binary for nodes, users, the demonstration and offline verification.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod args;
mod commands;
mod context;
mod demo;
mod exit;
mod fault;
mod logs;
mod meaning;
mod network;
mod out;
mod refusal;
mod time;
mod words;

use args::{Cli, Command};
use clap::{CommandFactory as _, Parser as _};
use commands::{
    audit, bench, chart, completions, consent, demo as demonstration, erase, export, gateway, help, import,
    network as found, node, open, patient, profile, review, tx, verify,
};
use context::Context;
use exit::{Exit, Failure};
use std::{process::ExitCode, time::Duration};

/// How long threads may go on once a command is done.
const END_WITHIN: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ctx = Context::new(cli.globals);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ctx.out.fail(&Failure::new(Exit::Fault, format!("threads can't be started: {error}")));
            return Exit::Fault.into();
        }
    };
    let exit = match runtime.block_on(run(cli.command, &ctx)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            ctx.out.fail(&failure);
            failure.exit.into()
        }
    };
    // What is left waits for something outside, as for the end of a stdin that somebody else holds: that must not hold up
    // the end of the process.
    runtime.shutdown_timeout(END_WITHIN);
    exit
}

async fn run(command: Command, ctx: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => return demonstration::run(args, ctx).await,
        Command::Import(args) => import::run(&args, ctx).await?,
        Command::Chart(command) => chart::run(command, ctx).await?,
        Command::Patient(command) => patient::run(command, ctx).await?,
        Command::Consent(command) => consent::run(command, ctx).await?,
        Command::Open(args) => return open::run(args, ctx).await,
        Command::Audit(args) => audit::audit(&args, ctx).await?,
        Command::Explain(args) => audit::explain(&args, ctx).await?,
        Command::Review(args) => review::run(&args, ctx).await?,
        Command::Erase(args) => erase::run(args, ctx).await?,
        Command::Export(args) => export::run(&args, ctx).await?,
        Command::Verify(args) => verify::run(&args, ctx)?,
        Command::Checkpoint(args) => export::checkpoint(&args, ctx).await?,
        Command::Network(command) => found::run(command, ctx)?,
        Command::Node(command) => node::run(command, ctx).await?,
        Command::Gateway(command) => gateway::run(command, ctx).await?,
        Command::Profile(command) => profile::run(command, ctx)?,
        Command::Tx(command) => tx::run(command, ctx).await?,
        Command::Bench(command) => bench::run(command, ctx).await?,
        Command::Completions(args) => completions::run(&args, Cli::command())?,
        Command::Help(args) => help::run(&args, Cli::command(), &ctx.out)?,
    }
    Ok(Exit::Done)
}
