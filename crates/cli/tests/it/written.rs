//! This file is where resources that nobody here wrote go through the gateway: created, read back as they were written, and
//! found by whatever they are indexed by.

use crate::{
    outside::{Demo, token_at},
    place::Place,
    queries::queries,
    run::{horkos, run},
};
use conformance::search::index;
use fhir::{Limits, json::Document};
use reqwest::{Client, Method, header::CONTENT_TYPE};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

/// Search parameters in one request; together with `_id` fewer than the gateway takes.
const AT_ONCE: usize = 40;
/// For a gateway's configuration: one client asks thousands of questions.
const UNBOUNDED: &str =
    "[visits]\nmissing_min = 0\n[smart]\nper_client = { burst = 1000000, per_sec = 1000000 }\n";
/// Longest value that a request may carry.
const BYTES_MAX: usize = 8000;

/// A message about a patient, whose references are to its own entries.
const KEPT: &str = r#"{"resourceType":"Bundle","type":"collection","entry":[
    {"fullUrl":"urn:uuid:0d7a4a5f-1c11-4d2b-8d39-5f6c7d0c6f5e","resource":{"resourceType":"Patient","active":true}},
    {"fullUrl":"urn:uuid:7d0c6f5e-1f54-4c62-9a43-0d7a4a5f1c11","resource":{"resourceType":"Observation",
        "status":"final","code":{"text":"weight"},"valueQuantity":{"value":61.50},
        "subject":{"reference":"urn:uuid:0d7a4a5f-1c11-4d2b-8d39-5f6c7d0c6f5e"}}}]}"#;

/// A second gateway of the demonstration's hospital, which takes references to what isn't there.
struct Door {
    child: Child,
    public: String,
    home: PathBuf,
    key: PathBuf,
}

impl Door {
    fn open(demo: &Demo) -> Self {
        let Place { host, port } = Place::find(1);
        let public = format!("http://{host}:{port}");
        let home = demo.dir.clone();
        let done = |line: &str| {
            let ran = run(&home, line);
            assert_eq!(ran.status, 0, "{line}: {}", ran.stderr);
        };
        done(&format!(
            "gateway init --config ~/second/gateway.toml --system riverside/registrar --listen {host}:{port}"
        ));
        let config = home.join("second/gateway.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(
            &config,
            format!("behind_proxy = true\n{text}\n[fhir]\ncheck_references = false\n{UNBOUNDED}"),
        )
        .unwrap();
        let key = home.join("riverside-hospital/gateway/demo-app.pem");
        done(
            "gateway client add second --jwks ~/riverside-hospital/gateway/demo-app.jwks.json --scopes user/*.cruds \
             --purpose TREAT --as riverside/dr-adams --role physician --config ~/second/gateway.toml",
        );
        let mut child = horkos(&home)
            .args(["gateway", "start", "--config"])
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the gateway ended before it was ready");
        Self { child, public, home, key }
    }

    fn token(&self) -> String {
        token_at(&self.home, "second", &self.key, &self.public, "user/*.cruds")
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A caller with a token.
struct App {
    http: Client,
    fhir: String,
    token: String,
}

impl App {
    async fn send(&self, method: Method, path: &str, body: Option<(&str, String)>) -> (u16, String) {
        let mut request = self.http.request(method, format!("{}{path}", self.fhir)).bearer_auth(&self.token);
        if let Some((media, body)) = body {
            request = request.header(CONTENT_TYPE, media).body(body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn post(&self, path: &str, body: String) -> (u16, String) {
        self.send(Method::POST, path, Some(("application/fhir+json", body))).await
    }

    /// The resource, or the status of the refusal.
    async fn read(&self, place: &str) -> Result<String, u16> {
        let (status, text) = self.send(Method::GET, &format!("/{place}"), None).await;
        if status == 200 { Ok(text) } else { Err(status) }
    }

    /// Finds a resource by everything that it is indexed by; the number of queries.
    async fn find(&self, place: &str, text: &str) -> Result<usize, String> {
        let (kind, id) = place.split_once('/').unwrap();
        let document = Document::read(text, &Limits::default()).unwrap();
        let index = index(document.root()).unwrap();
        let mut asked: Vec<(String, String)> = Vec::new();
        for row in &index.rows {
            let all = queries(&row.value).into_iter().filter(|(_, value)| value.len() < BYTES_MAX);
            asked.extend(all.map(|(modifier, value)| (format!("{}{modifier}", row.param.code), value)));
        }
        asked.sort();
        asked.dedup();
        for some in asked.chunks(AT_ONCE) {
            if let Err(said) = self.found(kind, id, some).await {
                // Which of them?
                for one in some {
                    self.found(kind, id, std::slice::from_ref(one))
                        .await
                        .map_err(|said| format!("{place} isn't found by {one:?}: {said}"))?;
                }
                return Err(format!("{place} is found by each of {some:?}, and not by all: {said}"));
            }
        }
        Ok(asked.len())
    }

    async fn found(&self, kind: &str, id: &str, asked: &[(String, String)]) -> Result<(), String> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("_id", id).append_pair("_elements", "id").extend_pairs(asked);
        let media = "application/x-www-form-urlencoded";
        let path = format!("/{kind}/_search?_count=2");
        let (status, text) = self.send(Method::POST, &path, Some((media, form.finish()))).await;
        let bundle: Value = serde_json::from_str(&text).unwrap_or_default();
        let is_it = bundle.pointer("/entry/0/resource/id").and_then(Value::as_str) == Some(id);
        // An outcome beside the match would say that something was passed over.
        let alone = bundle["entry"].as_array().is_some_and(|entries| entries.len() == 1);
        if status == 200 && is_it && alone { Ok(()) } else { Err(format!("{status} {text}")) }
    }
}

/// A resource without what the server says of it itself.
fn bare(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    let object = value.as_object_mut().unwrap();
    object.remove("id");
    if let Some(meta) = object.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("versionId");
        meta.remove("lastUpdated");
    }
    if object.get("meta") == Some(&json!({})) {
        object.remove("meta");
    }
    value
}

/// Resolves the references of what was written: those to entries of the same bundle as `links` say, conditional ones as
/// they were read, if that is a resource of the type.
fn resolve(written: &mut Value, read: &Value, links: &BTreeMap<String, String>) {
    match written {
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                let read = read.get(name).unwrap_or(&Value::Null);
                if name == "div"
                    && let Some(text) = value.as_str()
                {
                    // Links in the narrative are resolved too.
                    let quoted = |text: &str| format!("\"{text}\"");
                    let resolved = links
                        .iter()
                        .fold(text.to_owned(), |text, (from, to)| text.replace(&quoted(from), &quoted(to)));
                    *value = resolved.into();
                    continue;
                }
                let text = value.as_str().filter(|_| matches!(name.as_str(), "reference" | "url"));
                let conditional = text.and_then(|text| text.split_once('?')).map(|(kind, _)| kind.to_owned());
                if let Some(place) = text.and_then(|text| links.get(text)) {
                    *value = Value::from(place.as_str());
                } else if let Some(kind) = conditional {
                    let found = read.as_str().and_then(|place| place.split_once('/')).map(|(kind, _)| kind);
                    assert_eq!(found, Some(kind.as_str()), "{value}");
                    *value = read.clone();
                } else {
                    resolve(value, read, links);
                }
            }
        }
        Value::Array(array) => {
            for (at, value) in array.iter_mut().enumerate() {
                resolve(value, read.get(at).unwrap_or(&Value::Null), links);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn place_of(location: &str) -> String {
    let place = location.split("/_history/").next().unwrap();
    let mut steps = place.rsplit('/');
    let id = steps.next().unwrap();
    format!("{}/{id}", steps.next().unwrap())
}

/// JSON files of a folder, sorted, each with its name.
fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<(String, String)> = entries
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// Posts each resource by itself; lines of those refused, with the reason, and what is wrong with the others.
async fn singles(app: &App, files: &[(String, String)]) -> (String, Vec<String>) {
    let (mut refused, mut asked, mut wrong) = (String::new(), 0, Vec::new());
    for (name, text) in files {
        let kind = name.split('-').next().unwrap();
        let (status, answer) = app.post(&format!("/{kind}"), text.clone()).await;
        let body: Value = serde_json::from_str(&answer).unwrap();
        if status != 201 {
            let issue = &body["issue"][0];
            let said = format!("{} {}", issue["expression"][0], issue["diagnostics"]).replace('"', "");
            refused.push_str(&format!("{name}: {status} {} {said}\n", issue["code"].as_str().unwrap()));
            continue;
        }
        let place = format!("{kind}/{}", body["id"].as_str().unwrap());
        let found = match app.read(&place).await {
            Ok(read) if bare(&read) == bare(text) => app.find(&place, &read).await,
            Ok(read) => Err(format!("it comes back otherwise: {read}")),
            Err(status) => Err(format!("{status} when it is read")),
        };
        match found {
            Ok(queries) => asked += queries,
            Err(said) => wrong.push(format!("{name}: {said}")),
        }
    }
    eprintln!("{} resources, {asked} queries", files.len());
    (refused, wrong)
}

/// A text of an entry's resource.
fn text_of(entry: &Value, name: &str) -> String {
    entry["resource"][name].as_str().unwrap().to_owned()
}

/// Posts a bundle as a transaction, what is a collection with the ids that it has.
async fn whole(app: &App, name: &str, text: &str) -> usize {
    let mut bundle: Value = serde_json::from_str(text).unwrap();
    if bundle["type"] != "transaction" {
        // The story has taken these ids already.
        let ids: Vec<String> =
            bundle["entry"].as_array().unwrap().iter().map(|entry| text_of(entry, "id")).collect();
        let renamed =
            ids.iter().fold(text.to_owned(), |text, id| text.replace(id, &format!("again-{}", &id[..8])));
        bundle = serde_json::from_str(&renamed).unwrap();
        bundle["type"] = "transaction".into();
        for entry in bundle["entry"].as_array_mut().unwrap() {
            let place = format!("{}/{}", text_of(entry, "resourceType"), text_of(entry, "id"));
            entry["request"] = json!({ "method": "PUT", "url": place });
        }
    }
    let (status, answer) = app.post("", bundle.to_string()).await;
    assert_eq!(status, 200, "{name}: {answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let entries = bundle["entry"].as_array().unwrap();
    let places: Vec<String> = answer["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| place_of(entry["response"]["location"].as_str().unwrap()))
        .collect();
    let links: BTreeMap<String, String> = entries
        .iter()
        .zip(&places)
        .filter_map(|(entry, place)| Some((entry["fullUrl"].as_str()?.to_owned(), place.clone())))
        .collect();
    let mut asked = 0;
    for (entry, place) in entries.iter().zip(&places) {
        let read = app.read(place).await.unwrap();
        let (read_bare, mut written) = (bare(&read), bare(&entry["resource"].to_string()));
        resolve(&mut written, &read_bare, &links);
        assert_eq!(read_bare, written, "{name} {place}");
        asked += app.find(place, &read).await.unwrap();
    }
    asked
}

#[test]
fn heavy_what_is_written_comes_back_and_is_found_golden_or_skip() {
    let home = tempfile::tempdir().unwrap();
    let demo = Demo::start(home.path(), &["--validators", "1"]);
    let door = Door::open(&demo);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = env::var_os("HORKOS_TEST_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let examples = files(&shared.join("fhir-examples"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = || App { http: Client::new(), fhir: format!("{}/fhir", door.public), token: door.token() };
    runtime.block_on(async {
        let app = app();
        let mut asked = 0;
        // The story has brought them in already; the directory comes last, or what the others name would be there twice.
        let (directories, patients): (Vec<_>, Vec<_>) =
            files(&root.join("data/bundles")).into_iter().partition(|(name, _)| name.contains("directory"));
        for (name, text) in patients.iter().chain(&directories) {
            asked += whole(&app, name, text).await;
        }
        assert!(asked > 1000, "{asked}");
        // A Bundle that is to be kept as it is, not carried out.
        let kept = ("Bundle-kept".to_owned(), KEPT.to_owned());
        let (refused, wrong) = singles(&app, &[kept]).await;
        assert!(refused.is_empty() && wrong.is_empty(), "{refused} {wrong:?}");
    });
    if examples.is_empty() {
        eprintln!("skipped: no `fhir-examples` in {}; set HORKOS_TEST_DATA", shared.display());
        return;
    }
    let (mut refused, mut wrong) = (String::new(), Vec::new());
    for some in examples.chunks(50) {
        // A token lasts minutes.
        let (lines, more) = runtime.block_on(singles(&app(), some));
        refused.push_str(&lines);
        wrong.extend(more);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/examples.golden");
    if env::var_os("HORKOS_BLESS").is_some() {
        fs::write(&path, &refused).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(golden, refused, "other examples are refused; look at it, then run `cargo xtask goldens`");
}
