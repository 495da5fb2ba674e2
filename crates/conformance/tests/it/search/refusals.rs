//! What is refused, what is passed over, and what the answer can say about it.

use super::shelf::{NOW_MS, options, pairs, strict};
use conformance::search::{Limits, Options, Query, SearchError, Strictness, Summary, Total, parse};

fn lenient(kind: Option<&str>, query: &str) -> Result<Query, SearchError> {
    parse(kind, &pairs(query), &options(Strictness::Lenient))
}

#[test]
fn wrong_searches_say_what_is_wrong() {
    // Code of the issue, its expression, a part of the message.
    let cases = r"
        Patient ? _text=x                          → not-supported | _text | `_text` is not supported
        Patient ? _content=x                       → not-supported | _content | `_content`
        Patient ? _filter=x                        → not-supported | _filter | `_filter`
        Patient ? _query=x                         → not-supported | _query | `_query`
        Patient ? _list=x                          → not-supported | _list | `_list`
        Patient ? _contained=true                  → not-supported | _contained | `_contained`
        Location ? near=1|2                        → not-supported | near | `near`
        Condition ? code:in=http://x               → not-supported | code:in | `:in`
        Condition ? code:not-in=http://x           → not-supported | code:not-in | `:not-in`
        Condition ? code:below=1                   → not-supported | code:below | `:below`
        Location ? partof:above=1                  → not-supported | partof:above | `:above`
        Patient ? birthdate:exact=2000             → invalid | birthdate:exact | of type date
        Patient ? name:not=x                       → invalid | name:not | of type string
        Patient ? name:=x                          → invalid | name: | cannot be used
        Patient ? birthdate=xx2000                 → invalid | birthdate | a prefix is one of
        Patient ? birthdate=2000-13                → invalid | birthdate | a date is
        Patient ? birthdate=eq                     → invalid | birthdate | a date is
        Patient ? name=a,,b                        → invalid | name | a value is empty
        Patient ? name=...                         → invalid | name | neither letters nor digits
        Patient ? identifier=|                     → invalid | identifier | write `code`
        Patient ? identifier=a|b|c                 → invalid | identifier | write `code`
        Patient ? active:missing=maybe             → invalid | active:missing | true or false
        Patient ? general-practitioner=a b         → invalid | general-practitioner | a reference is
        Patient ? general-practitioner:Patient=1   → invalid | general-practitioner:Patient | cannot be used
        Patient ? general-practitioner:Practitioner=Organization/1 → invalid | general-practitioner:Practitioner | not the one in the modifier
        RiskAssessment ? probability=abc           → invalid | probability | a prefix
        RiskAssessment ? probability=1.2.3         → invalid | probability | a number is
        Observation ? value-quantity=5|mg          → invalid | value-quantity | number||code
        Observation ? value-quantity=5|http://x|   → invalid | value-quantity | number||code
        Observation ? code-value-quantity=x        → invalid | code-value-quantity | 2 parts
        Observation ? code-value-quantity=x$1$2    → invalid | code-value-quantity | 2 parts
        ValueSet ? url:below=urn:oid:1             → invalid | url:below | ://
        Patient ? name.family=x                    → invalid | name.family | is no reference
        Patient ? organization:Patient.name=x      → invalid | organization:Patient.name | does not refer to Patient
        Patient ? organization.shoe=x              → not-supported | organization.shoe | has no search parameter `shoe`
        Patient ? _has:Observation:code:code=x     → invalid | _has:Observation:code:code | is no reference
        Patient ? _has:Location:partof:name=x      → invalid | _has:Location:partof:name | does not refer to Patient
        Patient ? _has:Nothing:a:b=x               → not-supported | _has:Nothing:a:b | `Nothing`
        Patient ? _has:Observation=x               → invalid | _has:Observation | _has:Type
        Patient ? _count=-1                        → invalid | _count | 0 or more
        Patient ? _count=1&_count=2                → invalid | _count | more than once
        Patient ? _count:exact=1                   → invalid | _count:exact | `:exact`
        Patient ? _summary=some                    → invalid | _summary | true, text
        Patient ? _summary=true&_elements=name     → invalid | _elements | not both
        Patient ? _elements=shoe                   → invalid | _elements | no such element
        Patient ? _total=some                      → invalid | _total | accurate
        Patient ? _sort=shoe                       → not-supported | _sort | `shoe`
        Observation ? _sort=code-value-quantity    → invalid | _sort | no order
        Patient ? _sort=_score                     → not-supported | _sort | `_score`
        Patient ? _include=Patient                 → invalid | _include | Type:parameter
        Patient ? _include=Nothing:x               → not-supported | _include | `Nothing`
        Patient ? _include=Patient:name            → invalid | _include | is no reference
        Patient ? _include:twice=Patient:link      → invalid | _include:twice | `:twice`
        Patient ? _include=Patient:organization:Patient → invalid | _include | does not refer to Patient
        Patient ? _revinclude=Location:partof      → invalid | _revinclude | does not refer to Patient
        Patient ? shoe-size=38                     → not-supported | shoe-size | has no search parameter
        Patient ? name=                            → invalid | name | empty
        Patient ? _type=Patient                    → not-supported | _type | has no search parameter
    ";
    for line in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (search, expected) = line.split_once('→').unwrap();
        let (kind, query) = search.split_once('?').unwrap();
        let mut expected = expected.splitn(3, '|').map(str::trim);
        let error = strict(kind.trim(), query.trim()).expect_err(line);
        assert_eq!(Some(error.code()), expected.next(), "{line}: {error}");
        assert_eq!(Some(error.expression()), expected.next(), "{line}: {error}");
        let part = expected.next().unwrap();
        assert!(error.to_string().contains(part), "{line}: {error}");
    }
    assert_eq!(strict("Transport", "").unwrap_err().code(), "not-supported");
}

#[test]
fn lenient_passes_over_what_does_not_exist_and_says_so() {
    let query =
        lenient(Some("Patient"), "shoe-size=38&name=eve&organization.shoe=1&gender=&_format=json").unwrap();
    let ignored: Vec<_> = query.ignored.iter().map(|ignored| ignored.name.as_str()).collect();
    assert_eq!(ignored, ["shoe-size", "organization.shoe", "gender"]);
    // All keys or none: the rest would be another order.
    let unsorted = lenient(Some("Patient"), "_sort=family,shoe-size").unwrap();
    assert!(unsorted.sort.is_empty() && unsorted.ignored.len() == 1 && unsorted.self_query.is_empty());
    assert!(query.ignored[0].reason.contains("has no search parameter `shoe-size`"));
    assert_eq!(query.conditions.len(), 1);
    assert_eq!(query.self_query, "name=eve");
}

#[test]
fn lenient_never_passes_over_what_exists() {
    for query in
        ["_text=x", "code:in=http://x", "onset-date=tomorrow", "_has:Observation:code:code=1", "_sort=_score"]
    {
        assert!(lenient(Some("Condition"), query).is_err(), "{query}");
    }
    assert!(lenient(Some("Location"), "near=1").is_err());
}

#[test]
fn how_the_answer_is_to_look() {
    let query = strict(
        "Patient",
        "_count=50000&_total=accurate&_summary=data&_sort=-birthdate,family&_include=Patient:organization&\
         _include:iterate=Organization:partof&_revinclude=Provenance:target&_include=*&_contained=false",
    )
    .unwrap();
    assert_eq!(query.count, Some(Limits::default().count_max));
    assert_eq!((query.total, query.summary), (Some(Total::Accurate), Some(Summary::Data)));
    let sort: Vec<_> = query.sort.iter().map(|sort| (sort.param.code, sort.descending)).collect();
    assert_eq!(sort, [("birthdate", true), ("family", false)]);
    let includes: Vec<_> = query
        .includes
        .iter()
        .map(|include| (include.source, include.params.len(), include.iterate))
        .collect();
    assert_eq!(includes, [("Patient", 1, false), ("Organization", 1, true), ("Patient", 3, false)]);
    assert_eq!(query.reverse_includes[0].params[0].code, "target");

    let query = strict("Observation", "_elements=status,value&_include=Observation:subject:Patient").unwrap();
    assert_eq!(query.elements, ["status", "value"]);
    assert_eq!(query.includes[0].target, Some("Patient"));
    assert_eq!(strict("Patient", "_summary=false").unwrap().summary, None);
}

#[test]
fn the_self_link_says_the_same_again() {
    let given =
        "name:exact=Müller\\, Éve&birthdate=ge2000-01-01T00:00:00+01:00&identifier=http://x|1 2&_count=5";
    let query = strict("Patient", given).unwrap();
    assert_eq!(
        query.self_query,
        "name:exact=M%C3%BCller%5C,%20%C3%89ve&birthdate=ge2000-01-01T00:00:00%2B01:00&identifier=http://x%7C1%202&_count=5"
    );
}

#[test]
fn a_search_of_everything_has_what_all_types_have() {
    let query = lenient(None, "_type=Patient,Observation&_id=1&_tag=x&name=eve").unwrap();
    assert_eq!(query.types, ["Patient", "Observation"]);
    assert_eq!(query.conditions.len(), 2);
    assert_eq!(query.ignored[0].name, "name");
    assert!(lenient(None, "_type=Nothing").is_err());
    assert!(lenient(None, "_lastUpdated=gt2020&_has:Observation:subject:code=1").is_ok());
}

#[test]
fn bounds_hold() {
    let tiny = Limits {
        params_max: 2,
        values_max: 3,
        bytes_max: 60,
        depth_max: 2,
        branches_max: 300,
        sort_max: 1,
        count_max: 10,
    };
    let options =
        Options { strictness: Strictness::Lenient, limits: tiny, base: String::new(), now_ms: NOW_MS };
    for (kind, query, refused) in [
        ("Patient", "name=a&name=b", false),
        ("Patient", "name=a&name=b&name=c", true),
        ("Patient", "name=a,b,c", false),
        ("Patient", "name=a,b,c,d", true),
        ("Patient", "name=a,b&name=c,d", true),
        ("Patient", "organization.partof.name=a", false),
        ("Patient", "organization.partof.partof.name=a", true),
        ("Patient", "_has:Observation:patient:_has:Observation:derived-from:code=1", false),
        ("Patient", "_sort=name,_id", true),
        ("Patient", "name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true),
        // No value is ever read, and it branches a hundred times a hundred.
        ("AuditEvent", "entity._has:Provenance:target:entity.shoe=1", true),
        ("AuditEvent", "entity._has:Provenance:target:entity._id:missing=true", true),
        // Every type has an id: one value, more than a hundred conditions.
        ("Provenance", "target._id=1", true),
    ] {
        let parsed = parse(Some(kind), &pairs(query), &options);
        match parsed {
            Err(error) => assert!(refused && error.code() == "too-costly", "{query}: {error}"),
            Ok(_) => assert!(!refused, "{query}"),
        }
    }
}
