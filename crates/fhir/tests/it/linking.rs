//! Links found, links replaced, classes read, Bundles written.

use fhir::Limits;
use fhir::category::Category;
use fhir::collect::{Form, Record, collect};
use fhir::json::Document;
use fhir::references::{Edit, links, rewrite, splice};
use std::collections::BTreeSet;

fn document(text: &str) -> Document {
    Document::read(text, &Limits::default()).unwrap()
}

#[test]
fn links_are_what_a_transaction_rewrites() {
    let text = r##"{"resourceType":"Basic",
        "identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:not-this"}],
        "implicitRules":"urn:uuid:uri","meta":{"profile":["urn:uuid:not-canonical"]},
        "extension":[{"url":"http://hl7.org/fhir/StructureDefinition/x","valueUri":"urn:oid:1.2"},{"url":"x","valueString":"urn:uuid:not-text"}],
        "text":{"div":"<a href=\"urn:uuid:a\">urn:uuid:not-words</a><img src = 'http://s\/Binary\/1'/><a href=\"#x\"/>"},
        "instantiatesUri":["urn:uuid:listed","http://not/this"],
        "subject":{"reference":"Patient\/1"},"author":{"reference":"#contained"}}"##;
    let document = document(text);
    let found: Vec<_> =
        links(document.root()).iter().map(|link| format!("{:?} {}", link.kind, link.text)).collect();
    let expected = [
        "Uri urn:uuid:uri",
        "Uri urn:oid:1.2",
        "Narrative urn:uuid:a",
        "Narrative http://s/Binary/1",
        "Uri urn:uuid:listed",
        "Reference Patient/1",
        "Reference #contained",
    ];
    assert_eq!(found, expected);
    for link in links(document.root()) {
        assert_eq!(text[link.range.clone()].replace("\\/", "/"), link.text);
    }
}

#[test]
fn a_rewritten_resource_differs_in_its_links_only() {
    let text = "{ \"resourceType\" : \"Observation\",\t\"valueQuantity\":{\"value\":1.10E+00},\n\"subject\":{\"reference\":\"urn:uuid:1\"},\"note\":[{\"text\":\"\\u00e9\\/\"}] }";
    let document = document(text);
    let rewritten = rewrite(document.root(), |_| Some("Patient/\"7\"".to_owned()));
    assert_eq!(String::from_utf8(rewritten).unwrap(), text.replace("urn:uuid:1", "Patient/\\\"7\\\""));
}

#[test]
fn edits_that_do_not_fit_are_refused() {
    let edit = |range| Edit { range, text: "-".to_owned() };
    let text = |edits: Vec<Edit>| splice(b"abcdef", edits).map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(text(vec![edit(4..5), edit(1..2), edit(2..2)]), Ok("a--cd-f".to_owned()));
    assert_eq!(text(vec![edit(0..6)]), Ok("-".to_owned()));
    for (edits, index) in [
        (vec![edit(0..3), edit(2..4)], 1),
        (vec![edit(5..7)], 0),
        (vec![Edit { range: std::ops::Range { start: 4, end: 2 }, text: String::new() }], 0),
    ] {
        assert_eq!(text(edits.clone()).unwrap_err().index, index, "{edits:?}");
    }
}

#[test]
fn classes_are_read_from_labels() {
    const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    for (labels, expected) in [
        (vec![], "general"),
        (vec![(ACT, "PSY")], "PSY"),
        (vec![(ACT, "SDV"), (ACT, "ETH"), (ACT, "SDV")], "ETH+SDV"),
        (vec![("http://hl7.org/fhir/v3/ActCode", "hiv")], "HIV"),
        (vec![("urn:oid:2.16.840.1.113883.5.4", "SEX")], "SEX"),
        // Without a system: a known code is believed.
        (vec![("", "SUD")], "SUD"),
        (vec![("", "ODD")], "general"),
        // Newer than R4: protected, since it may be a protection; another meaning: not.
        (vec![(ACT, "NEWCODE")], "NEWCODE"),
        (vec![(ACT, "NORDSCLCD")], "general"),
        (vec![("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R")], "general"),
        (vec![("http://terminology.hl7.org/CodeSystem/v3-ActReason", "PSY")], "general"),
    ] {
        let codings: Vec<String> = labels
            .iter()
            .map(|(system, code)| match *system {
                "" => format!("{{\"code\":\"{code}\"}}"),
                system => format!("{{\"system\":\"{system}\",\"code\":\"{code}\"}}"),
            })
            .collect();
        let text =
            format!("{{\"resourceType\":\"Basic\",\"meta\":{{\"security\":[{}]}}}}", codings.join(","));
        let category = Category::of(document(&text).root());
        assert_eq!(category.to_string(), expected, "{labels:?}");
        assert_eq!(category.special(), expected != "general");
        assert_eq!(Category::parse(expected), Some(category));
    }
    // A Bundle as a record is as sensitive as what is in it.
    let nested = r#"{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Basic",
        "meta":{"security":[{"code":"HIV"}]}}}]}"#;
    assert_eq!(Category::of(document(nested).root()).to_string(), "HIV");
    assert_eq!(Category::parse("no code"), None);
    let granted = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    let both = Category::parse("psy+HIV").unwrap();
    assert_eq!(both.to_string(), "HIV+PSY");
    assert!(both.within(&granted(&["HIV", "PSY", "SDV"])) && !both.within(&granted(&["HIV"])));
    assert!(Category::general().within(&granted(&[])));
}

#[test]
fn collected_records_keep_their_bytes_and_smuggle_nothing() {
    let one: &[u8] = b"{\"resourceType\" :\"Basic\", \"id\":\"1\" }";
    let records =
        [Record { full_url: Some("urn:\"1\""), resource: one }, Record { full_url: None, resource: one }];
    let bundle = collect(Form::Searchset, records, &Limits::default()).unwrap();
    let expected = "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":2,\"entry\":[\n\
        {\"fullUrl\":\"urn:\\\"1\\\"\",\"resource\":{\"resourceType\" :\"Basic\", \"id\":\"1\" },\"search\":{\"mode\":\"match\"}},\n\
        {\"resource\":{\"resourceType\" :\"Basic\", \"id\":\"1\" },\"search\":{\"mode\":\"match\"}}\n]}\n";
    assert_eq!(String::from_utf8(bundle).unwrap(), expected);
    let empty = collect(Form::Collection, [], &Limits::default()).unwrap();
    assert_eq!(empty, b"{\"resourceType\":\"Bundle\",\"type\":\"collection\"}\n");
    for smuggled in [
        "{\"resourceType\":\"Basic\"}},{\"resource\":{\"resourceType\":\"Basic\"}",
        "{\"resourceType\":\"Basic\"},\"fullUrl\":\"x\"",
        "\u{feff}{\"resourceType\":\"Basic\"}",
        "{}",
        "",
    ] {
        let record = Record { full_url: None, resource: smuggled.as_bytes() };
        let error = collect(Form::Collection, [records[0], record], &Limits::default()).unwrap_err();
        assert_eq!(error.index, 1, "{smuggled}");
    }
}
