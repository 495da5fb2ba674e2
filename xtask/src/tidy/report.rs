//! This file is where the checks are called one after the other, and what they found is told.

use super::{circles, finding::Finding, layers, length, manners, tokens::Source, unique};
use crate::tree::{self, Fallible, Package, Tree};

/// Checks the tree; true if nothing was found.
pub(crate) fn run(fix: bool) -> Fallible<bool> {
    let tree = Tree::read(&tree::root()?)?;
    if fix {
        for line in length::lower(&tree)? {
            println!("{line}");
        }
    }
    let packages = tree::packages(&tree)?;
    let findings = check(&tree, &packages)?;
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {} packages, {} files, nothing to say", packages.len(), tree.files.len()),
        count => println!("tidy: {count} to mend"),
    }
    Ok(findings.is_empty())
}

fn check(tree: &Tree, packages: &[Package]) -> Fallible<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut sources = Vec::new();
    for file in tree.rust_files() {
        match Source::parse(file, &tree.text(file)?) {
            Ok(source) => sources.push(source),
            Err(finding) => findings.push(finding),
        }
    }
    findings.extend(layers::check(tree, packages)?);
    findings.extend(circles::check(packages, &sources));
    findings.extend(length::check(tree)?);
    findings.extend(unique::check(&sources));
    findings.extend(manners::check(tree, &sources)?);
    findings.sort();
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::{self, Tree, fixture};

    /// The rules hold for this very tree: the same as `cargo xtask tidy`.
    #[test]
    fn the_house_is_tidy() {
        let tree = Tree::read(&tree::root().expect("a root")).expect("a tree");
        let packages = tree::packages(&tree).expect("packages");
        let findings = check(&tree, &packages).expect("checked");
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
    }

    #[test]
    fn every_check_is_called() {
        let fixture = fixture::tree(&[
            ("ARCHITECTURE.md", "| crate | uses | tests also use |\n|---|---|---|\n| a | — | — |\n"),
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"3\"\n"),
            ("crates/ledger/Cargo.toml", "[package]\nname = \"horkos-ledger\"\nversion = \"0.1.0\"\n"),
            ("crates/ledger/src/lib.rs", "//! A.\nmod b;\nmod c;\nfn f() { Domain(\"x\"); }\n"),
            ("crates/ledger/src/b.rs", "use crate::c::C;\npub struct B;\n"),
            ("crates/ledger/src/c.rs", &format!("//! C.\nuse crate::b::B;\n{}", "\n".repeat(700))),
            ("crates/ledger/src/broken.rs", "//! D.\nfn f( {\n"),
        ]);
        let packages = tree::packages(&fixture.tree).expect("packages");
        let lines: Vec<String> =
            check(&fixture.tree, &packages).expect("checked").iter().map(ToString::to_string).collect();
        for part in [
            "no row for",
            "no crate named",
            "circle",
            "702 lines",
            "outside",
            "begins with `//!`",
            "not Rust",
        ] {
            assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
        }
    }
}
