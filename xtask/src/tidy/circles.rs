//! This file is where circles of imports between the files of a crate are found. Two files that need each other are
//! one file, or three.
//!
//! A name is followed to the file where it stands: `crate::Draft` means the file of `Draft`, not the face that hands it
//! on. So a face that re-exports what lies below it makes no circle.

use super::{
    finding::Finding,
    modules::{Module, modules},
    tokens::Source,
};
use crate::tree::Package;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many re-exports a name is followed through; also ends circles of re-exports.
const HOPS_MAX: usize = 16;

/// Who imports whom, and on which line first.
type Edges<'a> = BTreeMap<&'a str, BTreeMap<&'a str, usize>>;

pub(crate) fn check(packages: &[Package], sources: &[Source]) -> Vec<Finding> {
    let sources: BTreeMap<&str, &Source> =
        sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let mut findings: Vec<Finding> = packages
        .iter()
        .flat_map(|package| &package.roots)
        .flat_map(|root| circles(&edges(&modules(root, &sources))))
        .collect();
    findings.sort();
    findings.dedup();
    findings
}

/// The modules of one crate, as names are looked up in them.
struct Names<'m, 'a> {
    modules: &'m BTreeMap<Vec<String>, Module<'a>>,
}

fn edges<'a>(modules: &BTreeMap<Vec<String>, Module<'a>>) -> Edges<'a> {
    let names = Names { modules };
    let mut edges: Edges<'a> = BTreeMap::new();
    for module in modules.values() {
        let mut targets: Vec<(&'a str, usize)> = Vec::new();
        for u in &module.uses {
            let Some(path) = names.absolute(module, &u.within, &u.path, false) else { continue };
            let below = path.len() > module.path.len() && path.starts_with(&module.path);
            if u.public && below {
                continue;
            }
            let files = if u.name.is_some() { names.files(&path, 0) } else { names.files_of_all(&path) };
            targets.extend(files.into_iter().map(|file| (file, u.line)));
        }
        for mention in &module.mentions {
            let path = names.absolute(module, &mention.within, &mention.path, true);
            let files = path.map(|path| names.files(&path, 0)).unwrap_or_default();
            targets.extend(files.into_iter().map(|file| (file, mention.line)));
        }
        let out = edges.entry(module.file).or_default();
        for (file, line) in targets {
            if file != module.file {
                let first = out.entry(file).or_insert(line);
                *first = line.min(*first);
            }
        }
    }
    edges
}

impl<'a> Names<'_, 'a> {
    /// A path from the crate's root; none if it leads out of the crate or starts at something local.
    fn absolute(
        &self,
        module: &Module<'a>,
        within: &[String],
        path: &[String],
        in_code: bool,
    ) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([within, rest].concat()),
            "super" => {
                let ups = path.iter().take_while(|word| *word == "super").count();
                let base = within.len().checked_sub(ups)?;
                Some([&within[..base], &path[ups..]].concat())
            }
            name => {
                let child = [within, std::slice::from_ref(first)].concat();
                if self.modules.contains_key(&child) {
                    return Some([within, path].concat());
                }
                // What a `use` of this file brought in, a module most of all.
                let brought = module.uses.iter().find(|u| in_code && u.name.as_deref() == Some(name))?;
                Some([&self.absolute(module, &brought.within, &brought.path, false)?, rest].concat())
            }
        }
    }

    /// The nearest module with a file on the way of this path, and what is left of the path behind it.
    fn nearest<'p>(&self, path: &'p [String]) -> Option<(&Module<'a>, &'p [String])> {
        (0..=path.len()).rev().find_map(|length| Some((self.modules.get(&path[..length])?, &path[length..])))
    }

    /// The file where the named thing stands; none if the path names just a module, or leads out of the crate.
    fn files(&self, path: &[String], hops: usize) -> Vec<&'a str> {
        let Some((module, left)) = self.nearest(path) else { return Vec::new() };
        if left.is_empty() {
            // A module; or a function of the same name, that the face hands on.
            let face = path.split_last().and_then(|(name, above)| Some((self.modules.get(above)?, name)));
            let same =
                face.and_then(|(face, name)| self.handed_on(face, name)).filter(|target| target != path);
            return same.map(|target| self.files(&target, hops + 1)).unwrap_or_default();
        }
        let [name, rest @ ..] = left else { return Vec::new() };
        if hops > HOPS_MAX || module.items.contains(name) {
            return vec![module.file];
        }
        if let Some(target) = self.handed_on(module, name) {
            return self.files(&[&target, rest].concat(), hops + 1);
        }
        let foreign = module.uses.iter().any(|u| u.within == module.path && u.name.as_ref() == Some(name));
        // Otherwise a macro made it, or a macro of the crate's root is meant.
        if foreign { Vec::new() } else { vec![module.file] }
    }

    /// Where a module's `use` of this name leads, inside the crate; `*` counts if the name stands there.
    fn handed_on(&self, module: &Module<'a>, name: &String) -> Option<Vec<String>> {
        let uses = || module.uses.iter().filter(|u| u.within == module.path);
        if let Some(u) = uses().find(|u| u.name.as_ref() == Some(name)) {
            return self.absolute(module, &u.within, &u.path, false);
        }
        uses().filter(|u| u.name.is_none()).find_map(|glob| {
            let target = self.absolute(module, &glob.within, &glob.path, false)?;
            let owner = self.modules.get(&target)?;
            let stands =
                owner.items.contains(name) || owner.uses.iter().any(|u| u.name.as_ref() == Some(name));
            stands.then(|| [&target, std::slice::from_ref(name)].concat())
        })
    }

    /// The files behind `path::*`.
    fn files_of_all(&self, path: &[String]) -> Vec<&'a str> {
        let Some(module) = self.modules.get(path) else { return self.files(path, 0) };
        let handed_on = module.uses.iter().filter(|u| u.public && u.within == module.path);
        let mut files: Vec<&'a str> = handed_on
            .filter_map(|u| self.absolute(module, &u.within, &u.path, false))
            .flat_map(|path| self.files(&path, 1))
            .collect();
        files.push(module.file);
        files
    }
}

/// The shortest circles, one after the other, each without the imports of those told before.
fn circles(edges: &Edges<'_>) -> Vec<Finding> {
    let mut edges = edges.clone();
    let mut findings = Vec::new();
    loop {
        let starts: Vec<&str> =
            edges.keys().copied().filter(|file| reached(&edges, file).contains(file)).collect();
        let ways = starts.into_iter().filter_map(|file| shortest(&edges, file));
        let Some(circle) = ways.min_by_key(Vec::len) else { return findings };
        let steps: Vec<String> = circle.iter().map(|(file, line)| format!("{file}:{line}")).collect();
        let (path, line) = circle.first().copied().unwrap_or_default();
        let message = format!("imports run in a circle: {} → {path}", steps.join(" → "));
        findings.push(Finding::new(path, line, message));
        for (from, to) in circle.iter().zip(circle.iter().cycle().skip(1)) {
            edges.entry(from.0).or_default().remove(to.0);
        }
    }
}

fn reached<'a>(edges: &Edges<'a>, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = vec![from];
    while let Some(file) = open.pop() {
        for next in edges.get(file).into_iter().flat_map(BTreeMap::keys) {
            if seen.insert(*next) {
                open.push(next);
            }
        }
    }
    seen
}

/// The shortest way from a file back to itself: each file with the line on which it imports the next.
fn shortest<'a>(edges: &Edges<'a>, start: &'a str) -> Option<Vec<(&'a str, usize)>> {
    let mut seen = BTreeSet::new();
    let mut open: VecDeque<Vec<(&'a str, usize)>> = VecDeque::new();
    let extend = |way: &[(&'a str, usize)], file: &'a str, open: &mut VecDeque<Vec<(&'a str, usize)>>| {
        for (next, line) in edges.get(file).into_iter().flatten() {
            // The next file waits at the end, its own line still unknown.
            open.push_back([way, &[(file, *line), (*next, 0)]].concat());
        }
    };
    extend(&[], start, &mut open);
    while let Some(mut way) = open.pop_front() {
        let (file, _) = way.pop()?;
        if file == start {
            return Some(way);
        }
        if seen.insert(file) {
            extend(&way, file, &mut open);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Package, Source, check};

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::parse(path, text).unwrap_or_else(|finding| panic!("{finding}")))
            .collect();
        let package = Package {
            name: "x".to_owned(),
            manifest: "Cargo.toml".to_owned(),
            roots: vec!["src/lib.rs".to_owned()],
            uses: Vec::new(),
        };
        check(&[package], &sources).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn imports_that_go_down_pass() {
        for (name, files) in [
            (
                "a face re-exports, children use each other through it",
                vec![
                    ("src/lib.rs", "mod a; mod b; pub use a::A; pub use b::*;"),
                    ("src/a.rs", "pub struct A;"),
                    ("src/b.rs", "use crate::A; pub struct B;"),
                ],
            ),
            (
                "a folder asks one before it through both faces",
                vec![
                    ("src/lib.rs", "mod one; mod two;"),
                    ("src/one/mod.rs", "mod state; pub use state::is_one;"),
                    ("src/one/state.rs", "pub fn is_one() {}"),
                    ("src/two/mod.rs", "mod state; mod act; pub use act::Act;"),
                    ("src/two/state.rs", "use crate::one; fn f() { one::is_one() }"),
                    ("src/two/act.rs", "use super::state; use crate::one::is_one; fn f() { state::f() }"),
                ],
            ),
            (
                "tests may look up",
                vec![
                    ("src/lib.rs", "mod a; mod b;"),
                    ("src/a.rs", "#[cfg(test)] mod tests { use super::*; use crate::b::B; }"),
                    ("src/b.rs", "use crate::a::A;"),
                ],
            ),
            (
                "names of other crates",
                vec![
                    ("src/lib.rs", "mod a; mod b;"),
                    ("src/a.rs", "use ::b::B; use other::b::C; fn f() { x.b(); Vec::<u8>::b(); }"),
                    ("src/b.rs", "use crate::a::A;"),
                ],
            ),
            (
                "a face with items of its own that its children use",
                vec![
                    ("src/lib.rs", "mod a; pub use a::A; pub struct Shared; pub type Id = u8;"),
                    ("src/a.rs", "use crate::Shared; use super::Id; pub struct A;"),
                ],
            ),
            (
                "naming a module alone uses nothing of it",
                vec![
                    ("src/lib.rs", "mod a; mod b;"),
                    ("src/a.rs", "use crate::b; pub struct A;"),
                    ("src/b.rs", "use crate::a::A;"),
                ],
            ),
        ] {
            assert_eq!(found(&files), [""; 0], "{name}");
        }
    }

    #[test]
    fn circles_are_told_with_their_lines() {
        for (wanted, files) in [
            (
                "src/a.rs:1: imports run in a circle: src/a.rs:1 → src/b.rs:2 → src/a.rs",
                vec![
                    ("src/lib.rs", "mod a; mod b;"),
                    ("src/a.rs", "use crate::b::B;"),
                    ("src/b.rs", "\nfn f() { crate::a::g() }"),
                ],
            ),
            (
                "src/a.rs:1 → src/b.rs:1 → src/a.rs",
                vec![
                    ("src/lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
                    ("src/a.rs", "use crate::B; pub struct A;"),
                    ("src/b.rs", "use super::A; pub struct B;"),
                ],
            ),
            (
                "src/one/x.rs:1 → src/two/y.rs:1 → src/one/x.rs",
                vec![
                    ("src/lib.rs", "mod one; mod two;"),
                    ("src/one/mod.rs", "mod x; pub use x::*;"),
                    ("src/one/x.rs", "use crate::two; pub fn x() { two::y() }"),
                    ("src/two/mod.rs", "mod y; pub use y::y;"),
                    ("src/two/y.rs", "use crate::one; pub fn y() { m! { one::x } }"),
                ],
            ),
            (
                "src/b.rs:1 → src/c.rs:1 → src/b.rs",
                vec![
                    ("src/lib.rs", "mod a; mod b; mod c;"),
                    ("src/a.rs", "use crate::b::B; pub struct A;"),
                    ("src/b.rs", "use crate::{c::C}; pub struct B;"),
                    ("src/c.rs", "use crate::b::B; use crate::a::A; pub struct C;"),
                ],
            ),
            (
                "src/a/child.rs:1 → src/a/mod.rs:1 → src/a/child.rs",
                vec![
                    ("src/lib.rs", "mod a;"),
                    ("src/a/mod.rs", "mod child; fn f() { child::g() } pub struct Shared;"),
                    ("src/a/child.rs", "use super::Shared; pub fn g() {}"),
                ],
            ),
        ] {
            let found = found(&files);
            assert!(found.len() == 1 && found[0].contains(wanted), "{wanted}: {found:#?}");
        }
    }

    #[test]
    fn a_macro_called_by_name_counts() {
        let found = found(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "use crate::b::B; rejects! { A = 1 }"),
            ("src/b.rs", "use crate::a::A; pub struct B;"),
        ]);
        assert_eq!(found.len(), 1, "what a macro makes stands where the macro is called: {found:#?}");
    }
}
