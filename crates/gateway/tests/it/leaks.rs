//! This file is where what a caller may not see is asked for in every way: each answer must be that of what isn't there, in
//! status, headers and body, and cost as much.

use crate::{
    network::until,
    town::{ALL, Hospital, LAKESIDE, NUMBERS, Patient, RIVERSIDE, Town, observation, patient},
    world::{Answer, sent},
};
use client::audit::What;
use fhir::category::Category;
use gateway::{visit::foreign_id, working::Calls};
use ledger::{Event, consent::Effect};
use primitives::Span;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How long Lakeside's gateway takes at least to say that something isn't there.
const MISSING: Span = Span(150);

/// Ids of the right form that nobody has.
const NOBODY: Named = Named {
    patient: "00000000000000000000000000000000",
    observation: "11111111111111111111111111111111",
    number: "404",
    code: "404-4",
};

/// What a request names.
#[derive(Clone, Copy)]
struct Named<'a> {
    patient: &'a str,
    observation: &'a str,
    number: &'a str,
    code: &'a str,
}

impl Named<'_> {
    fn fill(&self, text: &str) -> String {
        let filled = text.replace("{p}", self.patient).replace("{o}", self.observation);
        filled.replace("{n}", &format!("{NUMBERS}|{}", self.number)).replace("{c}", self.code)
    }

    /// The same text as if somebody else had been named.
    fn blank(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let spelled = format!("{NUMBERS}|{}", self.number);
        let number = spelled.replace('|', "%7C");
        for (name, mark) in [
            (self.patient, "{p}"),
            (self.observation, "{o}"),
            (number.as_str(), "{n}"),
            (spelled.as_str(), "{n}"),
            (self.code, "{c}"),
        ] {
            text = text.replace(name, mark);
        }
        text
    }
}

/// Ways to ask, each with what it names. A line: method, path, headers and body, if there are any.
const WAYS: &str = r#"
    GET /Patient/{p}
    GET /Observation/{o}
    HEAD /Observation/{o}
    GET /Observation/{o}?_summary=true
    GET /Observation/{o} | if-none-match: W/"1"
    GET /Patient/{p}/_history
    GET /Observation/{o}/_history
    GET /Observation/{o}/_history?_since=2020-01-01T00:00:00Z
    GET /Observation/{o}/_history/1
    GET /Observation/{o}/_history/2
    GET /Patient/{p}/$everything
    GET /Patient/{p}/$everything?_count=1
    GET /Patient/{p}/$explain-access
    GET /Observation/{o}/$explain-access
    POST /Observation/{o}/$validate
    GET /Patient?_id={p}
    GET /Observation?_id={o}
    GET /Observation?_id={o}&_total=accurate
    GET /Patient?identifier={n}
    GET /Observation?patient={p}
    GET /Observation?subject=Patient/{p}&_summary=count
    GET /Observation?patient={p}&_sort=-date&_count=1
    GET /Observation?patient={p}&_include=Observation:subject
    GET /Patient?_id={p}&_revinclude=Observation:patient
    GET /Patient?_id={p}&_has:Observation:patient:code={c}
    GET /Observation?patient.identifier={n}
    GET /Observation?subject:Patient.identifier={n}
    GET /Observation?code={c}
    GET /Observation?code={c}&_summary=count
    GET /Observation?code:missing=false&_sort=code&_id={o}
    GET /Patient?_has:Observation:patient:code={c}&_total=accurate
    GET /Observation?patient.name=nobody&_id={o}
    GET /?_id={o}&_type=Observation
    POST /Observation/_search | content-type: application/x-www-form-urlencoded | patient={p}&_total=accurate
    POST /Patient/_search | content-type: application/x-www-form-urlencoded | identifier={n}
    DELETE /Observation/{o}
    DELETE /Observation/{o} | if-match: W/"1"
    DELETE /Observation?patient={p}&code={c}
    DELETE /Patient?identifier={n}
    PATCH /Observation?_id={o} | content-type: application/json-patch+json | [{"op":"replace","path":"/status","value":"amended"}]
    PATCH /Patient?identifier={n} | content-type: application/json-patch+json | []
    POST / | content-type: application/fhir+json | {"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Observation/{o}"}},{"request":{"method":"GET","url":"Observation?patient={p}"}},{"request":{"method":"GET","url":"Patient/{p}/_history"}},{"request":{"method":"DELETE","url":"Observation/{o}"}}]}
    POST / | content-type: application/fhir+json | {"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"Observation/{o}"}},{"request":{"method":"DELETE","url":"Observation?_id={o}"}}]}
    POST / | content-type: application/fhir+json | {"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Basic","code":{"text":"x"},"subject":{"reference":"Patient?identifier={n}"}},"request":{"method":"POST","url":"Basic"}}]}
"#;

/// Further ways, for what another organisation wrote: there may be no sign of it in a write either.
const FOREIGN_WAYS: &str = r#"
    PATCH /Observation/{o} | content-type: application/json-patch+json | []
    PUT /Observation/{o} | content-type: application/fhir+json | {"resourceType":"Observation","id":"{o}","status":"final","code":{"text":"x"}}
    POST /Observation | content-type: application/fhir+json | {"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/{p}"}}
    POST /Basic | content-type: application/fhir+json | {"resourceType":"Basic","code":{"text":"x"},"extension":[{"url":"urn:x","valueReference":{"reference":"Observation/{o}"}}]}
"#;

/// An answer, and what it cost.
struct Cost {
    answer: Answer,
    calls: BTreeMap<String, u64>,
    store: Calls,
}

async fn ask(hospital: &Hospital, way: &str, named: &Named<'_>) -> Cost {
    let mut parts = way.split(" | ");
    let (method, path) = parts.next().unwrap().trim().split_once(' ').unwrap();
    let path = named.fill(path);
    let path = path.strip_prefix("/?").map_or(path.clone(), |query| format!("?{query}"));
    let mut request = hospital.ask(method, &path);
    for part in parts {
        request = match part.split_once(": ") {
            Some((name, value)) if !part.starts_with(['{', '[']) => request.header(name, value),
            _ => request.body(named.fill(part)),
        };
    }
    let before = hospital.running.working_set().calls();
    hospital.wire.calls();
    let answer = sent(request).await;
    let after = hospital.running.working_set().calls();
    let store = Calls { reads: after.reads - before.reads, writes: after.writes - before.writes };
    Cost { answer, calls: hospital.wire.calls(), store }
}

/// All of an answer that a caller can see, but for what names the request itself.
fn seen(answer: &Answer, named: &Named<'_>) -> String {
    let mut text = format!("{}\n", answer.status);
    for (name, value) in &answer.headers {
        if !matches!(name.as_str(), "date" | "x-request-id" | "content-length") {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
    }
    let length = answer.bytes.len();
    text.push_str(&named.blank(&String::from_utf8(answer.bytes.clone()).unwrap()));
    if length == 0 {
        text.push_str("(empty)");
    }
    text
}

/// Asks in each of these ways for what is hidden and for what isn't there. Nothing may tell which is which.
async fn alike(hospital: &Hospital, ways: &str, hidden: &Named<'_>, absent: &Named<'_>) -> usize {
    let mut wrong = Vec::new();
    let mut count = 0;
    // A search that names nobody opens what isn't open yet, once.
    ask(hospital, "GET /Observation?code=nothing", hidden).await;
    ask(hospital, "GET /Organization?name=nobody", hidden).await;
    for way in ways.lines().map(str::trim).filter(|way| !way.is_empty()) {
        let (one, other) = (ask(hospital, way, hidden).await, ask(hospital, way, absent).await);
        let (seen_one, seen_other) = (seen(&one.answer, hidden), seen(&other.answer, absent));
        if seen_one != seen_other {
            wrong.push(format!("{way}\n hidden: {seen_one}\n absent: {seen_other}"));
        }
        if one.calls != other.calls || one.store != other.store {
            wrong.push(format!(
                "{way}\n hidden costs: {:?} {:?}\n absent costs: {:?} {:?}",
                one.calls, one.store, other.calls, other.store
            ));
        }
        let text = String::from_utf8_lossy(&one.answer.bytes);
        if text.contains("secret-") {
            wrong.push(format!("{way}\n tells a secret: {text}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    count
}

/// Riverside's patient with this number: her id, that of a general Observation and of one in category PSY.
async fn registered(town: &Town, number: &str) -> (String, String, String) {
    let id = town.riverside.create(&patient(number)).await;
    let general = town.riverside.create(&observation(&id, &format!("{number}-1"), None)).await;
    let psy = town.riverside.create(&observation(&id, &format!("{number}-2"), Some("PSY"))).await;
    (id, general, psy)
}

fn psychiatric() -> What {
    What::Categories(vec![Category::parse("PSY").unwrap()])
}

fn ids(bundle: &Value) -> BTreeSet<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries.filter_map(|entry| Some(entry["resource"]["id"].as_str()?.to_owned())).collect()
}

/// All pages of a search.
async fn pages(hospital: &Hospital, path: &str) -> Vec<Value> {
    let mut pages = vec![hospital.get(path).await.json()];
    while let Some(next) = link(pages.last().unwrap(), "next") {
        assert!(pages.len() < 50, "pages without end");
        let token = hospital.token(ALL).await;
        let page = sent(hospital.http.get(hospital.here(&next)).bearer_auth(token)).await;
        assert_eq!(page.status, 200, "{next}");
        pages.push(page.json());
    }
    pages
}

fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array()?.iter();
    links.filter(|link| link["relation"] == relation).find_map(|link| Some(link["url"].as_str()?.to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_what_is_hidden_answers_like_what_is_not_there() {
    let town = Town::with(|config| {
        config.visits.denied = Span::secs(600);
        // Asked for once, it costs neither of two that are compared.
        config.fhir.directories_listed = Span::days(1);
        config.visits.missing_min = if config.system.starts_with("lakeside") { MISSING } else { Span(20) };
    })
    .await;
    own_chart_all_denied(&town).await;
    own_chart_partly_denied(&town).await;
    foreign_chart(&town).await;
    two_patients(&town).await;
    town.close().await;
}

/// A patient denies the hospital that wrote everything itself.
async fn own_chart_all_denied(town: &Town) {
    let (id, general, _) = registered(town, "1").await;
    let owner = town.claimed("1").await;
    owner.says(Effect::Deny, RIVERSIDE, What::All, None).await;
    let hidden = Named { patient: &id, observation: &general, number: "1", code: "1-1" };
    let (first, absent) = (
        ask(&town.riverside, "GET /Observation/{o}", &hidden).await,
        ask(&town.riverside, "GET /Observation/{o}", &NOBODY).await,
    );
    // The first touch asks the ledger, which records it: that, and nothing that the caller gets, tells them apart.
    assert_eq!(seen(&first.answer, &hidden), seen(&absent.answer, &NOBODY));
    assert_eq!((first.calls.get("submit"), absent.calls.len()), (Some(&1), 0), "{:?}", first.calls);
    let decided = |line: &client::Line| match &line.event {
        Some(Event::Decided(decided)) => Some(decided.permitted()),
        _ => None,
    };
    let log = town.log(owner.chart).await;
    assert_eq!(log.iter().filter_map(decided).next_back(), Some(false));
    let ways = alike(&town.riverside, WAYS, &hidden, &NOBODY).await;
    println!("{ways} ways to ask for a chart that is denied as a whole");

    // Where the hospital wrote itself, who wants to write is told that there is something: always in the same words.
    let body = json!([]);
    let patch = town.riverside.ask("PATCH", &format!("/Observation/{general}"));
    let refused =
        sent(patch.header("content-type", "application/json-patch+json").body(body.to_string())).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["issue"][0]["code"], "suppressed");

    // A condition matches only what may be seen: the same person is created a second time.
    for (number, known) in [("1", true), ("404", false)] {
        let create = town.riverside.with("POST", "/Patient", &patient(number));
        let created = sent(create.header("if-none-exist", format!("identifier={NUMBERS}|{number}"))).await;
        assert_eq!(created.status, 201, "{number} {known}: {}", created.json());
        assert_eq!(created.json()["meta"]["versionId"], "1");
    }
    for (code, known) in [("1-1", true), ("404-4", false)] {
        let mut other = observation(&id, "1-5", None);
        other["status"] = json!("preliminary");
        let path = format!("/Observation?code={code}&status=final");
        let updated = town.riverside.send("PUT", &path, &other).await;
        assert_eq!(updated.status, 201, "{code} {known}: {}", updated.json());
    }
}

/// A patient denies one category; the rest of her chart stays open.
async fn own_chart_partly_denied(town: &Town) {
    let riverside = &town.riverside;
    let (id, general, psy) = registered(town, "3").await;
    let mut linked = observation(&id, "3-3", None);
    linked["derivedFrom"] = json!([{ "reference": format!("Observation/{psy}") }]);
    let linked = riverside.create(&linked).await;
    // FHIR R4 dom-5: what is contained has no label of its own, it lies in the category of what contains it.
    let mut inside = observation(&id, "3-4", Some("PSY"));
    inside["contained"] = json!([{
        "resourceType": "Observation", "id": "in", "status": "final", "code": { "text": "secret-contained" },
    }]);
    inside["hasMember"] = json!([{ "reference": "#in" }]);
    let inside = riverside.create(&inside).await;
    let by_patient = format!("/Observation?patient={id}");
    let all = BTreeSet::from([general.clone(), psy.clone(), linked.clone(), inside.clone()]);
    assert_eq!(ids(&riverside.get(&by_patient).await.json()), all);

    let owner = town.claimed("3").await;
    owner.says(Effect::Deny, RIVERSIDE, psychiatric(), None).await;
    riverside.comes_to(&format!("/Observation/{psy}"), 404).await;
    // `secret` stands in what may be seen of her, too: the ways that name her whole chart are left to the sets below.
    let ways: String = WAYS
        .lines()
        .filter(|way| way.contains("{o}") || way.contains("{c}"))
        .filter(|way| !way.contains("{p}") && !way.contains("{n}"))
        .map(|way| format!("{way}\n"))
        .collect();
    for (hidden, code) in [(&psy, "3-2"), (&inside, "3-4")] {
        let hidden = Named { patient: &id, observation: hidden, number: "3", code };
        let absent = Named { patient: &id, number: "3", ..NOBODY };
        let ways = alike(riverside, &ways, &hidden, &absent).await;
        println!("{ways} ways to ask for what is denied in a chart that is open");
    }
    let open = BTreeSet::from([general.clone(), linked.clone()]);
    let with_patient: BTreeSet<String> = open.iter().cloned().chain([id.clone()]).collect();
    for (path, expected, total) in [
        (by_patient.clone(), &open, Some(2)),
        (format!("{by_patient}&_sort=code&_total=accurate"), &open, Some(2)),
        (format!("{by_patient}&_sort=-_lastUpdated"), &open, Some(2)),
        (format!("{by_patient}&_include=Observation:derived-from"), &open, Some(2)),
        (format!("{by_patient}&_include:iterate=Observation:has-member"), &open, Some(2)),
        (format!("{by_patient}&_revinclude=Observation:derived-from"), &open, Some(2)),
        (format!("{by_patient}&_summary=count"), &BTreeSet::new(), Some(2)),
        (format!("/Patient?_id={id}&_revinclude=Observation:patient"), &with_patient, Some(1)),
        (format!("/Patient/{id}/$everything"), &with_patient, Some(3)),
        (format!("{by_patient}&derived-from:Observation.code=3-2"), &BTreeSet::new(), Some(0)),
        (format!("/Patient?_id={id}&_has:Observation:patient:code=3-2"), &BTreeSet::new(), Some(0)),
        (format!("/Patient?_id={id}&_has:Observation:patient:code=3-4"), &BTreeSet::new(), Some(0)),
    ] {
        let bundle = riverside.get(&path).await.json();
        assert_eq!(&ids(&bundle), expected, "{path}: {bundle}");
        assert_eq!(bundle["total"].as_u64(), total, "{path}");
        let text = bundle.to_string();
        assert!(!text.contains("secret-3-2") && !text.contains("secret-3-4"), "{path}");
        assert!(!text.contains("secret-contained"), "{path}");
    }
    // Pages are as many as if the hidden weren't there, and none is short.
    let paged = pages(riverside, &format!("{by_patient}&_count=1&_sort=code")).await;
    let found: Vec<BTreeSet<String>> = paged.iter().map(ids).collect();
    assert_eq!(found, [BTreeSet::from([general.clone()]), BTreeSet::from([linked])]);
    let history = pages(riverside, "/Observation/_history?_count=2").await;
    let told: BTreeSet<String> = history.iter().flat_map(ids).collect();
    assert!(told.is_superset(&open) && !told.contains(&psy) && !told.contains(&inside));
    assert!(history.iter().rev().skip(1).all(|page| ids(page).len() == 2));

    // To write there: the same words as where everything is hidden.
    let mut bodies = BTreeSet::new();
    for hidden in [&psy, &inside] {
        let mut again = observation(&id, "3-9", None);
        again["id"] = json!(hidden);
        let refused = riverside.send("PUT", &format!("/Observation/{hidden}"), &again).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["issue"][0]["code"]),
            (403, &json!("suppressed"))
        );
        bodies.insert(refused.bytes);
    }
    assert_eq!(bodies.len(), 1);
    // What was to be deleted and changed in secret is untouched.
    let (consents, _) = owner.client.consents(owner.chart).await.unwrap();
    for consent in consents.iter().filter(|consent| consent.live) {
        owner.client.revoke(owner.chart, consent.directive.id).await.unwrap();
    }
    riverside.comes_to(&format!("/Observation/{psy}"), 200).await;
    let back = riverside.get(&format!("/Observation/{psy}")).await.json();
    assert_eq!((&back["meta"]["versionId"], &back["status"]), (&json!("1"), &json!("final")));
}

/// What Riverside wrote, asked for at Lakeside: never permitted, permitted, and no longer permitted.
async fn foreign_chart(town: &Town) {
    let (id, ..) = registered(town, "5").await;
    let owner: Patient = town.claimed("5").await;
    let lakeside = &town.lakeside;
    let by_chart = |chart: &str| format!("/Patient?identifier=urn:horkos:chart|{chart}");
    let (hidden, nowhere) = (owner.chart.to_string(), "ab".repeat(32));
    let mut answers = Vec::new();
    for chart in [&hidden, &nowhere] {
        let began = Instant::now();
        let answer = lakeside.get(&by_chart(chart)).await;
        // One was asked of the ledger, the other wasn't: whoever waits for the answers can't tell.
        assert!(began.elapsed() >= Duration::from_millis(MISSING.0), "{:?}", began.elapsed());
        answers.push(String::from_utf8(answer.bytes).unwrap().replace(chart, "CHART"));
    }
    assert_eq!(answers[0], answers[1]);

    let grant = owner.says(Effect::Permit, LAKESIDE, What::General, None).await;
    let found = loop {
        let found = lakeside.get(&by_chart(&hidden)).await.json();
        if found["total"] == 1 {
            break found;
        }
    };
    let there = found["entry"][0]["resource"]["id"].as_str().unwrap().to_owned();
    assert_ne!(there, id, "another organisation's ids are its own");
    let all = lakeside.get(&format!("/Observation?patient={there}")).await.json();
    assert_eq!(all["total"], 1, "{all}");
    let foreign = all["entry"][0]["resource"]["id"].as_str().unwrap().to_owned();
    assert_eq!(lakeside.get(&format!("/Observation/{foreign}")).await.status, 200);

    owner.takes_back(&grant).await;
    lakeside.comes_to(&format!("/Observation/{foreign}"), 404).await;
    let nobody = (format!("x.{}", "0".repeat(40)), format!("x.{}", "1".repeat(40)));
    let hidden = Named { patient: &there, observation: &foreign, number: "5", code: "5-1" };
    let absent = Named { patient: &nobody.0, observation: &nobody.1, ..NOBODY };
    let ways = alike(lakeside, &format!("{WAYS}\n{FOREIGN_WAYS}"), &hidden, &absent).await;
    println!("{ways} ways to ask for what another organisation wrote and took back");
}

/// What names two patients takes what both permit: whoever opens the chart in which it lies asks the other patient too, who
/// sees who looked.
async fn two_patients(town: &Town) {
    let lakeside = &town.lakeside;
    let (id, _, psy) = registered(town, "7").await;
    let (other, ..) = registered(town, "8").await;
    let mut both = observation(&id, "7-3", None);
    both["focus"] = json!([{ "reference": format!("Patient/{other}") }]);
    let both = town.riverside.create(&both).await;
    assert_eq!(town.riverside.get(&format!("/Observation/{both}")).await.status, 200);
    let there = |kind: &str, id: &str| foreign_id(&RIVERSIDE.parse().unwrap(), kind, id);
    let (patient, both) = (there("Patient", &id), there("Observation", &both));
    let path = format!("/Observation/{both}");
    let (first, second) = (town.claimed("7").await, town.claimed("8").await);
    let by_chart = format!("/Patient?identifier=urn:horkos:chart|{}", first.chart);
    let looks = async || {
        let log = town.log(second.chart).await;
        let decided = log.iter().filter_map(|line| match &line.event {
            Some(Event::Decided(decided)) if &*decided.reader.org.0 == LAKESIDE => Some(decided.permitted()),
            _ => None,
        });
        decided.collect::<Vec<bool>>()
    };

    let psychiatric = first.says(Effect::Permit, LAKESIDE, psychiatric(), None).await;
    opened(lakeside, &by_chart, &format!("/Observation/{}", there("Observation", &psy))).await;
    assert_eq!(lakeside.get(&path).await.status, 404);
    assert_eq!(
        looks().await,
        Vec::<bool>::new(),
        "it wouldn't be shown anyway: the second patient isn't asked for"
    );

    first.says(Effect::Permit, LAKESIDE, What::General, None).await;
    opened(lakeside, &by_chart, &format!("/Patient/{patient}")).await;
    assert_eq!(lakeside.get(&path).await.status, 404);
    assert_eq!(looks().await, [false]);
    let hidden = Named { patient: &patient, observation: &both, number: "7", code: "7-3" };
    let nobody = format!("x.{}", "2".repeat(40));
    let absent = Named { patient: &patient, observation: &nobody, number: "7", code: "404-4" };
    let ways: String = WAYS
        .lines()
        .filter(|way| way.contains("{o}") && !way.contains("{p}") && !way.contains("{n}"))
        .map(|way| format!("{way}\n"))
        .collect();
    let ways = alike(lakeside, &ways, &hidden, &absent).await;
    println!("{ways} ways to ask for what names a second patient who denies it");

    let grant = second.says(Effect::Permit, LAKESIDE, What::General, None).await;
    opened(lakeside, &by_chart, &path).await;
    assert_eq!(looks().await.last(), Some(&true));
    second.takes_back(&grant).await;
    lakeside.comes_to(&path, 404).await;
    first.takes_back(&psychiatric).await;
}

/// Looks a chart up until what was just permitted in it is there.
async fn opened(hospital: &Hospital, by_chart: &str, path: &str) {
    until(path, async || {
        hospital.get(by_chart).await;
        (hospital.get(path).await.status == 200).then_some(())
    })
    .await;
}
