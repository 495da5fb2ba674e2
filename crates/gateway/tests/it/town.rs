//! This file is where two hospitals have a gateway each, over a network of real nodes; patients with keys of their own say
//! who may read what.

use crate::{
    network::{Network, Organisation, Person, until},
    pages::KEY,
    wire::Wire,
    world::{Answer, EC, form, key_set, sent, sign},
};
use client::{
    ClaimTerms, Client, Host, Line, SystemHost,
    audit::{GrantTerms, What},
    host::Work,
    keys::{Lock, Profile, ProfileKind, save_storage},
    wire::Final,
};
use futures::future::BoxFuture;
use gateway::{
    http::Rate,
    rest,
    smart::{self, Keys, Principal, Scopes, TOKEN},
    start::{Config, Running},
    visit,
};
use ledger::{
    consent::{Action, Effect, Purpose},
    governance::{MemberKind, Params},
};
use primitives::{ChartId, Millis, Span};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use zeroize::Zeroizing;

pub(crate) const RIVERSIDE: &str = "riverside-hospital";
pub(crate) const LAKESIDE: &str = "lakeside-clinic";

/// The system of the numbers that a hospital gives its patients.
pub(crate) const NUMBERS: &str = "urn:example:numbers";

/// An app that may do everything.
pub(crate) const APP: &str = "app";
/// The same practitioner's other app, which may vouch that she has just signed in anew.
pub(crate) const WARD: &str = "ward";
/// All that an app may be granted.
pub(crate) const ALL: &str = "user/*.cruds";

const fn staff(profile: &'static str) -> Person {
    Person { profile, kind: ProfileKind::Staff, role: "registrar" }
}

const fn physician(profile: &'static str) -> Person {
    Person { profile, kind: ProfileKind::Practitioner, role: "physician" }
}

const HOSPITALS: [Organisation; 2] = [
    Organisation {
        name: RIVERSIDE,
        kind: MemberKind::Provider,
        people: &[physician("riverside/dr-adams"), staff("riverside/registrar")],
    },
    Organisation {
        name: LAKESIDE,
        kind: MemberKind::Provider,
        people: &[physician("lakeside/dr-baker"), staff("lakeside/registrar")],
    },
];

/// The machine's clock, put forward or back.
pub(crate) struct Shifted(AtomicI64);

impl Shifted {
    /// By so many seconds from the machine's time.
    pub(crate) fn set(&self, secs: i64) {
        self.0.store(secs * 1000, Ordering::SeqCst);
    }
}

impl Host for Shifted {
    fn now(&self) -> Millis {
        Millis(SystemHost.now().0.saturating_add_signed(self.0.load(Ordering::SeqCst)))
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

/// A hospital's gateway.
pub(crate) struct Hospital {
    pub(crate) org: &'static str,
    pub(crate) running: Running,
    pub(crate) wire: Wire,
    pub(crate) clock: Arc<Shifted>,
    pub(crate) config: Config,
    pub(crate) http: reqwest::Client,
    token: String,
    jti: AtomicU64,
}

/// The network and its hospitals.
pub(crate) struct Town {
    pub(crate) network: Network,
    pub(crate) riverside: Hospital,
    pub(crate) lakeside: Hospital,
}

/// A patient of Riverside who has claimed her chart.
pub(crate) struct Patient {
    pub(crate) chart: ChartId,
    pub(crate) client: Client,
}

/// What the gateway of `org` is known as.
pub(crate) fn public(org: &str) -> String {
    format!("https://{org}.example")
}

impl Town {
    /// A town whose gateways are configured as told.
    pub(crate) async fn with(change: impl Fn(&mut Config)) -> Self {
        // What a gateway says of a fault stands beside the test's own words. Another test may have set this up before.
        let _before =
            tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_test_writer().try_init();
        let mut network = Network::of(&HOSPITALS, Params::default());
        network.start_all().await;
        let riverside = Hospital::open(&network, 0, &change).await;
        let lakeside = Hospital::open(&network, 1, &change).await;
        Self { network, riverside, lakeside }
    }

    /// The patient with this number, once Riverside's app has registered her: takes her chart over.
    pub(crate) async fn claimed(&self, number: &str) -> Patient {
        let registrar = self.network.client("riverside/registrar").await;
        let chart = registrar.chart_of_token(&format!("{NUMBERS}|{number}")).await.unwrap().unwrap();
        let terms = ClaimTerms {
            home: self.network.home.path().to_owned(),
            node: self.network.configs[0].rpc.to_string(),
            server: RIVERSIDE.parse().unwrap(),
            genesis: PathBuf::from("genesis.json"),
            code: registrar.make_claim_code(chart).await.unwrap(),
            display: "the patient".to_owned(),
        };
        let claimed = Client::use_claim_code(&terms, &Lock::Plain, SystemHost::shared()).await.unwrap();
        // The other hospital's node may not have got so far: to it there would be no such chart yet.
        self.network.all_at(claimed.done.height).await;
        Patient { chart, client: self.network.client(&claimed.profile.to_string()).await }
    }

    /// All that a chart's log tells.
    pub(crate) async fn log(&self, chart: ChartId) -> Vec<Line> {
        self.network.client("riverside/registrar").await.log(chart, 0).await.unwrap()
    }

    pub(crate) async fn close(mut self) {
        self.riverside.running.stop().await;
        self.lakeside.running.stop().await;
        self.network.stop_all().await;
    }
}

impl Patient {
    /// Says who may read for treatment, or may not.
    pub(crate) async fn says(&self, effect: Effect, org: &str, what: What, until: Option<Millis>) -> Final {
        let terms = GrantTerms {
            chart: self.chart,
            effect,
            grantee: org.parse().unwrap(),
            action: Action::Read,
            purposes: vec![Purpose::Treatment],
            what,
            from: None,
            until,
        };
        self.client.direct(&terms).await.unwrap()
    }

    pub(crate) async fn takes_back(&self, directive: &Final) {
        self.client.revoke(self.chart, directive.tx).await.unwrap();
    }
}

impl Hospital {
    async fn open(network: &Network, place: usize, change: &impl Fn(&mut Config)) -> Self {
        let Organisation { name: org, people, .. } = HOSPITALS[place];
        let home = network.home.path();
        let wire = Wire::to(network.configs[place].rpc).await;
        // The gateway's own people go by the wire.
        for person in people {
            let name = person.profile.parse().unwrap();
            let profile = Profile::load(home, &name).unwrap();
            let gateway_home = home.join(org).join("home");
            std::fs::create_dir_all(&gateway_home).unwrap();
            std::fs::copy(home.join("genesis.json"), gateway_home.join("genesis.json")).unwrap();
            let key = gateway_home.join(&profile.key);
            std::fs::create_dir_all(key.parent().unwrap()).unwrap();
            std::fs::copy(home.join(&profile.key), &key).unwrap();
            Profile { node: wire.address.to_string(), ..profile }.save(&gateway_home, &name).unwrap();
        }
        let dir = home.join(org).join("gateway");
        std::fs::create_dir_all(&dir).unwrap();
        save_storage(&dir.join("gateway.key"), &Zeroizing::new(KEY), &Lock::Plain).unwrap();
        let mut config = Config {
            format: 1,
            home: home.join(org).join("home"),
            system: people[1].profile.to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            public: public(org),
            tls: None,
            cors: Vec::new(),
            behind_proxy: true,
            per_address: Rate { burst: 1, per_sec: 1 },
            data: dir.join("data"),
            key: dir.join("gateway.key"),
            smart: smart::Settings {
                per_client: Rate { burst: 100_000, per_sec: 100_000 },
                token_life: Span::hours(1),
                ..smart::Settings::default()
            },
            visits: visit::Settings::default(),
            fhir: rest::Settings::default(),
        };
        change(&mut config);
        let clock = Arc::new(Shifted(AtomicI64::new(0)));
        let running = Running::start(&config, None, Arc::clone(&clock) as Arc<dyn Host>).await.unwrap();
        let app = app(people[0].profile);
        running.clients().add(&app).unwrap();
        let ward = smart::Client { id: WARD.parse().unwrap(), may_vouch: true, ..app };
        running.clients().add(&ward).unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(120))
            .build()
            .unwrap();
        let mut hospital =
            Self { org, running, wire, clock, config, http, token: String::new(), jti: AtomicU64::new(0) };
        hospital.token = hospital.token(ALL).await;
        hospital
    }

    /// The gateway ends and starts again.
    pub(crate) async fn again(self) -> Self {
        self.running.stop().await;
        let host = Arc::clone(&self.clock) as Arc<dyn Host>;
        let running = Running::start(&self.config, None, host).await.unwrap();
        Self { running, ..self }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address())
    }

    /// An address that the gateway gave, as it is reached here.
    pub(crate) fn here(&self, url: &str) -> String {
        let path = url.strip_prefix(&public(self.org));
        self.at(path.unwrap_or_else(|| panic!("{url} isn't of this gateway")))
    }

    /// What an app that does everything right says of itself.
    pub(crate) fn assertion(&self) -> String {
        self.assertion_of(APP, None)
    }

    /// The same of one of the apps, with how many seconds ago its user signed in, and by what.
    pub(crate) fn assertion_of(&self, client: &str, signed_in: Option<(i64, &[&str])>) -> String {
        let now = self.clock.now().0 / 1000;
        let mut claims = json!({
            "iss": client,
            "sub": client,
            "aud": format!("{}{TOKEN}", public(self.org)),
            "exp": now + 240,
            "iat": now,
            "jti": format!("jti-{}", self.jti.fetch_add(1, Ordering::SeqCst)),
            "extensions": { "hl7-b2b": { "purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#TREAT"] } },
        });
        if let Some((ago, factors)) = signed_in {
            claims["auth_time"] = json!(now.saturating_add_signed(-ago));
            claims["amr"] = json!(factors);
        }
        sign(&EC, &claims)
    }

    /// Asks for a token.
    pub(crate) async fn ask_token(&self, assertion: &str, scope: &str) -> Answer {
        let body = form(&[
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
            ("scope", scope),
        ]);
        let request = self.http.post(self.at(TOKEN)).body(body);
        sent(request.header("content-type", "application/x-www-form-urlencoded")).await
    }

    /// A token of the app, which must be granted.
    pub(crate) async fn token(&self, scope: &str) -> String {
        let answer = self.ask_token(&self.assertion(), scope).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A token of the app that may vouch, whose user has just signed in by more than one factor.
    pub(crate) async fn vouched(&self) -> String {
        let answer = self.ask_token(&self.assertion_of(WARD, Some((1, &["mfa"]))), ALL).await;
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A request of the app, at a path under the FHIR base.
    pub(crate) fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        self.http.request(method, self.at(&format!("/fhir{path}"))).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        sent(self.ask("GET", path)).await
    }

    /// The same with a body.
    pub(crate) fn with(&self, method: &str, path: &str, body: &Value) -> RequestBuilder {
        self.ask(method, path).header("content-type", "application/fhir+json").body(body.to_string())
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        sent(self.with(method, path, body)).await
    }

    /// Creates a resource; its id.
    pub(crate) async fn create(&self, resource: &Value) -> String {
        let kind = resource["resourceType"].as_str().unwrap();
        let answer = self.send("POST", &format!("/{kind}"), resource).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.json());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a read comes to this.
    pub(crate) async fn comes_to(&self, path: &str, status: u16) {
        until(path, async || (self.get(path).await.status.as_u16() == status).then_some(())).await;
    }
}

fn app(practitioner: &str) -> smart::Client {
    smart::Client {
        id: APP.parse().unwrap(),
        name: "A hospital's app".to_owned(),
        keys: Keys::Inline(key_set()),
        scopes: Scopes::parse(ALL).unwrap(),
        purposes: [Purpose::Treatment].into(),
        principal: Principal::Practitioner {
            profile: practitioner.to_owned(),
            role: "physician".parse().unwrap(),
        },
        may_introspect: false,
        may_vouch: false,
        enabled: true,
        created: SystemHost.now(),
    }
}

/// A Patient with this number.
pub(crate) fn patient(number: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{ "system": NUMBERS, "value": number }],
        "name": [{ "family": format!("Okafor{number}"), "given": ["Nneka"] }],
        "birthDate": "1984-02-29",
    })
}

/// An Observation of a patient: `label` is its category of sensitivity, if any.
pub(crate) fn observation(patient: &str, code: &str, label: Option<&str>) -> Value {
    let mut observation = json!({
        "resourceType": "Observation",
        "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": code }] },
        "subject": { "reference": format!("Patient/{patient}") },
        "effectiveDateTime": "2026-03-01",
        "valueString": format!("secret-{code}-of-{patient}"),
    });
    if let Some(label) = label {
        observation["meta"] = json!({ "security": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": label,
        }] });
    }
    observation
}
