//! An organisation's node: prepare, start, look after, check, back up.

mod backup;
mod init;
mod rotate_box_key;
mod staff;
mod start;
mod status;
mod verify;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

/// Run an organisation's node: validator, trustee and desk in one process
#[derive(Subcommand, Debug)]
pub(crate) enum Node {
    Init(init::Init),
    Start(start::Start),
    Status(status::Status),
    Staff(staff::AddStaff),
    Verify(verify::Verify),
    RotateBoxKey(rotate_box_key::RotateBoxKey),
    Backup(backup::Backup),
    Restore(backup::Restore),
}

pub(crate) async fn run(command: Node, ctx: &Context) -> Result<(), Failure> {
    match command {
        Node::Init(args) => init::run(&args, ctx),
        Node::Start(args) => start::run(args, ctx).await,
        Node::Status(args) => status::run(&args, ctx).await,
        Node::Staff(args) => staff::run(&args, ctx),
        Node::Verify(args) => verify::run(&args, ctx).await,
        Node::RotateBoxKey(args) => rotate_box_key::run(&args, ctx).await,
        Node::Backup(args) => backup::backup(&args, ctx).await,
        Node::Restore(args) => backup::restore(&args, ctx),
    }
}
