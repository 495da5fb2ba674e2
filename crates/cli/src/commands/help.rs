//! This file is where help is: of every command, and pages on what no single command is about.

use crate::{
    exit::{Exit, Failure},
    out::{Out, Style, Table, wrap},
};
use clap::{Args, Command};

/// Show help: of a command, or the page `exit-codes`
#[derive(Args, Debug)]
pub(crate) struct Help {
    /// A command, as `consent grant`, or `exit-codes`
    #[arg(value_name = "COMMAND")]
    words: Vec<String>,
}

pub(crate) fn run(args: &Help, mut root: Command, out: &Out) -> Result<(), Failure> {
    if args.words == ["exit-codes"] {
        exit_codes(out);
        return Ok(());
    }
    root.build();
    let mut command = &mut root;
    for word in &args.words {
        command = command.find_subcommand_mut(word).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("there is no command `{}`; see `horkos help`", args.words.join(" ")),
            )
        })?;
    }
    out.line(command.render_long_help().to_string().trim_end());
    Ok(())
}

fn exit_codes(out: &Out) {
    out.line(out.paint(Style::Bold, "Exit statuses of horkos"));
    out.line("");
    let mut table = Table::default();
    for (exit, meaning) in Exit::ALL {
        let mut lines = wrap(meaning, 84).into_iter();
        table.row([format!("{:>4}", exit.code()), lines.next().unwrap_or_default()]);
        for line in lines {
            table.row([String::new(), line]);
        }
    }
    out.table(&table);
    out.line("");
    out.line("With --json a failure is one JSON object on stderr: error, exit, status.");
}
