//! The working set against what searching means: every value of every resource is asked for in every way, of SQL and of
//! `conformance::search::matches`, and both must find the same.

use conformance::search::{
    Base, Condition, Index, Match, Nowhere, Parameter, Prefix, Query, Sort, StringMatch, System, Test,
    UnitMatch, UriMatch, Value, index, matches, parameter,
};
use fhir::{
    Limits,
    json::Document,
    stamp::{Stamp, stamp},
};
use gateway::working::{
    Class, Cursor, Held, HistoryAsk, Place, Searched, Sight, Version, WorkingKey, WorkingSet,
};
use primitives::{ChartId, Hash, Millis};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use zeroize::Zeroizing;

const PREFIXES: [Prefix; 9] = [
    Prefix::Eq,
    Prefix::Ne,
    Prefix::Gt,
    Prefix::Lt,
    Prefix::Ge,
    Prefix::Le,
    Prefix::Sa,
    Prefix::Eb,
    Prefix::Ap,
];

pub(crate) fn chart(number: u8) -> ChartId {
    ChartId(Hash([number; 32]))
}

pub(crate) fn class(number: u8, category: &str) -> Class {
    Class { chart: chart(number), category: category.to_owned(), writer: "riverside".parse().unwrap() }
}

pub(crate) fn open(dir: &Path, key: u8) -> WorkingSet {
    let key = WorkingKey::new(Zeroizing::new([key; 32]));
    WorkingSet::open(&dir.join("working.db"), &key, "http://127.0.0.1/fhir").unwrap()
}

/// Resources that the project ships, each under an id of its own.
fn shipped() -> Vec<(Place, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/bundles");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut all = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "json")) {
        let bundle = fhir::bundle::read(std::fs::read(file).unwrap(), &Limits::default()).unwrap();
        for entry in bundle.entries() {
            let Some(resource) = entry.resource else { continue };
            let place = Place { kind: resource.kind, id: format!("r{}", all.len()) };
            let said = Stamp { id: &place.id, version: 1, updated: "2026-01-01T00:00:00.000Z" };
            all.push((place.clone(), stamp(resource.value, &said, |_| None)));
        }
    }
    all
}

pub(crate) fn version(place: &Place, bytes: &[u8], class: Class) -> Version {
    Version {
        place: place.clone(),
        class,
        own: true,
        also: Vec::new(),
        version: 1,
        updated: Millis(1_767_225_600_000),
        deleted: false,
        newest: true,
        full_url: None,
        bytes: bytes.to_vec(),
        source: Vec::new(),
    }
}

pub(crate) fn query(kind: &'static str, conditions: Vec<Condition>) -> Query {
    let parsed = conformance::search::parse(Some(kind), &[], &Default::default()).unwrap();
    Query { types: vec![kind], conditions, ..parsed }
}

/// Ids that a search finds, over all of its pages.
pub(crate) fn search(set: &WorkingSet, query: &Query, sight: &Sight, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = set.search(&Searched { query, within: &[], after: after.as_ref(), count }, sight).unwrap();
        assert!(page.matches.len() <= count);
        ids.extend(page.matches.into_iter().map(|found| found.place.id));
        match page.next {
            Some(next) => after = Some(Cursor::of_text(&next.to_text()).unwrap()),
            None => return ids,
        }
    }
}

/// Everything that can be asked about a value.
fn asked(value: &Value) -> Vec<Match> {
    let mut all = Vec::new();
    match value {
        Value::Token(token) => {
            let system = token.system.clone().map_or(System::None, System::Is);
            for system in [system, System::Any, System::None, System::Is("urn:nobody".into())] {
                all.push(Match::Token {
                    system: system.clone(),
                    key: token.key.clone().or(Some("x".into())),
                });
                if matches!(system, System::Is(_)) {
                    all.push(Match::Token { system, key: None });
                }
            }
            all.extend(token.text.iter().map(|text| Match::TokenText(text.chars().take(3).collect())));
            if let (Some((Some(system), code)), Some(key)) = (token.types.first(), &token.key) {
                all.push(Match::TokenOfType { system: system.clone(), code: code.clone(), key: key.clone() });
            }
        }
        Value::String { text, folded } if !folded.is_empty() => {
            let some: String = folded.chars().take(2).collect();
            let last: String = folded.chars().skip(folded.chars().count() / 2).collect();
            all.push(Match::String(StringMatch::Starts(some)));
            all.push(Match::String(StringMatch::Contains(last)));
            all.push(Match::String(StringMatch::Exact(text.clone())));
        }
        Value::String { .. } => {}
        Value::Date(when) => all.extend(PREFIXES.map(|prefix| Match::Date(prefix, *when))),
        Value::Number(span) => all.extend(PREFIXES.map(|prefix| Match::Number(prefix, span.clone()))),
        Value::Quantity(quantity) => {
            for prefix in PREFIXES {
                all.push(Match::Quantity(prefix, UnitMatch::Any(quantity.span.clone())));
                if let Some(code) = quantity.code.clone().or(quantity.unit.clone()) {
                    all.push(Match::Quantity(prefix, UnitMatch::Code(quantity.span.clone(), code.clone())));
                    let system = quantity.system.clone().unwrap_or("urn:nobody".into());
                    all.push(Match::Quantity(prefix, UnitMatch::System(quantity.span.clone(), system, code)));
                }
                if let Some(canonical) = quantity.canonical.clone() {
                    all.push(Match::Quantity(prefix, UnitMatch::Canonical(canonical)));
                }
            }
        }
        Value::Uri(uri) => {
            all.push(Match::Uri(UriMatch::Is { uri: uri.uri.clone(), version: uri.version.clone() }));
            let below = uri.uri.rsplit_once('/').map_or(uri.uri.as_str(), |(below, _)| below);
            all.push(Match::Uri(UriMatch::Below(below.to_owned())));
            all.push(Match::Uri(UriMatch::Above(vec![below.to_owned(), uri.uri.clone()])));
        }
        Value::Reference(reference) => {
            if let Some(id) = &reference.id {
                let kind = reference.kind.as_deref().and_then(fhir::types::r4);
                for kind in [kind, None, Some("Device")] {
                    let base = match &reference.base {
                        None => Base::Own("http://127.0.0.1/fhir".into()),
                        Some(base) => Base::Is(base.clone()),
                    };
                    let version = reference.version.clone();
                    all.push(Match::Reference { kind, id: id.clone(), version, base });
                }
            }
            if let Some(url) = &reference.url {
                all.push(Match::ReferenceUrl { url: url.clone(), version: reference.version.clone() });
            }
            if let Some(identifier) = &reference.identifier {
                let system = identifier.system.clone().map_or(System::None, System::Is);
                all.push(Match::ReferenceIdentifier { system, key: Some(identifier.key.clone()) });
            }
        }
        Value::Composite(parts) => {
            let each = parts.iter().map(|values| asked(values.first().unwrap()).into_iter().next());
            all.extend(each.collect::<Option<Vec<Match>>>().map(Match::Composite));
        }
    }
    all
}

#[test]
fn sql_finds_what_searching_means_and_nothing_hidden() {
    let dir = tempfile::tempdir().unwrap();
    let set = open(dir.path(), 1);
    let all = shipped();
    assert!(all.len() > 50, "the project ships resources");
    // Every third resource lies in a class that the caller may not see.
    let hidden = |at: usize| at % 3 == 2;
    let versions: Vec<Version> = all
        .iter()
        .enumerate()
        .map(|(at, (place, bytes))| {
            version(place, bytes, class(1, if hidden(at) { "PSY" } else { "general" }))
        })
        .collect();
    set.put(&versions, &[(chart(1), 7)]).unwrap();
    assert_eq!(set.lines(&chart(1)).unwrap(), 7);
    let general = class(1, "general");
    let sight = set.sight([&general], [&chart(1)]).unwrap();

    let documents: Vec<Document> =
        all.iter().map(|(_, bytes)| Document::read(&bytes[..], &Limits::default()).unwrap()).collect();
    let indexes: Vec<Index> = documents.iter().map(|document| index(document.root()).unwrap()).collect();
    let mut questions: BTreeMap<(&'static str, &'static str), BTreeSet<String>> = BTreeMap::new();
    let mut asked_in_all = 0;
    for found in &indexes {
        for row in &found.rows {
            let kind = found.kind;
            let done = questions.entry((kind, row.param.code)).or_default();
            if done.len() > 40 {
                continue;
            }
            for wanted in asked(&row.value) {
                if !done.insert(format!("{wanted:?}")) {
                    continue;
                }
                for test in [Test::Any(vec![wanted.clone()]), Test::None(vec![wanted.clone()])] {
                    check(&set, &sight, &all, &indexes, kind, row.param, &test, hidden);
                    asked_in_all += 1;
                }
            }
        }
        for param in conformance::search::parameters(found.kind) {
            if questions.entry((found.kind, param.code)).or_default().insert("missing".into())
                && !matches!(param.code, "_id" | "_lastUpdated")
            {
                for missing in [true, false] {
                    check(&set, &sight, &all, &indexes, found.kind, param, &Test::Missing(missing), hidden);
                    asked_in_all += 1;
                }
            }
        }
    }
    assert!(asked_in_all > 2_000, "only {asked_in_all} questions were asked");
}

#[expect(clippy::too_many_arguments, reason = "a question has all of these")]
fn check(
    set: &WorkingSet,
    sight: &Sight,
    all: &[(Place, Vec<u8>)],
    indexes: &[Index],
    kind: &'static str,
    param: &'static Parameter,
    test: &Test,
    hidden: impl Fn(usize) -> bool,
) {
    let condition = Condition::Param { param, test: test.clone() };
    let expected: BTreeSet<&str> = indexes
        .iter()
        .zip(all)
        .enumerate()
        .filter(|(at, (index, _))| !hidden(*at) && index.kind == kind && matches(&condition, index, &Nowhere))
        .map(|(_, (_, (place, _)))| place.id.as_str())
        .collect();
    let query = query(kind, vec![condition]);
    let found = search(set, &query, sight, 7);
    let distinct: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(distinct.len(), found.len(), "{kind}.{} {test:?} finds something twice", param.code);
    assert_eq!(distinct, expected, "{kind}.{} {test:?}", param.code);
}

#[test]
fn pages_are_sorted_whole_and_stable() {
    let dir = tempfile::tempdir().unwrap();
    let set = open(dir.path(), 1);
    let all = shipped();
    let versions: Vec<Version> =
        all.iter().map(|(place, bytes)| version(place, bytes, class(1, "general"))).collect();
    set.put(&versions, &[]).unwrap();
    let general = class(1, "general");
    let sight = set.sight([&general], [&chart(1)]).unwrap();
    for (kind, code) in [
        ("Observation", "date"),
        ("Observation", "code"),
        ("Patient", "name"),
        ("Observation", "_lastUpdated"),
    ] {
        let Some(param) = parameter(kind, code) else { panic!("{kind} has no {code}") };
        let many = all.iter().filter(|(place, _)| place.kind == kind).count();
        for descending in [false, true] {
            let sorted = Query { sort: vec![Sort { param, descending }], ..query(kind, Vec::new()) };
            let whole = search(&set, &sorted, &sight, 1000);
            assert_eq!(whole.len(), many, "{kind} by {code}");
            assert_eq!(search(&set, &sorted, &sight, 2), whole, "{kind} by {code}: the same page by page");
        }
    }
    // What comes in between two pages shifts nothing.
    let observations = query("Observation", Vec::new());
    let first =
        set.search(&Searched { query: &observations, within: &[], after: None, count: 2 }, &sight).unwrap();
    let (place, bytes) = all.iter().find(|(place, _)| place.kind == "Observation").unwrap();
    let late = Place { kind: place.kind, id: "late".into() };
    set.put(&[version(&late, bytes, class(1, "general"))], &[]).unwrap();
    let rest = set
        .search(
            &Searched { query: &observations, within: &[], after: first.next.as_ref(), count: 1000 },
            &sight,
        )
        .unwrap();
    let known: BTreeSet<_> = first.matches.iter().map(|found| &found.place).collect();
    assert!(rest.matches.iter().all(|found| !known.contains(&found.place)));
}

#[test]
fn versions_replace_each_other_and_are_wiped() {
    let dir = tempfile::tempdir().unwrap();
    let set = open(dir.path(), 1);
    let place = Place { kind: "Patient", id: "p".into() };
    let bytes = |name: &str| {
        format!(r#"{{"resourceType":"Patient","id":"p","name":[{{"family":"{name}"}}]}}"#).into_bytes()
    };
    let of = |number: u32, name: &str, class: Class| Version {
        version: number,
        own: false,
        ..version(&place, &bytes(name), class)
    };
    let (general, psy) = (class(1, "general"), class(1, "PSY"));
    set.put(&[of(1, "Old", general.clone())], &[]).unwrap();
    set.put(&[of(2, "New", general.clone())], &[]).unwrap();
    let sight = set.sight([&general], [&chart(1)]).unwrap();
    let by_name = |name: &str| {
        let pairs = [("name".to_owned(), name.to_owned())];
        let query = conformance::search::parse(Some("Patient"), &pairs, &Default::default()).unwrap();
        search(&set, &query, &sight, 10).len()
    };
    assert_eq!((by_name("old"), by_name("new")), (0, 1), "the former content isn't found any more");
    let history = HistoryAsk { place: Some(place.clone()), count: 10, ..HistoryAsk::default() };
    assert_eq!(set.history(&history, &sight).unwrap().len(), 2);
    assert!(set.get(&place, &Sight::default()).unwrap() == Held::Nothing);

    // A newer version in a class that may not be seen hides the resource, not its history.
    set.put(&[of(3, "Hidden", psy.clone())], &[]).unwrap();
    assert!(set.get(&place, &sight).unwrap() == Held::Nothing);
    assert_eq!((by_name("new"), by_name("hidden")), (0, 0));
    assert_eq!(set.history(&history, &sight).unwrap().len(), 2);

    // When the access ends, what others wrote goes.
    assert_eq!(set.purge(&chart(1), &BTreeSet::from([psy])).unwrap(), 1);
    assert_eq!(set.history(&history, &sight).unwrap().len(), 0);
    let raw = std::fs::read(dir.path().join("working.db")).unwrap();
    assert!(!raw.windows(5).any(|part| part == b"Hidde"), "it is encrypted at rest");
}

#[test]
fn another_key_begins_anew_and_the_same_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { kind: "Patient", id: "p".into() };
    let general = class(1, "general");
    {
        let set = open(dir.path(), 1);
        let bytes = br#"{"resourceType":"Patient","id":"p"}"#;
        set.put(&[version(&place, bytes, general.clone())], &[]).unwrap();
    }
    {
        let set = open(dir.path(), 1);
        let sight = set.sight([&general], [&chart(1)]).unwrap();
        assert!(matches!(set.get(&place, &sight).unwrap(), Held::Current(_)));
    }
    let set = open(dir.path(), 2);
    let sight = set.sight([&general], [&chart(1)]).unwrap();
    assert!(set.get(&place, &sight).unwrap() == Held::Nothing);
}

#[test]
fn who_names_several_patients_is_shown_to_who_may_see_each() {
    let dir = tempfile::tempdir().unwrap();
    let set = open(dir.path(), 1);
    let place = Place { kind: "Patient", id: "p".into() };
    let bytes = br#"{"resourceType":"Patient","id":"p"}"#;
    let general = class(1, "general");
    let both = Version { also: vec![chart(2)], ..version(&place, bytes, general.clone()) };
    set.put(&[both], &[]).unwrap();
    let query = query("Patient", Vec::new());
    for (charts, seen) in [(vec![chart(1)], false), (vec![chart(1), chart(2)], true)] {
        let sight = set.sight([&general], &charts).unwrap();
        assert_eq!(search(&set, &query, &sight, 5).len(), usize::from(seen));
        assert_eq!(matches!(set.get(&place, &sight).unwrap(), Held::Current(_)), seen);
    }
}

#[test]
fn what_is_erased_is_wiped_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let set = open(dir.path(), 1);
    let general = class(1, "general");
    let place = |id: &str| Place { kind: "Patient", id: id.into() };
    let of = |id: &str, source: u8| {
        let bytes = format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#);
        Version { source: vec![source; 16], ..version(&place(id), bytes.as_bytes(), general.clone()) }
    };
    set.put(&[of("a", 1), of("b", 2)], &[]).unwrap();
    set.erase(&chart(2), &BTreeSet::from([vec![1; 16]])).unwrap();
    let sight = set.sight([&general], [&chart(1)]).unwrap();
    assert!(matches!(set.get(&place("a"), &sight).unwrap(), Held::Current(_)), "it was another chart's");
    set.erase(&chart(1), &BTreeSet::from([vec![1; 16]])).unwrap();
    assert!(set.get(&place("a"), &sight).unwrap() == Held::Nothing);
    assert!(matches!(set.get(&place("b"), &sight).unwrap(), Held::Current(_)));
    assert_eq!(search(&set, &query("Patient", Vec::new()), &sight, 5), ["b"]);
}
