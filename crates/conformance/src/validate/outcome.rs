//! This file is where issues become an OperationOutcome.

use super::issue::Issue;
use std::fmt::Write;

/// The OperationOutcome of `$validate` (FHIR R4 Resource-validate), as JSON: the issues in their order, or one of severity
/// information that nothing was found.
#[must_use]
pub fn outcome(issues: &[Issue]) -> String {
    let mut json = String::from(r#"{"resourceType":"OperationOutcome","issue":["#);
    if issues.is_empty() {
        json.push_str(
            r#"{"severity":"information","code":"informational","diagnostics":"no problems found"}"#,
        );
    }
    for (number, issue) in issues.iter().enumerate() {
        if number > 0 {
            json.push(',');
        }
        json.push_str(r#"{"severity":"#);
        text(issue.severity.code(), &mut json);
        json.push_str(r#","code":"#);
        text(issue.code.code(), &mut json);
        if let Some(rule) = issue.rule {
            json.push_str(r#","details":{"text":"#);
            text(rule, &mut json);
            json.push('}');
        }
        json.push_str(r#","diagnostics":"#);
        text(&issue.diagnostics, &mut json);
        if !issue.expression.is_empty() {
            json.push_str(r#","expression":["#);
            text(&issue.expression, &mut json);
            json.push(']');
        }
        json.push('}');
    }
    json.push_str("]}");
    json
}

/// Appends a JSON string.
fn text(text: &str, into: &mut String) {
    into.push('"');
    for char in text.chars() {
        match char {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            control if control < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(into, "\\u{:04x}", u32::from(control));
            }
            other => into.push(other),
        }
    }
    into.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::{Code, Severity};

    #[test]
    fn an_outcome_is_json_in_the_issues_order() {
        assert_eq!(
            outcome(&[]),
            concat!(
                r#"{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational","#,
                r#""diagnostics":"no problems found"}]}"#
            )
        );
        let issue = |rule, expression: &str| Issue {
            severity: Severity::Error,
            code: Code::Invariant,
            expression: expression.to_owned(),
            diagnostics: "a \"b\" \\ \n".to_owned(),
            rule,
        };
        assert_eq!(
            outcome(&[issue(Some("obs-7"), "Observation"), issue(None, "")]),
            concat!(
                r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invariant","#,
                r#""details":{"text":"obs-7"},"diagnostics":"a \"b\" \\ \u000a","expression":["Observation"]},"#,
                r#"{"severity":"error","code":"invariant","diagnostics":"a \"b\" \\ \u000a"}]}"#
            )
        );
    }
}
