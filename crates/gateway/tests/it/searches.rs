//! This file is where searches that SQL carries out are held against what searching means: composites behind chains, several
//! restricted scopes, orders, and names under which resources came in.

use crate::working::{chart, class, open, search, version};
use conformance::search::{
    Index, Parameter, Query, Reference, Sort, World, index, matches_all, parameter, parse, sort_key,
};
use fhir::{Limits, json::Document};
use gateway::working::{Page, Place, Searched, Sight, Version, Within, WorkingSet};
use std::collections::{BTreeMap, BTreeSet};

const CODES: [&str; 3] = ["8867-4", "8310-5", "29463-7"];

/// Resources and what is seen of them.
struct Made {
    set: WorkingSet,
    sight: Sight,
    all: Vec<(Place, Index)>,
    seen: Vec<bool>,
    _dir: tempfile::TempDir,
}

/// What is seen is all that there is.
impl World for Made {
    fn follow(&self, reference: &Reference) -> Option<&Index> {
        let (kind, id) = (reference.kind.as_deref()?, reference.id.as_deref()?);
        let found = self.visible().find(|(place, _)| place.kind == kind && place.id == id);
        found.filter(|_| reference.base.is_none()).map(|(_, index)| index)
    }

    fn all<'a>(&'a self, kind: &str) -> Box<dyn Iterator<Item = &'a Index> + 'a> {
        let kind = kind.to_owned();
        Box::new(self.visible().filter(move |(place, _)| place.kind == kind).map(|(_, index)| index))
    }
}

impl Made {
    /// Every fifth resource lies in a class that the caller may not see.
    fn new(resources: &[(&'static str, String, String)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let set = open(dir.path(), 1);
        let hidden = |at: usize| at % 5 == 4;
        let versions: Vec<Version> = resources
            .iter()
            .enumerate()
            .map(|(at, (kind, id, text))| {
                let place = Place { kind, id: id.clone() };
                version(&place, text.as_bytes(), class(1, if hidden(at) { "PSY" } else { "general" }))
            })
            .collect();
        set.put(&versions, &[]).unwrap();
        let sight = set.sight([&class(1, "general")], [&chart(1)]).unwrap();
        let all = resources.iter().map(|(kind, id, text)| {
            let document = Document::read(text.as_bytes(), &Limits::default()).unwrap();
            (Place { kind, id: id.clone() }, index(document.root()).unwrap())
        });
        let all: Vec<(Place, Index)> = all.collect();
        let seen = (0..all.len()).map(|at| !hidden(at)).collect();
        Self { set, sight, all, seen, _dir: dir }
    }

    fn visible(&self) -> impl Iterator<Item = &(Place, Index)> {
        self.all.iter().zip(&self.seen).filter(|(_, seen)| **seen).map(|(one, _)| one)
    }

    fn meant(&self, query: &Query) -> BTreeSet<&str> {
        let found = self.visible().filter(|(_, index)| matches_all(query, index, self));
        found.map(|(place, _)| place.id.as_str()).collect()
    }

    fn found(&self, query: &Query) -> Vec<String> {
        search(&self.set, query, &self.sight, 7)
    }
}

fn asked(kind: &'static str, text: &str) -> Query {
    let pairs: Vec<(String, String)> = text
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    parse(Some(kind), &pairs, &conformance::search::Options::default()).unwrap()
}

/// Patients, their observations, and reports that refer to these.
fn ward() -> Vec<(&'static str, String, String)> {
    let mut all = Vec::new();
    for patient in 0..12 {
        let text = format!(
            r#"{{"resourceType":"Patient","id":"p{patient}","birthDate":"19{:02}-01-01","name":[{{"family":"{}","given":["G{}"]}}]}}"#,
            50 + patient % 5,
            ["Okafor", "Abe", "Ärger", "abel", "Zu"][patient % 5],
            patient % 3,
        );
        all.push(("Patient", format!("p{patient}"), text));
        for number in 0..9 {
            let (id, code) = (format!("o{patient}-{number}"), CODES[(patient + number) % 3]);
            let (value, low) = (number % 4 + 1, patient % 4 + 1);
            let category = ["laboratory", "vital-signs", "survey"][number % 3];
            let text = format!(
                r#"{{"resourceType":"Observation","id":"{id}","status":"final",
                "category":[{{"coding":[{{"code":"{category}"}}]}}],
                "code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},
                "subject":{{"reference":"Patient/p{patient}"}},"effectiveDateTime":"2026-0{}-01",
                "valueQuantity":{{"value":{value},"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}},
                "component":[{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{}"}}]}},
                "valueQuantity":{{"value":{low},"unit":"g","system":"http://unitsofmeasure.org","code":"g"}}}}]}}"#,
                number % 7 + 1,
                CODES[number % 3],
            );
            all.push(("Observation", id, text));
        }
        let text = format!(
            r#"{{"resourceType":"DiagnosticReport","id":"d{patient}","status":"final","code":{{"text":"x"}},
            "result":[{{"reference":"Observation/o{patient}-1"}},{{"reference":"Observation/o{patient}-5"}}]}}"#
        );
        all.push(("DiagnosticReport", format!("d{patient}"), text));
    }
    all
}

#[test]
fn composites_mean_the_same_behind_chains_and_has() {
    let made = Made::new(&ward());
    let mut some = 0;
    for code in CODES {
        for value in [
            "1",
            "2",
            "gt2",
            "le3",
            "2|http://unitsofmeasure.org|kg",
            "2000|http://unitsofmeasure.org|g",
            "5",
        ] {
            let pair = format!("http://loinc.org|{code}${value}");
            for (kind, text) in [
                ("Observation", format!("code-value-quantity={pair}")),
                ("Observation", format!("component-code-value-quantity={pair}")),
                ("Observation", format!("combo-code-value-quantity={pair}&subject=Patient/p1")),
                ("Observation", format!("code-value-quantity={pair},nothing$1&_total=accurate")),
                ("Patient", format!("_has:Observation:subject:code-value-quantity={pair}")),
                (
                    "Patient",
                    format!("_has:Observation:subject:component-code-value-quantity={pair}&family=a"),
                ),
                ("DiagnosticReport", format!("result.code-value-quantity={pair}")),
                ("DiagnosticReport", format!("result:Observation.combo-code-value-quantity={pair}")),
                (
                    "Observation",
                    format!("subject:Patient._has:Observation:subject:code-value-quantity={pair}"),
                ),
            ] {
                let query = asked(kind, &text);
                let found = made.found(&query);
                let distinct: BTreeSet<&str> = found.iter().map(String::as_str).collect();
                assert_eq!(distinct.len(), found.len(), "{kind}?{text} finds something twice");
                assert_eq!(distinct, made.meant(&query), "{kind}?{text}");
                some += usize::from(!found.is_empty());
            }
        }
    }
    assert!(some > 60, "only {some} of the searches find anything");
    // What is gone isn't found by its parts either.
    let query = asked("Observation", "code-value-quantity=http://loinc.org|8867-4$1");
    let first = made.found(&query).remove(0);
    let place = Place { kind: "Observation", id: first.clone() };
    let bytes =
        format!(r#"{{"resourceType":"Observation","id":"{first}","status":"final","code":{{"text":"x"}}}}"#);
    let later = Version { version: 2, ..version(&place, bytes.as_bytes(), class(1, "general")) };
    made.set.put(&[later], &[]).unwrap();
    assert!(!made.found(&query).contains(&first));
}

#[test]
fn of_several_restrictions_one_must_let_it_through() {
    let made = Made::new(&ward());
    let within =
        |text: &str| Within { kind: "Observation", conditions: asked("Observation", text).conditions };
    let page = |query: &Query, within: &[Within]| -> Page {
        made.set.search(&Searched { query, within, after: None, count: 1000 }, &made.sight).unwrap()
    };
    let ids = |page: &Page| -> BTreeSet<String> {
        page.matches.iter().map(|found| found.place.id.clone()).collect()
    };
    for text in
        ["_total=accurate", "_total=accurate&code=8867-4", "_total=accurate&subject=Patient/p2&_sort=-date"]
    {
        let query = asked("Observation", text);
        for filters in [
            vec!["category=laboratory"],
            vec!["category=laboratory", "category=survey"],
            vec!["category=laboratory&code=8867-4", "category=survey"],
            vec!["category=nothing", "subject:Patient.family=abe"],
            vec!["category=nothing"],
        ] {
            let groups: Vec<Within> = filters.iter().map(|filter| within(filter)).collect();
            let found = page(&query, &groups);
            let meant: BTreeSet<String> = filters
                .iter()
                .flat_map(|filter| {
                    let filter = asked("Observation", filter);
                    let both = made.meant(&filter).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
                    made.meant(&query)
                        .into_iter()
                        .map(str::to_owned)
                        .filter(|id| both.contains(id))
                        .collect::<Vec<_>>()
                })
                .collect();
            assert_eq!(ids(&found), meant, "{text} within {filters:?}");
            assert_eq!(found.total, Some(meant.len() as u64), "nothing more is counted");
        }
    }
    // In a search of several types each is restricted by itself.
    let mut both = asked("Patient", "_total=accurate");
    both.types = vec!["Patient", "Observation"];
    let groups = [Within { kind: "Patient", conditions: Vec::new() }, within("category=survey")];
    let found = page(&both, &groups);
    let surveys = made.meant(&asked("Observation", "category=survey")).len();
    let patients = made.meant(&asked("Patient", "")).len();
    assert_eq!(found.matches.len(), surveys + patients);
    let none = Query { total: Some(conformance::search::Total::None), ..both };
    assert_eq!(page(&none, &groups).total, None);
}

#[test]
fn orders_are_those_that_sorting_means_page_by_page() {
    let made = Made::new(&ward());
    let keys = |kind: &str, text: &str| -> Vec<Sort> {
        let one = |key: &str| {
            let (code, descending) = key.strip_prefix('-').map_or((key, false), |code| (code, true));
            let param: &'static Parameter = parameter(kind, code).unwrap();
            Sort { param, descending }
        };
        text.split(',').map(one).collect()
    };
    for (kind, text) in [
        ("Patient", "family"),
        ("Patient", "-family"),
        ("Patient", "family,-birthdate"),
        ("Patient", "-birthdate,given,_id"),
        ("Patient", "_id"),
        ("Patient", "-_id"),
        ("Patient", "address"),
        ("Patient", "-address,family"),
        ("Observation", "-date,_id"),
        ("Observation", "date,code"),
        ("Observation", "value-quantity,-date"),
        ("Observation", "_lastUpdated,-_id"),
    ] {
        let sort = keys(kind, text);
        let query = Query { sort: sort.clone(), ..asked(kind, "") };
        let mut meant: Vec<&(Place, Index)> =
            made.visible().filter(|(place, _)| place.kind == kind).collect();
        let key = |sort: &Sort, found: &Index| sort_key(sort, found).map(|key| key.as_bytes().to_vec());
        meant.sort_by(|(_, one), (_, other)| {
            let mut way = std::cmp::Ordering::Equal;
            for sort in sort.iter().filter(|sort| sort.param.code != "_lastUpdated") {
                way = way.then(match (key(sort, one), key(sort, other)) {
                    (Some(one), Some(other)) if sort.descending => other.cmp(&one),
                    (Some(one), Some(other)) => one.cmp(&other),
                    (one, other) => one.is_none().cmp(&other.is_none()),
                });
            }
            way
        });
        let meant: Vec<String> = meant.into_iter().map(|(place, _)| place.id.clone()).collect();
        for count in [2, 5, 1000] {
            assert_eq!(
                search(&made.set, &query, &made.sight, count),
                meant,
                "{kind} by {text}, {count} a page"
            );
        }
    }
}

#[test]
fn what_came_in_under_a_urn_is_found_by_it_as_far_as_it_may_be_seen() {
    let dir = tempfile::tempdir().unwrap();
    let set = open(dir.path(), 1);
    let general = class(1, "general");
    let named = |id: &str, number: u32, url: Option<&str>, class: gateway::working::Class| {
        let bytes = format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#);
        let place = Place { kind: "Patient", id: id.into() };
        let full_url = url.map(str::to_owned);
        Version { version: number, full_url, ..version(&place, bytes.as_bytes(), class) }
    };
    // The newest first, as a chart may be read.
    set.put(&[named("a", 2, None, general.clone()), named("a", 1, Some("urn:uuid:a"), general.clone())], &[])
        .unwrap();
    set.put(&[named("b", 1, Some("urn:uuid:b"), class(1, "PSY"))], &[]).unwrap();
    let foreign = Version { own: false, ..named("c", 1, Some("urn:uuid:c"), class(2, "general")) };
    set.put(&[foreign, named("d", 1, Some("http://x/Patient/d"), general.clone())], &[]).unwrap();
    let sight = set.sight([&general, &class(2, "general")], [&chart(1), &chart(2)]).unwrap();
    let found: BTreeMap<&str, Vec<String>> = ["urn:uuid:a", "urn:uuid:b", "urn:uuid:c", "http://x/Patient/d"]
        .map(|url| (url, set.named(url, &sight).unwrap().iter().map(ToString::to_string).collect()))
        .into();
    assert_eq!(found["urn:uuid:a"], ["Patient/a"]);
    assert!(found["urn:uuid:b"].is_empty(), "it may not be seen");
    assert!(found["urn:uuid:c"].is_empty(), "another organisation's names are its own");
    assert!(found["http://x/Patient/d"].is_empty());
    set.put(&[named("e", 1, Some("urn:uuid:a"), general.clone())], &[]).unwrap();
    assert_eq!(set.named("urn:uuid:a", &sight).unwrap().len(), 2, "the same name twice means neither");
    set.erase(&chart(1), &BTreeSet::from([Vec::new()])).unwrap();
    assert!(set.named("urn:uuid:a", &sight).unwrap().is_empty(), "its name goes with it");
}
