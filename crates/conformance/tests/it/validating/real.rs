//! Resources that nobody here wrote: HL7's examples and Synthea's patients; and what this project ships.

use super::refusals;
use crate::{files, public_data, workspace};
use conformance::validate::{Options, check};
use fhir::Limits;
use fhir::json::{Document, Value};
use std::path::Path;

/// HL7's examples of R4 that R4 doesn't allow.
const WRONG_EXAMPLES: &[(&str, &str, &str)] = &[
    (
        "DeviceMetric-example.json",
        "value DeviceMetric.parent",
        "points to a DeviceDefinition by its text, where the element wants a Device",
    ),
    (
        "EventDefinition-example.json",
        "invariant EventDefinition.text.div txt-2",
        "the narrative says nothing",
    ),
    (
        "Questionnaire-zika-virus-exposure-assessment.json",
        "invariant Questionnaire.text.div txt-2",
        "the narrative says nothing",
    ),
];

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn the_official_examples_are_accepted_or_skip() {
    let mut resources = 0;
    let mut wrong = Vec::new();
    let examples = public_data("fhir-examples");
    for path in &examples {
        let text = std::fs::read_to_string(path).unwrap();
        let document = Document::read(text.clone(), &Limits::default()).unwrap();
        resources += 1 + document.root().get("entry").into_iter().flat_map(Value::items).count();
        for refusal in refusals(&text) {
            wrong.push((name(path), refusal));
        }
    }
    eprintln!("{} files, {resources} resources, {} refused", examples.len(), wrong.len());
    if !examples.is_empty() {
        let listed: Vec<_> =
            WRONG_EXAMPLES.iter().map(|(file, refusal, _)| (file.to_string(), refusal.to_string())).collect();
        assert_eq!(wrong, listed);
        assert!(resources > 500, "{resources}");
    }
}

#[test]
fn synthea_is_accepted_or_skip() {
    for path in public_data("synthea") {
        assert_eq!(refusals(&std::fs::read_to_string(&path).unwrap()), [""; 0], "{}", name(&path));
    }
}

#[test]
fn the_shipped_bundles_are_accepted() {
    let bundles = files(&workspace().join("data/bundles"));
    assert!(bundles.len() >= 9);
    for path in bundles {
        assert_eq!(refusals(&std::fs::read_to_string(&path).unwrap()), [""; 0], "{}", name(&path));
    }
}

/// No expression of a real resource stops for want of steps or for several values where one is due.
#[test]
fn every_invariant_comes_to_a_result() {
    let shipped = files(&workspace().join("data/bundles"));
    for path in shipped.into_iter().chain(public_data("fhir-examples")) {
        let document = Document::read(std::fs::read(&path).unwrap(), &Limits::default()).unwrap();
        let options = Options { issues_max: usize::MAX, ..Options::default() };
        for issue in check(document.root(), &options) {
            assert!(!issue.diagnostics.contains("was not checked"), "{}: {issue}", name(&path));
        }
    }
}
