//! Mutated resources: whatever comes in, checking ends with issues and not with a panic, and says the same twice.

use crate::{files, workspace};
use conformance::validate::{Options, check_bytes, outcome};
use fhir::Limits;
use proptest::prelude::*;

/// What is put in somewhere.
const PIECES: &[&str] = &[
    "null",
    "[]",
    "{}",
    "\"\"",
    "[null]",
    "-1",
    "1e999",
    "true",
    "\"#\"",
    "\"#a\"",
    "{\"resourceType\":\"Bundle\"}",
    "\"2019-02-30\"",
    "\"\\u0000\"",
    "[[1]]",
    "{\"reference\":\"Patient/1\"}",
    ",",
    "}",
    "]",
    "\"_given\":[null],",
    "\"contained\":[{\"resourceType\":\"Patient\",\"id\":\"a\"}],",
    "\"<div>\"",
    "\"valueQuantity\":{\"value\":1},",
];

/// A resource of the shipped bundles, with its place among them.
fn resource(number: usize) -> String {
    let bundles = files(&workspace().join("data/bundles"));
    let path = &bundles[number % bundles.len()];
    let bundle: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let entries = bundle["entry"].as_array().unwrap();
    entries[number % entries.len()]["resource"].to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutations_never_panic(
        number in 0_usize..1000,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..PIECES.len(), any::<bool>()), 1..4),
    ) {
        let mut json = resource(number);
        for (at, piece, replaces) in edits {
            // At the beginning of a value or key, so that much of it stays JSON.
            let starts: Vec<usize> = json.char_indices().filter(|(_, char)| matches!(char, ':' | ',' | '[' | '{')).map(|(at, _)| at + 1).collect();
            let start = starts[at.index(starts.len())];
            let end = if replaces {
                json[start..].find([',', '}', ']']).map_or(json.len(), |end| start + end)
            } else {
                start
            };
            json.replace_range(start..end, PIECES[piece]);
        }
        let options = Options { issues_max: 10, ..Options::default() };
        let once = check_bytes(json.clone(), &Limits::default(), &options).issues;
        let twice = check_bytes(json, &Limits::default(), &options).issues;
        prop_assert_eq!(&once, &twice);
        let outcome = outcome(&once);
        let parsed: serde_json::Value = serde_json::from_str(&outcome).unwrap();
        prop_assert_eq!(parsed["issue"].as_array().map(Vec::len), Some(once.len().max(1)));
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let checked = check_bytes(bytes, &Limits::default(), &Options::default());
        prop_assert!(checked.document.is_some() || checked.issues.len() == 1);
    }
}
