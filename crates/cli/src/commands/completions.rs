//! This file is where shells learn to complete commands.

use crate::exit::Failure;
use clap::{Args, Command};
use clap_complete::Shell;
use std::io;

/// Write completions for a shell to stdout
///
/// As in `horkos completions bash > /etc/bash_completion.d/horkos`.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Completions, mut root: Command) -> Result<(), Failure> {
    clap_complete::generate(args.shell, &mut root, "horkos", &mut io::stdout().lock());
    Ok(())
}
