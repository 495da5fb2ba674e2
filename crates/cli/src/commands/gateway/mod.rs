//! An organisation's front door: prepare, start, register clients, rebuild, back up.

mod backup;
pub(crate) mod client;
pub(crate) mod init;
mod rebuild;
mod start;
pub(crate) mod store;
pub(crate) mod token;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

/// Run an organisation's front door: a FHIR R4 server from which nothing leaves unrecorded
#[derive(Subcommand, Debug)]
pub(crate) enum Gateway {
    Init(init::Init),
    Start(start::Start),
    /// Register the programs that may come in (SMART Backend Services)
    #[command(subcommand)]
    Client(client::Client),
    Token(token::Token),
    Rebuild(rebuild::Rebuild),
    Backup(backup::Backup),
}

pub(crate) async fn run(command: Gateway, ctx: &Context) -> Result<(), Failure> {
    match command {
        Gateway::Init(args) => init::run(&args, ctx),
        Gateway::Start(args) => start::run(args, ctx).await,
        Gateway::Client(command) => client::run(command, ctx),
        Gateway::Token(args) => token::run(&args, ctx).await,
        Gateway::Rebuild(args) => rebuild::run(&args, ctx).await,
        Gateway::Backup(args) => backup::run(&args, ctx),
    }
}
