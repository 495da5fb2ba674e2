//! Input that nobody meant: mutated bundles and generated nonsense. Nothing panics, and what is JSON is not a matter of
//! opinion.

use crate::{files, read, workspace};
use fhir::assign::{assign, names_patient};
use fhir::category::Category;
use fhir::collect::{Form, Record, collect};
use fhir::json::Document;
use fhir::references::{links, rewrite};
use fhir::{Limits, ReadError, phi};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The scanner and serde_json agree on what is JSON; where the scanner is stricter, it says so.
fn agree(bytes: &[u8]) {
    let ours = Document::read(bytes, &Limits::default());
    let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
    match (ours, theirs) {
        (Ok(document), Ok(theirs)) => {
            let again: serde_json::Value = serde_json::from_str(document.root().raw()).unwrap();
            assert_eq!(again, theirs);
            for (key, value) in document.root().members_deep() {
                let text: String = serde_json::from_str(key.raw()).unwrap();
                assert_eq!(key.text().unwrap(), text);
                if let Some(found) = value.text() {
                    assert_eq!(found, serde_json::from_str::<String>(value.raw()).unwrap());
                }
            }
        }
        (Ok(_), Err(error)) => {
            assert!(
                bytes.starts_with(b"\xef\xbb\xbf"),
                "taken, but {error}: {}",
                String::from_utf8_lossy(bytes)
            );
        }
        (Err(ReadError::Malformed { .. } | ReadError::NotUtf8 { .. }), theirs) => {
            assert!(theirs.is_err(), "refused: {}", String::from_utf8_lossy(bytes));
        }
        (Err(_), _) => {}
    }
}

/// Everything that can be asked of a file is answered, and the laws of assignment hold.
fn survive(bytes: &[u8]) {
    let Ok(bundle) = read(bytes) else { return };
    let assignment = assign(&bundle);
    let entries: Vec<_> = bundle.entries().collect();
    let grouped = assignment.groups.iter().flat_map(|group| &group.entries).map(|assigned| assigned.entry);
    let all: Vec<usize> =
        grouped.chain(assignment.directory.clone()).chain(assignment.empty.clone()).collect();
    assert_eq!(all.len(), bundle.len());
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), bundle.len());
    for entry in &assignment.directory {
        assert!(
            !names_patient(entries[*entry].resource.as_ref().unwrap()),
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
    for resource in entries.iter().filter_map(|entry| entry.resource.as_ref()) {
        let category = Category::of(resource.value);
        assert_eq!(category.special(), category != Category::general());
        assert!(
            phi::strings(resource.value).iter().all(|found| found.text.chars().count() >= phi::CHARS_MIN)
        );
        assert_eq!(rewrite(resource.value, |_| None), resource.bytes());
        let moved = rewrite(resource.value, |_| Some("\"\\\n\u{1}é".to_owned()));
        let moved = Document::read(moved, &Limits::default()).unwrap();
        assert!(links(moved.root()).iter().all(|link| link.text == "\"\\\n\u{1}é"));
        let record = Record { full_url: None, resource: resource.bytes() };
        collect(Form::Searchset, [record], &Limits::default()).unwrap();
    }
}

static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut pieces = Vec::new();
    for path in
        files(&workspace().join("data/bundles")).into_iter().chain(files(&workspace().join("data/bad")))
    {
        let file = std::fs::read(path).unwrap();
        // A few entries show as much as sixty, and mutations hit something.
        if let Ok(bundle) = read(file.clone()) {
            let entries = bundle.entries().step_by(5).filter_map(|entry| entry.resource);
            let records: Vec<_> =
                entries.map(|found| Record { full_url: None, resource: found.bytes() }).collect();
            pieces.push(collect(Form::Collection, records, &Limits::default()).unwrap());
        } else {
            pieces.push(file);
        }
    }
    pieces
});

#[derive(Clone, Debug)]
enum Mutation {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Insert(prop::sample::Index, &'static str),
    Repeat(prop::sample::Index, usize),
    Truncate(prop::sample::Index),
}

const SNIPPETS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "\\udc00",
    "null",
    "-",
    "0",
    "1e5",
    "\u{0}",
    "\u{7f}",
    "\"id\":\"1\",",
    "\"reference\":\"Patient/1\",",
    "\"resourceType\":\"Patient\",",
    "\"subject\":{},",
    "é",
    "\t",
    "\u{feff}",
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (index(), 1..40_usize).prop_map(|(at, size)| Mutation::Cut(at, size)),
        (index(), prop::sample::select(SNIPPETS)).prop_map(|(at, text)| Mutation::Insert(at, text)),
        (index(), 1..200_usize).prop_map(|(at, size)| Mutation::Repeat(at, size)),
        index().prop_map(Mutation::Truncate),
    ]
}

fn apply(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let size = bytes.len();
    match mutation {
        Mutation::Set(at, byte) => bytes[at.index(size)] = *byte,
        Mutation::Cut(at, count) => {
            let at = at.index(size);
            bytes.drain(at..size.min(at + count));
        }
        Mutation::Insert(at, text) => {
            let at = at.index(size);
            bytes.splice(at..at, text.bytes());
        }
        Mutation::Repeat(at, count) => {
            let at = at.index(size);
            let piece = bytes[at..size.min(at + count)].to_vec();
            bytes.splice(at..at, piece);
        }
        Mutation::Truncate(at) => bytes.truncate(at.index(size)),
    }
}

/// Text of JSON tokens in any order, so that the grammar is tried where mutation seldom reaches.
fn tokens() -> impl Strategy<Value = String> {
    const TOKENS: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "\"a\"",
        "\"b\"",
        "\"\\u0061\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "1",
        "-0",
        "01",
        "1.",
        "1.50",
        "2e+7",
        "1E",
        "true",
        "nul",
        "null",
        "\"\"",
        "\"\\/\"",
        "\"x",
        "\u{1}",
    ];
    prop::collection::vec(prop::sample::select(TOKENS), 1..24).prop_map(|tokens| tokens.concat())
}

/// Well-formed JSON out of FHIR's words, put together without sense.
fn nonsense() -> impl Strategy<Value = String> {
    const KEYS: &[&str] = &[
        "resourceType",
        "type",
        "entry",
        "resource",
        "reference",
        "subject",
        "patient",
        "contained",
        "id",
        "fullUrl",
        "meta",
        "security",
        "identifier",
        "system",
        "value",
        "url",
        "div",
        "link",
        "other",
        "name",
        "display",
        "actor",
    ];
    const WORDS: &[&str] = &[
        "Patient",
        "Observation",
        "Organization",
        "Schedule",
        "Bundle",
        "collection",
        "Patient/1",
        "#1",
        "1",
        "",
        "urn:uuid:1",
        "urn:uuid:2",
        "Patient?identifier=a|1",
        "http://a/Patient/1",
        "Organization/1",
        "<a href=\\\"urn:uuid:1\\\">",
    ];
    let leaf = prop::sample::select(WORDS).prop_map(|word| format!("\"{word}\""));
    let inner = leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map(prop::sample::select(KEYS), inner, 0..6).prop_map(object),
        ]
    });
    let kinds =
        prop::sample::select(&["Patient", "Organization", "Schedule", "Observation", "Device", "Bundle"][..]);
    let body = prop::collection::btree_map(prop::sample::select(KEYS), inner, 0..6);
    let urls = prop::sample::select(&["urn:uuid:1", "urn:uuid:2", "Patient/1", "http://a/Patient/1"][..]);
    let entry = (kinds, body, urls).prop_map(|(kind, mut body, url)| {
        body.insert("resourceType", format!("\"{kind}\""));
        body.insert("id", "\"1\"".to_owned());
        body.remove("contained");
        body.remove("entry");
        format!("{{\"fullUrl\":\"{url}\",\"resource\":{}}}", object(body))
    });
    prop::collection::vec(entry, 0..6).prop_map(|entries| {
        format!("{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{}]}}", entries.join(","))
    })
}

fn object(members: std::collections::BTreeMap<&str, String>) -> String {
    let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_bundles_are_read_or_refused(
        file in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let mut bytes = FILES[file.index(FILES.len())].clone();
        for mutation in &mutations {
            apply(&mut bytes, mutation);
        }
        agree(&bytes);
        survive(&bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        agree(&bytes);
        survive(&bytes);
    }

    #[test]
    fn nonsense_in_fhirs_words_is_assigned(text in nonsense()) {
        agree(text.as_bytes());
        survive(text.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_in_any_order_are_json_or_not(text in tokens()) {
        agree(text.as_bytes());
    }
}
