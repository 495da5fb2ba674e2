//! This file is where an indexed value becomes the queries that must find it; the tests of the whole program use it too.

use conformance::search::Value;

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
pub(crate) fn queries(value: &Value) -> Vec<(&'static str, String)> {
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
