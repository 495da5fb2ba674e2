//! This file is where the crates' edges are held to the layer table of ARCHITECTURE.md.
//!
//! The table's rows stand in the order of layers, lowest first. Its columns `crate`, `uses` and `tests also use` are
//! read: `—` for nothing, names, or `all above`. A row may name only rows above it, so nothing imports upward.

use super::finding::Finding;
use crate::tree::{Fallible, Package, Tree};
use std::collections::BTreeSet;

const PAGE: &str = "ARCHITECTURE.md";

struct Row {
    line: usize,
    name: String,
    uses: BTreeSet<String>,
    tests_use: BTreeSet<String>,
}

pub(crate) fn check(tree: &Tree, packages: &[Package]) -> Fallible<Vec<Finding>> {
    let mut findings = Vec::new();
    let rows = rows(&tree.text(PAGE)?, &mut findings);
    for row in &rows {
        if !packages.iter().any(|package| package.name == row.name) {
            findings.push(Finding::new(PAGE, row.line, format!("there is no crate named `{}`", row.name)));
        }
    }
    for package in packages {
        let at = |message: String| Finding::new(&package.manifest, 1, message);
        let Some(row) = rows.iter().find(|row| row.name == package.name) else {
            findings.push(at(format!("the layer table in {PAGE} has no row for `{}`", package.name)));
            continue;
        };
        for (used, by_tests) in &package.uses {
            // A crate's own tests may name the crate itself, to switch a feature on.
            let itself = *by_tests && *used == package.name;
            if itself || row.uses.contains(used) || *by_tests && row.tests_use.contains(used) {
                continue;
            }
            let who = if *by_tests { "tests of " } else { "" };
            findings.push(at(format!(
                "{who}`{}` may not use `{used}`: the layer table in {PAGE} (line {}) doesn't allow it",
                package.name, row.line
            )));
        }
    }
    Ok(findings)
}

fn rows(page: &str, findings: &mut Vec<Finding>) -> Vec<Row> {
    let lines: Vec<(usize, Vec<&str>)> = (1..).zip(page.lines().map(cells)).collect();
    let column = |cells: &[&str], name: &str| cells.iter().position(|cell| *cell == name);
    let header = lines.iter().position(|(_, cells)| {
        ["crate", "uses", "tests also use"].iter().all(|name| column(cells, name).is_some())
    });
    let Some((header, (_, names))) = header.and_then(|place| lines.get(place).map(|line| (place, line)))
    else {
        let message = "there is no layer table: its columns are `crate`, `uses` and `tests also use`";
        findings.push(Finding::new(PAGE, 1, message));
        return Vec::new();
    };
    let mut rows: Vec<Row> = Vec::new();
    for (line, cells) in lines.iter().skip(header + 2).take_while(|(_, cells)| !cells.is_empty()) {
        let cell = |name| column(names, name).and_then(|place| cells.get(place)).copied().unwrap_or_default();
        let above: BTreeSet<String> = rows.iter().map(|row| row.name.clone()).collect();
        let mut allowed = |name| {
            let named = match cell(name) {
                "all above" => above.clone(),
                "—" | "" => BTreeSet::new(),
                list => list.split(',').map(bare).collect(),
            };
            for name in named.difference(&above) {
                findings.push(Finding::new(
                    PAGE,
                    *line,
                    format!("`{name}` has no row above: nothing imports upward"),
                ));
            }
            named
        };
        let (uses, tests_use) = (allowed("uses"), allowed("tests also use"));
        let name = bare(cell("crate"));
        if above.contains(&name) {
            findings.push(Finding::new(PAGE, *line, format!("`{name}` stands in the table twice")));
        }
        rows.push(Row { line: *line, name, uses, tests_use });
    }
    rows
}

/// The trimmed cells of a table's line; none if the line belongs to no table.
fn cells(line: &str) -> Vec<&str> {
    match line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|')) {
        Some(inside) => inside.split('|').map(str::trim).collect(),
        None => Vec::new(),
    }
}

fn bare(name: &str) -> String {
    name.trim().trim_matches('`').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Package, check};
    use crate::tree::fixture;

    const TABLE: &str = "\
# Words

| crate | of | uses | tests also use |
|---|---|---|---|
| `base` | x | — | — |
| `mid` | x | `base` | — |
| `side` | x | — | `base`, mid |
| `top` | x | all above | — |

text
";

    fn found(page: &str, uses: &[(&str, &str, bool)]) -> Vec<String> {
        let fixture = fixture::tree(&[("ARCHITECTURE.md", page)]);
        let packages: Vec<Package> = ["base", "mid", "side", "top"]
            .iter()
            .map(|name| Package {
                name: (*name).to_owned(),
                manifest: format!("{name}/Cargo.toml"),
                roots: Vec::new(),
                uses: uses
                    .iter()
                    .filter(|(a, ..)| a == name)
                    .map(|(_, b, t)| ((*b).to_owned(), *t))
                    .collect(),
            })
            .collect();
        check(&fixture.tree, &packages).expect("checked").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn listed_edges_pass() {
        let listed =
            [("mid", "base", false), ("top", "side", false), ("side", "mid", true), ("top", "base", true)];
        assert_eq!(found(TABLE, &listed), [""; 0]);
    }

    #[test]
    fn other_edges_are_refused() {
        for (from, to, by_tests) in
            [("base", "mid", false), ("side", "mid", false), ("base", "mid", true), ("mid", "side", true)]
        {
            let found = found(TABLE, &[(from, to, by_tests)]);
            assert_eq!(found.len(), 1, "{from} → {to}: {found:?}");
            assert!(found[0].contains(&format!("`{from}` may not use `{to}`")), "{found:?}");
        }
    }

    #[test]
    fn a_bad_table_is_refused() {
        for (page, wanted) in [
            ("no table", "there is no layer table"),
            (&TABLE.replace("| `mid` | x |", "| `mid` | x | `top`,"), "`top` has no row above"),
            (&TABLE.replace("| `side` | x | — | `base`, mid |\n", ""), "no row for `side`"),
            (&TABLE.replace("`top`", "`mid`"), "twice"),
            (&TABLE.replace("\n\ntext", "\n| new | x | — | — |\n"), "no crate named `new`"),
            (&TABLE.replace("`base`, mid", "`top`"), "`top` has no row above"),
        ] {
            let found = found(page, &[]);
            assert!(found.iter().any(|line| line.contains(wanted)), "{wanted}: {found:?}");
        }
    }
}
