//! This file is where what must be unique is counted: domain texts, tags of tables and kinds, names and numbers of
//! rejects. All of them are literals, so that this file can see them.

use super::{
    finding::Finding,
    tokens::{Source, Token, colons_at, each, macro_calls},
};
use proc_macro2::Delimiter;
use std::collections::BTreeMap;

const DOMAINS: &str = "crates/primitives/src/domain.rs";
const LEDGER: &str = "crates/ledger/src/";
/// Where tables and rejects are made of what others declare.
const TABLES: &str = "crates/ledger/src/table.rs";
const REJECTS: &str = "crates/ledger/src/reject.rs";

/// Things of one sort, each of which may stand once.
struct Register {
    what: &'static str,
    seen: BTreeMap<String, String>,
}

impl Register {
    fn new(what: &'static str) -> Self {
        Self { what, seen: BTreeMap::new() }
    }

    fn enter(&mut self, key: String, path: &str, line: usize, findings: &mut Vec<Finding>) {
        let place = format!("{path}:{line}");
        match self.seen.get(&key) {
            Some(first) => {
                let what = self.what;
                findings.push(Finding::new(path, line, format!("{what} {key} is taken by {first}")));
            }
            None => {
                self.seen.insert(key, place);
            }
        }
    }
}

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    domains(sources, &mut findings);
    let ledger: Vec<&Source> = sources.iter().filter(|source| source.path.starts_with(LEDGER)).collect();
    tables(&ledger, &mut findings);
    rejects(&ledger, &mut findings);
    contents(&ledger, &mut findings);
    findings
}

fn domains(sources: &[Source], findings: &mut Vec<Finding>) {
    let mut texts = Register::new("the domain text");
    for source in sources {
        let path = &source.path;
        if path == DOMAINS {
            for token in macro_calls(&source.live, "domains").into_iter().flat_map(assigned) {
                texts.enter(token.literal().unwrap_or_default().to_owned(), path, token.line, findings);
            }
            continue;
        }
        each(&source.all, &mut |tokens, place| {
            let Some(token) = tokens.get(place) else { return };
            let argument = tokens
                .get(place + 1)
                .and_then(|next| next.group(Delimiter::Parenthesis))
                .and_then(<[_]>::first);
            let before = place.checked_sub(1).and_then(|place| tokens.get(place));
            if token.is_word("Domain")
                && argument.is_some()
                && !before.is_some_and(|token| token.is_word("struct"))
            {
                findings.push(Finding::new(
                    path,
                    token.line,
                    format!("a `Domain` is made outside {DOMAINS}"),
                ));
            }
            let derives = matches!(token.word(), Some("derive_key" | "new_derive_key"));
            if derives && argument.is_some_and(|token| token.string().is_some()) {
                findings.push(Finding::new(
                    path,
                    token.line,
                    format!("a key's context belongs into {DOMAINS}"),
                ));
            }
        });
    }
}

/// The values in `#[…] NAME = value;` lines.
fn assigned(body: &[Token]) -> Vec<&Token> {
    body.iter()
        .enumerate()
        .filter(|(_, token)| token.is('='))
        .filter_map(|(at, _)| body.get(at + 1))
        .collect()
}

fn tables(ledger: &[&Source], findings: &mut Vec<Finding>) {
    let mut tags = Register::new("the table tag");
    for source in ledger.iter().filter(|source| source.path != TABLES) {
        each(&source.live, &mut |tokens, place| {
            let Some(argument) = table_made(tokens, place) else { return };
            let line = tokens.get(place).map_or(1, |token| token.line);
            match argument {
                [literal] if literal.number().is_some() => {
                    let tag = format!("{:#04x}", literal.number().unwrap_or_default());
                    tags.enter(tag, &source.path, line, findings);
                }
                _ => {
                    let message = "a table's tag is written as a literal, so that tidy can see it";
                    findings.push(Finding::new(&source.path, line, message));
                }
            }
        });
    }
}

/// The argument of `Table::new(…)`, `Table::<K, V>::new(…)` or the same of `Singleton`, if it begins here.
fn table_made(tokens: &[Token], place: usize) -> Option<&[Token]> {
    let named = tokens.get(place)?;
    if !(named.is_word("Table") || named.is_word("Singleton")) || !colons_at(tokens, place + 1) {
        return None;
    }
    let mut place = place + 3;
    if tokens.get(place)?.is('<') {
        let mut depth = 0_usize;
        loop {
            let token = tokens.get(place)?;
            place += 1;
            if token.is('<') {
                depth += 1;
            } else if token.is('>') {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
        }
        place += 2;
    }
    let called = tokens.get(place)?.is_word("new");
    called.then(|| tokens.get(place + 1)?.group(Delimiter::Parenthesis))?
}

fn rejects(ledger: &[&Source], findings: &mut Vec<Finding>) {
    let mut numbers = Register::new("the reject number");
    let mut names = Register::new("the reject's name");
    for source in ledger {
        let path = &source.path;
        for body in macro_calls(&source.live, "rejects") {
            for line in body.split(|token| token.is(';')) {
                let [.., name, equals, number, comma, _message] = line else { continue };
                if !equals.is('=') || !comma.is(',') {
                    continue;
                }
                numbers.enter(number.literal().unwrap_or_default().to_owned(), path, number.line, findings);
                names.enter(name.word().unwrap_or_default().to_owned(), path, name.line, findings);
            }
        }
        if path == REJECTS {
            continue;
        }
        each(&source.live, &mut |tokens, place| {
            let made = tokens.get(place).filter(|token| token.is_word("Reject"));
            let argument = tokens.get(place + 1).and_then(|next| next.group(Delimiter::Parenthesis));
            if let (Some(token), Some([literal])) = (made, argument)
                && literal.number().is_some()
            {
                findings.push(Finding::new(
                    path,
                    token.line,
                    "a reject is declared by `rejects!`, with its sentence",
                ));
            }
        });
    }
}

/// The lines of `kinds.rs`: tag, name, type.
fn contents(ledger: &[&Source], findings: &mut Vec<Finding>) {
    for (table, tag, name) in [
        ("kinds", "the tag of a kind", "the name of a kind"),
        ("facts", "the tag of an event", "the name of an event"),
    ] {
        let (mut tags, mut names) = (Register::new(tag), Register::new(name));
        for source in ledger {
            let path = &source.path;
            for line in macro_calls(&source.live, table)
                .into_iter()
                .flat_map(|body| body.split(|token| token.is(';')))
            {
                let [tag, name, folder, ..] = line else { continue };
                let (Some(number), Some(text), Some(folder)) = (tag.number(), name.string(), folder.word())
                else {
                    continue;
                };
                tags.enter(format!("{number:#06x}"), path, tag.line, findings);
                names.enter(text.to_owned(), path, name.line, findings);
                if text.split('.').next() != Some(folder) {
                    findings.push(Finding::new(
                        path,
                        name.line,
                        format!("`{text}` stands in the folder `{folder}`"),
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DOMAINS, Source, check};

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::parse(path, text).unwrap_or_else(|finding| panic!("{finding}")))
            .collect();
        check(&sources).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_unique_passes() {
        let found = found(&[
            (
                DOMAINS,
                "pub struct Domain(&'static str);\ndomains! { /// A.\nA = \"horkos a\"; /// B.\nB = \"horkos b\"; }",
            ),
            (
                "crates/ledger/src/a/state.rs",
                "const A: Table<K, V> = Table::new(0x01); const B: Singleton<V> = Singleton::new(2);",
            ),
            (
                "crates/ledger/src/b/state.rs",
                "const A: T = Table::<K, Vec<(A, B)>>::new(3);\n#[cfg(test)] mod t { fn f() { Table::new(3); } }",
            ),
            ("crates/ledger/src/table.rs", "impl Table { fn new(tag: u8) -> Self { Table::new(tag) } }"),
            ("crates/ledger/src/a/mod.rs", "rejects! { A = 1, \"a = b\"; B = 2, \"b\"; }"),
            ("crates/ledger/src/b/mod.rs", "rejects! { C = 3, \"a\"; } fn f(r: u16) { Reject(r); }"),
            (
                "crates/ledger/src/kinds.rs",
                "kinds! { 0x0101 \"a.do\" a::Do; } facts! { 0x0101 \"a.done\" a::Done; }",
            ),
            ("crates/node/src/x.rs", "fn f() { Table::new(1); derive_key(context); domain(Domain); }"),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn what_is_taken_or_hidden_is_refused() {
        for (wanted, files) in [
            (
                "domain text \"x\" is taken by crates/primitives/src/domain.rs:1",
                [(DOMAINS, "domains! { A = \"x\";\nB = \"x\"; }"), ("a.rs", "")],
            ),
            (
                "`Domain` is made outside",
                [("crates/envelope/src/a.rs", "const D: Domain = Domain(\"x\");"), ("a.rs", "")],
            ),
            (
                "a key's context belongs into",
                [("crates/envelope/tests/it/a.rs", "blake3::derive_key(\"x\", b)"), ("a.rs", "")],
            ),
            (
                "table tag 0x10 is taken by crates/ledger/src/a.rs:1",
                [
                    ("crates/ledger/src/a.rs", "Table::new(0x10)"),
                    ("crates/ledger/src/b.rs", "Singleton::<A>::new(16)"),
                ],
            ),
            ("written as a literal", [("crates/ledger/src/a.rs", "Table::new(TAG)"), ("a.rs", "")]),
            (
                "reject number 7 is taken by crates/ledger/src/a.rs:1",
                [
                    ("crates/ledger/src/a.rs", "rejects! { A = 7, \"a\"; }"),
                    ("crates/ledger/src/b.rs", "rejects! { B = 7, \"a\"; }"),
                ],
            ),
            (
                "reject's name A is taken",
                [
                    ("crates/ledger/src/a.rs", "rejects! { A = 7, \"a\"; }"),
                    ("crates/ledger/src/b.rs", "rejects! { A = 8, \"a\"; }"),
                ],
            ),
            ("declared by `rejects!`", [("crates/ledger/src/a.rs", "return Err(Reject(12));"), ("a.rs", "")]),
            (
                "tag of a kind 0x0101 is taken",
                [
                    ("crates/ledger/src/kinds.rs", "kinds! { 0x0101 \"a.b\" a::B; 257 \"a.c\" a::C; }"),
                    ("a.rs", ""),
                ],
            ),
            (
                "name of an event a.b is taken",
                [("crates/ledger/src/kinds.rs", "facts! { 1 \"a.b\" a::B; 2 \"a.b\" a::C; }"), ("a.rs", "")],
            ),
            (
                "`a.c` stands in the folder `b`",
                [("crates/ledger/src/kinds.rs", "facts! { 1 \"a.c\" b::B; }"), ("a.rs", "")],
            ),
        ] {
            let found = found(&files);
            assert!(found.len() == 1 && found[0].contains(wanted), "{wanted}: {found:?}");
        }
    }
}
