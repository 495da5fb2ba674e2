//! This file is where files are kept short: at most 600 lines, except those listed with their count in
//! `xtask/long-files.txt`, whose numbers may only fall.

use super::finding::Finding;
use crate::tree::{Fallible, Tree};
use std::{collections::BTreeMap, fs, process::Command};

const LINES_MAX: usize = 600;
const LIST: &str = "xtask/long-files.txt";

pub(crate) fn check(tree: &Tree) -> Fallible<Vec<Finding>> {
    let listed = listed(tree)?;
    let mut findings = Vec::new();
    for file in tree.rust_files() {
        let lines = tree.text(file)?.lines().count();
        match listed.get(file) {
            None if lines > LINES_MAX => {
                let message = format!("{lines} lines, at most {LINES_MAX}: look for the second room");
                findings.push(Finding::new(file, lines, message));
            }
            Some(count) if lines > *count => {
                findings.push(Finding::new(
                    file,
                    lines,
                    format!("grew from {count} to {lines} lines; {LIST} only falls"),
                ));
            }
            Some(count) if lines < *count => {
                let message =
                    format!("shrank from {count} to {lines} lines: `cargo xtask tidy --fix` lowers {LIST}");
                findings.push(Finding::new(file, lines, message));
            }
            None | Some(_) => {}
        }
    }
    for (file, count) in &listed {
        if !tree.has(file) {
            findings.push(Finding::new(
                LIST,
                1,
                format!("`{file}` is gone: `cargo xtask tidy --fix` drops it"),
            ));
        }
        if committed(tree).is_some_and(|old| old.get(file).is_none_or(|old| count > old)) {
            findings.push(Finding::new(
                LIST,
                1,
                format!("`{file}` was added or raised; the list only falls"),
            ));
        }
    }
    Ok(findings)
}

/// Lowers the list to what the files have become; tells what it changed.
pub(crate) fn lower(tree: &Tree) -> Fallible<Vec<String>> {
    let old = listed(tree)?;
    let mut new = BTreeMap::new();
    for (file, count) in &old {
        if !tree.has(file) {
            continue;
        }
        let lines = tree.text(file)?.lines().count();
        if lines > LINES_MAX {
            new.insert(file.clone(), lines.min(*count));
        }
    }
    let changes: Vec<String> = old
        .iter()
        .filter(|(file, count)| new.get(*file) != Some(count))
        .map(|(file, count)| match new.get(file) {
            Some(lines) => format!("{LIST}: {file} lowered from {count} to {lines}"),
            None => format!("{LIST}: {file} dropped"),
        })
        .collect();
    if !changes.is_empty() {
        let comments: String = tree
            .text(LIST)?
            .lines()
            .filter(|line| line.starts_with('#'))
            .flat_map(|line| [line, "\n"])
            .collect();
        let rows: String = new.iter().map(|(file, lines)| format!("{file} {lines}\n")).collect();
        fs::write(tree.root.join(LIST), comments + &rows)?;
    }
    Ok(changes)
}

fn listed(tree: &Tree) -> Fallible<BTreeMap<String, usize>> {
    if tree.has(LIST) { parse(&tree.text(LIST)?) } else { Ok(BTreeMap::new()) }
}

/// The list as it was last committed; none where there is no git or no such commit.
fn committed(tree: &Tree) -> Option<BTreeMap<String, usize>> {
    let output = Command::new("git")
        .current_dir(&tree.root)
        .args(["show", &format!("HEAD:./{LIST}")])
        .output()
        .ok()?;
    output.status.success().then(|| parse(&String::from_utf8_lossy(&output.stdout)).ok())?
}

fn parse(text: &str) -> Fallible<BTreeMap<String, usize>> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let (file, lines) =
                line.rsplit_once(' ').ok_or_else(|| format!("{LIST}: `{line}` is not a path and a count"))?;
            Ok((file.to_owned(), lines.parse().map_err(|_| format!("{LIST}: `{lines}` is not a count"))?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{LIST, check, lower};
    use crate::tree::{Tree, fixture};
    use std::process::Command;

    fn lines(count: usize) -> String {
        "//! A.\n".repeat(count)
    }

    fn found(tree: &Tree) -> Vec<String> {
        check(tree).expect("checked").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_length_has_its_verdict() {
        for (list, count, wanted) in [
            ("", 600, None),
            ("", 601, Some("look for the second room")),
            ("a.rs 700\n", 700, None),
            ("a.rs 700\n", 701, Some("grew from 700 to 701")),
            ("a.rs 700\n", 699, Some("shrank from 700 to 699")),
            ("# why\na.rs 700\n", 12, Some("shrank from 700 to 12")),
            ("b.rs 700\n", 12, Some("`b.rs` is gone")),
        ] {
            let fixture = fixture::tree(&[("a.rs", &lines(count)), (LIST, list)]);
            let found = found(&fixture.tree);
            match wanted {
                None => assert_eq!(found, [""; 0], "{list:?} {count}"),
                Some(part) => {
                    assert!(found.len() == 1 && found[0].contains(part), "{list:?} {count}: {found:?}")
                }
            }
        }
    }

    #[test]
    fn fixing_lowers_and_never_raises() {
        let list = "# Why.\na.rs 700\nb.rs 700\nc.rs 700\ngone.rs 700\n";
        let fixture = fixture::tree(&[
            ("a.rs", &lines(650)),
            ("b.rs", &lines(600)),
            ("c.rs", &lines(800)),
            ("d.rs", &lines(800)),
            (LIST, list),
        ]);
        assert_eq!(lower(&fixture.tree).expect("lowered").len(), 3);
        assert_eq!(fixture.tree.text(LIST).expect("the list"), "# Why.\na.rs 650\nc.rs 700\n");
        assert_eq!(found(&fixture.tree).len(), 2, "c.rs grew, d.rs is new");
        assert_eq!(lower(&fixture.tree).expect("nothing left"), [""; 0]);
    }

    #[test]
    fn an_entry_is_neither_added_nor_raised() {
        let fixture = fixture::tree(&[("a.rs", &lines(700)), (LIST, "a.rs 700\n")]);
        let root = &fixture.tree.root;
        for args in [
            vec!["init", "--quiet"],
            vec!["add", "."],
            vec!["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "one"],
        ] {
            assert!(Command::new("git").current_dir(root).args(args).status().expect("git runs").success());
        }
        assert_eq!(found(&fixture.tree), [""; 0]);
        std::fs::write(root.join("a.rs"), lines(800)).expect("written");
        std::fs::write(root.join(LIST), "a.rs 800\n").expect("written");
        assert!(found(&fixture.tree)[0].contains("added or raised"));
    }
}
