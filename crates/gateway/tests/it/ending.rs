//! This file is where what was permitted ends: taken back, denied, run out or erased. From then on nothing of it is served, on
//! any way out, and the working set holds none of it.

use crate::{
    network::until,
    pages::hold,
    town::{Hospital, LAKESIDE, Patient, RIVERSIDE, Town, observation, patient},
    world::sent,
};
use client::{Doomed, Host as _, SystemHost, audit::What};
use fhir::category::Category;
use gateway::visit::foreign_id;
use ledger::consent::Effect;
use primitives::Span;
use serde_json::Value;

/// What is there of a patient, under Lakeside's ids.
struct There {
    patient: String,
    general: String,
    psy: String,
}

/// All ways by which something of a chart could still come out.
fn ways(there: &There) -> Vec<String> {
    let There { patient, general, psy } = there;
    vec![
        format!("/Observation/{general}"),
        format!("/Observation/{psy}"),
        format!("/Patient/{patient}"),
        format!("/Observation/{general}/_history"),
        format!("/Observation/{general}/_history/1"),
        format!("/Patient/{patient}/$everything"),
        format!("/Observation/{general}/$explain-access"),
        format!("/Observation?patient={patient}"),
        format!("/Observation?patient={patient}&_include=Observation:subject"),
        format!("/Patient?_id={patient}&_revinclude=Observation:patient"),
        "/Observation?status=final".to_owned(),
        "/Observation/_history".to_owned(),
        "/Patient?name=okafor".to_owned(),
        "?_type=Patient,Observation".to_owned(),
    ]
}

/// The ways on which something of the chart comes out.
async fn leaks(hospital: &Hospital, there: &There) -> Vec<String> {
    let mut leaks = Vec::new();
    for way in ways(there) {
        let answer = hospital.get(&way).await;
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert!(matches!(answer.status.as_u16(), 200 | 404), "{way}: {text}");
        if text.contains("secret-") || text.contains("Nneka") {
            leaks.push(way);
        }
    }
    leaks
}

/// Asserts that nothing comes out, now and not later.
async fn assert_silent(hospital: &Hospital, there: &There, after: &str) {
    assert_eq!(leaks(hospital, there).await, Vec::<String>::new(), "{after}: something of it is served");
}

async fn opened(hospital: &Hospital, owner: &Patient) {
    let by_chart = format!("/Patient?identifier=urn:horkos:chart|{}", owner.chart);
    until("a permitted look", async || (hospital.get(&by_chart).await.json()["total"] == 1).then_some(()))
        .await;
}

async fn permitted(hospital: &Hospital, there: &There) {
    hospital.comes_to(&format!("/Observation/{}", there.general), 200).await;
}

async fn ended(hospital: &Hospital, there: &There) {
    hospital.comes_to(&format!("/Observation/{}", there.general), 404).await;
}

/// Waits until no file of the working set holds this, in whatever page.
async fn wiped(hospital: &Hospital, text: &str) {
    until(&format!("`{text}` is wiped"), async || (!hold(&hospital.config, text)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_what_ends_is_served_no_more() {
    let town = Town::with(|config| config.visits.missing_min = Span(1)).await;
    let own = town.riverside.create(&patient("1")).await;
    let general = town.riverside.create(&observation(&own, "1-1", None)).await;
    let psy = town.riverside.create(&observation(&own, "1-2", Some("PSY"))).await;
    let riverside = RIVERSIDE.parse().unwrap();
    let foreign = |kind: &str, id: &str| foreign_id(&riverside, kind, id);
    let there = There {
        patient: foreign("Patient", &own),
        general: foreign("Observation", &general),
        psy: foreign("Observation", &psy),
    };
    // What Lakeside's copy says, with its own names for things.
    let secret = "secret-1-1-of-";
    let owner = town.claimed("1").await;
    let lakeside = &town.lakeside;

    // Permitted, and taken back in an open visit.
    let grant = owner.says(Effect::Permit, LAKESIDE, What::All, None).await;
    opened(lakeside, &owner).await;
    permitted(lakeside, &there).await;
    assert_eq!(leaks(lakeside, &there).await.len(), ways(&there).len() - 1, "all but an explanation");
    assert!(hold(&lakeside.config, secret), "the pages can't be read, so nothing is shown by them");
    explains(lakeside, &there.general, &[&grant.tx.to_string()], &[]).await;
    explains(&town.riverside, &general, &[], &["own-writing"]).await;
    owner.takes_back(&grant).await;
    ended(lakeside, &there).await;
    assert_silent(lakeside, &there, "a revocation").await;
    wiped(lakeside, secret).await;
    assert_eq!(lakeside.running.working_set().classes(&owner.chart).unwrap(), []);

    no_line_is_passed_over(lakeside, &owner, &there).await;
    denied_then_granted(lakeside, &owner, &there).await;
    runs_out(lakeside, &owner, &there).await;
    erased(&town, &owner, &there, &psy).await;
    let town = begun_anew(town, &owner, &there).await;
    town.close().await;
}

/// The access is named, and the directives or policies that decided it.
async fn explains(hospital: &Hospital, id: &str, directives: &[&str], policies: &[&str]) {
    let answer = hospital.get(&format!("/Observation/{id}/$explain-access")).await;
    let said = answer.json();
    let values = |name: &str| -> Vec<Value> {
        let parameters = said["parameter"].as_array().into_iter().flatten();
        let of_name = parameters.filter(|parameter| parameter["name"] == name);
        of_name.map(|parameter| parameter["valueString"].clone()).collect()
    };
    assert_eq!(values("directive"), directives, "{said}");
    assert_eq!(values("policy"), policies, "{said}");
    assert_eq!((values("access").len(), values("chart").len()), (1, 1), "{said}");
}

/// While one visit waits to hear of a revocation, others open the same chart: the revocation reaches the first all the same.
async fn no_line_is_passed_over(hospital: &Hospital, owner: &Patient, there: &There) {
    for _ in 0..3 {
        let grant = owner.says(Effect::Permit, LAKESIDE, What::All, None).await;
        opened(hospital, owner).await;
        permitted(hospital, there).await;
        let by_chart = format!("/Patient?identifier=urn:horkos:chart|{}", owner.chart);
        let other = sent(hospital.ask("GET", &by_chart).header("x-break-glass", "a test of hearing"));
        let (_, other) = futures::join!(owner.takes_back(&grant), other);
        assert_eq!(other.status, 200);
        ended(hospital, there).await;
        assert_silent(hospital, there, "a revocation during a second look").await;
    }
}

/// A denial beats what is permitted, before or after; once it is taken back, what was permitted holds again.
async fn denied_then_granted(hospital: &Hospital, owner: &Patient, there: &There) {
    let denial = owner.says(Effect::Deny, LAKESIDE, What::All, None).await;
    let grant = owner.says(Effect::Permit, LAKESIDE, What::All, None).await;
    assert_silent(hospital, there, "a denial before a grant").await;
    owner.takes_back(&denial).await;
    opened(hospital, owner).await;
    permitted(hospital, there).await;
    let again = owner.says(Effect::Deny, LAKESIDE, What::All, None).await;
    ended(hospital, there).await;
    assert_silent(hospital, there, "a denial after a grant").await;
    owner.takes_back(&again).await;
    owner.takes_back(&grant).await;
}

/// Nobody says anything when a directive's time is over; what rested on it is over all the same.
async fn runs_out(hospital: &Hospital, owner: &Patient, there: &There) {
    let until = SystemHost.now().plus(Span::secs(8));
    owner.says(Effect::Permit, LAKESIDE, What::All, Some(until)).await;
    opened(hospital, owner).await;
    let mut seen = false;
    while SystemHost.now() < until {
        seen |= hospital.get(&format!("/Observation/{}", there.general)).await.status == 200;
    }
    assert!(seen, "it was open as long as it was permitted");
    assert_silent(hospital, there, "its time").await;
    wiped(hospital, "secret-1-1-of-").await;
}

/// One category is erased while both hospitals have the chart open.
async fn erased(town: &Town, owner: &Patient, there: &There, psy: &str) {
    let (riverside, lakeside) = (&town.riverside, &town.lakeside);
    owner.says(Effect::Permit, LAKESIDE, What::All, None).await;
    opened(lakeside, owner).await;
    permitted(lakeside, there).await;
    lakeside.comes_to(&format!("/Observation/{}", there.psy), 200).await;
    riverside.comes_to(&format!("/Observation/{psy}"), 200).await;
    let needle = "secret-1-2-of-";
    assert!(hold(&riverside.config, needle) && hold(&lakeside.config, needle));
    let doomed = Doomed::Categories(vec![Category::parse("PSY").unwrap()]);
    owner.client.erase(owner.chart, doomed).await.unwrap();
    // Nobody asks for anything meanwhile.
    wiped(riverside, needle).await;
    wiped(lakeside, needle).await;
    for (hospital, id) in [(riverside, psy), (lakeside, there.psy.as_str())] {
        let gone = hospital.get(&format!("/Observation/{id}")).await;
        assert!(matches!(gone.status.as_u16(), 404 | 410), "{}", gone.status);
        assert_eq!(hospital.get(&format!("/Observation/{id}/_history/1")).await.status, gone.status);
        let all = hospital.get("/Observation?status=final").await;
        assert!(!String::from_utf8_lossy(&all.bytes).contains(needle));
        assert!(!hold(&hospital.config, needle));
    }
    // The rest of the chart is there as before.
    opened(lakeside, owner).await;
    permitted(lakeside, there).await;
    let own = riverside.get("/Observation?status=final").await.json();
    assert_eq!(own["total"], 1, "{own}");
}

/// A gateway that starts again has no visits, so that it keeps nothing of what others wrote.
async fn begun_anew(town: Town, owner: &Patient, there: &There) -> Town {
    let Town { network, riverside, lakeside } = town;
    assert!(hold(&lakeside.config, "secret-1-1-of-"));
    let lakeside = lakeside.again().await;
    assert!(!hold(&lakeside.config, "secret-1-1-of-"));
    assert_eq!(lakeside.get(&format!("/Observation/{}", there.general)).await.status, 404);
    opened(&lakeside, owner).await;
    permitted(&lakeside, there).await;
    Town { network, riverside, lakeside }
}
