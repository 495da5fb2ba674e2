//! This file is where small manners are checked: each Rust file says what it is, lints are expected rather than
//! allowed, nothing is left for later, and no path of somebody's machine is in the tree.

use super::{
    finding::Finding,
    tokens::{Source, Token, each},
};
use crate::tree::{Fallible, Tree};
use proc_macro2::Delimiter;

/// Notes to oneself. Written in halves, or this file would be the first to break its rule.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
/// Folders at the root of a file system that hold one machine's work, not a system's configuration.
const MACHINE_FOLDERS: [&str; 6] = ["work", "tmp", "root", "home", "farm", "Users"];

pub(crate) fn check(tree: &Tree, sources: &[Source]) -> Fallible<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in &tree.files {
        if file == "Cargo.lock" {
            continue;
        }
        let Some(text) = tree.text_if_any(file)? else { continue };
        if file.ends_with(".rs") && !text.starts_with("//!") {
            findings.push(Finding::new(
                file,
                1,
                "a Rust file begins with `//!`: one sentence on what it is for",
            ));
        }
        for (number, line) in (1..).zip(text.lines()) {
            if is_code(file)
                && let Some(mark) = MARKS.iter().find(|mark| has_word(line, mark))
            {
                findings.push(Finding::new(file, number, format!("`{mark}`: do it, or open an issue")));
            }
            if let Some(folder) = machine_folder(line) {
                findings.push(Finding::new(file, number, format!("`/{folder}/…` is a path of one machine")));
            }
        }
    }
    for source in sources {
        each(&source.all, &mut |tokens, place| {
            if let Some(token) = bare_allow(tokens, place) {
                let message = "`#[expect(lint, reason = \"…\")]` instead of `allow`";
                findings.push(Finding::new(&source.path, token.line, message));
            }
        });
    }
    Ok(findings)
}

fn is_code(file: &str) -> bool {
    [".rs", ".toml", ".sh", "Makefile", ".ci/run"].iter().any(|end| file.ends_with(end))
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let near = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let (before, after) = line.split_at(at);
        !near(before.chars().next_back()) && !near(after.chars().nth(word.len()))
    })
}

/// The folder of the first absolute path on the line that belongs to one machine.
fn machine_folder(line: &str) -> Option<&'static str> {
    line.match_indices('/').find_map(|(at, _)| {
        let (before, after) = line.split_at(at);
        // A slash inside a path or an address begins nothing.
        let inside =
            before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || "._-/})$~*%".contains(c));
        let named = |folder: &&str| {
            after
                .strip_prefix('/')
                .and_then(|rest| rest.strip_prefix(*folder))
                .is_some_and(|rest| rest.starts_with('/'))
        };
        if inside { None } else { MACHINE_FOLDERS.into_iter().find(|folder| named(folder)) }
    })
}

/// `#[allow(…)]`, `#![allow(…)]`, or `allow(…)` under `cfg_attr`.
fn bare_allow(tokens: &[Token], place: usize) -> Option<&Token> {
    let hash = tokens.get(place).filter(|token| token.is('#'))?;
    let next = tokens.get(place + 1)?;
    let attribute = if next.is('!') { tokens.get(place + 2)? } else { next };
    let inside = attribute.group(Delimiter::Bracket)?;
    let name = inside.first()?;
    let under_condition = name.is_word("cfg_attr")
        && inside
            .get(1)
            .is_some_and(|condition| condition.inner().iter().any(|token| token.is_word("allow")));
    (name.is_word("allow") || under_condition).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::{Source, check};
    use crate::tree::fixture;

    fn found(file: &str, text: &str) -> Vec<String> {
        let fixture = fixture::tree(&[(file, text)]);
        let sources: Vec<Source> = Source::parse(file, text).into_iter().collect();
        check(&fixture.tree, &sources).expect("checked").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn good_manners_pass() {
        for (file, text) in [
            (
                "a.rs",
                "//! A file.\n#[expect(dead_code, reason = \"x\")]\nfn allow() { let s = \"#[allow(x)]\"; }\n",
            ),
            (
                "a.rs",
                "//! See https://example.org/work/a, ../work/b, a/tmp/b, ${DIR}/tmp/x, and /etc/horkos/.\n",
            ),
            ("a.rs", &format!("//! {0}S and my_{0} are words of their own.\n", super::MARKS[0])),
            ("notes.md", &format!("{} in prose\n", super::MARKS[0])),
            ("data.bin", "no path\n"),
        ] {
            assert_eq!(found(file, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn bad_manners_are_refused() {
        let path = |folder: &str| format!("//! In /{folder}/x.\n");
        for (wanted, file, text) in [
            ("begins with `//!`", "a.rs", "// A file.\n".to_owned()),
            ("begins with `//!`", "a.rs", "\n//! A file.\n".to_owned()),
            ("instead of `allow`", "a.rs", "//! A.\n#[allow(dead_code)]\nfn f() {}\n".to_owned()),
            ("instead of `allow`", "a.rs", "//! A.\n#![allow(dead_code)]\n".to_owned()),
            (
                "instead of `allow`",
                "a.rs",
                "//! A.\nmod m { #[cfg_attr(test, allow(x))] fn f() {} }\n".to_owned(),
            ),
            (super::MARKS[0], "a.rs", format!("//! A.\n// {}: later\n", super::MARKS[0])),
            (super::MARKS[1], "Makefile", format!("# {} later\n", super::MARKS[1])),
            ("of one machine", "a.rs", path("work")),
            ("of one machine", "a.md", path("tmp")),
            ("of one machine", "a.json", path("home")),
        ] {
            let found = found(file, &text);
            assert!(found.len() == 1 && found[0].contains(wanted), "{text}: {found:?}");
        }
    }
}
