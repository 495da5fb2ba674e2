//! What `_summary` and `_elements` leave of a resource.

use super::shelf::document;
use conformance::search::{Summary, project};

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"1","meta":{"versionId":"3","tag":[{"code":"x"}]},"text":{"status":"generated"},"implicitRules":"http://r","modifierExtension":[{"url":"http://m"}],"status":"final","_status":{"id":"s"},"code":{"text":"c"},"method":{"text":"m"},"valueQuantity":{"value":1.10,"unit":"g"},"component":[{"id":"k","code":{"text":"k"},"dataAbsentReason":{"text":"d"},"valueString":"v"},{"interpretation":[]}],"note":[{"text":"n"}]}"#;
const SUBSETTED: &str =
    r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#;

fn check(text: &str, summary: Option<Summary>, elements: &[&str], expected: &str) {
    let elements: Vec<_> = elements.iter().map(|element| (*element).to_owned()).collect();
    let cut = project(document(text).root(), summary, &elements).unwrap();
    assert_eq!(cut, expected.replace("MARK", SUBSETTED), "{summary:?} {elements:?}");
    assert_eq!(document(&cut).root().raw(), cut);
}

#[test]
fn what_is_left() {
    let meta = r#""meta":{"versionId":"3","tag":[{"code":"x"},MARK]}"#;
    let firm = r#""implicitRules":"http://r","modifierExtension":[{"url":"http://m"}],"status":"final","_status":{"id":"s"},"code":{"text":"c"}"#;
    check(OBSERVATION, None, &[], OBSERVATION);
    check(
        OBSERVATION,
        Some(Summary::True),
        &[],
        &format!(
            r#"{{"resourceType":"Observation","id":"1",{meta},{firm},"valueQuantity":{{"value":1.10,"unit":"g"}},"component":[{{"id":"k","code":{{"text":"k"}},"valueString":"v"}}]}}"#
        ),
    );
    check(
        OBSERVATION,
        Some(Summary::Text),
        &[],
        &format!(
            r#"{{"resourceType":"Observation","id":"1",{meta},"text":{{"status":"generated"}},{firm}}}"#
        ),
    );
    check(
        OBSERVATION,
        Some(Summary::Data),
        &[],
        &OBSERVATION
            .replace(r#""text":{"status":"generated"},"#, "")
            .replace(r#"{"code":"x"}"#, r#"{"code":"x"},MARK"#),
    );
    check(
        OBSERVATION,
        None,
        &["value", "note"],
        &format!(
            r#"{{"resourceType":"Observation","id":"1",{meta},{firm},"valueQuantity":{{"value":1.10,"unit":"g"}},"note":[{{"text":"n"}}]}}"#
        ),
    );
}

#[test]
fn the_mark_is_made_once_and_in_its_place() {
    let bare = r#"{"resourceType":"Patient","id":"1","gender":"male","photo":[]}"#;
    let marked = r#"{"resourceType":"Patient","id":"1","meta":{"tag":[MARK]},"gender":"male"}"#;
    check(bare, Some(Summary::True), &[], marked);
    check(&marked.replace("MARK", SUBSETTED), Some(Summary::True), &[], marked);
    check(
        r#"{"photo":[],"resourceType":"Patient"}"#,
        None,
        &["name"],
        r#"{"resourceType":"Patient","meta":{"tag":[MARK]}}"#,
    );
}

#[test]
fn there_may_be_nothing_to_cut() {
    assert_eq!(project(document(OBSERVATION).root(), Some(Summary::Count), &[]), None);
    assert_eq!(project(document(r#"{"resourceType":"Transport"}"#).root(), None, &[]), None);
    assert_eq!(project(document("[]").root(), None, &[]), None);
}
