//! What is taken and what is refused, in which words.

use crate::read;
use fhir::{BundleType, Limits, bundle};

/// One line per input: the refusal, or what was taken.
fn check(cases: &[(&str, &str)]) {
    for (input, expected) in cases {
        let found = match read(*input) {
            Err(error) => error.to_string(),
            Ok(bundle) => {
                let entries = bundle.entries().map(|entry| match entry.resource {
                    Some(resource) => format!("{}/{}", resource.kind, resource.id.as_deref().unwrap_or("?")),
                    None => "nothing".to_owned(),
                });
                format!("{:?}: {}", bundle.kind(), entries.collect::<Vec<_>>().join(" "))
            }
        };
        assert_eq!(found, *expected, "{input}");
    }
}

#[test]
fn resources_and_bundles_are_taken() {
    check(&[
        (r#"{"resourceType":"Patient","id":"p"}"#, "Alone: Patient/p"),
        ("\u{feff}{\"resourceType\":\"Patient\"}", "Alone: Patient/?"),
        (r#"{"resourceType":"Bundle","type":"searchset"}"#, "Searchset: "),
        (
            r#"{"type":"history","entry":[{"request":{"method":"DELETE","url":"Patient/1"}}],"resourceType":"Bundle"}"#,
            "History: nothing",
        ),
        (
            r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Bundle","id":"b","type":"document"}}]}"#,
            "Batch: Bundle/b",
        ),
        (r#"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}"#, "Alone: CapabilityStatement/?"),
        (r#"{"resourceType":"Consent","provision":{"type":"deny"}}"#, "Alone: Consent/?"),
    ]);
}

#[test]
fn shapes_that_are_not_fhir_are_refused_with_their_place() {
    check(&[
        ("7", "the top level must be a Bundle or a resource (an object), found a number"),
        ("{}", "the top level has no `resourceType`"),
        (r#"{"resourceType":7}"#, "resourceType must be a string, found a number"),
        (r#"{"resourceType":"patient"}"#, "the top level: `patient` is not a FHIR R4 resource type"),
        (r#"{"resourceType":"Patient","id":7}"#, "id must be a string, found a number"),
        (r#"{"resourceType":"Bundle","type":"heap"}"#, "`heap` is not a FHIR R4 Bundle type"),
        (r#"{"resourceType":"Bundle","type":"batch","entry":{}}"#, "entry must be an array, found an object"),
        (
            r#"{"resourceType":"Bundle","type":"batch","entry":[{},7]}"#,
            "entry[1] must be an object, found a number",
        ),
        (
            r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":[]}]}"#,
            "entry[0].resource must be a resource (an object), found an array",
        ),
        (
            r#"{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":1}]}"#,
            "entry[0].fullUrl must be a string, found a number",
        ),
        (
            r#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET"}}]}"#,
            "entry[0].request must be an object with `method` and `url`, found an object",
        ),
        (
            r#"{"resourceType":"Patient","contained":[{"resourceType":"Organization"},{"id":"x"}]}"#,
            "contained[1] has no `resourceType`",
        ),
        (
            r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Parameters",
            "parameter":[{"resource":{"resourceType":"Permission"}}]}}]}"#,
            "entry[0].resource.parameter[0].resource: resource type `Permission` belongs to FHIR R5; only R4 (4.0) is read, \
          convert the file",
        ),
    ]);
}

#[test]
fn doubtful_json_is_refused_with_its_place() {
    check(&[
        (
            r#"{"resourceType":"Basic","a":1,"\u0061":2}"#,
            "`a` stands twice in one object at line 1; remove one",
        ),
        (
            r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,
            "a":{}}"#,
            "`a` stands twice in one object at line 2; remove one",
        ),
        (
            r#"{"resourceType":"Basic","x":[{"y":{"a":1,"a":1}}]}"#,
            "`a` stands twice in one object at line 1 in x[0].y; remove one",
        ),
        (
            r#"{"resourceType":"Basic","a":01}"#,
            "malformed JSON at line 1, column 30 in a: a number must not start with 0",
        ),
        (r#"{"resourceType":"Basic","a":1.}"#, "malformed JSON at line 1, column 31 in a: expected a digit"),
        (
            r#"{"resourceType":"Basic" "a":1}"#,
            "malformed JSON at line 1, column 25 in resourceType: expected `,` or `}`",
        ),
        (
            r#"{'resourceType':'Basic'}"#,
            "malformed JSON at line 1, column 2: expected a key in double quotes",
        ),
        (r#"{"resourceType":NaN}"#, "malformed JSON at line 1, column 17 in resourceType: expected a value"),
        (
            "{\"resourceType\":\"Ba\tsic\"}",
            "malformed JSON at line 1, column 20 in resourceType: a control character must be escaped in a string",
        ),
    ]);
}

#[test]
fn signs_of_other_versions_are_named() {
    let wrong = |sign: &str, version: &str| {
        format!("the top level: {sign} belongs to FHIR {version}; only R4 (4.0) is read, convert the file")
    };
    for (input, sign, version) in [
        (r#"{"resourceType":"MedicationOrder"}"#, "resource type `MedicationOrder`", "DSTU2"),
        (r#"{"resourceType":"BodySite"}"#, "resource type `BodySite`", "STU3"),
        (r#"{"resourceType":"Ingredient"}"#, "resource type `Ingredient`", "R4B"),
        (r#"{"resourceType":"Transport"}"#, "resource type `Transport`", "R5"),
        (
            r#"{"resourceType":"MedicationRequest","medication":{}}"#,
            "element `medication` in this form",
            "R5",
        ),
        (
            r#"{"resourceType":"ImplementationGuide","fhirVersion":["4.0.1","4.3.0"]}"#,
            "`fhirVersion`",
            "4.3.0",
        ),
        (
            r#"{"resourceType":"Patient","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/Patient|5.0.0"]}}"#,
            "a profile in `meta.profile`",
            "5.0.0",
        ),
    ] {
        assert_eq!(read(input).err().map(|error| error.to_string()), Some(wrong(sign, version)), "{input}");
    }
}

#[test]
fn limits_hold() {
    let file = br#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Basic"}},{}]}"#;
    let open = Limits::default();
    for (limits, expected) in [
        (Limits { bytes_max: 96, ..open.clone() }, None),
        (
            Limits { bytes_max: 95, ..open.clone() },
            Some("96 bytes are more than the 95 allowed; split the bundle"),
        ),
        (
            Limits { entries_max: 1, ..open.clone() },
            Some("2 entries are more than the 1 allowed; split the bundle"),
        ),
        (Limits { depth_max: 4, ..open.clone() }, None),
        (
            Limits { depth_max: 3, ..open.clone() },
            Some("nested deeper than 3 levels at line 1 in entry[0].resource"),
        ),
        (
            Limits { resource_bytes_max: 23, ..open.clone() },
            Some("entry[0].resource has 24 bytes, more than the 23 allowed for one resource"),
        ),
    ] {
        let error = bundle::read(&file[..], &limits).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), expected, "{limits:?}");
    }
}

#[test]
fn requests_come_with_their_conditions() {
    let file = r#"{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:1",
        "resource":{"resourceType":"Patient"},
        "request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=a|1"}}]}"#;
    let bundle = read(file).unwrap();
    assert_eq!(bundle.kind(), BundleType::Transaction);
    let request = bundle.entries().next().unwrap().request.unwrap();
    assert_eq!((&*request.method, &*request.url), ("POST", "Patient"));
    assert_eq!((request.if_none_exist.as_deref(), request.if_match), (Some("identifier=a|1"), None));
}
