//! This file is where the ledger stands still or is out of reach: nothing is served, not even what the gateway has at hand, until
//! it goes on.

use crate::{
    network::until,
    town::{Hospital, Town, observation, patient},
    world::{Answer, sent},
};
use primitives::Span;
use serde_json::json;

/// Charts that are made in a row.
const NEW_CHARTS: u64 = 24;

async fn refused(hospital: &Hospital, path: &str) -> Answer {
    until("503", async || Some(hospital.get(path).await).filter(|answer| answer.status == 503)).await
}

fn assert_stale(answer: &Answer, way: &str) {
    assert_eq!(answer.status, 503, "{way}");
    assert!(!answer.header("retry-after").is_empty(), "{way}");
    let issue = &answer.json()["issue"][0];
    assert_eq!((&issue["code"], &issue["severity"]), (&json!("transient"), &json!("error")), "{way}");
    assert!(!String::from_utf8_lossy(&answer.bytes).contains("secret-"), "{way}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_ledger_that_stands_still_serves_nothing() {
    let mut town = Town::with(|config| config.visits.missing_min = Span(1)).await;
    let id = town.riverside.create(&patient("1")).await;
    let general = town.riverside.create(&observation(&id, "1-1", None)).await;
    let read = format!("/Observation/{general}");
    assert_eq!(town.riverside.get(&read).await.status, 200);

    // New charts that keep coming, each of which is to be followed, don't keep the gateway from hearing of blocks.
    let before = town.riverside.wire.heard();
    for number in 0..NEW_CHARTS {
        let id = town.riverside.create(&patient(&format!("new-{number}"))).await;
        assert_eq!(town.riverside.get(&format!("/Patient/{id}")).await.status, 200);
    }
    let heard = town.riverside.wire.heard() - before;
    assert!(heard >= NEW_CHARTS / 4, "heard {heard} times while {NEW_CHARTS} charts were made");

    // The other member's node ends: Riverside's own still answers, but no block is final any more.
    town.network.nodes[1].take().unwrap().stop().await;
    refused(&town.riverside, &read).await;
    let search = format!("/Observation?patient={id}");
    let everything = format!("/Patient/{id}/$everything");
    for path in [&read, &search, &everything, "/Observation/_history", "/Observation/nobody", "?_id=1"] {
        assert_stale(&town.riverside.get(path).await, path);
    }
    assert_eq!(sent(town.riverside.http.get(town.riverside.at("/healthz"))).await.status, 503);
    let write = town.riverside.send("POST", "/Observation", &observation(&id, "1-2", None)).await;
    assert_stale(&write, "a write");
    let entry = json!({ "request": { "method": "GET", "url": format!("Observation/{general}") } });
    let batch = json!({ "resourceType": "Bundle", "type": "batch", "entry": [entry] });
    let batch = town.riverside.send("POST", "", &batch).await.json();
    assert_eq!(batch["entry"][0]["response"]["status"], "503 Service Unavailable");
    assert_eq!(town.riverside.get("/metadata").await.status, 200, "what it can do isn't told by the ledger");

    town.network.start(1).await;
    town.riverside.comes_to(&read, 200).await;
    assert_eq!(sent(town.riverside.http.get(town.riverside.at("/healthz"))).await.status, 200);

    // The way to the node is cut: the same, though the ledger goes on.
    town.riverside.wire.cut();
    assert_stale(&refused(&town.riverside, &read).await, "a cut wire");
    town.riverside.wire.mend();
    town.riverside.comes_to(&read, 200).await;
    let again = town.riverside.send("POST", "/Observation", &observation(&id, "1-2", None)).await;
    assert_eq!(again.status, 201, "{}", again.json());
    town.close().await;
}
