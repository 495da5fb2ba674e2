//! Bundles that nobody here wrote: Synthea's patients and HL7's examples, every one of them.

use crate::{public_data, read};
use fhir::assign::{assign, names_patient};
use fhir::category::Category;
use fhir::collect::{Form, Record, collect};
use fhir::json::Document;
use fhir::references::{links, rewrite};
use fhir::{Bundle, BundleType, Limits};
use std::collections::BTreeSet;

/// What must hold of any file that is read at all.
pub(crate) fn check_laws(name: &str, file: &[u8], bundle: &Bundle) {
    let text = std::str::from_utf8(file).unwrap();
    let oracle: serde_json::Value = serde_json::from_str(text).unwrap();

    // Bytes: each resource is a slice of the file and says the same as another parser's reading of it.
    let mut at = 0;
    for entry in bundle.entries() {
        let Some(resource) = entry.resource else { continue };
        let raw = std::str::from_utf8(resource.bytes()).unwrap();
        let found =
            text[at..].find(raw).unwrap_or_else(|| panic!("{name}: entry {} is not in order", entry.index));
        at += found + if bundle.kind() == BundleType::Alone { 0 } else { raw.len() };
        let expected = match bundle.kind() {
            BundleType::Alone => &oracle,
            _ => &oracle["entry"][entry.index]["resource"],
        };
        assert_eq!(&serde_json::from_str::<serde_json::Value>(raw).unwrap(), expected, "{name}");

        // Links: replacing and putting back gives the same bytes; replacing changes nothing else.
        let mut count = 0;
        let changed = rewrite(resource.value, |_| {
            count += 1;
            Some(format!("urn:uuid:moved-{count}"))
        });
        let document = Document::read(changed, &Limits::default()).unwrap();
        let moved = oracle_links(&serde_json::from_str(document.root().raw()).unwrap());
        assert!(moved.iter().all(|text| text.starts_with("urn:uuid:moved-")), "{name}: {moved:?}");
        let mut originals = links(resource.value).into_iter().map(|link| link.text.into_owned());
        let back = rewrite(document.root(), |_| originals.next());
        if raw.contains("\\/") {
            // Written back without the escapes that JSON does not need: another spelling of the same.
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&back).unwrap(), *expected, "{name}");
        } else {
            assert_eq!(back, resource.bytes(), "{name}: entry {}", entry.index);
        }
    }

    // Whose it is: everything once, and nobody's name in the directory.
    let assignment = assign(bundle);
    let mut seen = BTreeSet::new();
    let grouped = assignment.groups.iter().flat_map(|group| &group.entries).map(|assigned| assigned.entry);
    for entry in grouped.chain(assignment.directory.iter().copied()).chain(assignment.empty.iter().copied()) {
        assert!(seen.insert(entry), "{name}: entry {entry} is assigned twice");
    }
    assert_eq!(seen.len(), bundle.len(), "{name}");
    let entries: Vec<_> = bundle.entries().collect();
    for entry in &assignment.directory {
        let resource = entries[*entry].resource.as_ref().unwrap();
        assert!(!names_patient(resource), "{name}: directory entry {entry} names a patient");
    }

    // Collected again: the same bytes in the same order.
    let records: Vec<Record<'_>> = entries
        .iter()
        .filter_map(|entry| {
            let resource = entry.resource.as_ref()?.bytes();
            Some(Record { full_url: entry.full_url.as_deref(), resource })
        })
        .collect();
    let collected = collect(Form::Collection, records.iter().copied(), &Limits::default()).unwrap();
    let again = read(collected).unwrap();
    assert_eq!(again.len(), records.len());
    for (entry, record) in again.entries().zip(&records) {
        assert_eq!(entry.resource.unwrap().bytes(), record.resource, "{name}");
        assert_eq!(entry.full_url.as_deref(), record.full_url, "{name}");
    }
}

/// All `reference` strings, as another parser sees them.
fn oracle_links(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Array(items) => items.iter().flat_map(oracle_links).collect(),
        serde_json::Value::Object(members) => members
            .iter()
            .flat_map(|(key, value)| match value {
                serde_json::Value::String(text) if key == "reference" => vec![text.clone()],
                _ => oracle_links(value),
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn synthea_patients_keep_every_byte_and_find_their_chart() {
    let mut resources = 0;
    for path in public_data("synthea") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let file = std::fs::read(&path).unwrap();
        let bundle = read(file.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        check_laws(&name, &file, &bundle);
        let assignment = assign(&bundle);
        if name.starts_with("practitioner") {
            assert_eq!((assignment.groups.len(), assignment.directory.len()), (0, bundle.len()), "{name}");
        } else {
            let [group] = &assignment.groups[..] else {
                panic!("{name}: {} groups", assignment.groups.len())
            };
            assert!(!group.is_stub() && !group.identifiers.is_empty(), "{name}");
            let person = name.split('_').next().unwrap();
            assert!(group.name.as_ref().unwrap().starts_with(person), "{name}: {:?}", group.name);
            let kinds: BTreeSet<_> = assignment
                .directory
                .iter()
                .map(|entry| bundle.entries().nth(*entry).unwrap().resource.unwrap().kind)
                .collect();
            assert!(
                kinds.iter().all(|kind| ["Organization", "Practitioner"].contains(kind)),
                "{name}: {kinds:?}"
            );
        }
        resources += bundle.len();
    }
    eprintln!("read {resources} resources");
}

#[test]
fn hl7_examples_keep_every_byte_and_are_all_assigned() {
    let mut unknown = Vec::new();
    for path in public_data("fhir-examples") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let file = std::fs::read(&path).unwrap();
        let bundle = read(file.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        check_laws(&name, &file, &bundle);
        for entry in bundle.entries().filter_map(|entry| entry.resource) {
            let category = Category::of(entry.value);
            assert_eq!(Category::parse(&category.to_string()), Some(category));
        }
        unknown.extend(assign(&bundle).groups.iter().any(|group| group.is_unknown()).then_some(name));
    }
    eprintln!("without any subject: {unknown:?}");
}
