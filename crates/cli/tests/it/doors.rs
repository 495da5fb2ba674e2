//! This file is where a gateway's process stands before a node's, with an app that comes in by it.

use crate::{
    nodes::{Network, Running, done, told},
    place::Place,
    run::horkos,
};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// A gateway, laid out, with an app registered.
pub(crate) struct Door {
    pub(crate) config: PathBuf,
    pub(crate) public: String,
    key: PathBuf,
}

/// An app with its token.
pub(crate) struct App {
    base: String,
    token: String,
    http: reqwest::Client,
}

/// An answer of the gateway.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Door {
    /// Lays out a gateway whose app acts for a practitioner.
    pub(crate) fn lay(network: &Network, system: &str, doctor: &str) -> Self {
        let home = network.home.path();
        let dir = home.join("doors").join(system.replace('/', "-"));
        let Place { host, port } = Place::find(1);
        let (config, public) = (dir.join("gateway.toml"), format!("http://{host}:{port}"));
        done(
            home,
            &format!("gateway init --config {} --system {system} --listen {host}:{port}", config.display()),
        );
        let (key, keys) = (dir.join("app.pem"), dir.join("app.jwks.json"));
        fs::write(&keys, make_key(&key).to_string()).unwrap();
        let mut add = horkos(home);
        add.args(["gateway", "client", "add", "app", "--scopes", "user/*.cruds", "--purpose", "TREAT"]);
        add.args(["--as", doctor, "--role", "physician", "--jwks"]).arg(&keys).arg("--config").arg(&config);
        assert!(add.status().unwrap().success());
        Self { config, public, key }
    }

    pub(crate) fn start(&self, home: &Path) -> Running {
        let mut command = horkos(home);
        command.args(["gateway", "start", "--config"]).arg(&self.config);
        Running::start(&mut command, self.config.parent().unwrap())
    }

    /// The file of its working set, and what SQLite keeps beside it.
    pub(crate) fn lose_working_set(&self) {
        for end in ["", "-wal", "-shm"] {
            let file = self.config.with_file_name(format!("gateway/working.db{end}"));
            if file.exists() {
                fs::remove_file(file).unwrap();
            }
        }
    }

    pub(crate) fn app(&self, home: &Path) -> App {
        let line =
            format!("gateway token --client app --key {} --gateway {}", self.key.display(), self.public);
        let answer = told(home, &format!("{line} --scopes user/*.cruds"));
        App {
            base: format!("{}/fhir", self.public),
            token: answer["access_token"].as_str().unwrap().to_owned(),
            http: reqwest::Client::new(),
        }
    }
}

impl App {
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.send_as(method, path, body, &[]).await
    }

    pub(crate) async fn send_as(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            let kind =
                if method == "PATCH" { "application/json-patch+json" } else { "application/fhir+json" };
            request = request.header("content-type", kind).body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        Answer { status, text: response.text().await.unwrap() }
    }

    /// What is read with 200.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    /// What a search finds.
    pub(crate) async fn found(&self, path: &str) -> Vec<Value> {
        let bundle = self.get(path).await;
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries.into_iter().map(|entry| entry["resource"].clone()).collect()
    }

    /// Posts what is taken, and gives where each resource lies now.
    pub(crate) async fn post(&self, bundle: &Value) -> Vec<String> {
        let answer = self.send("POST", "", Some(bundle)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let entries = answer.json()["entry"].as_array().cloned().unwrap();
        let location = |entry: &Value| {
            let location = entry["response"]["location"].as_str().unwrap();
            location.split("/_history/").next().unwrap().to_owned()
        };
        entries.iter().map(location).collect()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// A transaction of these resources, each under its fullUrl.
pub(crate) fn transaction(entries: &[(&str, Value)]) -> Value {
    let entry = |(url, resource): &(&str, Value)| {
        json!({
            "fullUrl": url,
            "resource": resource,
            "request": { "method": "POST", "url": resource["resourceType"] },
        })
    };
    json!({
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": entries.iter().map(entry).collect::<Vec<_>>(),
    })
}

/// A key in PEM that only its owner may read, and its public half as a JWK Set.
fn make_key(path: &Path) -> Value {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
    let text = STANDARD.encode(pkcs8.as_ref());
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    write!(file, "-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n").unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    let point = key.public_key().as_ref();
    let kid = primitives::hash(primitives::domain::BLOB, &[b"key id", point]).to_string();
    let half = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 48]);
    json!({ "keys": [{
        "kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": &kid[..16], "x": half(1), "y": half(49),
    }] })
}
