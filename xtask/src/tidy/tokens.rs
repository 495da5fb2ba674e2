//! This file is where Rust source becomes a plain tree of tokens, without comments and without what only tests see.

use super::finding::Finding;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A file's tokens.
pub(crate) struct Source {
    /// Relative to the root.
    pub(crate) path: String,
    /// All of it.
    pub(crate) all: Vec<Token>,
    /// Without items under `#[cfg(test)]`.
    pub(crate) live: Vec<Token>,
}

/// One token, or one bracketed group of them.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Word(String),
    Punct(char),
    Literal(String),
    Group(Delimiter, Vec<Token>),
}

impl Source {
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, Finding> {
        let stream: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
            Finding::new(path, error.span().start().line, "not Rust: a bracket or quote has no partner")
        })?;
        let all = convert(stream);
        let live = without_tests(&all);
        Ok(Self { path: path.to_owned(), all, live })
    }
}

impl Token {
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.what {
            What::Word(word) => Some(word),
            What::Punct(_) | What::Literal(_) | What::Group(..) => None,
        }
    }

    pub(crate) fn is(&self, punct: char) -> bool {
        matches!(self.what, What::Punct(own) if own == punct)
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    pub(crate) fn literal(&self) -> Option<&str> {
        match &self.what {
            What::Literal(text) => Some(text),
            What::Word(_) | What::Punct(_) | What::Group(..) => None,
        }
    }

    /// The text of a string literal, without its quotes.
    pub(crate) fn string(&self) -> Option<&str> {
        self.literal()?.strip_prefix('"')?.strip_suffix('"')
    }

    /// The value of an unsigned integer literal, whatever its base.
    pub(crate) fn number(&self) -> Option<u64> {
        let digits: String = self.literal()?.chars().filter(|c| *c != '_').collect();
        let digits =
            ["u8", "u16", "u32", "u64"].iter().find_map(|s| digits.strip_suffix(s)).unwrap_or(&digits);
        match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        }
    }

    pub(crate) fn group(&self, wanted: Delimiter) -> Option<&[Token]> {
        match &self.what {
            What::Group(delimiter, inner) if *delimiter == wanted => Some(inner),
            What::Group(..) | What::Word(_) | What::Punct(_) | What::Literal(_) => None,
        }
    }

    pub(crate) fn inner(&self) -> &[Token] {
        match &self.what {
            What::Group(_, inner) => inner,
            What::Word(_) | What::Punct(_) | What::Literal(_) => &[],
        }
    }
}

/// Calls `see` with every run of sibling tokens, outer ones first, at each of its places.
pub(crate) fn each(tokens: &[Token], see: &mut impl FnMut(&[Token], usize)) {
    for (place, token) in tokens.iter().enumerate() {
        see(tokens, place);
        each(token.inner(), see);
    }
}

/// Whether `::` stands at this place.
pub(crate) fn colons_at(tokens: &[Token], place: usize) -> bool {
    let colon = |place: usize| tokens.get(place).is_some_and(|token| token.is(':'));
    colon(place) && colon(place + 1)
}

/// The contents of every call of a macro, `name! { … }`.
pub(crate) fn macro_calls<'a>(tokens: &'a [Token], name: &str) -> Vec<&'a [Token]> {
    let mut found = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let called = token.is_word(name) && tokens.get(place + 1).is_some_and(|next| next.is('!'));
        if let (true, Some(body)) = (called, tokens.get(place + 2)) {
            found.push(body.inner());
        }
        found.extend(macro_calls(token.inner(), name));
    }
    found
}

fn convert(stream: TokenStream) -> Vec<Token> {
    stream
        .into_iter()
        .map(|tree| Token {
            line: tree.span().start().line,
            what: match tree {
                TokenTree::Ident(word) => What::Word(word.to_string()),
                TokenTree::Punct(punct) => What::Punct(punct.as_char()),
                TokenTree::Literal(literal) => What::Literal(literal.to_string()),
                TokenTree::Group(group) => What::Group(group.delimiter(), convert(group.stream())),
            },
        })
        .collect()
}

fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut place = 0;
    while let Some(token) = tokens.get(place) {
        if token.is('#') && tokens.get(place + 1).is_some_and(is_cfg_test) {
            place = after_item(tokens, place + 2);
            continue;
        }
        kept.push(match &token.what {
            What::Group(delimiter, inner) => {
                Token { line: token.line, what: What::Group(*delimiter, without_tests(inner)) }
            }
            What::Word(_) | What::Punct(_) | What::Literal(_) => token.clone(),
        });
        place += 1;
    }
    kept
}

/// `[cfg(test)]`, `[cfg(all(test, …))]`, or `[cfg(any(test, …))]` of what other crates' tests use as well.
fn is_cfg_test(token: &Token) -> bool {
    let Some([cfg, condition]) = token.group(Delimiter::Bracket) else { return false };
    let first = condition.inner();
    let under_both = first.first().is_some_and(|token| token.is_word("all") || token.is_word("any"))
        && first.get(1).and_then(|token| token.inner().first()).is_some_and(|token| token.is_word("test"));
    cfg.is_word("cfg") && (first.first().is_some_and(|token| token.is_word("test")) || under_both)
}

/// The place behind the item that begins here: behind its braces or semicolon, or its comma where it is a field.
fn after_item(tokens: &[Token], mut place: usize) -> usize {
    let mut statement = false;
    let mut item = false;
    while let Some(token) = tokens.get(place) {
        place += 1;
        match &token.what {
            What::Word(word) => {
                statement |= matches!(word.as_str(), "use" | "let" | "const" | "static" | "type");
                item |= matches!(
                    word.as_str(),
                    "fn" | "impl" | "struct" | "enum" | "trait" | "mod" | "macro_rules"
                );
            }
            What::Group(Delimiter::Brace, _) if item || !statement => return place,
            What::Punct(';') => return place,
            What::Punct(',') if !item && !statement => return place,
            What::Group(..) | What::Punct(_) | What::Literal(_) => {}
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use super::{Source, each};

    fn words(text: &str) -> String {
        let source = Source::parse("x.rs", text).unwrap_or_else(|finding| panic!("{finding}"));
        let mut words = Vec::new();
        each(&source.live, &mut |tokens, place| words.extend(tokens[place].word().map(str::to_owned)));
        words.join(" ")
    }

    #[test]
    fn tests_and_comments_are_left_out() {
        assert_eq!(words("fn a() {} #[cfg(test)] mod tests { fn b() {} } fn c() {}"), "fn a fn c");
        assert_eq!(words("#[cfg(test)]\nuse x::{y, z};\nuse d::e;"), "use d e");
        assert_eq!(words("#[cfg(test)] mod tests; mod a;"), "mod a");
        assert_eq!(words("struct S { #[cfg(test)] a: u8, b: u8 }"), "struct S b u8");
        assert_eq!(words("#[cfg(all(test, unix))] fn a<A, B>() { x } fn b() {}"), "fn b");
        assert_eq!(words("#[cfg(any(test, feature = \"testing\"))] pub mod testing; mod a;"), "mod a");
        assert_eq!(words("#[cfg(test)] const fn a() { x } fn b() {}"), "fn b");
        assert_eq!(words("// crate::a\nfn f() { \"crate::b\" }"), "fn f");
        assert_eq!(words("#[cfg(not(test))] fn a() {}"), "cfg not test fn a");
    }

    #[test]
    fn numbers_have_values() {
        let source = Source::parse("x.rs", "1 0x10 0x0_2u8 7u16 \"a\"").unwrap_or_else(|f| panic!("{f}"));
        let numbers: Vec<_> = source.live.iter().map(super::Token::number).collect();
        assert_eq!(numbers, [Some(1), Some(16), Some(2), Some(7), None]);
    }
}
