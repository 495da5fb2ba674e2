//! Whose it is: small files, and for each the charts that come out of it.

use crate::read;
use fhir::assign::{Assignment, assign};

/// Reads entries (`fullUrl resource`, one a line, `-` for no fullUrl) as a collection.
fn assigned(entries: &str) -> Assignment {
    let entries: Vec<String> = entries
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (url, resource) = line.split_once(' ').unwrap();
            let url = if url == "-" { String::new() } else { format!("\"fullUrl\":\"{url}\",") };
            format!("{{{url}\"resource\":{resource}}}")
        })
        .collect();
    let file =
        format!("{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{}]}}", entries.join(","));
    assign(&read(file).unwrap())
}

/// `key: entries` for each chart, where `3+1` is entry 3 that also names the patient of group 1; `dir:` for the rest.
fn check(entries: &str, expected: &str) {
    let assignment = assigned(entries);
    let mut found: Vec<String> = assignment
        .groups
        .iter()
        .map(|group| {
            let entries = group.entries.iter().map(|assigned| {
                let also = assigned.also.iter().map(|group| format!("+{group}"));
                std::iter::once(assigned.entry.to_string()).chain(also).collect::<String>()
            });
            let stub = if group.is_stub() { "~" } else { "" };
            format!("{stub}{}: {}", group.key, entries.collect::<Vec<_>>().join(" "))
        })
        .collect();
    if !assignment.directory.is_empty() {
        let entries: Vec<_> = assignment.directory.iter().map(usize::to_string).collect();
        found.push(format!("dir: {}", entries.join(" ")));
    }
    assert_eq!(found.join(" | "), expected, "\n{entries}");
}

#[test]
fn a_reference_is_resolved_inside_the_file() {
    // By fullUrl, also with a version.
    check(
        r##"urn:uuid:1 {"resourceType":"Patient"}
            - {"resourceType":"Observation","subject":{"reference":"urn:uuid:1"}}
            - {"resourceType":"Observation","subject":{"reference":"urn:uuid:1/_history/3"}}"##,
        "urn:uuid:1: 0 1 2",
    );
    // By type and id, with and without a base, absolute and relative; the right one of two bases.
    check(
        r##"http://a/Patient/1 {"resourceType":"Patient","id":"1"}
            http://b/Patient/1 {"resourceType":"Patient","id":"1"}
            http://b/Condition/1 {"resourceType":"Condition","subject":{"reference":"Patient/1"}}
            http://b/Condition/2 {"resourceType":"Condition","subject":{"reference":"http://a/Patient/1"}}
            - {"resourceType":"Condition","subject":{"reference":"Patient/1"}}"##,
        "http://a/Patient/1: 0 3 4 | http://b/Patient/1: 1 2",
    );
    // The patient may come last.
    check(
        r##"- {"resourceType":"Flag","subject":{"reference":"Patient/x"}}
            - {"resourceType":"Patient","id":"x"}"##,
        "Patient/x: 0 1",
    );
    // By identifier: conditional reference and logical reference.
    check(
        r##"- {"resourceType":"Goal","subject":{"reference":"Patient?identifier=http%3A%2F%2Fmrn|7"}}
            - {"resourceType":"Goal","subject":{"identifier":{"system":"http://mrn","value":"7"}}}
            urn:uuid:1 {"resourceType":"Patient","identifier":[{"system":"http://mrn","value":"7"}]}"##,
        "urn:uuid:1: 0 1 2",
    );
}

#[test]
fn a_patient_who_is_not_in_the_file_gets_a_stub() {
    check(
        r##"- {"resourceType":"Observation","subject":{"reference":"Patient/9"}}
            - {"resourceType":"Observation","subject":{"reference":"http://far/Patient/9/_history/1"}}
            - {"resourceType":"Observation","subject":{"reference":"Patient?identifier=a|9"}}
            - {"resourceType":"Observation","subject":{"identifier":{"system":"a","value":"9"}}}
            - {"resourceType":"AllergyIntolerance","patient":{"reference":"urn:uuid:gone"}}
            - {"resourceType":"ResearchSubject","individual":{"reference":"urn:uuid:gone"}}
            - {"resourceType":"Task","for":{"reference":"urn:uuid:gone"}}"##,
        "~Patient/9: 0 | ~http://far/Patient/9: 1 | ~Patient?identifier=a|9: 2 3 | ~urn:uuid:gone: 4 5 6",
    );
}

#[test]
fn a_reference_without_text_leads_to_nobody() {
    check(
        r##"- {"resourceType":"Observation"}
            - {"resourceType":"Condition","subject":{"reference":""}}
            - {"resourceType":"Observation"}"##,
        "~: 0 1 2",
    );
}

#[test]
fn the_first_subject_has_it_and_the_others_are_named() {
    // The beneficiary before the policy holder, whatever the order of the elements.
    check(
        r##"urn:uuid:1 {"resourceType":"Patient"}
            urn:uuid:2 {"resourceType":"Patient"}
            - {"resourceType":"Coverage","policyHolder":{"reference":"urn:uuid:2"},"beneficiary":{"reference":"urn:uuid:1"}}
            - {"resourceType":"Group","member":[{"entity":{"reference":"urn:uuid:2"}},{"entity":{"reference":"urn:uuid:1"}}]}"##,
        "urn:uuid:1: 0 2+1 | urn:uuid:2: 1 3+0",
    );
    check(
        r##"urn:uuid:1 {"resourceType":"Patient","link":[{"other":{"reference":"urn:uuid:2"},"type":"seealso"}]}
            urn:uuid:2 {"resourceType":"Patient"}"##,
        "urn:uuid:1: 0+1 | urn:uuid:2: 1",
    );
    // Anywhere: an extension, a narrative, an element outside the compartment.
    check(
        r##"urn:uuid:1 {"resourceType":"Patient"}
            - {"resourceType":"Schedule","extension":[{"url":"x","valueReference":{"reference":"urn:uuid:1"}}]}
            - {"resourceType":"Location","text":{"div":"<p><a href=\"urn:uuid:1\">her</a></p>"}}
            - {"resourceType":"Device","patient":{"reference":"urn:uuid:1"}}
            - {"resourceType":"Library","relatedArtifact":[{"type":"citation","url":"urn:uuid:1"}]}"##,
        "urn:uuid:1: 0 1 2 3 4",
    );
}

#[test]
fn the_directory_names_nobody() {
    check(
        r##"urn:uuid:1 {"resourceType":"Patient","generalPractitioner":[{"reference":"urn:uuid:3"}]}
            urn:uuid:2 {"resourceType":"Organization"}
            urn:uuid:3 {"resourceType":"Practitioner"}
            - {"resourceType":"Encounter","subject":{"reference":"urn:uuid:1"},"serviceProvider":{"reference":"urn:uuid:2"}}
            - {"resourceType":"Medication"}
            - {"resourceType":"Schedule","actor":[{"reference":"urn:uuid:3"}]}
            - {"resourceType":"Device","patient":{"display":"Somebody"}}
            - {"resourceType":"Schedule","actor":[{"type":"Patient","display":"Somebody"}]}
            - {"resourceType":"Schedule","actor":[{"type":"Patient","reference":"#gone"}]}"##,
        "urn:uuid:1: 0 3 | ~: 6 7 8 | dir: 1 2 4 5",
    );
    // A fullUrl that lies about its resource does not lead a record astray.
    check(
        r##"Patient/1 {"resourceType":"Organization"}
            - {"resourceType":"Schedule","actor":[{"reference":"Patient/1"}]}"##,
        "~Patient/1: 1 | dir: 0",
    );
}

#[test]
fn what_belongs_together_stays_together() {
    check(
        r##"urn:uuid:1 {"resourceType":"Patient"}
            urn:uuid:2 {"resourceType":"Binary","contentType":"text/plain","data":"eA=="}
            urn:uuid:3 {"resourceType":"DocumentReference","subject":{"reference":"urn:uuid:1"},"content":[{"attachment":{"url":"urn:uuid:2"}}]}
            urn:uuid:4 {"resourceType":"Provenance","target":[{"reference":"urn:uuid:2"}]}
            urn:uuid:5 {"resourceType":"Binary","contentType":"text/plain","data":"eA=="}"##,
        "urn:uuid:1: 0 1 2 3 | ~: 4",
    );
    // Over a common neighbour of two patients: both are named.
    check(
        r##"urn:uuid:1 {"resourceType":"Patient"}
            urn:uuid:2 {"resourceType":"Patient"}
            http://a/Binary/3 {"resourceType":"Binary","id":"3"}
            http://a/Media/4 {"resourceType":"Media","subject":{"reference":"urn:uuid:1"},"content":{"url":"Binary/3"}}
            http://a/Media/5 {"resourceType":"Media","subject":{"reference":"urn:uuid:2"},"content":{"url":"Binary/3"}}"##,
        "urn:uuid:1: 0 2+1 3 | urn:uuid:2: 1 4",
    );
}

#[test]
fn patients_inside_resources_count() {
    // Contained: matched by identifier, else a stub of its own.
    check(
        r##"urn:uuid:1 {"resourceType":"Patient","identifier":[{"system":"a","value":"7"}]}
            - {"resourceType":"Observation","subject":{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p","identifier":[{"system":"a","value":"7"}]}]}
            - {"resourceType":"Observation","subject":{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p"}]}
            - {"resourceType":"Organization","contained":[{"resourceType":"Patient"}]}"##,
        "urn:uuid:1: 0 1 | ~entry[2]#0: 2 | ~entry[3]#0: 3",
    );
    // A Bundle as an entry: one record, tied to whom it holds.
    check(
        r##"- {"resourceType":"Bundle","type":"document","entry":[{"fullUrl":"urn:uuid:7","resource":{"resourceType":"Patient","id":"7"}},{"resource":{"resourceType":"Condition","subject":{"reference":"urn:uuid:7"}}}]}
            - {"resourceType":"Condition","subject":{"reference":"Patient/7"}}"##,
        "~urn:uuid:7: 0 1",
    );
}

#[test]
fn versions_of_one_patient_share_a_chart_and_deletions_have_none() {
    let file = r#"{"resourceType":"Bundle","type":"history","entry":[
        {"fullUrl":"http://a/Patient/1","request":{"method":"DELETE","url":"Patient/1"}},
        {"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1","name":[{"family":"New"}]}},
        {"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1","name":[{"family":"Old"}]}}]}"#;
    let assignment = assign(&read(file).unwrap());
    assert_eq!(assignment.empty, [0]);
    let [group] = &assignment.groups[..] else { panic!("one chart expected") };
    assert_eq!((&group.patients[..], group.name.as_deref()), (&[1, 2][..], Some("New")));
}

#[test]
fn a_group_says_what_finds_its_chart() {
    let assignment = assigned(
        r#"http://a/Patient/1 {"resourceType":"Patient","id":"1","identifier":[{"value":"x"},{"system":"s","value":"y"},{"system":"s"}],"name":[{"use":"nickname","given":["Bo"]},{"use":"official","given":["Bo","Åke"],"family":"Ek"}]}"#,
    );
    let group = &assignment.groups[0];
    assert_eq!(group.full_url.as_deref(), Some("http://a/Patient/1"));
    assert_eq!(group.reference.as_deref(), Some("Patient/1"));
    let tokens: Vec<String> = group.identifiers.iter().map(|identifier| identifier.token()).collect();
    assert_eq!(tokens, ["|x", "s|y"]);
    assert_eq!(group.name.as_deref(), Some("Bo Åke Ek"));
}
