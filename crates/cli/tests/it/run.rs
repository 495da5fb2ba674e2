//! This file is where the binary is run and what it said is kept.

use std::{
    path::Path,
    process::{Command, Output},
};

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The binary, with nothing of this process's Horkos settings.
pub(crate) fn horkos(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_horkos"));
    for name in ["HORKOS_PROFILE", "HORKOS_PASSPHRASE", "HORKOS_PASSPHRASE_FILE", "HORKOS_LOG"] {
        command.env_remove(name);
    }
    command.env("HORKOS_HOME", home).env("COLUMNS", "100").stdin(std::process::Stdio::null());
    command
}

pub(crate) fn ran(output: Output) -> Ran {
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a command line, words separated by blanks; `~` stands for `home`.
pub(crate) fn run(home: &Path, line: &str) -> Ran {
    let home_text = home.to_str().unwrap();
    let words = line.split_whitespace().map(|word| word.replace('~', home_text));
    ran(horkos(home).args(words).output().unwrap())
}
