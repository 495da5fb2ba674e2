//! Resources that nobody here wrote: whatever a resource is indexed by finds it.

use super::shelf::{document, options, pairs};
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

/// Within a value.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        if matches!(char, ',' | '$' | '|' | '\\') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

/// An instant in milliseconds as text.
fn instant(ms: i64) -> String {
    let (mut days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days < 0 {
        year -= 1;
        days += 365 + i64::from(leap(year));
    }
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second, ms) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z", month + 1, days + 1)
}

/// Queries, each a modifier and a value, that must find a value.
fn queries(value: &Value) -> Vec<(&'static str, String)> {
    let mut queries = Vec::new();
    match value {
        Value::Token(token) => {
            let system = token.system.as_deref().map(escaped);
            if let Some(code) = token.code.as_deref().filter(|code| !code.is_empty()).map(escaped) {
                queries.push(("", code.clone()));
                queries.push(("", format!("{}|{code}", system.as_deref().unwrap_or_default())));
                for (system, kind) in &token.types {
                    let system = system.as_deref().map(escaped).filter(|system| !system.is_empty());
                    queries.extend(
                        system.map(|system| (":of-type", format!("{system}|{}|{code}", escaped(kind)))),
                    );
                }
                queries.extend(
                    system.filter(|system| !system.is_empty()).map(|system| ("", format!("{system}|"))),
                );
            }
            queries.extend(token.text.as_deref().map(|text| (":text", escaped(text))));
        }
        Value::String { text, folded } => {
            if !text.is_empty() {
                queries.push((":exact", escaped(text)));
            }
            if !folded.is_empty() {
                let half: String = folded.chars().take(folded.chars().count().div_ceil(2)).collect();
                queries.push(("", escaped(&half)));
                queries.push(("", escaped(text)));
                queries.push((":contains", escaped(folded)));
            }
        }
        Value::Date(interval) => {
            if interval.from != i64::MIN {
                queries.push(("", format!("sa{}", instant(interval.from - 1))));
                queries.push(("", format!("gt{}", instant(interval.from - 1))));
                queries.push(("", format!("ge{}", instant(interval.from))));
            }
            if interval.to != i64::MAX {
                queries.push(("", format!("eb{}", instant(interval.to))));
                queries.push(("", format!("le{}", instant(interval.to - 1))));
            }
        }
        Value::Number(span) => {
            if let (Some(from), Some(to)) = (span.from.number(), span.to.number()) {
                queries.push(("", format!("ge{from}")));
                queries.push(("", format!("le{to}")));
                if from == to {
                    queries.push(("", from));
                }
            }
        }
        Value::Quantity(quantity) => {
            let system = quantity.system.as_deref().map(escaped).unwrap_or_default();
            let mut units = vec![String::new()];
            if let Some(code) = quantity.code.as_deref().filter(|code| !code.is_empty()) {
                units.push(format!("||{}", escaped(code)));
                units.push(format!("|{system}|{}", escaped(code)));
            }
            units.extend(
                quantity
                    .unit
                    .as_deref()
                    .filter(|unit| !unit.is_empty())
                    .map(|unit| format!("||{}", escaped(unit))),
            );
            for unit in units {
                match (quantity.span.from.number(), quantity.span.to.number()) {
                    (Some(from), Some(to)) if from == to => {
                        queries.extend(
                            ["", "eq", "ge", "le", "ap"].map(|prefix| ("", format!("{prefix}{from}{unit}"))),
                        );
                    }
                    (from, to) => {
                        queries.extend(from.map(|from| ("", format!("gt{from}{unit}"))));
                        queries.extend(to.map(|to| ("", format!("lt{to}{unit}"))));
                    }
                }
            }
        }
        Value::Uri(uri) => {
            queries.push(("", escaped(&uri.uri)));
            queries.extend(uri.version.as_ref().map(|version| ("", format!("{}|{version}", uri.uri))));
            if uri.uri.contains("://") {
                queries.push((":below", escaped(&uri.uri)));
                queries.push((":above", format!("{}/below/it", escaped(uri.uri.trim_end_matches('/')))));
            }
        }
        Value::Reference(reference) => {
            if let (Some(kind), Some(id)) = (&reference.kind, &reference.id) {
                let base = reference.base.as_ref().map(|base| format!("{base}/")).unwrap_or_default();
                queries.push(("", format!("{base}{kind}/{id}")));
                queries.extend(base.is_empty().then(|| ("", id.clone())));
            }
            if let Some(url) = reference.url.as_deref().filter(|url| url.contains(':')) {
                queries.push(("", escaped(url)));
                queries.extend(
                    reference.version.as_ref().map(|version| ("", format!("{}|{version}", escaped(url)))),
                );
            }
            if let Some(identifier) = &reference.identifier {
                let system = identifier.system.as_deref().map(escaped).unwrap_or_default();
                queries.push((":identifier", format!("{system}|{}", escaped(&identifier.value))));
                queries.push((":identifier", escaped(&identifier.value)));
            }
        }
        Value::Composite(parts) => {
            // Each part in the first way that needs no modifier.
            let firsts = parts.iter().map(|values| {
                let all = values.iter().flat_map(queries_plain);
                all.into_iter().next()
            });
            queries.extend(firsts.collect::<Option<Vec<_>>>().map(|firsts| ("", firsts.join("$"))));
        }
    }
    queries
}

fn queries_plain(value: &Value) -> Vec<String> {
    queries(value).into_iter().filter(|(modifier, _)| modifier.is_empty()).map(|(_, text)| text).collect()
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
