//! Wrong resources, one rule each: the code and the place of the one issue that follows.

use super::{issues, refusals, table};
use conformance::validate::{Code, Options, Severity, check_bytes, outcome};
use fhir::Limits;

#[test]
fn structure() {
    table(
        r##"
- | {"resourceType":"Patient"}
- | {"resourceType":"Patient","active":true,"name":[{"given":["a","b"]}],"deceasedBoolean":false}
structure Patient | {"resourceType":"Patient","nickname":"a"}
structure Patient.name[0] | {"resourceType":"Patient","name":[{"first":"a"},{"family":"b"}],"active":true}
structure Patient.name[0] | {"resourceType":"Patient","name":[{"first":"a","family":"b"}]}
structure Patient | {"resourceType":"Patient","fhir_comments":["a"]}
structure Patient | {"resourceType":"Patient","_name":[{"id":"a"}]}
structure Resource | {"resourceType":"Human"}
structure Resource | {"id":"a"}
structure Resource | {"resourceType":"Element","id":"a"}
structure Resource | {"resourceType":"DomainResource"}
structure Resource | ["a"]
not-supported Resource | {"resourceType":"Transport"}
not-supported Resource | {"resourceType":"SubscriptionStatus","type":"handshake"}
structure Patient.name | {"resourceType":"Patient","name":{"family":"a"}}
structure Patient.birthDate | {"resourceType":"Patient","birthDate":["2019"]}
structure Patient.maritalStatus | {"resourceType":"Patient","maritalStatus":[{"text":"a"}]}
structure Patient.name[0] | {"resourceType":"Patient","name":["a"]}
structure Patient.maritalStatus | {"resourceType":"Patient","maritalStatus":"M"}
structure Patient.name | {"resourceType":"Patient","name":[]}
structure Patient.name[0].given | {"resourceType":"Patient","name":[{"given":[]}]}
structure Patient.active | {"resourceType":"Patient","active":"true"}
structure Patient.active | {"resourceType":"Patient","active":null}
structure Patient.multipleBirth.ofType(integer) | {"resourceType":"Patient","multipleBirthInteger":"2"}
structure Patient.birthDate | {"resourceType":"Patient","birthDate":2019}
structure Patient.deceased | {"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2019"}
structure Patient | {"resourceType":"Patient","deceasedString":"a"}
structure Patient | {"resourceType":"Patient","deceased":true}
required Observation | {"resourceType":"Observation","code":{"text":"a"}}
required Patient.link[0] | {"resourceType":"Patient","link":[{"type":"refer"}]}
required Patient.communication[0] | {"resourceType":"Patient","communication":[{"preferred":true}]}
structure EvidenceVariable.characteristic[0] | {"resourceType":"EvidenceVariable","status":"draft","characteristic":[{"definitionCanonical":"a","linkId":"b"}]}
structure Patient.meta | {"resourceType":"Patient","meta":{"project":"a"}}
"##,
    );
}

#[test]
fn elements_that_hold_nothing() {
    table(
        r##"
invariant Patient.name[0] ele-1 | {"resourceType":"Patient","name":[{}]}
invariant Patient.name[0] ele-1 | {"resourceType":"Patient","name":[{"id":"a"}]}
structure Patient.name[0] | {"resourceType":"Patient","name":[null]}
value Patient.gender | {"resourceType":"Patient","gender":""}
value Patient.name[0].family | {"resourceType":"Patient","name":[{"family":" "}]}
"##,
    );
}

#[test]
fn primitives_and_their_siblings() {
    table(
        r##"
- | {"resourceType":"Patient","birthDate":"2019","_birthDate":{"id":"a"}}
- | {"resourceType":"Patient","_birthDate":{"extension":[{"url":"a:b","valueString":"c"}]}}
- | {"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"a:b","valueString":"c"}]}]}]}
structure Patient.name[0].given[1] | {"resourceType":"Patient","name":[{"given":["a",null]}]}
structure Patient.name[0].given[1] | {"resourceType":"Patient","name":[{"given":["a",null],"_given":[{"id":"b"}]}]}
structure Patient.birthDate | {"resourceType":"Patient","_birthDate":"a"}
structure Patient.birthDate | {"resourceType":"Patient","birthDate":"2019","_birthDate":[{"id":"a"}]}
invariant Patient.birthDate ele-1 | {"resourceType":"Patient","_birthDate":{"id":"a"}}
invariant Patient.birthDate ele-1 | {"resourceType":"Patient","birthDate":"2019","_birthDate":{}}
structure Patient.birthDate | {"resourceType":"Patient","birthDate":"2019","_birthDate":{"id":"a","value":"b"}}
structure Patient.name[0].given[0] | {"resourceType":"Patient","name":[{"_given":[null]}]}
value Patient.birthDate | {"resourceType":"Patient","birthDate":"2019-02-30"}
value Patient.id | {"resourceType":"Patient","id":"a_b"}
value Patient.name[0].given[1] | {"resourceType":"Patient","name":[{"given":["a","b\u0007"]}]}
value Patient.telecom[0].rank | {"resourceType":"Patient","telecom":[{"rank":0}]}
value Patient.telecom[0].rank | {"resourceType":"Patient","telecom":[{"rank":1.0}]}
value Patient.photo[0].data | {"resourceType":"Patient","photo":[{"contentType":"image/png","data":"a"}]}
value Patient.photo[0].url | {"resourceType":"Patient","photo":[{"url":"a b"}]}
value Patient.meta.lastUpdated | {"resourceType":"Patient","meta":{"lastUpdated":"2019-02-03"}}
value Observation.value.ofType(Quantity).value | {"resourceType":"Observation","status":"final","code":{"text":"a"},"valueQuantity":{"value":1e2000}}
- | {"resourceType":"Observation","status":"final","code":{"text":"a"},"valueQuantity":{"value":1.10e-3}}
"##,
    );
}

#[test]
fn bindings() {
    table(
        r##"
- | {"resourceType":"Patient","gender":"other"}
code-invalid Patient.gender | {"resourceType":"Patient","gender":"Male"}
code-invalid Observation.status | {"resourceType":"Observation","status":"done","code":{"text":"a"}}
code-invalid Invoice.totalNet.currency | {"resourceType":"Invoice","status":"draft","totalNet":{"value":1,"currency":"euro"}}
code-invalid Binary.contentType | {"resourceType":"Binary","contentType":"text"}
- | {"resourceType":"Binary","contentType":"text/plain; charset=utf-8"}
- | {"resourceType":"AllergyIntolerance","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]},"patient":{"reference":"Patient/1"}}
code-invalid AllergyIntolerance.clinicalStatus | {"resourceType":"AllergyIntolerance","clinicalStatus":{"coding":[{"system":"a:b","code":"active"}]},"patient":{"reference":"Patient/1"}}
code-invalid AllergyIntolerance.clinicalStatus | {"resourceType":"AllergyIntolerance","clinicalStatus":{"text":"active"},"patient":{"reference":"Patient/1"}}
"##,
    );
}

#[test]
fn references_and_contained_resources() {
    table(
        r##"
- | {"resourceType":"Patient","managingOrganization":{"reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}}
- | {"resourceType":"Patient","managingOrganization":{"reference":"https://a.example/fhir/Organization/1/_history/2"}}
- | {"resourceType":"Patient","managingOrganization":{"display":"a"}}
- | {"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a","name":"b"}],"managingOrganization":{"reference":"#a"}}
- | {"resourceType":"Patient","contained":[{"resourceType":"Provenance","id":"a","recorded":"2019-01-01T00:00:00Z","target":[{"reference":"#"}],"agent":[{"who":{"reference":"Practitioner/1"}}]}]}
value Patient.managingOrganization | {"resourceType":"Patient","managingOrganization":{"reference":"Patient/1"}}
value Patient.managingOrganization | {"resourceType":"Patient","managingOrganization":{"reference":"https://a.example/Patient/1"}}
value Patient.managingOrganization | {"resourceType":"Patient","managingOrganization":{"reference":"Company/1"}}
value Patient.managingOrganization | {"resourceType":"Patient","managingOrganization":{"reference":"Organization/1","type":"Patient"}}
value Patient.managingOrganization | {"resourceType":"Patient","managingOrganization":{"type":"Patient","display":"a"}}
value Patient.managingOrganization | {"resourceType":"Patient","managingOrganization":{"type":"Company","display":"a"}}
invariant Patient.managingOrganization ref-1 | {"resourceType":"Patient","managingOrganization":{"reference":"#a"}}
value Patient.managingOrganization | {"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a"}],"managingOrganization":{"reference":"#a"}}
invariant Patient.contained[0] dom-3 | {"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a","name":"b"}]}
required Patient.contained[0] | {"resourceType":"Patient","contained":[{"resourceType":"Provenance","recorded":"2019-01-01T00:00:00Z","target":[{"reference":"#"}],"agent":[{"who":{"reference":"Practitioner/1"}}]}]}
structure Patient.contained[0] | {"resourceType":"Patient","contained":[{"resourceType":"Company","id":"a"}],"generalPractitioner":[{"reference":"#a"}]}
structure Patient.contained[0] | {"resourceType":"Patient","contained":[{"id":"a"}],"generalPractitioner":[{"reference":"#a"}]}
invariant Patient dom-4 | {"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a","name":"b","meta":{"versionId":"1"}}],"managingOrganization":{"reference":"#a"}}
value Patient.contained[1] | {"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a","name":"b"},{"resourceType":"Provenance","id":"a","recorded":"2019-01-01T00:00:00Z","target":[{"reference":"#"}],"agent":[{"who":{"reference":"Practitioner/1"}}]}],"managingOrganization":{"reference":"#a"}}
"##,
    );
    let nested = r##"{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a","name":"b",
        "contained":[{"resourceType":"Organization","id":"c","name":"d"}]}],"managingOrganization":{"reference":"#a"}}"##;
    assert!(refusals(nested).contains(&"invariant Patient.contained[0] dom-2".to_owned()));
}

#[test]
fn extensions_and_narratives() {
    table(
        r##"
- | {"resourceType":"Patient","extension":[{"url":"a:b","valueBoolean":true}]}
- | {"resourceType":"Patient","extension":[{"url":"a:b","extension":[{"url":"c","valueCode":"d"}]}]}
required Patient.extension[0] | {"resourceType":"Patient","extension":[{"valueBoolean":true}]}
invariant Patient.extension[0] ext-1 | {"resourceType":"Patient","extension":[{"url":"a:b"}]}
invariant Patient.extension[0] ext-1 | {"resourceType":"Patient","extension":[{"url":"a:b","valueCode":"c","extension":[{"url":"c","valueCode":"d"}]}]}
structure Patient.extension[0].value | {"resourceType":"Patient","extension":[{"url":"a:b","valueCode":"c","valueString":"d"}]}
- | {"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"}}
invariant Patient.text.div txt-1 | {"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>a</script></div>"}}
invariant Patient.text.div txt-1 | {"resourceType":"Patient","text":{"status":"generated","div":"a"}}
invariant Patient.text.div txt-2 | {"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"/>"}}
"##,
    );
}

#[test]
fn bundles_and_parameters_are_entered() {
    table(
        r##"
- | {"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient"}}]}
structure Bundle.entry[1].resource | {"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient"}},{"resource":{"resourceType":"Patient","a":1}}]}
invariant Bundle.entry[0].resource.managingOrganization ref-1 | {"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","managingOrganization":{"reference":"#a"}}}]}
invariant Bundle bdl-3 | {"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient"}}]}
code-invalid Parameters.parameter[0].resource.gender | {"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Patient","gender":"m"}}]}
code-invalid Parameters.parameter[0].part[0].value.ofType(Address).use | {"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","valueAddress":{"use":"c"}}]}]}
"##,
    );
}

#[test]
fn what_cannot_be_read_is_one_fatal_issue() {
    let fatal = |json: &str, limits: &Limits| {
        let checked = check_bytes(json, limits, &Options::default());
        assert!(checked.document.is_none());
        let [issue] = checked.issues.as_slice() else { panic!("{:?}", checked.issues) };
        assert_eq!(issue.severity, Severity::Fatal);
        issue.code
    };
    let limits = Limits::default();
    let small = Limits { bytes_max: 10, depth_max: 3, ..Limits::default() };
    assert_eq!(fatal(r#"{"resourceType":"Patient","id":"a","id":"b"}"#, &limits), Code::Structure);
    assert_eq!(fatal(r#"{"resourceType":"Patient","id":"a","\u0069d":"b"}"#, &limits), Code::Structure);
    assert_eq!(fatal(r#"{"resourceType":"Patient""#, &limits), Code::Structure);
    assert_eq!(fatal("<Patient/>", &limits), Code::NotSupported);
    assert_eq!(fatal(r#"{"resourceType":"Patient"}"#, &small), Code::TooLong);
    assert_eq!(fatal("[[[[]]]]", &Limits { bytes_max: 100, ..small }), Code::TooCostly);
}

#[test]
fn issues_are_bounded_and_errors_are_never_crowded_out() {
    let many = format!(r#"{{"resourceType":"Patient","name":[{}1]}}"#, "1,".repeat(500));
    let found = issues(&many, &Options { issues_max: 7, ..Options::default() });
    assert_eq!(found.iter().filter(|issue| issue.refuses()).count(), 7);
    assert_eq!(found.last().map(|issue| issue.severity), Some(Severity::Information));

    // Warnings (no narrative: dom-6) before an error.
    let quiet = r#"{"resource":{"resourceType":"Patient"}},"#.repeat(500);
    let crowd = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[{quiet}{{"resource":{{"resourceType":"Patient","a":1}}}}]}}"#
    );
    let found = issues(&crowd, &Options { issues_max: 7, ..Options::default() });
    assert_eq!(found.iter().filter(|issue| issue.refuses()).count(), 1);
    assert!(found.len() <= 9, "{}", found.len());

    let deep = issues(
        r#"{"resourceType":"Patient","contact":[{"name":{"period":{"start":"2019"}}}]}"#,
        &Options { depth_max: 3, ..Options::default() },
    );
    assert!(deep.iter().any(|issue| issue.code == Code::TooCostly && issue.refuses()));
}

#[test]
fn an_outcome_is_itself_accepted() {
    let found =
        issues(r#"{"resourceType":"Patient","a\"`\n":1,"gender":"m","birthDate":"1"}"#, &Options::default());
    assert_eq!(refusals(&outcome(&found)), [""; 0]);
    assert_eq!(refusals(&outcome(&[])), [""; 0]);
    let text = outcome(&found);
    assert!(!text.contains("\"m\""), "{text}");
}
