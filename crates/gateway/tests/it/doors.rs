//! This file is where every route is tried by everybody: what each comes to stands in a golden file, which only changes on
//! purpose. The routes come from the gateway's own table, so that none is left out.

use crate::{
    network::until,
    town::{ALL, Hospital, LAKESIDE, RIVERSIDE, Town, observation, patient},
    world::{Answer, form, sent},
};
use client::audit::What;
use gateway::{
    http::Route,
    smart::{INTROSPECT, REVOKE, TOKEN},
    visit::foreign_id,
};
use ledger::consent::Effect;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use std::{collections::BTreeMap, env, fs, path::Path};

/// By whom a route is tried, in this order.
const COLUMNS: [&str; 10] = [
    "no token",
    "expired",
    "wrong scope",
    "no consent",
    "consent",
    "revoked",
    "no sign-in",
    "break-glass",
    "own",
    "own, denied",
];

const ABOUT: &str = "\
# Every route, tried by everybody, and the status that comes of it. Written by `cargo xtask goldens`.
#
# no token     nothing is shown
# expired      a token that was good an hour ago
# wrong scope  a token that reaches another type only
# no consent   Lakeside's app for a patient of Riverside who has said nothing
# consent      the same once she has permitted Lakeside to read
# revoked      the same once she has taken that back, in a visit that was open
# no sign-in   the same with `X-Break-Glass` by an app that can't say whether its user has just signed in: denied
# break-glass  the same by one that vouches for it
# own          Riverside's app for the same patient
# own, denied  the same once she has denied Riverside
#
";

/// What a route's placeholders stand for.
struct Filling {
    /// A resource that is read and changed.
    id: String,
    /// One that is deleted.
    doomed: String,
    patient: String,
}

/// A row: the route, maybe in several ways.
struct Try {
    label: String,
    method: &'static str,
    path: String,
    body: Option<(&'static str, String)>,
    emergency: bool,
}

const FHIR: &str = "application/fhir+json";

/// The ways in which a route is tried.
fn tries(route: &Route, filling: &Filling) -> Vec<Try> {
    let Route { method, path } = route;
    let label = format!("{method} {path}");
    let id = if *method == "DELETE" { &filling.doomed } else { &filling.id };
    let id = if path.starts_with("/fhir/Patient/") { &filling.patient } else { id };
    let filled = path.replace("{type}", "Observation").replace("{id}", id).replace("{version}", "1");
    let content = observation(&filling.patient, "9-1", None);
    let mut own = content.clone();
    own["id"] = json!(id);
    let searched = format!("{filled}?_id={id}");
    let one = |path: String, body: Option<(&'static str, String)>| {
        vec![Try { label: label.clone(), method, path, body, emergency: false }]
    };
    let json = |value: &Value| Some((FHIR, value.to_string()));
    let patch = || {
        Some((
            "application/json-patch+json",
            r#"[{"op":"test","path":"/status","value":"final"}]"#.to_owned(),
        ))
    };
    let ends = path.rsplit('/').next().unwrap_or_default();
    match (*method, ends) {
        (_, name) if name.starts_with('$') && *method == "POST" && name == "$validate" => {
            one(filled, json(&content))
        }
        ("POST", "fhir") => {
            let entry = json!({ "request": { "method": "GET", "url": format!("Observation/{id}") } });
            let bundle = |kind: &str| json!({ "resourceType": "Bundle", "type": kind, "entry": [entry] });
            ["batch", "transaction"]
                .iter()
                .map(|kind| Try {
                    label: format!("{label} ({kind})"),
                    method,
                    path: filled.clone(),
                    body: json(&bundle(kind)),
                    emergency: false,
                })
                .collect()
        }
        ("POST", "_search") => one(filled, Some(("application/x-www-form-urlencoded", format!("_id={id}")))),
        ("POST", "{type}") => one(filled, json(&content)),
        ("PUT", "{type}") => one(searched, json(&own)),
        ("PATCH", "{type}") => one(searched, patch()),
        ("DELETE", "{type}") => one(searched, None),
        ("GET" | "HEAD", "{type}") => one(searched, None),
        ("PUT", _) => one(filled, json(&own)),
        ("PATCH", _) => one(filled, patch()),
        (_, _) => one(filled, None),
    }
}

fn request(hospital: &Hospital, one: &Try, token: Option<&str>) -> RequestBuilder {
    let method: reqwest::Method = one.method.parse().unwrap();
    let mut request = hospital.http.request(method, hospital.at(&one.path));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some((kind, body)) = &one.body {
        request = request.header("content-type", *kind).body(body.clone());
    }
    if one.emergency {
        request = request.header("x-break-glass", "unconscious after a fall");
    }
    request
}

/// The routes of authorisation take no token, but the word of the client itself.
async fn authorise(hospital: &Hospital, path: &str, column: &str, expired: &str) -> Answer {
    let fresh = hospital.assertion();
    let mut pairs = vec![("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")];
    match column {
        "no token" => {}
        "expired" => pairs.push(("client_assertion", expired)),
        _ => pairs.push(("client_assertion", &fresh)),
    }
    let scope = if column == "wrong scope" { "patient/Observation.r" } else { ALL };
    if path == TOKEN {
        pairs.extend([("grant_type", "client_credentials"), ("scope", scope)]);
    } else {
        pairs.push(("token", "nobody's"));
    }
    let request = hospital.http.post(hospital.at(path)).body(form(&pairs));
    sent(request.header("content-type", "application/x-www-form-urlencoded")).await
}

/// The patient of Riverside: what is there under which id, at Riverside and at Lakeside.
async fn made(town: &Town) -> (Filling, Filling) {
    let own = town.riverside.create(&patient("1")).await;
    let id = town.riverside.create(&observation(&own, "9-1", None)).await;
    let doomed = town.riverside.create(&observation(&own, "9-2", None)).await;
    let riverside = RIVERSIDE.parse().unwrap();
    let foreign = |kind: &str, id: &str| foreign_id(&riverside, kind, id);
    let there = Filling {
        id: foreign("Observation", &id),
        doomed: foreign("Observation", &doomed),
        patient: foreign("Patient", &own),
    };
    (Filling { id, doomed, patient: own }, there)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_routes_golden() {
    let town = Town::with(|config| config.visits.missing_min = primitives::Span(1)).await;
    let (here, there) = made(&town).await;
    let owner = town.claimed("1").await;
    let by_chart = format!("/Patient?identifier=urn:horkos:chart|{}", owner.chart);
    let (riverside, lakeside) = (&town.riverside, &town.lakeside);
    let expired = expired(lakeside).await;
    let narrow = lakeside.token("user/Account.cruds").await;
    let wide = lakeside.token(ALL).await;
    let vouched = lakeside.vouched().await;
    let own = riverside.token(ALL).await;
    let routes = riverside.running.routes().to_vec();
    assert_eq!(routes, lakeside.running.routes());
    let mut rows: BTreeMap<usize, (String, Vec<String>)> = BTreeMap::new();
    for column in COLUMNS {
        let (hospital, filling, token) = match column {
            "own" | "own, denied" => (riverside, &here, Some(own.as_str())),
            "no token" => (lakeside, &there, None),
            "expired" => (lakeside, &there, Some(expired.token.as_str())),
            "wrong scope" => (lakeside, &there, Some(narrow.as_str())),
            "break-glass" => (lakeside, &there, Some(vouched.as_str())),
            _ => (lakeside, &there, Some(wide.as_str())),
        };
        match column {
            "consent" => {
                owner.says(Effect::Permit, LAKESIDE, What::All, None).await;
                until("a permitted look", async || {
                    (lakeside.get(&by_chart).await.json()["total"] == 1).then_some(())
                })
                .await;
            }
            "revoked" => {
                owner.client.revoke_from(owner.chart, &LAKESIDE.parse().unwrap()).await.unwrap();
                lakeside.comes_to(&format!("/Observation/{}", there.id), 404).await;
            }
            // The resource's own id isn't known any more; the chart's is.
            "break-glass" => {
                until("an emergency's look", async || {
                    let look =
                        lakeside.http.get(lakeside.at(&format!("/fhir{by_chart}"))).bearer_auth(&vouched);
                    let look = sent(look.header("x-break-glass", "unconscious after a fall")).await;
                    (look.json()["total"] == 1).then_some(())
                })
                .await;
            }
            "own, denied" => {
                owner.says(Effect::Deny, RIVERSIDE, What::All, None).await;
                riverside.comes_to(&format!("/Observation/{}", here.id), 404).await;
            }
            _ => {}
        }
        let mut place = 0;
        for route in &routes {
            for mut one in tries(route, filling) {
                one.emergency = ["no sign-in", "break-glass"].contains(&column);
                let answer = if [TOKEN, INTROSPECT, REVOKE].contains(&route.path.as_str()) {
                    authorise(hospital, &route.path, column, &expired.assertion).await
                } else {
                    sent(request(hospital, &one, token)).await
                };
                let row = rows.entry(place).or_insert_with(|| (one.label.clone(), Vec::new()));
                row.1.push(told(&answer));
                place += 1;
            }
        }
    }
    check(&rows, &routes);
    town.close().await;
}

/// The status; of a Bundle of entries also what became of the entry.
fn told(answer: &Answer) -> String {
    let status = answer.status.as_u16().to_string();
    let body: Value = serde_json::from_slice(&answer.bytes).unwrap_or_default();
    match (body["type"].as_str(), body["entry"][0]["response"]["status"].as_str(), body["total"].as_u64()) {
        (Some("batch-response" | "transaction-response"), Some(entry), _) => {
            format!("{status}:{}", &entry[..3])
        }
        (Some("searchset"), _, Some(total)) => format!("{status}/{total}"),
        _ => status,
    }
}

/// An assertion and a token whose time is over.
struct Expired {
    assertion: String,
    token: String,
}

async fn expired(hospital: &Hospital) -> Expired {
    hospital.clock.set(-2 * 3600);
    let expired = Expired { assertion: hospital.assertion(), token: hospital.token(ALL).await };
    hospital.clock.set(0);
    // The newest block that was heard of while the clock went wrong is heard of anew.
    hospital.comes_to("/Observation?_id=none", 200).await;
    expired
}

fn check(rows: &BTreeMap<usize, (String, Vec<String>)>, routes: &[Route]) {
    for route in routes {
        let label = format!("{} {}", route.method, route.path);
        let mut known = rows.values().map(|(row, _)| row);
        assert!(known.any(|row| row.starts_with(&label)), "{label} has no row");
    }
    let mut text = ABOUT.to_owned();
    let widest = rows.values().map(|(label, _)| label.len()).max().unwrap_or(0);
    let line = |label: &str, cells: Vec<&str>| {
        let mut line = format!("{label:<widest$}");
        for cell in cells {
            line.push_str(&format!(" | {cell:<11}"));
        }
        format!("{}\n", line.trim_end())
    };
    text.push_str(&line("route", COLUMNS.to_vec()));
    for (label, cells) in rows.values() {
        assert_eq!(cells.len(), COLUMNS.len(), "{label}");
        text.push_str(&line(label, cells.iter().map(String::as_str).collect()));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/routes.golden");
    if env::var_os("HORKOS_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "what a route comes to has changed:\n{text}");
}
