//! This file is where the whole help stands in a golden file, so that it only changes on purpose.

use crate::run::run;
use std::{env, fs, path::Path};

/// The commands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let name = line.strip_prefix("  ")?;
            (!name.starts_with(' ')).then(|| name.split_whitespace().next().unwrap_or_default().to_owned())
        })
        .filter(|name| !name.is_empty())
        .collect()
}

fn collect(home: &Path, path: &str, tree: &mut String) {
    let ran = run(home, &format!("help {path}"));
    assert_eq!(ran.status, 0, "help {path}: {}", ran.stderr);
    tree.push_str(&format!("━━ horkos {path}\n{}\n", ran.stdout));
    for command in commands(&ran.stdout) {
        collect(home, format!("{path} {command}").trim(), tree);
    }
}

#[test]
fn cli_golden() {
    let home = tempfile::tempdir().unwrap();
    let mut tree = String::new();
    collect(home.path(), "", &mut tree);
    let page = run(home.path(), "help exit-codes");
    assert_eq!(page.status, 0);
    tree.push_str(&format!("━━ horkos help exit-codes\n{}", page.stdout));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cli.golden");
    if env::var_os("HORKOS_BLESS").is_some() {
        fs::write(&path, &tree).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == tree, "the help changed; look at it, then run `cargo xtask goldens`");
    let widest = tree.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(120), "{widest:?} columns");
}
