//! This file is where golden files are written anew: a test with `golden` in its name compares its output with a
//! committed file, and writes that file instead when `HORKOS_BLESS` is set.

use crate::tree::{self, Fallible};
use std::process::Command;

pub(crate) fn run(name: Option<&str>) -> Fallible<bool> {
    let root = tree::root()?;
    let mut cargo = Command::new(tree::cargo());
    cargo.current_dir(&root).args(["test", "--workspace", "--quiet", "--"]);
    cargo.arg(name.unwrap_or("golden")).env("HORKOS_BLESS", "1");
    let written = cargo.status()?.success();
    println!("changed golden files; each change is a decision, so read it before you commit it:");
    let git = Command::new("git")
        .current_dir(&root)
        .args(["status", "--short", "--", "*.golden", "docs"])
        .status()?;
    Ok(written && git.success())
}
