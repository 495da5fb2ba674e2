//! This file is where the gateway's manners are tried over a real network: every error is an OperationOutcome with the right
//! status and code, the same in a batch as by itself; and headers mean what FHIR and HTTP say.

use crate::{
    town::{ALL, Hospital, NUMBERS, Town, observation, patient},
    world::{Answer, sent},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gateway::http::Rate;
use primitives::Span;
use serde_json::{Value, json};

const ORIGIN: &str = "https://app.example";

/// An error: what is asked, what more stands in a batch's entry, and status and code of the outcome.
struct Wrong {
    method: &'static str,
    path: String,
    /// Header, field of an entry's request, and value.
    condition: Option<(&'static str, &'static str, String)>,
    body: Option<Value>,
    status: u16,
    code: &'static str,
}

fn wrong(method: &'static str, path: impl Into<String>, status: u16, code: &'static str) -> Wrong {
    Wrong { method, path: path.into(), condition: None, body: None, status, code }
}

fn with(body: Value, wrong: Wrong) -> Wrong {
    Wrong { body: Some(body), ..wrong }
}

fn changed(mut value: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut value);
    value
}

/// The errors that an entry of a batch can make, too. `p` is a patient, `o` an Observation of hers in its first version, and
/// `d` a deleted one.
fn wrongs(p: &str, o: &str, d: &str) -> Vec<Wrong> {
    let content = || observation(p, "1-1", None);
    let named = |id: &str| changed(content(), |value| value["id"] = json!(id));
    let stale = Some(("if-match", "ifMatch", "W/\"9\"".to_owned()));
    let twice = Some(("if-none-exist", "ifNoneExist", "name=Nneka".to_owned()));
    let patch = json!([{ "op": "test", "path": "/status", "value": "amended" }]);
    let no_patch = json!([{ "op": "replace", "path": "/nowhere/to/go", "value": 1 }]);
    vec![
        wrong("GET", "Observation/nobody", 404, "not-found"),
        wrong("GET", "Nothing/1", 404, "not-found"),
        wrong("GET", "Patient/$nothing", 404, "not-found"),
        wrong("GET", format!("Observation/{o}/_history/99"), 404, "not-found"),
        wrong("GET", format!("Observation/{d}"), 410, "deleted"),
        wrong("GET", "Observation/a_b", 400, "invalid"),
        wrong("GET", "Observation?date=someday", 400, "invalid"),
        wrong("GET", "Observation?_cursor=1", 400, "invalid"),
        wrong("GET", "Observation/_history?_cursor=1.1.1", 400, "invalid"),
        wrong("GET", format!("Patient/{p}/$everything?_cursor=1"), 400, "invalid"),
        wrong("GET", format!("Patient/{p}/$everything?_type=Nobody"), 400, "invalid"),
        wrong("GET", format!("Observation/{o}/_history?_since=yesterday"), 400, "invalid"),
        wrong("DELETE", "metadata", 405, "not-supported"),
        wrong("DELETE", "Observation", 400, "invalid"),
        with(
            changed(content(), |value| value["status"] = json!(null)),
            wrong("POST", "Observation", 422, "structure"),
        ),
        with(
            changed(content(), |value| drop(value.as_object_mut().map(|value| value.remove("status")))),
            wrong("POST", "Observation", 422, "required"),
        ),
        with(
            changed(content(), |value| value["surprise"] = json!(1)),
            wrong("POST", "Observation", 422, "structure"),
        ),
        with(
            changed(content(), |value| value["status"] = json!("perhaps")),
            wrong("POST", "Observation", 422, "code-invalid"),
        ),
        with(content(), wrong("POST", "Patient", 400, "invalid")),
        with(observation("nobody", "1-1", None), wrong("POST", "Observation", 422, "not-found")),
        with(content(), wrong("PUT", format!("Observation/{o}"), 400, "invalid")),
        with(named("another"), wrong("PUT", format!("Observation/{o}"), 400, "invalid")),
        with(
            named(&format!("x.{}", "0".repeat(40))),
            wrong("PUT", format!("Observation/x.{}", "0".repeat(40)), 403, "business-rule"),
        ),
        Wrong {
            condition: stale.clone(),
            ..with(named(o), wrong("PUT", format!("Observation/{o}"), 412, "conflict"))
        },
        Wrong { condition: stale, ..wrong("DELETE", format!("Observation/{o}"), 412, "conflict") },
        Wrong { condition: twice, ..with(patient("7"), wrong("POST", "Patient", 412, "multiple-matches")) },
        with(patch, wrong("PATCH", format!("Observation/{o}"), 409, "conflict")),
        with(no_patch, wrong("PATCH", format!("Observation/{o}"), 422, "processing")),
    ]
}

fn single(hospital: &Hospital, wrong: &Wrong) -> reqwest::RequestBuilder {
    let mut request = hospital.ask(wrong.method, &format!("/{}", wrong.path));
    if let Some((name, _, value)) = &wrong.condition {
        request = request.header(*name, value);
    }
    let kind = if wrong.method == "PATCH" { "application/json-patch+json" } else { "application/fhir+json" };
    match &wrong.body {
        Some(body) => request.header("content-type", kind).body(body.to_string()),
        None => request,
    }
}

fn entry(wrong: &Wrong) -> Value {
    let mut entry = json!({ "request": { "method": wrong.method, "url": wrong.path } });
    if let Some((_, field, value)) = &wrong.condition {
        entry["request"][field] = json!(value);
    }
    if let Some(body) = &wrong.body {
        entry["resource"] = if wrong.method == "PATCH" {
            let data = STANDARD.encode(body.to_string());
            json!({ "resourceType": "Binary", "contentType": "application/json-patch+json", "data": data })
        } else {
            body.clone()
        };
    }
    entry
}

/// What is wrong with an outcome that is to have an issue of this code first, if anything.
fn flaw(answer: &Answer, status: u16, code: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&answer.bytes);
    let body: Value = serde_json::from_slice(&answer.bytes).unwrap_or_default();
    let issue = &body["issue"][0];
    let is_good = answer.status.as_u16() == status
        && answer.header("content-type").starts_with("application/fhir+json")
        && body["resourceType"] == "OperationOutcome"
        && (&issue["code"], &issue["severity"]) == (&json!(code), &json!("error"))
        && issue["diagnostics"].as_str().is_some_and(|said| !said.is_empty());
    (!is_good).then(|| format!("{} instead of {status} {code}: {text}", answer.status))
}

fn assert_outcome(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!(flaw(answer, status, code), None, "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_errors_and_headers_are_as_fhir_says() {
    let town = Town::with(|config| {
        config.visits.missing_min = Span(1);
        config.cors = vec![ORIGIN.to_owned()];
        if config.system.starts_with("lakeside") {
            (config.behind_proxy, config.per_address) = (false, Rate { burst: 10, per_sec: 1 });
        }
    })
    .await;
    let riverside = &town.riverside;
    let p = riverside.create(&patient("1")).await;
    riverside.create(&patient("2")).await;
    let o = riverside.create(&observation(&p, "1-1", None)).await;
    let d = riverside.create(&observation(&p, "1-2", None)).await;
    assert_eq!(sent(riverside.ask("DELETE", &format!("/Observation/{d}"))).await.status, 204);

    let wrongs = wrongs(&p, &o, &d);
    let entries: Vec<Value> = wrongs.iter().map(entry).collect();
    let batch = json!({ "resourceType": "Bundle", "type": "batch", "entry": entries });
    let together = riverside.send("POST", "", &batch).await;
    assert_eq!(together.status, 200);
    let together = together.json();
    let mut flaws = Vec::new();
    for (at, wrong) in wrongs.iter().enumerate() {
        let alone = sent(single(riverside, wrong)).await;
        let response = &together["entry"][at]["response"];
        let status = response["status"].as_str().unwrap_or_default();
        let differs = (!status.starts_with(&wrong.status.to_string()) || response["outcome"] != alone.json())
            .then(|| format!("in a batch {response}"));
        let flaws_here = [flaw(&alone, wrong.status, wrong.code), differs];
        flaws.extend(
            flaws_here.into_iter().flatten().map(|flaw| format!("{} {}: {flaw}", wrong.method, wrong.path)),
        );
    }
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
    println!("{} errors, alike alone and in a batch", wrongs.len());

    alone(riverside, &o).await;
    scopes(riverside, &o).await;
    headers(riverside, &p, &o).await;
    preferences(riverside, &p).await;
    web_pages(riverside, &o).await;
    throttled(&town.lakeside).await;
    town.close().await;
}

/// Errors that no entry of a batch can make.
async fn alone(hospital: &Hospital, o: &str) {
    let read = format!("/Observation/{o}");
    let url = hospital.at(&format!("/fhir{read}"));
    let nobody = sent(hospital.http.get(&url)).await;
    assert_outcome(&nobody, 401, "login", "no token");
    assert!(nobody.header("www-authenticate").starts_with("Bearer"));
    assert_outcome(
        &sent(hospital.http.get(&url).bearer_auth("x".repeat(43))).await,
        401,
        "login",
        "no such token",
    );
    let xml = hospital.ask("GET", &read).header("accept", "application/fhir+xml");
    assert_outcome(&sent(xml).await, 406, "not-supported", "XML wanted");
    let post = |kind: &str, body: &str| {
        sent(hospital.ask("POST", "/Observation").header("content-type", kind).body(body.to_owned()))
    };
    assert_outcome(&post("application/fhir+xml", "<x/>").await, 415, "not-supported", "XML sent");
    for (body, why) in [
        ("{", "cut off"),
        ("[]", "no object"),
        (r#"{"resourceType":"Observation","resourceType":"Observation"}"#, "a key twice"),
        (&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)), "too deep"),
    ] {
        assert_outcome(&post("application/fhir+json", body).await, 400, "structure", why);
    }
    let unknown = "/Observation?nonsense=1";
    let strict = hospital.ask("GET", unknown).header("prefer", "handling=strict");
    assert_eq!(sent(strict).await.status, 400);
    let lenient = hospital.get(unknown).await.json();
    let own = lenient["link"][0]["url"].as_str().unwrap();
    assert!(!own.contains("nonsense"), "{own}");
    let outcome =
        lenient["entry"].as_array().into_iter().flatten().find(|entry| entry["search"]["mode"] == "outcome");
    assert!(outcome.is_some_and(|outcome| outcome.to_string().contains("nonsense")), "{lenient}");
    assert_outcome(&sent(hospital.http.get(hospital.at("/nowhere"))).await, 404, "not-found", "no route");
}

/// A batch is no way around a token's scopes.
async fn scopes(hospital: &Hospital, o: &str) {
    let token = hospital.token("user/Observation.rs").await;
    let narrow = |method: &str, path: &str| {
        let method: reqwest::Method = method.parse().unwrap();
        hospital.http.request(method, hospital.at(&format!("/fhir{path}"))).bearer_auth(&token)
    };
    assert_eq!(sent(narrow("GET", &format!("/Observation/{o}"))).await.status, 200);
    let alone = sent(narrow("DELETE", &format!("/Observation/{o}"))).await;
    assert_outcome(&alone, 403, "forbidden", "delete without the scope");
    let entry = json!({ "request": { "method": "DELETE", "url": format!("Observation/{o}") } });
    for kind in ["batch", "transaction"] {
        let bundle = json!({ "resourceType": "Bundle", "type": kind, "entry": [entry] });
        let request = narrow("POST", "").header("content-type", "application/fhir+json");
        let answer = sent(request.body(bundle.to_string())).await;
        match kind {
            "batch" => assert_eq!(answer.json()["entry"][0]["response"]["outcome"], alone.json()),
            _ => assert_outcome(&answer, 403, "forbidden", "a transaction without the scope"),
        }
    }
    let included =
        sent(narrow("GET", &format!("/Observation?_id={o}&_include=Observation:subject"))).await.json();
    assert_eq!(included["entry"].as_array().map(Vec::len), Some(1), "{included}");
}

async fn headers(hospital: &Hospital, p: &str, o: &str) {
    let read = format!("/Observation/{o}");
    let answer = sent(hospital.ask("GET", &read).header("x-request-id", "a-request-of-mine")).await;
    assert_eq!(answer.header("x-request-id"), "a-request-of-mine");
    assert_eq!(answer.header("etag"), "W/\"1\"");
    let modified = answer.header("last-modified").to_owned();
    assert!(modified.ends_with(" GMT"), "{modified}");
    for (name, value) in [("if-none-match", "W/\"1\""), ("if-modified-since", modified.as_str())] {
        let unchanged = sent(hospital.ask("GET", &read).header(name, value)).await;
        assert_eq!((unchanged.status.as_u16(), unchanged.bytes.len()), (304, 0), "{name}");
        assert_eq!(unchanged.header("etag"), "W/\"1\"");
    }
    assert_eq!(sent(hospital.ask("GET", &read).header("if-none-match", "W/\"2\"")).await.status, 200);
    let head = sent(hospital.ask("HEAD", &read)).await;
    assert_eq!((head.status.as_u16(), head.bytes.len(), head.header("etag")), (200, 0, "W/\"1\""));
    let created = hospital.send("POST", "/Observation", &observation(p, "1-3", None)).await;
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let location = format!("{}/fhir/Observation/{id}/_history/1", crate::town::public(hospital.org));
    assert_eq!(created.header("location"), location);
    assert!(!created.header("last-modified").is_empty());
    assert_eq!(created.json()["meta"]["versionId"], "1");
    let mut second = observation(p, "1-4", None);
    second["id"] = json!(id);
    let update = hospital.with("PUT", &format!("/Observation/{id}"), &second).header("if-match", "W/\"1\"");
    let updated = sent(update).await;
    assert_eq!((updated.status.as_u16(), updated.header("etag")), (200, "W/\"2\""));
    let zipped = sent(hospital.ask("GET", "/metadata").header("accept-encoding", "gzip")).await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert_eq!(zipped.bytes[..2], [0x1f, 0x8b]);
    for wished in ["application/json", "application/fhir+json; fhirVersion=4.0", "*/*"] {
        let answer = sent(hospital.ask("GET", &read).header("accept", wished)).await;
        assert_eq!(answer.status, 200, "{wished}");
    }
    assert_eq!(hospital.get(&format!("{read}?_format=xml")).await.status, 406);
}

async fn preferences(hospital: &Hospital, p: &str) {
    for (wish, expected) in [
        ("return=minimal", None),
        ("return=representation", Some("Observation")),
        ("return=OperationOutcome", Some("OperationOutcome")),
        ("respond-async", Some("Observation")),
    ] {
        let create = hospital.with("POST", "/Observation", &observation(p, "1-5", None));
        let created = sent(create.header("prefer", wish)).await;
        assert_eq!(created.status, 201, "{wish}");
        assert!(!created.header("location").is_empty() && created.header("etag") == "W/\"1\"", "{wish}");
        match expected {
            None => assert!(created.bytes.is_empty(), "{wish}"),
            Some(kind) => assert_eq!(created.json()["resourceType"], kind, "{wish}"),
        }
    }
}

/// Web pages of one origin may call, with every header that the gateway reads.
async fn web_pages(hospital: &Hospital, o: &str) {
    let read = format!("/Observation/{o}");
    let wanted = "authorization,content-type,if-match,if-none-exist,prefer,x-break-glass,x-request-id";
    for (origin, may) in [(ORIGIN, true), ("https://evil.example", false)] {
        let asked = hospital
            .http
            .request(reqwest::Method::OPTIONS, hospital.at(&format!("/fhir{read}")))
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", wanted);
        let asked = sent(asked).await;
        assert_eq!(asked.header("access-control-allow-origin") == origin, may, "{origin}");
        let allowed = asked.header("access-control-allow-headers").to_owned();
        for name in wanted.split(',') {
            assert!(allowed.split(',').any(|known| known.trim() == name), "{name} in {allowed}");
        }
        let answer = sent(hospital.ask("GET", &read).header("origin", origin)).await;
        assert_eq!(answer.header("access-control-allow-origin") == origin, may, "{origin}");
    }
    let answer =
        sent(hospital.ask("GET", &format!("/Patient?identifier={NUMBERS}|1")).header("origin", ORIGIN)).await;
    assert!(answer.header("access-control-expose-headers").contains("etag"));
}

/// Who comes too often is told to wait, in FHIR's words.
async fn throttled(hospital: &Hospital) {
    let mut refused = None;
    for _ in 0..30 {
        let answer = hospital.get("/metadata").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 200);
    }
    let refused = refused.unwrap();
    assert_outcome(&refused, 429, "throttled", "too often");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|secs| secs > 0));
    // The routes of authorisation say it in OAuth's words.
    let token = hospital.ask_token(&hospital.assertion(), ALL).await;
    assert_eq!((token.status.as_u16(), &token.json()["error"]), (429, &json!("temporarily_unavailable")));
}
