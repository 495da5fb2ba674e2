//! This file is where AuditEvents that a gateway renders are held against what the ledger says, on a network of processes.

use crate::{
    doors::{App, Door, transaction},
    nodes::{ADAMS, Network, told},
    run::run,
};
use serde_json::{Value, json};
use std::path::Path;

const BAKER: &str = "lakeside/dr-baker";

/// The value of an extension's part.
fn proof<'a>(event: &'a Value, part: &str) -> &'a Value {
    let named = |value: &'a Value, url: &str| {
        value["extension"].as_array().unwrap().iter().find(|extension| extension["url"] == url).unwrap()
    };
    let found = named(named(event, "urn:horkos:ledger-proof"), part);
    found.as_object().unwrap().iter().find(|(key, _)| key.starts_with("value")).unwrap().1
}

fn user(event: &Value) -> &Value {
    event["agent"].as_array().unwrap().iter().find(|agent| agent["requestor"] == true).unwrap()
}

fn org(event: &Value) -> &str {
    let agents = event["agent"].as_array().unwrap().iter();
    let mut named = agents.filter_map(|agent| {
        let identifier = &agent["who"]["identifier"];
        (identifier["system"] == "urn:horkos:organisation").then(|| identifier["value"].as_str().unwrap())
    });
    named.next().unwrap()
}

async fn total(app: &App, query: &str) -> u64 {
    app.get(&format!("/AuditEvent?{query}&_total=accurate")).await["total"].as_u64().unwrap()
}

/// The same accesses as `horkos audit` proves.
fn proven(home: &Path, chart: &str) -> Vec<Value> {
    told(home, &format!("--profile {ADAMS} audit {chart}"))["accesses"].as_array().unwrap().clone()
}

async fn posted(app: &App, organisation: &str) -> Vec<String> {
    let (name, patient, observation) = (
        format!("{organisation} Hospital"),
        "urn:uuid:0b7a2f0e-5d3f-4a8c-8a35-0f6a7a3e9c01",
        "urn:uuid:0b7a2f0e-5d3f-4a8c-8a35-0f6a7a3e9c02",
    );
    let hospital = "urn:uuid:0b7a2f0e-5d3f-4a8c-8a35-0f6a7a3e9c03";
    app.post(&transaction(&[
        (
            patient,
            json!({
                "resourceType": "Patient",
                "identifier": [{ "system": "urn:example:numbers", "value": format!("{organisation}-1") }],
                "name": [{ "family": "Okafor" }],
            }),
        ),
        (
            observation,
            json!({
                "resourceType": "Observation",
                "status": "final",
                "code": { "coding": [{ "system": "http://loinc.org", "code": "4548-4" }] },
                "subject": { "reference": patient },
                "performer": [{ "reference": hospital }],
                "effectiveDateTime": "2026-03-01",
            }),
        ),
        (hospital, json!({ "resourceType": "Organization", "name": name })),
    ]))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_who_looked_is_told_from_the_ledger() {
    let network = Network::of(2);
    let home = network.home.path();
    network.employ(0, "riverside/registrar", "staff", "registrar");
    network.employ(1, "lakeside/registrar", "staff", "registrar");
    network.employ(1, BAKER, "practitioner", "physician");
    let _nodes = network.start_all();
    let riverside = Door::lay(&network, "riverside/registrar", ADAMS);
    let lakeside = Door::lay(&network, "lakeside/registrar", BAKER);
    let (_one, other) = (riverside.start(home), lakeside.start(home));
    let (ours, theirs) = (riverside.app(home), lakeside.app(home));

    let places = posted(&ours, "Riverside").await;
    let [patient, observation, hospital] = &places[..] else { panic!("{places:?}") };
    let request = [("x-request-id", "ward-7.round-3")];
    let read = ours.send_as("GET", &format!("/{observation}"), None, &request).await;
    assert_eq!(read.status, 200, "{}", read.text);
    let explained = ours.get(&format!("/{observation}/$explain-access")).await;
    let parameters = explained["parameter"].as_array().unwrap();
    let said = |name: &str| {
        parameters.iter().find(|one| one["name"] == name).unwrap()["valueString"].as_str().unwrap()
    };
    let (chart, access) = (said("chart").to_owned(), said("access").to_owned());

    // Lakeside is denied three times, then breaks the glass.
    for _ in 0..3 {
        let denied = run(home, &format!("--profile {BAKER} open {chart} --purpose TREAT"));
        assert_eq!(denied.status, 4, "{}", denied.stderr);
    }
    let opened = run(home, &format!("--profile {BAKER} open {chart} --break-glass --reason unconscious"));
    assert_eq!(opened.status, 0, "{}", opened.stderr);

    // The custodian sees every access that the ledger proves, no other one, and each just as it stands there.
    let patient_id = patient.strip_prefix("Patient/").unwrap();
    let events = ours.found(&format!("/AuditEvent?patient={patient}")).await;
    let accesses = proven(home, &chart);
    assert!(accesses.len() >= 3 && events.len() == accesses.len(), "{events:#?} {accesses:#?}");
    for told in &accesses {
        let id = told["access"].as_str().unwrap();
        let event = events.iter().find(|event| event["id"] == id).unwrap();
        assert_eq!(proof(event, "access"), id);
        assert_eq!(proof(event, "chart"), chart.as_str());
        assert_eq!(proof(event, "height"), &told["height"]);
        assert_eq!(event["recorded"], *proof(event, "time"));
        assert_eq!(event["outcome"] == "0", told["decision"] != "denied", "{told}");
        assert_eq!(user(event)["purposeOfUse"][0]["coding"][0]["code"], told["purpose"]);
        let checked = ours.send("POST", "/AuditEvent/$validate", Some(event)).await;
        let issues = checked.json()["issue"].as_array().cloned().unwrap();
        let is_bad = |issue: &Value| issue["severity"] == "error" || issue["severity"] == "fatal";
        assert!(!issues.iter().any(is_bad), "{} {event:#}", checked.text);
    }
    let of = |found: &dyn Fn(&Value) -> bool| {
        let all: Vec<&Value> = events.iter().filter(|event| found(event)).collect();
        let [one] = all[..] else { panic!("{all:#?}") };
        one.clone()
    };
    let own = of(&|event| event["id"] == access.as_str());
    assert_eq!(org(&own), "riverside");
    assert!(own["meta"]["profile"][0].as_str().unwrap().ends_with("IHE.BasicAudit.PatientQuery"));
    let entities = own["entity"].as_array().unwrap();
    assert!(entities.iter().any(|entity| entity["what"]["reference"] == patient.as_str()));
    assert!(
        entities.iter().any(|entity| entity["what"]["identifier"]["value"] == "ward-7.round-3"),
        "{own:#}"
    );
    let denied = of(&|event| event["outcome"] == "8");
    assert_eq!((org(&denied), denied["meta"]["versionId"].as_str().unwrap()), ("lakeside", "2"));
    assert!(denied["outcomeDesc"].as_str().unwrap().contains("denied 2 times in a row"), "{denied:#}");
    let broken = of(&|event| user(event)["purposeOfUse"][0]["coding"][0]["code"] == "BTG");
    assert!(broken["extension"].as_array().unwrap().iter().any(|one| one["url"] == "urn:horkos:break-glass"));

    // Search means what it means elsewhere.
    let count = events.len() as u64;
    let principal = user(&denied)["who"]["identifier"]["value"].as_str().unwrap();
    let of_baker =
        events.iter().filter(|event| user(event)["who"]["identifier"]["value"] == principal).count();
    for (query, expected) in [
        (format!("patient={patient_id}"), count),
        (format!("entity={patient}&date=ge2020-01-01"), count),
        (format!("patient={patient}&date=lt2020-01-01"), 0),
        (format!("patient={patient}&outcome=8"), 1),
        (format!("patient={patient}&outcome:not=8"), count - 1),
        (format!("patient={patient}&type=http://dicom.nema.org/resources/ontology/DCM|110113"), 1),
        (format!("patient={patient}&subtype=search"), count - 1),
        (format!("patient={patient}&action=E"), count),
        (format!("patient={patient}&action=R"), 0),
        (format!("patient={patient}&agent:identifier=urn:horkos:principal|{principal}"), of_baker as u64),
        (format!("patient={patient}&agent-role=physician"), count),
        (format!("patient={patient}&entity-role=24"), count - 1),
        (format!("patient={patient}&policy=urn:horkos:policy:own-writing"), 1),
        (format!("patient={patient}&policy:missing=true"), 1),
        ("patient.identifier=urn:example:numbers|Riverside-1".to_owned(), count),
        (format!("_id={access}"), 1),
        (format!("patient={patient}&_tag=urn:horkos:origin|ledger"), count),
    ] {
        assert_eq!(total(&ours, &query).await, expected, "{query}");
    }
    let with = ours.found(&format!("/Patient?_id={patient_id}&_revinclude=AuditEvent:patient")).await;
    assert_eq!(with.len() as u64, count + 1);
    let everything = ours.found(&format!("/{patient}/$everything")).await;
    assert!(everything.iter().all(|one| one["resourceType"] != "AuditEvent"), "{everything:#?}");
    let history = ours.found(&format!("/AuditEvent/{}/_history", denied["id"].as_str().unwrap())).await;
    assert_eq!(history.len(), 2);
    let first = ours.get(&format!("/AuditEvent/{}/_history/1", denied["id"].as_str().unwrap())).await;
    assert!(!first["outcomeDesc"].as_str().unwrap().contains("in a row"), "{first:#}");
    assert_eq!(ours.get(&format!("/AuditEvent/{access}")).await, own);

    // Nobody writes them; apps write their own.
    let patch = json!([{ "op": "replace", "path": "/action", "value": "C" }]);
    let id = own["id"].as_str().unwrap();
    for (method, body) in [("PUT", Some(&own)), ("PATCH", Some(&patch)), ("DELETE", None)] {
        let refused = ours.send(method, &format!("/AuditEvent/{id}"), body).await;
        assert_eq!(refused.status, 405, "{method} {}", refused.text);
        assert_eq!(refused.json()["resourceType"], "OperationOutcome");
    }
    let absent = "f".repeat(64);
    let mut pretended = own.clone();
    pretended["id"] = json!(absent);
    assert_eq!(ours.send("PUT", &format!("/AuditEvent/{absent}"), Some(&pretended)).await.status, 405);
    assert_eq!(ours.send("POST", "/AuditEvent", Some(&own)).await.status, 403);
    let smuggled = ours.send("POST", "", Some(&transaction(&[("urn:uuid:1", own.clone())]))).await;
    assert_eq!(smuggled.status, 403, "{}", smuggled.text);
    for query in [format!("_id={id}"), format!("patient={patient}&outcome=8")] {
        let refused = ours.send("DELETE", &format!("/AuditEvent?{query}"), None).await;
        assert!(matches!(refused.status, 403 | 405), "{} {}", refused.status, refused.text);
    }
    assert_eq!(total(&ours, &format!("patient={patient}")).await, count);
    let mut event = json!({
        "resourceType": "AuditEvent",
        "type": { "system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest" },
        "recorded": "2026-03-01T10:00:00Z",
        "agent": [{ "requestor": true, "who": { "display": "an app" } }],
        "source": { "observer": { "display": "an app" } },
        "entity": [{ "what": { "reference": observation } }],
    });
    let made = ours.send("POST", "/AuditEvent", Some(&event)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    event["entity"] = json!([{ "what": { "reference": patient } }]);
    assert_eq!(ours.send("POST", "/AuditEvent", Some(&event)).await.status, 201);
    assert_eq!(total(&ours, &format!("patient={patient}")).await, count + 1);
    let provenance = json!({
        "resourceType": "Provenance",
        "target": [{ "reference": observation }],
        "recorded": "2026-03-01T10:00:00Z",
        "agent": [{ "who": { "reference": hospital } }],
    });
    assert_eq!(ours.send("POST", "/Provenance", Some(&provenance)).await.status, 201);
    let everything = ours.found(&format!("/{patient}/$everything")).await;
    let held = |kind: &str| everything.iter().filter(|one| one["resourceType"] == kind).count();
    // What the app posted lies in the chart of the patient of whom it speaks.
    assert_eq!((held("AuditEvent"), held("Provenance")), (2, 1), "{everything:#?}");

    // To Lakeside's app, which may see nothing of the chart, its AuditEvents look like those that there aren't.
    let hidden = theirs.send("GET", &format!("/AuditEvent/{access}"), None).await;
    let missing = theirs.send("GET", &format!("/AuditEvent/{absent}"), None).await;
    assert_eq!((hidden.status, &hidden.text), (missing.status, &missing.text));
    assert_eq!(hidden.status, 404);
    for id in events.iter().map(|event| event["id"].as_str().unwrap()) {
        assert_eq!(total(&theirs, &format!("_id={id}")).await, 0);
        assert_eq!(theirs.send("GET", &format!("/AuditEvent/{id}"), None).await.status, 404);
    }
    // Of its own patient's chart it sees who looked.
    let places = posted(&theirs, "Lakeside").await;
    assert!(total(&theirs, &format!("patient={}", places[0])).await >= 1);

    // What Riverside's directory holds is read by Lakeside under another id, and the other way round.
    let found = theirs.found("/Organization?name=Riverside").await;
    let [organization] = &found[..] else { panic!("{found:#?}") };
    assert_ne!(format!("Organization/{}", organization["id"].as_str().unwrap()), *hospital);
    drop(other);
    lakeside.lose_working_set();
    let _other = lakeside.start(home);
    let again = theirs.get(&format!("/Organization/{}", organization["id"].as_str().unwrap())).await;
    assert_eq!(again["name"], "Riverside Hospital");
}
