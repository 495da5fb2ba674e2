//! This file is where transactions go to a gateway over real nodes: over several charts in one transaction of the ledger or not
//! at all, with patches, conditions and references to what came in before; and what is read anew resolves as it did.

use crate::{
    network::{ADAMS, Network},
    world::{Answer, EC, form, key_set, physician, sent, sign},
};
use client::{
    Client, Host as _, SystemHost,
    keys::{Lock, save_storage},
};
use gateway::{
    smart::{self, Keys, Scopes, TOKEN},
    start::{Config, Running},
};
use ledger::{Event, governance::Params};
use primitives::{ChartId, TxId};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};
use zeroize::Zeroizing;

const NUMBERS: &str = "urn:example:numbers";
const NPI: &str = "http://hl7.org/fhir/sid/us-npi";
const BASE: &str = "https://riverside.example";
const LOINC: &str = "http://loinc.org";

/// A gateway of one hospital over four nodes.
struct Door {
    network: Network,
    config: Config,
    running: Option<Running>,
    http: reqwest::Client,
    token: String,
    jti: AtomicU64,
    reader: Client,
}

impl Door {
    async fn open() -> Self {
        let network = Network::running(Params::default()).await;
        let dir = network.home.path().join("gateway");
        fs::create_dir_all(&dir).unwrap();
        save_storage(&dir.join("gateway.key"), &Zeroizing::new([7; 32]), &Lock::Plain).unwrap();
        let text = format!(
            "format = 1\nhome = {:?}\nsystem = {ADAMS:?}\nlisten = \"127.0.0.1:0\"\npublic = {BASE:?}\ndata = {:?}\nkey = {:?}\nbehind_proxy = true\n",
            network.home.path(),
            dir.join("data"),
            dir.join("gateway.key")
        );
        fs::write(dir.join("gateway.toml"), text).unwrap();
        let config = gateway::start::load_config(&dir.join("gateway.toml")).unwrap();
        let reader = network.client(ADAMS).await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut door = Self {
            network,
            config,
            running: None,
            http,
            token: String::new(),
            jti: AtomicU64::new(0),
            reader,
        };
        door.start().await;
        let app = smart::Client {
            keys: Keys::Inline(key_set()),
            scopes: Scopes::parse("user/*.cruds").unwrap(),
            created: SystemHost.now(),
            ..physician("app")
        };
        door.running().clients().add(&app).unwrap();
        door.token = door.token("user/*.cruds").await;
        door
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    async fn start(&mut self) {
        self.running = Some(Running::start(&self.config, None, SystemHost::shared()).await.unwrap());
    }

    /// Ends the gateway and starts it again; without its working set if so wished.
    async fn again(&mut self, forget: bool) {
        self.running.take().unwrap().stop().await;
        if forget {
            for end in ["", "-wal", "-shm"] {
                let _absent = fs::remove_file(self.config.data.join(format!("working.db{end}")));
            }
        }
        self.start().await;
    }

    async fn token(&self, scope: &str) -> String {
        let now = SystemHost.now().0 / 1000;
        let claims = json!({
            "iss": "app", "sub": "app", "aud": format!("{BASE}{TOKEN}"), "exp": now + 240, "iat": now,
            "jti": format!("jti-{}", self.jti.fetch_add(1, Ordering::SeqCst)),
            "extensions": { "hl7-b2b": { "purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#TREAT"] } },
        });
        let body = form(&[
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &sign(&EC, &claims)),
            ("scope", scope),
        ]);
        let request = self.http.post(format!("http://{}{TOKEN}", self.running().address())).body(body);
        let answer = sent(request.header("content-type", "application/x-www-form-urlencoded")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let url = format!("http://{}/fhir{path}", self.running().address());
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.header("content-type", "application/fhir+json").body(body.to_string());
        }
        sent(request).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.json());
        answer.json()
    }

    /// Posts a Bundle that must be taken; where each entry lies.
    async fn post(&self, bundle: &Value) -> Vec<String> {
        let answer = self.send("POST", "", Some(bundle)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
        let answer = answer.json();
        let entries = answer["entry"].as_array().unwrap().iter();
        entries
            .map(|entry| {
                let location = entry["response"]["location"].as_str().unwrap_or_default();
                location.split("/_history/").next().unwrap().to_owned()
            })
            .collect()
    }

    /// Posts a Bundle that must be refused with this status, and nothing of it be written.
    async fn refused(&self, bundle: &Value, status: u16) {
        let before = self.commits().await;
        let answer = self.send("POST", "", Some(bundle)).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.json());
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
        assert_eq!(self.commits().await, before, "nothing was written anywhere");
    }

    async fn chart(&self, number: &str) -> ChartId {
        self.reader.chart_of_token(&format!("{NUMBERS}|{number}")).await.unwrap().unwrap()
    }

    async fn charts(&self) -> Vec<ChartId> {
        let directory = self.reader.directory_chart().await.unwrap();
        vec![self.chart("1").await, self.chart("2").await, directory]
    }

    /// The transactions by which something was written, chart by chart.
    async fn commits(&self) -> Vec<Vec<TxId>> {
        self.told(|event| matches!(event, Event::Committed(_))).await
    }

    /// The transactions of which the charts' logs tell something of this kind.
    async fn told(&self, is_meant: fn(&Event) -> bool) -> Vec<Vec<TxId>> {
        let mut all = Vec::new();
        for chart in self.charts().await {
            let lines = self.reader.log(chart, 0).await.unwrap();
            let meant = lines.iter().filter(|line| line.event.as_ref().is_some_and(is_meant));
            all.push(meant.map(|line| line.logged.tx).collect());
        }
        all
    }
}

fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({ "resourceType": "Bundle", "type": kind, "entry": entries })
}

fn post(url: &str, resource: Value) -> Value {
    let kind = resource["resourceType"].clone();
    json!({ "fullUrl": url, "resource": resource, "request": { "method": "POST", "url": kind } })
}

fn patient(number: &str) -> Value {
    json!({ "resourceType": "Patient", "identifier": [{ "system": NUMBERS, "value": number }],
        "name": [{ "family": format!("Okafor{number}") }] })
}

fn observation(subject: &str, performer: &str, category: &str) -> Value {
    json!({ "resourceType": "Observation", "status": "final",
        "category": [{ "coding": [{ "code": category }] }],
        "code": { "coding": [{ "system": LOINC, "code": "8867-4" }] },
        "subject": { "reference": subject }, "performer": [{ "reference": performer }] })
}

fn practitioner(npi: &str) -> Value {
    json!({ "resourceType": "Practitioner", "identifier": [{ "system": NPI, "value": npi }],
        "name": [{ "family": format!("Dr{npi}") }] })
}

fn patch(url: &str, operations: &Value) -> Value {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(operations.to_string());
    json!({ "resource": { "resourceType": "Binary", "contentType": "application/json-patch+json", "data": data },
        "request": { "method": "PATCH", "url": url } })
}

/// The entry with an `ifMatch`.
fn matching(mut entry: Value, version: u32) -> Value {
    entry["request"]["ifMatch"] = json!(format!("W/\"{version}\""));
    entry
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_transactions_over_several_charts() {
    let mut door = Door::open().await;
    let directory = [post("urn:uuid:d1", practitioner("1")), post("urn:uuid:d2", practitioner("2"))];
    let doctors = door.post(&bundle("transaction", &directory)).await;
    let first = [
        post("urn:uuid:p1", patient("1")),
        post("urn:uuid:p2", patient("2")),
        post("urn:uuid:o", json!({ "resourceType": "Organization", "name": "Ward 3" })),
        post(
            "urn:uuid:a",
            observation("urn:uuid:p1", &format!("Practitioner?identifier={NPI}|1"), "laboratory"),
        ),
        post("urn:uuid:b", observation("urn:uuid:p2", "urn:uuid:o", "survey")),
        post("urn:uuid:c", observation("urn:uuid:p2", "Practitioner?identifier=2", "vital-signs")),
    ];
    let places = door.post(&bundle("transaction", &first)).await;
    let [one, two, ward, a, b, c] = &places[..] else { panic!("{places:?}") };
    let commits = door.commits().await;
    let last: BTreeSet<TxId> = commits.iter().filter_map(|txs| txs.last().copied()).collect();
    assert_eq!(last.len(), 1, "the three charts were written in one transaction of the ledger");

    one_that_fails_writes_nothing(&door, one, a).await;
    patches_and_conditions(&door, one, a, &doctors).await;
    what_came_in_earlier_is_referred_to(&door, one).await;
    several_restrictions_are_searched_together(&mut door).await;

    // Read anew, references lead where they led: within the chart, into others, and to what came in earlier.
    let links = async |door: &Door| {
        let mut links = Vec::new();
        for (patient, records) in [(one, vec![a]), (two, vec![b, c])] {
            door.get(&format!("/{patient}")).await;
            for record in records {
                let read = door.get(&format!("/{record}")).await;
                links.push((read["subject"]["reference"].clone(), read["performer"][0]["reference"].clone()));
            }
            let found = door.get(&format!("/Observation?patient={patient}&_sort=_id")).await;
            let all = found["entry"].as_array().unwrap().iter();
            links.extend(all.map(|entry| {
                let resource = &entry["resource"];
                (resource["subject"]["reference"].clone(), resource["performer"][0]["reference"].clone())
            }));
        }
        links
    };
    let before = links(&door).await;
    assert_eq!(before[0], (json!(one), json!(doctors[0])));
    door.again(true).await;
    // Which chart a Patient's id is in, the organisation knows; the patient's chart has to be opened first.
    assert_eq!(links(&door).await, before);
    assert!(before.contains(&(json!(two), json!(ward))) && before.contains(&(json!(two), json!(doctors[1]))));

    many_charts_are_opened_by_one_access(&mut door).await;
    synthea_passes_whole(&door).await;
    door.running.take().unwrap().stop().await;
    door.network.stop_all().await;
}

async fn one_that_fails_writes_nothing(door: &Door, one: &str, a: &str) {
    let three = |last: Value| {
        bundle(
            "transaction",
            &[
                post("urn:uuid:x1", observation(one, "urn:uuid:x2", "survey")),
                post("urn:uuid:x2", practitioner("9")),
                last,
            ],
        )
    };
    let to = |subject: &str, performer: &str| post("urn:uuid:x3", observation(subject, performer, "survey"));
    door.refused(&three(to("Patient?identifier=nobody", "urn:uuid:x2")), 412).await;
    door.refused(&three(to(one, "urn:uuid:00000000-0000-0000-0000-000000000000")), 400).await;
    door.refused(&three(to(one, "Practitioner/nobody")), 422).await;
    door.refused(&three(to(one, "Practitioner?family=Dr")), 412).await;
    door.refused(&three(post("urn:uuid:x3", json!({ "resourceType": "Observation" }))), 422).await;
    let mut put = observation(one, "urn:uuid:x2", "survey");
    put["id"] = json!(a.split_once('/').unwrap().1);
    let put = json!({ "resource": put, "request": { "method": "PUT", "url": a } });
    door.refused(&three(matching(put.clone(), 7)), 412).await;
    door.refused(&three(matching(patch(a, &json!([])), 7)), 412).await;
    door.refused(&three(patch(a, &json!([{ "op": "test", "path": "/status", "value": "amended" }]))), 409)
        .await;
    door.refused(&three(patch(a, &json!([{ "op": "remove", "path": "/code" }]))), 422).await;
    door.refused(&bundle("transaction", &[put.clone(), put]), 400).await;
}

async fn patches_and_conditions(door: &Door, one: &str, a: &str, doctors: &[String]) {
    let amend = json!([{ "op": "replace", "path": "/status", "value": "amended" }]);
    let refer = json!([{ "op": "replace", "path": "/performer/0/reference", "value": doctors[0] },
        { "op": "replace", "path": "/status", "value": "amended" }]);
    let entries = [
        matching(patch(a, &amend), 1),
        post("urn:uuid:y1", observation(one, &format!("Practitioner?identifier={NPI}|1"), "survey")),
        patch(
            &format!("Practitioner?identifier={NPI}|2"),
            &json!([{ "op": "add", "path": "/active", "value": true }]),
        ),
        json!({ "resource": practitioner("3"),
            "request": { "method": "POST", "url": "Practitioner", "ifNoneExist": format!("identifier={NPI}|3") } }),
        json!({ "fullUrl": "urn:uuid:y2", "resource": practitioner("1"),
            "request": { "method": "POST", "url": "Practitioner", "ifNoneExist": format!("identifier={NPI}|1") } }),
        json!({ "resource": practitioner("4"),
            "request": { "method": "PUT", "url": format!("Practitioner?identifier={NPI}|4") } }),
        post("urn:uuid:y3", observation(one, "urn:uuid:y2", "survey")),
    ];
    let places = door.post(&bundle("transaction", &entries)).await;
    assert_eq!((&*places[0], &places[2], &places[4]), (a, &doctors[1], &doctors[0]));
    let read = door.get(&format!("/{a}")).await;
    assert_eq!((&read["status"], &read["meta"]["versionId"]), (&json!("amended"), &json!("2")));
    assert_eq!(read["subject"]["reference"], one, "what isn't patched stays");
    assert_eq!(door.get(&format!("/{}", places[6])).await["performer"][0]["reference"], doctors[0]);
    assert_eq!(door.get(&format!("/{}", doctors[1])).await["active"], true);

    // In a batch each stands for itself.
    let entries = [
        patch(&places[1], &refer),
        matching(patch(&places[1], &amend), 9),
        patch(
            &format!("Practitioner?identifier={NPI}|4"),
            &json!([{ "op": "add", "path": "/active", "value": true }]),
        ),
        json!({ "request": { "method": "DELETE", "url": format!("Practitioner?identifier={NPI}|3") } }),
    ];
    let answer = door.send("POST", "", Some(&bundle("batch", &entries))).await.json();
    let statuses: Vec<&str> = answer["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["response"]["status"].as_str().unwrap()[..3])
        .collect();
    assert_eq!(statuses, ["200", "412", "200", "204"], "{answer}");
    let gone =
        json!({ "request": { "method": "DELETE", "url": format!("Practitioner?identifier={NPI}|4") } });
    let updated = json!({ "resource": { "resourceType": "Practitioner", "identifier": [{ "system": NPI, "value": "2" }],
        "id": doctors[1].split_once('/').unwrap().1, "gender": "female" },
        "request": { "method": "PUT", "url": format!("Practitioner?identifier={NPI}|2") } });
    door.post(&bundle("transaction", &[gone, updated])).await;
    let left = door.get("/Practitioner?_sort=_id").await;
    assert_eq!(left["total"], 2, "{left}");
    assert_eq!(door.get(&format!("/{}", doctors[1])).await["gender"], "female");
}

async fn what_came_in_earlier_is_referred_to(door: &Door, one: &str) {
    let later = [post("urn:uuid:z1", observation("urn:uuid:p1", "urn:uuid:o", "survey"))];
    let places = door.post(&bundle("transaction", &later)).await;
    let read = door.get(&format!("/{}", places[0])).await;
    assert_eq!(read["subject"]["reference"], one);
    assert!(read["performer"][0]["reference"].as_str().unwrap().starts_with("Organization/"));
}

async fn several_restrictions_are_searched_together(door: &mut Door) {
    let count = async |door: &Door, path: &str| door.get(path).await["total"].as_u64().unwrap();
    let all = count(door, "/Observation?_total=accurate").await;
    let some = count(door, "/Observation?_total=accurate&category=laboratory,survey").await;
    assert!(some < all);
    let restricted =
        door.token("user/Observation.rs?category=laboratory user/Observation.rs?category=survey").await;
    let whole = std::mem::replace(&mut door.token, restricted);
    assert_eq!(count(door, "/Observation?_total=accurate").await, some);
    assert_eq!(count(door, "/Observation?_total=accurate&category=vital-signs").await, 0);
    assert!(door.get("/Observation?_total=none").await.get("total").is_none());
    door.token = whole;
}

async fn many_charts_are_opened_by_one_access(door: &mut Door) {
    // Visits end with the gateway; what it knows of its own charts stays.
    door.again(false).await;
    let decided: fn(&Event) -> bool = |event| matches!(event, Event::Decided(_));
    let before: Vec<usize> = door.told(decided).await.iter().map(Vec::len).collect();
    let found = door.get("/Observation?code=8867-4&_total=accurate").await;
    assert!(found["total"].as_u64().unwrap() >= 3, "{found}");
    let after = door.told(decided).await;
    let new: Vec<&[TxId]> = after.iter().zip(&before).map(|(txs, before)| &txs[*before..]).collect();
    // The directory is opened with them if it is known again since the working set was lost.
    let [one, two, directory] = new.as_slice() else { panic!("three charts, not {new:?}") };
    assert!(one.len() == 1 && one == two, "one access, in each patient's log: {new:?}");
    assert!(directory.is_empty() || directory == one, "{new:?}");
    // Browsing on costs nothing, and each chart's visit can be explained.
    door.get("/Observation?code=8867-4").await;
    assert_eq!(door.told(decided).await, after);
    for entry in found["entry"].as_array().unwrap() {
        let id = entry["resource"]["id"].as_str().unwrap();
        let why = door.get(&format!("/Observation/{id}/$explain-access")).await;
        assert!(why.to_string().contains(&new[0][0].to_string()), "{why}");
    }
}

/// A patient's bundle as newer generators write it, with practitioners by condition, once these are there.
async fn synthea_passes_whole(door: &Door) {
    let shared = env::var_os("HORKOS_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = shared.join("synthea");
    let Ok(practitioners) = fs::read_to_string(folder.join("practitionerInformation.json")) else {
        println!("skipped: the generated patients aren't on this machine");
        return;
    };
    let practitioners: Value = serde_json::from_str(&practitioners).unwrap();
    let places = door.post(&practitioners).await;
    assert_eq!(places.len(), practitioners["entry"].as_array().unwrap().len());
    let mut smallest: Vec<(u64, PathBuf)> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().contains('_'))
        .map(|entry| (entry.metadata().unwrap().len(), entry.path()))
        .collect();
    smallest.sort();
    for (_, path) in smallest.iter().take(2) {
        let bundle: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let (mut kept, mut conditions) = (Vec::new(), Vec::new());
        for entry in bundle["entry"].as_array().unwrap() {
            let identifier = &entry["resource"]["identifier"][0];
            let kind = entry["resource"]["resourceType"].as_str().unwrap();
            if kind == "Practitioner" {
                let condition = format!(
                    "{kind}?identifier={}|{}",
                    identifier["system"].as_str().unwrap(),
                    identifier["value"].as_str().unwrap()
                );
                conditions.push((entry["fullUrl"].as_str().unwrap().to_owned(), condition));
            } else {
                kept.push(entry.clone());
            }
        }
        let mut text = json!({ "resourceType": "Bundle", "type": "transaction", "entry": kept }).to_string();
        for (url, condition) in &conditions {
            text = text.replace(&format!("\"{url}\""), &json!(condition).to_string());
        }
        assert!(!conditions.is_empty() && text.contains("Practitioner?identifier="));
        let places = door.post(&serde_json::from_str(&text).unwrap()).await;
        assert_eq!(places.len(), kept.len());
        let encounter = places.iter().find(|place| place.starts_with("Encounter/")).unwrap();
        let encounter = door.get(&format!("/{encounter}")).await;
        assert!(!encounter.to_string().contains("urn:uuid:"), "{encounter}");
        assert!(!encounter.to_string().contains("Practitioner?identifier"), "{encounter}");
    }
}
