//! This file is where the binary is run and what it said is kept.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Output, Stdio},
};

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The binary, with nothing of this process's Horkos settings.
pub(crate) fn horkos(home: &Path) -> Command {
    settled(Command::new(env!("CARGO_BIN_EXE_horkos")), home)
}

/// The same, run by another program, as `nsenter`, whose words come first.
pub(crate) fn horkos_by(home: &Path, by: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(&by[0]);
    command.args(&by[1..]).arg(env!("CARGO_BIN_EXE_horkos"));
    settled(command, home)
}

fn settled(mut command: Command, home: &Path) -> Command {
    for name in ["HORKOS_PROFILE", "HORKOS_PASSPHRASE", "HORKOS_PASSPHRASE_FILE", "HORKOS_LOG"] {
        command.env_remove(name);
    }
    command.env("HORKOS_HOME", home).env("COLUMNS", "100").stdin(Stdio::null());
    command
}

pub(crate) fn ran(output: Output) -> Ran {
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The words of a command line, separated by blanks; `~` stands for `home`.
pub(crate) fn words(home: &Path, line: &str) -> Vec<String> {
    let home = home.to_str().unwrap();
    line.split_whitespace().map(|word| word.replace('~', home)).collect()
}

/// Runs a command line.
pub(crate) fn run(home: &Path, line: &str) -> Ran {
    ran(horkos(home).args(words(home, line)).output().unwrap())
}
