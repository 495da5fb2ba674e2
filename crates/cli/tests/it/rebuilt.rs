//! This file is where a gateway's working set is lost and filled again, on a network of processes.

use crate::{
    doors::{App, Door, transaction},
    nodes::{ADAMS, Network, done, told},
    run::run,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

const PATIENT: &str = "urn:uuid:6a4e8d5c-41a3-4f0b-9f4e-3c1d2b7a9e01";
const OTHER: &str = "urn:uuid:6a4e8d5c-41a3-4f0b-9f4e-3c1d2b7a9e02";
const LABORATORY: &str = "urn:uuid:6a4e8d5c-41a3-4f0b-9f4e-3c1d2b7a9e03";

fn patient(number: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{ "system": "urn:example:numbers", "value": number }],
    })
}

fn observation(subject: &str, code: &str, value: &str) -> Value {
    let precise: Value = serde_json::from_str(value).unwrap();
    json!({
        "resourceType": "Observation",
        "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": code }] },
        "subject": { "reference": subject },
        "performer": [{ "reference": LABORATORY }],
        "valueQuantity": { "value": precise, "system": "http://unitsofmeasure.org", "code": "%" },
    })
}

/// Answers as texts, in the order of their texts where the order isn't told.
async fn answers(app: &App, places: &[String]) -> Vec<BTreeSet<String>> {
    let mut all = Vec::new();
    for place in places {
        let read = app.send("GET", &format!("/{place}"), None).await;
        assert_eq!(read.status, 200, "{place}: {}", read.text);
        all.push([read.text].into());
    }
    for query in [
        format!("/{}/_history", places[1]),
        format!("/{}/$everything", places[0]),
        format!("/Observation?patient={}&code=4548-4", places[0]),
        "/Observation?code=4548-4&value-quantity=gt6.2||%25&_sort=-_lastUpdated".to_owned(),
        "/Observation?performer:Organization.name=laboratory".to_owned(),
        "/Patient?identifier=urn:example:numbers|1&_revinclude=Observation:patient".to_owned(),
        "/Organization?name=laboratory".to_owned(),
    ] {
        let found = app.found(&query).await;
        assert!(!found.is_empty(), "{query}");
        all.push(found.iter().map(ToString::to_string).collect());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_lost_working_set_is_read_again_from_the_charts() {
    let network = Network::of(2);
    let home = network.home.path();
    network.employ(0, "riverside/registrar", "staff", "registrar");
    let _nodes = network.start_all();
    let door = Door::lay(&network, "riverside/registrar", ADAMS);
    let gateway = door.start(home);
    let app = door.app(home);
    let mut places = app
        .post(&transaction(&[
            (PATIENT, patient("1")),
            ("urn:uuid:1", observation(PATIENT, "4548-4", "6.30")),
            ("urn:uuid:2", observation(OTHER, "4548-4", "7.10")),
            (OTHER, patient("2")),
            (LABORATORY, json!({ "resourceType": "Organization", "name": "Laboratory" })),
        ]))
        .await;
    // A reference that only the gateway could resolve.
    let by_number = observation("Patient?identifier=urn:example:numbers|1", "718-7", "13.50");
    let mut by_number = transaction(&[("urn:uuid:3", by_number)]);
    by_number["entry"][0]["resource"]["performer"] = json!([]);
    by_number["entry"][0]["resource"].as_object_mut().unwrap().remove("performer");
    places.extend(app.post(&by_number).await);
    // Two versions of one.
    let mut newer = app.get(&format!("/{}", places[1])).await;
    newer["status"] = json!("amended");
    let updated = app.send("PUT", &format!("/{}", places[1]), Some(&newer)).await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    let before = answers(&app, &places).await;

    // Lost: its resources' own ids aren't known any more, until their charts are read.
    assert!(gateway.terminate().0.success());
    door.lose_working_set();
    let gateway = door.start(home);
    let app = door.app(home);
    let lost = app.send("GET", &format!("/{}", places[1]), None).await;
    assert_eq!(lost.status, 404, "{}", lost.text);
    let config = door.config.display();
    let rebuilt = told(home, &format!("gateway rebuild --config {config}"));
    let rebuilt = rebuilt.as_array().unwrap();
    // The directory and the two patients.
    assert_eq!(rebuilt.len(), 3, "{rebuilt:?}");
    let versions: u64 = rebuilt.iter().map(|chart| chart["versions"].as_u64().unwrap()).sum();
    assert_eq!(versions, 7);
    assert!(rebuilt.iter().all(|chart| chart["denied"] == 0 && chart["damaged"] == 0), "{rebuilt:?}");
    assert_eq!(answers(&app, &places).await, before);
    assert!(gateway.terminate().0.success());

    // Each reading stands in its patient's log, as an access of the organisation for its operations.
    for chart in rebuilt {
        let (id, access) = (chart["chart"].as_str().unwrap(), chart["access"].as_str().unwrap());
        let audit = told(home, &format!("--profile {ADAMS} audit {id}"));
        let accesses = audit["accesses"].as_array().unwrap();
        let found = accesses.iter().find(|told| told["access"] == access).unwrap();
        assert_eq!(found["purpose"], "HOPERAT");
        assert_eq!(found["decision"], "permitted");
    }

    // Clients and tokens are another store: copied away, and readable with the gateway's key alone.
    let copy = home.join("clients.copy");
    done(home, &format!("gateway backup --config {config} --out {}", copy.display()));
    let twice = run(home, &format!("gateway backup --config {config} --out {}", copy.display()));
    assert_ne!(twice.status, 0);
    let store = door.config.with_file_name("gateway/clients.db");
    for file in [&store, &copy] {
        let bytes = fs::read(file).unwrap();
        assert!(!bytes.windows(8).any(|window| window == b"user/*.c"), "{}", file.display());
    }
    fs::remove_file(&store).unwrap();
    fs::copy(&copy, &store).unwrap();
    let listed = told(home, &format!("gateway client list --config {config}"));
    assert_eq!(listed[0]["id"], "app");
}
