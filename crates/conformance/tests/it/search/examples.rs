//! Resources that nobody here wrote: whatever a resource is indexed by finds it.

use super::{
    queries::queries,
    shelf::{document, options, pairs},
};
use conformance::search::{
    Condition, Index, Nowhere, Parameter, Strictness, Value, index, matches, parameters, parse,
    resource_types,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The JSON files of a folder of public data: `HORKOS_TEST_DATA`, else beside the checkout.
fn public_data(folder: &str) -> Vec<String> {
    let base = std::env::var_os("HORKOS_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let mut files: Vec<_> = std::fs::read_dir(base.join(folder))
        .into_iter()
        .flatten()
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    if files.is_empty() {
        eprintln!("skipped: no `{folder}` in {}; set HORKOS_TEST_DATA", base.display());
    }
    files.into_iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// What no query can name: contained resources, texts that are no reference, a component that has only a text.
fn has_no_address(value: &Value) -> bool {
    match value {
        Value::Reference(reference) => {
            reference.identifier.is_none() && reference.url.as_deref().is_none_or(|url| !url.contains(':'))
        }
        Value::Composite(parts) => parts.iter().any(|values| {
            values.iter().all(|value| match value {
                Value::Token(token) => token.code.is_none(),
                value => has_no_address(value),
            })
        }),
        Value::Token(token) => token.code.is_none() && token.text.is_none(),
        Value::String { text, .. } => text.is_empty(),
        Value::Date(_) | Value::Number(_) | Value::Quantity(_) | Value::Uri(_) => false,
    }
}

fn holds(kind: &str, param: &Parameter, modifier: &str, value: &str, index: &Index) -> bool {
    let given = [(format!("{}{modifier}", param.code), value.to_owned())];
    let query = parse(Some(kind), &given, &options(Strictness::Strict))
        .unwrap_or_else(|error| panic!("{kind}?{}{modifier}={value}: {error}", param.code));
    let [condition @ Condition::Param { .. }] = &query.conditions[..] else { panic!("{}", param.code) };
    matches(condition, index, &Nowhere)
}

#[test]
fn everything_is_found_by_what_it_is_indexed_by_or_skip() {
    let files = public_data("fhir-examples");
    let (mut resources, mut rows, mut tried) = (0, 0, 0);
    let (mut used, mut silent) = (BTreeSet::new(), BTreeMap::<&str, usize>::new());
    for text in &files {
        let document = document(text);
        let Some(index) = index(document.root()) else { continue };
        resources += 1;
        let kind = index.kind;
        for row in &index.rows {
            rows += 1;
            used.insert((kind, row.param.code));
            let queries = queries(&row.value);
            if queries.is_empty() {
                *silent.entry(row.param.kind.code()).or_default() += 1;
                assert!(
                    has_no_address(&row.value),
                    "{kind}.{}: no query for {:?}",
                    row.param.code,
                    row.value
                );
            }
            for (modifier, value) in queries {
                // The default bound on a value is for requests from outside.
                if value.len() > 8000 {
                    continue;
                }
                tried += 1;
                assert!(
                    holds(kind, row.param, modifier, &value, &index),
                    "{kind}/{:?}?{}{modifier}={value} does not find {:?}",
                    index.id,
                    row.param.code,
                    row.value
                );
            }
        }
        for param in parameters(kind).filter(|param| param.code != "near") {
            let there = index.has(param);
            assert!(there || index.values(param).next().is_none(), "{kind}.{}", param.code);
            assert!(holds(kind, param, ":missing", if there { "false" } else { "true" }, &index));
            assert!(!holds(kind, param, ":missing", if there { "true" } else { "false" }, &index));
        }
    }
    eprintln!(
        "{resources} resources, {rows} rows of {} parameters, {tried} queries; no query for {silent:?}",
        used.len()
    );
    assert!(files.is_empty() || (resources > 300 && used.len() > 900), "{resources} {}", used.len());
}

#[test]
fn synthea_is_found_by_what_it_is_indexed_by_or_skip() {
    let (mut rows, mut tried) = (0, 0);
    for text in public_data("synthea").iter().take(2) {
        let bundle = document(text);
        let entries = bundle.root().get("entry").into_iter().flat_map(|entries| entries.items());
        for resource in entries.filter_map(|entry| entry.get("resource")) {
            let index = index(resource).unwrap();
            for row in &index.rows {
                rows += 1;
                for (modifier, value) in
                    queries(&row.value).into_iter().filter(|(_, value)| value.len() < 8000)
                {
                    tried += 1;
                    assert!(
                        holds(index.kind, row.param, modifier, &value, &index),
                        "{}{modifier}={value}",
                        row.param.code
                    );
                }
            }
        }
    }
    eprintln!("{rows} rows, {tried} queries");
}

#[test]
fn every_type_can_be_searched_and_sorted_by_every_parameter() {
    for kind in resource_types() {
        for param in parameters(kind).filter(|param| param.code != "near") {
            let given = pairs(&format!("{}:missing=true", param.code));
            assert!(parse(Some(kind), &given, &options(Strictness::Strict)).is_ok(), "{kind}.{}", param.code);
            if param.components.is_empty() {
                let given = pairs(&format!("_sort=-{}", param.code));
                assert!(
                    parse(Some(kind), &given, &options(Strictness::Strict)).is_ok(),
                    "{kind}.{}",
                    param.code
                );
            }
        }
    }
}
