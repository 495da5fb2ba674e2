//! This file is where a crate's modules are found from its first file on, with what each names of the others.

use super::tokens::{Source, Token, What, colons_at};
use proc_macro2::Delimiter;
use std::collections::{BTreeMap, BTreeSet};

/// A module that has a file of its own.
pub(crate) struct Module<'a> {
    pub(crate) file: &'a str,
    /// From the crate's root; empty for the root itself.
    pub(crate) path: Vec<String>,
    /// Items that stand in the file, by name; modules among them, with or without a file.
    pub(crate) items: BTreeSet<String>,
    pub(crate) uses: Vec<Use>,
    /// Paths written in code, from the place where they stand.
    pub(crate) mentions: Vec<Mention>,
}

/// One leaf of a `use`.
pub(crate) struct Use {
    pub(crate) line: usize,
    pub(crate) public: bool,
    /// The module it stands in; inline modules count.
    pub(crate) within: Vec<String>,
    pub(crate) path: Vec<String>,
    /// The name that it brings in; none for `*`.
    pub(crate) name: Option<String>,
}

pub(crate) struct Mention {
    pub(crate) line: usize,
    pub(crate) within: Vec<String>,
    pub(crate) path: Vec<String>,
}

/// All modules that hang on the file `root`, keyed by path.
pub(crate) fn modules<'a>(
    root: &str,
    sources: &BTreeMap<&'a str, &'a Source>,
) -> BTreeMap<Vec<String>, Module<'a>> {
    let mut found = BTreeMap::new();
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut open = vec![(root.to_owned(), folder.to_owned(), Vec::new())];
    while let Some((file, folder, path)) = open.pop() {
        let Some((file, source)) = sources.get_key_value(file.as_str()) else { continue };
        let mut module =
            Module { file, path, items: items(&source.live), uses: Vec::new(), mentions: Vec::new() };
        let mut children = Vec::new();
        let mut reader = Reader { module: &mut module, children: &mut children };
        let within = reader.module.path.clone();
        reader.read(&source.live, &within);
        for below in children {
            let inner = below.join("/");
            let path = [module.path.clone(), below].concat();
            let beside = format!("{folder}/{inner}.rs");
            let inside = format!("{folder}/{inner}/mod.rs");
            let file = if sources.contains_key(beside.as_str()) { beside } else { inside };
            open.push((file, format!("{folder}/{inner}"), path));
        }
        found.insert(module.path.clone(), module);
    }
    found
}

/// Names of the items at the top of a file.
fn items(tokens: &[Token]) -> BTreeSet<String> {
    const KEYWORDS: [&str; 9] = ["struct", "enum", "fn", "const", "static", "type", "trait", "union", "mod"];
    let mut names = BTreeSet::new();
    for (place, token) in tokens.iter().enumerate() {
        let at = |offset: usize| tokens.get(place + offset).and_then(Token::word);
        if token.word().is_some_and(|word| KEYWORDS.contains(&word)) {
            names.extend(at(1).map(str::to_owned));
        } else if token.is_word("macro_rules") {
            names.extend(at(2).map(str::to_owned));
        }
    }
    names
}

struct Reader<'m, 'a> {
    module: &'m mut Module<'a>,
    children: &'m mut Vec<Vec<String>>,
}

impl Reader<'_, '_> {
    fn read(&mut self, tokens: &[Token], within: &[String]) {
        let mut place = 0;
        while let Some(token) = tokens.get(place) {
            let next = tokens.get(place + 1);
            if token.is_word("use") {
                let public =
                    tokens[..place].iter().rev().find(|token| token.word().is_some() || token.is(';'));
                let public = public.is_some_and(|token| token.is_word("pub"));
                let end = tokens[place..]
                    .iter()
                    .position(|token| token.is(';'))
                    .map_or(tokens.len(), |at| place + at);
                let start = if colons_at(tokens, place + 1) { end } else { place + 1 };
                let mut leaves = Vec::new();
                leaves_of(&tokens[start..end], &[], &mut leaves);
                let leaf = |(line, path, name)| Use { line, public, within: within.to_vec(), path, name };
                self.module.uses.extend(leaves.into_iter().map(leaf));
                place = end;
            } else if let (true, Some(name)) = (token.is_word("mod"), next.and_then(Token::word)) {
                let inside = [within, &[name.to_owned()]].concat();
                match tokens.get(place + 2).map(|token| (token, token.group(Delimiter::Brace))) {
                    Some((_, Some(body))) => self.read(body, &inside),
                    Some((end, None)) if end.is(';') => {
                        self.children.push(inside[self.module.path.len()..].to_vec());
                    }
                    Some(_) | None => {}
                }
                place += 3;
            } else if token.word().is_some() && colons_at(tokens, place + 1) {
                place = self.mention(tokens, place, within);
            } else {
                self.read(token.inner(), within);
                place += 1;
            }
        }
    }

    /// Reads the path that begins here; gives the place behind it.
    fn mention(&mut self, tokens: &[Token], start: usize, within: &[String]) -> usize {
        let mut path: Vec<String> = Vec::new();
        let mut place = start;
        while let Some(word) = tokens.get(place).and_then(Token::word) {
            path.push(word.to_owned());
            place += 1;
            if !colons_at(tokens, place) || tokens.get(place + 2).and_then(Token::word).is_none() {
                break;
            }
            place += 2;
        }
        // `::name` is another crate; `Vec::<T>::name` goes on with a path that begins nowhere.
        if start.checked_sub(2).is_none_or(|before| !colons_at(tokens, before)) {
            let line = tokens.get(start).map_or(1, |token| token.line);
            self.module.mentions.push(Mention { line, within: within.to_vec(), path });
        }
        place
    }
}

type Leaf = (usize, Vec<String>, Option<String>);

/// The leaves of a use tree: line, path, name.
fn leaves_of(tokens: &[Token], before: &[String], leaves: &mut Vec<Leaf>) {
    for branch in tokens.split(|token| token.is(',')) {
        let mut path = before.to_vec();
        let mut name = None;
        let mut closed = false;
        let line = branch.first().map_or(1, |token| token.line);
        for (place, token) in branch.iter().enumerate() {
            match &token.what {
                What::Word(word) if word == "as" => {
                    name = branch.get(place + 1).and_then(Token::word).map(str::to_owned);
                    break;
                }
                // `a::{self}` names `a`.
                What::Word(word) if word == "self" && !path.is_empty() => {}
                What::Word(word) => path.push(word.clone()),
                What::Group(_, inner) => {
                    leaves_of(inner, &path, leaves);
                    closed = true;
                }
                What::Punct('*') => {
                    leaves.push((line, path.clone(), None));
                    closed = true;
                }
                What::Punct(_) | What::Literal(_) => {}
            }
        }
        if let (false, false, Some(last)) = (closed, branch.is_empty(), path.last()) {
            let name = name.or_else(|| Some(last.clone()));
            leaves.push((line, path, name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Source, modules};

    #[test]
    fn files_are_found_and_paths_are_read() {
        let files = [
            (
                "c/src/lib.rs",
                "mod a; pub mod b; pub use a::{A, sub::{self, B as C}}; use ::other::X; #[cfg(test)] mod t;",
            ),
            ("c/src/a.rs", "pub mod sub; use super::b::*; fn f() { crate::b::g(Vec::<u8>::new()) }"),
            ("c/src/a/sub.rs", "mod inner { use super::super::A; m! { self::x::Y } }"),
            ("c/src/b/mod.rs", "pub(crate) use crate::a; macro_rules! m {} const fn g() {}"),
            ("c/src/stray.rs", "use crate::a;"),
        ];
        let sources: Vec<Source> = files.iter().flat_map(|(path, text)| Source::parse(path, text)).collect();
        let sources: BTreeMap<&str, &Source> =
            sources.iter().map(|source| (source.path.as_str(), source)).collect();
        let mut seen = Vec::new();
        for (path, module) in modules("c/src/lib.rs", &sources) {
            seen.push(format!("{} {}", module.file, path.join("::")));
            seen.push(format!("  items {}", module.items.iter().cloned().collect::<Vec<_>>().join(" ")));
            for u in &module.uses {
                let name = u.name.as_deref().unwrap_or("*");
                let sign = if u.public { "pub use" } else { "use" };
                seen.push(format!("  {sign} [{}] {} as {name}", u.within.join("::"), u.path.join("::")));
            }
            for m in &module.mentions {
                seen.push(format!("  mention [{}] {}", m.within.join("::"), m.path.join("::")));
            }
        }
        let wanted = "\
c/src/lib.rs 
  items a b
  pub use [] a::A as A
  pub use [] a::sub as sub
  pub use [] a::sub::B as C
c/src/a.rs a
  items f sub
  use [a] super::b as *
  mention [a] crate::b::g
  mention [a] Vec
c/src/a/sub.rs a::sub
  items inner
  use [a::sub::inner] super::super::A as A
  mention [a::sub::inner] self::x::Y
c/src/b/mod.rs b
  items fn g m
  pub use [b] crate::a as a";
        assert_eq!(seen.join("\n"), wanted);
    }
}
