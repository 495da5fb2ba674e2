//! This file is where tests keep resources and search them the plain way.

use conformance::search::{
    Index, Options, Query, Reference, SearchError, Strictness, World, index, matches_all, parse,
};
use fhir::Limits;
use fhir::json::Document;

/// 2020-01-01.
pub(crate) const NOW_MS: i64 = 1_577_836_800_000;

pub(crate) fn options(strictness: Strictness) -> Options {
    Options { strictness, base: "https://here.example/fhir".to_owned(), now_ms: NOW_MS, ..Options::default() }
}

pub(crate) fn document(text: &str) -> Document {
    Document::read(text, &Limits::default()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The parameters of a query as a test writes it: nothing is encoded.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

pub(crate) fn strict(kind: &str, query: &str) -> Result<Query, SearchError> {
    parse(Some(kind), &pairs(query), &options(Strictness::Strict))
}

/// Some resources, each with an id.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) indexes: Vec<Index>,
}

impl Shelf {
    /// One resource a line.
    pub(crate) fn of(lines: &str) -> Self {
        let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
        Self { indexes: lines.map(|line| index(document(line).root()).expect(line)).collect() }
    }

    /// The ids found, sorted, with blanks between.
    pub(crate) fn found(&self, query: &Query) -> String {
        let found = self.indexes.iter().filter(|index| matches_all(query, index, self));
        let mut ids: Vec<_> = found.map(|index| index.id.as_deref().unwrap_or("?")).collect();
        ids.sort_unstable();
        ids.join(" ")
    }

    /// Lines of `query → ids`, on resources of a type.
    pub(crate) fn check(&self, kind: &str, cases: &str) {
        for line in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (query, expected) = line.split_once('→').expect(line);
            let parsed = strict(kind, query.trim()).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(self.found(&parsed), expected.trim(), "{line}");
        }
    }
}

impl World for Shelf {
    fn follow(&self, reference: &Reference) -> Option<&Index> {
        let (kind, id) = (reference.kind.as_deref()?, reference.id.as_ref()?);
        if reference.base.as_deref().is_some_and(|base| base != "https://here.example/fhir") {
            return None;
        }
        self.indexes.iter().find(|index| index.kind == kind && index.id.as_ref() == Some(id))
    }

    fn all<'a>(&'a self, kind: &str) -> Box<dyn Iterator<Item = &'a Index> + 'a> {
        let kind = kind.to_owned();
        Box::new(self.indexes.iter().filter(move |index| index.kind == kind))
    }
}
