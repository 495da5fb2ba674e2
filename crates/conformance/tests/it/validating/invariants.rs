//! Invariants: for each sort of expression a resource that breaks it, and one that doesn't.

use super::{issues, refusals, table};
use conformance::validate::{NOT_EVALUATED, Options, Severity};

#[test]
fn invariants_of_clinical_resources() {
    table(
        r##"
invariant Observation obs-6 | {"resourceType":"Observation","status":"final","code":{"text":"a"},"valueBoolean":true,"dataAbsentReason":{"text":"b"}}
- | {"resourceType":"Observation","status":"final","code":{"text":"a"},"dataAbsentReason":{"text":"b"}}
invariant Observation obs-7 | {"resourceType":"Observation","status":"final","code":{"coding":[{"system":"a:b","code":"c"}]},"valueBoolean":true,"component":[{"code":{"coding":[{"code":"c","system":"a:b"}]}}]}
- | {"resourceType":"Observation","status":"final","code":{"coding":[{"system":"a:b","code":"c"}]},"valueBoolean":true,"component":[{"code":{"coding":[{"code":"d","system":"a:b"}]}}]}
invariant Observation.referenceRange[0] obs-3 | {"resourceType":"Observation","status":"final","code":{"text":"a"},"referenceRange":[{"appliesTo":[{"text":"b"}]}]}
invariant Observation.referenceRange[0].low sqty-1 | {"resourceType":"Observation","status":"final","code":{"text":"a"},"referenceRange":[{"low":{"value":1,"comparator":"<"}}]}
invariant Observation.effective.ofType(Period) per-1 | {"resourceType":"Observation","status":"final","code":{"text":"a"},"effectivePeriod":{"start":"2019-02-03","end":"2019-02-02"}}
invariant Observation.effective.ofType(Period) per-1 | {"resourceType":"Observation","status":"final","code":{"text":"a"},"effectivePeriod":{"start":"2019-02-03T10:00:00+01:00","end":"2019-02-03T08:59:59Z"}}
- | {"resourceType":"Observation","status":"final","code":{"text":"a"},"effectivePeriod":{"start":"2019-02-03T10:00:00+01:00","end":"2019-02-03T09:00:00Z"}}
- | {"resourceType":"Observation","status":"final","code":{"text":"a"},"effectivePeriod":{"start":"2019-02-03","end":"2019"}}
invariant Observation.value.ofType(Range) rng-2 | {"resourceType":"Observation","status":"final","code":{"text":"a"},"valueRange":{"low":{"value":2},"high":{"value":1}}}
- | {"resourceType":"Observation","status":"final","code":{"text":"a"},"valueRange":{"low":{"value":2,"unit":"g"},"high":{"value":1,"unit":"kg"}}}
invariant Observation.value.ofType(Quantity) qty-3 | {"resourceType":"Observation","status":"final","code":{"text":"a"},"valueQuantity":{"value":1,"code":"g"}}
invariant Condition con-5 | {"resourceType":"Condition","subject":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},"verificationStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-ver-status","code":"entered-in-error"}]}}
invariant Condition.onset.ofType(Age) age-1 | {"resourceType":"Condition","subject":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},"onsetAge":{"value":-1,"system":"http://unitsofmeasure.org","code":"a"}}
invariant Patient.contact[0] pat-1 | {"resourceType":"Patient","contact":[{"gender":"male"}]}
invariant Patient.telecom[0] cpt-2 | {"resourceType":"Patient","telecom":[{"value":"1"}]}
invariant Organization org-1 | {"resourceType":"Organization","active":true}
invariant Organization.telecom[0] org-3 | {"resourceType":"Organization","name":"a","telecom":[{"system":"phone","use":"home","value":"1"}]}
invariant Task inv-1 | {"resourceType":"Task","status":"draft","intent":"order","authoredOn":"2019-02-03","lastModified":"2019-02-02"}
invariant RiskAssessment.prediction[0] ras-2 | {"resourceType":"RiskAssessment","status":"final","subject":{"reference":"Patient/1"},"prediction":[{"probabilityDecimal":101}]}
- | {"resourceType":"RiskAssessment","status":"final","subject":{"reference":"Patient/1"},"prediction":[{"probabilityRange":{"low":{"value":1,"code":"%","system":"http://unitsofmeasure.org"}}}]}
invariant RiskAssessment.prediction[0].probability.ofType(Range) ras-1 | {"resourceType":"RiskAssessment","status":"final","subject":{"reference":"Patient/1"},"prediction":[{"probabilityRange":{"low":{"value":1}}}]}
"##,
    );
}

#[test]
fn invariants_of_definitions_and_bundles() {
    table(
        r##"
invariant MessageDefinition.focus[0] md-1 | {"resourceType":"MessageDefinition","status":"draft","date":"2019","eventUri":"a:b","focus":[{"code":"Patient","min":0,"max":"many"}]}
- | {"resourceType":"MessageDefinition","status":"draft","date":"2019","eventUri":"a:b","focus":[{"code":"Patient","min":0,"max":"3"}]}
invariant Questionnaire que-2 | {"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"a","type":"group","item":[{"linkId":"a","type":"string"}]}]}
invariant Questionnaire.item[0] que-1 | {"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"a","type":"group"}]}
invariant Questionnaire.item[1].enableWhen[0] que-7 | {"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"a","type":"string"},{"linkId":"b","type":"string","enableWhen":[{"question":"a","operator":"exists","answerString":"c"}]}]}
- | {"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"a","type":"string"},{"linkId":"b","type":"string","enableWhen":[{"question":"a","operator":"exists","answerBoolean":true}]}]}
invariant CodeSystem csd-1 | {"resourceType":"CodeSystem","status":"draft","content":"complete","concept":[{"code":"a","concept":[{"code":"b"}]},{"code":"b"}]}
invariant Bundle bdl-7 | {"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"a:b","resource":{"resourceType":"Patient"}},{"fullUrl":"a:b","resource":{"resourceType":"Patient"}}]}
- | {"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"a:b","resource":{"resourceType":"Patient","meta":{"versionId":"1"}}},{"fullUrl":"a:b","resource":{"resourceType":"Patient","meta":{"versionId":"2"}}}]}
invariant Bundle bdl-11 | {"resourceType":"Bundle","type":"document","identifier":{"system":"a:b","value":"c"},"timestamp":"2019-01-01T00:00:00Z","entry":[{"fullUrl":"a:c","resource":{"resourceType":"Patient"}}]}
invariant Bundle.entry[0] bdl-8 | {"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"https://a.example/Patient/1/_history/1","resource":{"resourceType":"Patient"}}]}
invariant Parameters.parameter[0] inv-1 | {"resourceType":"Parameters","parameter":[{"name":"a"}]}
"##,
    );
}

#[test]
fn a_broken_best_practice_is_a_warning() {
    let found = issues(r#"{"resourceType":"Patient"}"#, &Options::default());
    let [issue] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((issue.severity, issue.rule), (Severity::Warning, Some("dom-6")));
    assert_eq!(issues(r#"{"resourceType":"Patient"}"#, &Options::structure_only()), []);
}

#[test]
fn invariants_can_be_left_out_and_what_is_structure_stays() {
    let both = r#"{"resourceType":"Patient","contact":[{"gender":"male"}],"extension":[{"url":"a:b"}]}"#;
    let found = issues(both, &Options::structure_only());
    assert_eq!(found.iter().filter_map(|issue| issue.rule).collect::<Vec<_>>(), ["ext-1"]);
    assert_eq!(refusals(both).len(), 2);
    assert!(NOT_EVALUATED.iter().any(|(key, _)| *key == "ext-1"));
}

#[test]
fn work_is_bounded_and_said_to_be() {
    let concepts: Vec<String> = (0..2000).map(|at| format!(r#"{{"code":"{at}"}}"#)).collect();
    let json = format!(
        r#"{{"resourceType":"CodeSystem","status":"draft","content":"complete","concept":[{}]}}"#,
        concepts.join(",")
    );
    let found = issues(&json, &Options { steps_max: 500, ..Options::default() });
    let skipped: Vec<_> =
        found.iter().filter(|issue| issue.diagnostics.contains("was not checked")).collect();
    assert_eq!(skipped.len(), 1, "{found:?}");
    assert!(skipped.iter().all(|issue| issue.severity == Severity::Warning));
    assert!(
        issues(&json, &Options::default()).iter().all(|issue| !issue.diagnostics.contains("was not checked"))
    );
}
