//! Validating, from outside.

mod invariants;
mod mutated;
mod real;
mod wrong;

use conformance::validate::{Issue, Options, check_bytes};
use fhir::Limits;

fn issues(json: &str, options: &Options) -> Vec<Issue> {
    check_bytes(json, &Limits::default(), options).issues
}

/// The findings that refuse, as `code expression`.
fn refusals(json: &str) -> Vec<String> {
    let issues = issues(json, &Options::default());
    issues
        .iter()
        .filter(|issue| issue.refuses())
        .map(|issue| match issue.rule {
            Some(rule) => format!("{} {} {rule}", issue.code.code(), issue.expression),
            None => format!("{} {}", issue.code.code(), issue.expression),
        })
        .collect()
}

/// A case is `expected | resource`, with `-` for a resource that is accepted.
fn table(cases: &str) {
    let mut different = Vec::new();
    for case in cases.lines().map(str::trim).filter(|case| !case.is_empty()) {
        let (expected, json) = case.split_once(" | ").unwrap_or_else(|| panic!("no ` | ` in {case}"));
        let found = refusals(json);
        let as_expected = match expected.trim() {
            "-" => found.is_empty(),
            expected => found == [expected],
        };
        if !as_expected {
            different.push(format!("{json}\n  expected {expected}\n  found    {}", found.join(", ")));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
