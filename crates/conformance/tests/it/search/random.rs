//! Laws that hold of any input.

use super::shelf::{Shelf, document, options, pairs};
use conformance::search::{
    Nowhere, Strictness, index, matches_all, parameters, parse, project, resource_types,
};
use proptest::prelude::*;

fn kinds() -> Vec<&'static str> {
    resource_types().collect()
}

/// Names that are nearly right.
fn name() -> impl Strategy<Value = String> {
    let codes: Vec<_> =
        kinds().into_iter().flat_map(|kind| parameters(kind).map(|param| param.code)).collect();
    let extra = [
        "_has",
        "_include",
        "_revinclude",
        "_sort",
        "_count",
        "_summary",
        "_elements",
        "_type",
        "",
        "Patient",
    ];
    let word = prop_oneof![proptest::sample::select(codes), proptest::sample::select(extra.to_vec())];
    let joint = proptest::sample::select(vec![
        ":",
        ".",
        "",
        ":missing",
        ":exact",
        ":not",
        ":text",
        ":identifier",
        ":Patient.",
    ]);
    proptest::collection::vec((word, joint), 1..4).prop_map(|parts| {
        parts
            .into_iter()
            .map(|(word, joint)| format!("{word}{joint}"))
            .collect::<String>()
            .trim_end_matches('.')
            .to_owned()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn parsing_never_panics(
        kind in proptest::sample::select(kinds()),
        given in proptest::collection::vec((name(), "(ne|ap|gt)?[-a-zA-Z0-9|,$\\\\.:/é+T ]{0,24}"), 0..5),
        everything in any::<bool>(),
    ) {
        let shelf = Shelf::of(r#"{"resourceType":"Patient","id":"a","name":[{"family":"X"}],"birthDate":"2000"}"#);
        for strictness in [Strictness::Lenient, Strictness::Strict] {
            match parse((!everything).then_some(kind), &given, &options(strictness)) {
                Ok(query) => {
                    let _ = shelf.found(&query);
                    prop_assert!(strictness == Strictness::Lenient || query.ignored.is_empty());
                    let understood = query.self_query.split('&').filter(|text| !text.is_empty()).count();
                    prop_assert!(understood + query.ignored.len() <= given.len());
                }
                Err(error) => {
                    prop_assert!(!error.code().is_empty() && !error.to_string().is_empty());
                }
            }
        }
    }

    #[test]
    fn a_prefix_and_its_opposite_leave_nothing_out(
        year in 1950i32..2050, month in 1u32..=12, wanted_year in 1950i32..2050, wanted_month in 1u32..=12, whole in any::<bool>(),
    ) {
        let date = if whole { format!("{year}") } else { format!("{year}-{month:02}") };
        let text = format!(r#"{{"resourceType":"Patient","id":"a","birthDate":"{date}"}}"#);
        let index = index(document(&text).root()).unwrap();
        let holds = |prefix: &str| {
            let given = pairs(&format!("birthdate={prefix}{wanted_year}-{wanted_month:02}"));
            let query = parse(Some("Patient"), &given, &options(Strictness::Strict)).unwrap();
            matches_all(&query, &index, &Nowhere)
        };
        prop_assert_ne!(holds("eq"), holds("ne"));
        prop_assert_eq!(holds("ge"), holds("gt") || holds("eq"));
        prop_assert_eq!(holds("le"), holds("lt") || holds("eq"));
        prop_assert!(!holds("sa") || holds("gt"));
        prop_assert!(!holds("eb") || holds("lt"));
        prop_assert!(!(holds("sa") && holds("eb")));
        prop_assert!(holds("ge") || holds("le"));
    }

    #[test]
    fn any_shape_is_walked(
        kind in proptest::sample::select(kinds()),
        key in proptest::sample::select(vec!["code", "subject", "identifier", "name", "effectiveDateTime", "valueQuantity", "component", "entry", "meta"]),
        value in proptest::sample::select(vec!["null", "1", "\"x\"", "[]", "[null]", "{}", "[[{}]]", "{\"coding\":1}", "{\"value\":\"x\"}", "[{\"reference\":\"#\"}]", "1e400000", "{\"reference\":\"\"}"]),
    ) {
        let text = format!(r#"{{"resourceType":"{kind}","{key}":{value}}}"#);
        let document = document(&text);
        prop_assert_eq!(index(document.root()).unwrap().kind, kind);
        prop_assert!(project(document.root(), Some(conformance::search::Summary::True), &[]).is_some());
    }
}
