//! This file is where tests get a server on loopback, clients with keys, a clock that they set, and signed assertions.

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair},
};
use axum::{
    Json, Router,
    routing::{get, post},
};
use client::{Host, SystemHost, host::Work};
use futures::future::BoxFuture;
use gateway::{
    http::{Bounds, IssueCode, Options, Payload, Refusal, RequestId, Server, serve},
    smart::{Authority, Bearer, Client, Clients, Keys, Principal, Scopes, Settings, TOKEN, router},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use ledger::consent::Purpose;
use primitives::{Millis, Span};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

pub(crate) const PUBLIC: &str = "https://fhir.riverside.example";
pub(crate) const START: Millis = Millis(1_790_000_000_000);

/// A machine whose clock stands until a test moves it.
pub(crate) struct Clock(AtomicU64);

impl Clock {
    pub(crate) fn shared() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(START.0)))
    }

    pub(crate) fn forward(&self, span: Span) {
        self.0.fetch_add(span.0, Ordering::SeqCst);
    }
}

impl Host for Clock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }

    fn fill(&self, bytes: &mut [u8]) {
        SystemHost.fill(bytes);
    }

    fn sleep(&self, span: Span) -> BoxFuture<'static, ()> {
        SystemHost.sleep(span)
    }

    fn run(&self, work: Work) {
        SystemHost.run(work);
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        SystemHost.spawn(task);
    }
}

/// A client's key: what signs, and the public part.
pub(crate) struct Pair {
    pub(crate) algorithm: Algorithm,
    pub(crate) signs: EncodingKey,
    pub(crate) jwk: Value,
}

fn pair(algorithm: Algorithm, kid: &str, signs: EncodingKey) -> Pair {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&signs, algorithm).unwrap()).unwrap();
    jwk["kid"] = json!(kid);
    Pair { algorithm, signs, jwk }
}

fn rsa(kid: &str) -> Pair {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().unwrap();
    // RFC 8017's form lies in PKCS#8 behind 26 bytes of header, for a key of this size.
    pair(Algorithm::RS384, kid, EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]))
}

fn ec(kid: &str) -> Pair {
    let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    pair(Algorithm::ES384, kid, EncodingKey::from_ec_der(key.to_pkcs8v1().unwrap().as_ref()))
}

/// Keys that all tests share, as making them takes a while.
pub(crate) static RSA: LazyLock<Pair> = LazyLock::new(|| rsa("rsa"));
pub(crate) static EC: LazyLock<Pair> = LazyLock::new(|| ec("ec"));
/// A key that nobody registered.
pub(crate) static STRANGE: LazyLock<Pair> = LazyLock::new(|| ec("ec"));

pub(crate) fn key_set() -> String {
    json!({ "keys": [RSA.jwk, EC.jwk] }).to_string()
}

/// A client that acts for a physician, for treatment and operations.
pub(crate) fn physician(id: &str) -> Client {
    Client {
        id: id.parse().unwrap(),
        name: "Ward round".to_owned(),
        keys: Keys::Inline(key_set()),
        scopes: Scopes::parse("system/*.rs system/Observation.cruds user/Patient.r").unwrap(),
        purposes: [Purpose::Treatment, Purpose::Operations].into(),
        principal: Principal::Practitioner {
            profile: "riverside/dr-adams".to_owned(),
            role: "physician".parse().unwrap(),
        },
        may_introspect: false,
        may_vouch: false,
        enabled: true,
        created: START,
    }
}

/// A client that acts for its organisation and may ask about all tokens.
pub(crate) fn system(id: &str) -> Client {
    Client {
        name: "Night export".to_owned(),
        scopes: Scopes::parse("system/Observation.rs?category=laboratory").unwrap(),
        purposes: [Purpose::Operations].into(),
        principal: Principal::System,
        may_introspect: true,
        may_vouch: false,
        ..physician(id)
    }
}

async fn who(Bearer(grant): Bearer, id: axum::Extension<RequestId>) -> Json<Value> {
    Json(json!({
        "client": grant.client.as_str(),
        "name": grant.client_name,
        "scopes": grant.scopes.to_string(),
        "purpose": grant.purpose.code(),
        "profile": grant.principal.profile().map(|name| name.to_string()),
        "request": id.0.as_str(),
    }))
}

async fn echo(Payload(body): Payload) -> String {
    body.len().to_string()
}

async fn refuse() -> Refusal {
    Refusal::new(StatusCode::IM_A_TEAPOT, IssueCode::BusinessRule, "w".repeat(5000)).retry_after(3)
}

async fn fall() -> String {
    panic!("as the test wants it")
}

/// A server on loopback.
pub(crate) struct World {
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) server: Server,
    pub(crate) http: reqwest::Client,
    pub(crate) dir: TempDir,
    jti: AtomicU64,
}

pub(crate) fn options() -> Options {
    Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        public: PUBLIC.parse().unwrap(),
        tls: None,
        cors: Vec::new(),
        bounds: Bounds { body_bytes_max: 100_000, per_address: None, ..Bounds::default() },
    }
}

pub(crate) async fn world() -> World {
    world_of(Settings::default(), options()).await
}

pub(crate) async fn world_of(settings: Settings, options: Options) -> World {
    let dir = TempDir::new().unwrap();
    let clients = Clients::open(&dir.path().join("accounts.sqlite"), None).unwrap();
    clients.add(&physician("ward")).unwrap();
    clients.add(&system("export")).unwrap();
    let clock = Clock::shared();
    let authority = Authority::new(PUBLIC.parse().unwrap(), settings, clients, clock.clone()).unwrap();
    let routes = Router::new()
        .route("/fhir/who", get(who))
        .route("/fhir/echo", post(echo))
        .route("/fhir/refuse", get(refuse))
        .route("/fhir/long", get(|| async { "long ".repeat(10_000) }))
        .route("/fhir/panic", get(fall))
        .route("/fhir/never", get(std::future::pending::<()>))
        .with_state(authority.clone())
        .merge(router(authority.clone()));
    let server = serve(routes, options, clock.clone()).await.unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    World { authority, clock, server, http, dir, jti: AtomicU64::new(0) }
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn sent(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, bytes: response.bytes().await.unwrap().to_vec() }
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl World {
    pub(crate) fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// What a client that does everything right claims.
    pub(crate) fn claims(&self, client: &str) -> Value {
        let now = self.clock.now().0 / 1000;
        json!({
            "iss": client,
            "sub": client,
            "aud": format!("{PUBLIC}{TOKEN}"),
            "exp": now + 240,
            "iat": now,
            "jti": format!("jti-{}", self.jti.fetch_add(1, Ordering::SeqCst)),
            "extensions": { "hl7-b2b": {
                "version": "1",
                "organization_id": "https://riverside.example",
                "purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#HOPERAT"],
            } },
        })
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        sent(self.http.get(self.at(path))).await
    }

    pub(crate) async fn post(&self, path: &str, body: String) -> Answer {
        let request = self.http.post(self.at(path));
        sent(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
    }

    pub(crate) async fn ask(&self, path: &str, assertion: &str, more: &[(&str, &str)]) -> Answer {
        let mut pairs = vec![
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        pairs.extend_from_slice(more);
        self.post(path, form(&pairs)).await
    }

    pub(crate) async fn token_for(&self, assertion: &str, scope: &str) -> Answer {
        self.ask(TOKEN, assertion, &[("grant_type", "client_credentials"), ("scope", scope)]).await
    }

    /// A token of `client`, which must be granted.
    pub(crate) async fn token(&self, client: &str, scope: &str) -> String {
        let answer = self.token_for(&sign(&EC, &self.claims(client)), scope).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn who(&self, token: &str) -> Answer {
        sent(self.http.get(self.at("/fhir/who")).bearer_auth(token)).await
    }
}

/// Signs claims as a client would.
pub(crate) fn sign(pair: &Pair, claims: &Value) -> String {
    let kid = pair.jwk["kid"].as_str().map(ToOwned::to_owned);
    sign_as(&Header { kid, ..Header::new(pair.algorithm) }, &pair.signs, claims)
}

pub(crate) fn sign_as(header: &Header, signs: &EncodingKey, claims: &Value) -> String {
    let claims: BTreeMap<String, Value> = serde_json::from_value(claims.clone()).unwrap();
    encode(header, &claims, signs).unwrap()
}
