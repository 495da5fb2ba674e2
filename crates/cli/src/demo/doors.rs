//! This file is where the demonstration's gateways are laid out: one for each provider, with an app of its doctor.

use super::lay::{Laid, Plan, free_ports};
use crate::{
    commands::gateway::{
        client::{Add, register},
        init::{Init, make},
        store::ConfigPath,
        token::{Token, make_key},
    },
    exit::{Exit, Failure},
};
use primitives::OrgId;
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// What the app may do at most.
const SCOPES: &str = "user/*.cruds";

/// A gateway of the demonstration.
#[derive(Clone)]
pub(crate) struct Door {
    /// Whose it is.
    pub(crate) org: OrgId,
    /// Its configuration file.
    pub(crate) config: PathBuf,
    /// Its log.
    pub(crate) log: PathBuf,
    address: SocketAddr,
    /// The app's private key.
    key: PathBuf,
    /// Its public key, as a JWK Set.
    keys: PathBuf,
    /// The practitioner for whom it acts.
    profile: String,
}

impl Door {
    /// The app's id.
    const CLIENT: &'static str = "demo-app";

    /// The gateway's public address.
    pub(crate) fn public(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where FHIR is served.
    pub(crate) fn fhir(&self) -> String {
        format!("{}/fhir", self.public())
    }

    /// What the app asks for a token with.
    pub(super) fn token(&self) -> Token {
        Token {
            client: Self::CLIENT.to_owned(),
            key: self.key.clone(),
            gateway: self.public(),
            scopes: SCOPES.to_owned(),
            purpose: "TREAT".to_owned(),
            signed_in: false,
        }
    }

    /// The command that gets a token.
    pub(crate) fn token_command(&self) -> String {
        format!(
            "gateway token --client {} --key {} --gateway {} --scopes '{SCOPES}'",
            Self::CLIENT,
            self.key.display(),
            self.public()
        )
    }

    /// Lines for a shell that get a token and use it; `patient` is one of the app's own.
    pub(crate) fn lines(&self, patient: Option<&str>) -> Vec<String> {
        let fhir = self.fhir();
        let curl = |rest: String| format!("curl -H \"Authorization: Bearer $TOKEN\" {rest}");
        let mut lines = vec![
            format!("TOKEN=$(horkos {})", self.token_command()),
            format!("curl {fhir}/metadata"),
            curl(format!("'{fhir}/Patient?_count=3'")),
        ];
        if let Some(patient) = patient {
            let finding = json!({
                "resourceType": "Observation", "status": "final", "code": { "text": "Body weight" },
                "subject": { "reference": patient }, "valueQuantity": { "value": 61.5, "unit": "kg" },
            });
            lines.push(curl(format!(
                "-H 'Content-Type: application/fhir+json' -d '{finding}' {fhir}/Observation"
            )));
            lines.push(curl(format!("'{fhir}/Observation?patient={patient}&_include=Observation:subject'")));
            lines.push(curl(format!("'{fhir}/{patient}/$everything'")));
            lines.push(curl(format!("'{fhir}/{patient}/$explain-access'")));
        }
        lines
    }

    /// For demo.json.
    pub(crate) fn summary(&self) -> Value {
        json!({
            "fhir": self.fhir(),
            "token": format!("{}/auth/token", self.public()),
            "openapi": format!("{}/openapi.json", self.public()),
            "config": self.config,
            "log": self.log,
            "clients": [{
                "id": Self::CLIENT, "key": self.key, "jwks": self.keys, "alg": "ES384", "scopes": SCOPES, "purposes": ["TREAT"],
                "as": self.profile,
            }],
        })
    }
}

/// Lays a gateway out for every member that has a registrar and a physician.
pub(crate) fn lay_doors(plan: &Plan) -> Result<Vec<Door>, Failure> {
    let people = |laid: &Laid| {
        let named =
            |end: &str| laid.profiles.iter().map(ToString::to_string).find(|name| name.ends_with(end));
        let doctor = laid.profiles.iter().map(ToString::to_string).find(|name| name.contains("/dr-"));
        Some((named("/registrar")?, doctor?))
    };
    let with_people: Vec<_> = plan.members.iter().filter_map(|laid| Some((laid, people(laid)?))).collect();
    let addresses = free_ports(with_people.len())?;
    let mut doors = Vec::new();
    for ((laid, (registrar, doctor)), address) in with_people.into_iter().zip(addresses) {
        doors.push(lay(&plan.dir, laid, &registrar, doctor, address)?);
    }
    Ok(doors)
}

fn lay(
    home: &Path,
    laid: &Laid,
    registrar: &str,
    doctor: String,
    address: SocketAddr,
) -> Result<Door, Failure> {
    let dir = laid.dir.join("gateway");
    let config = dir.join("gateway.toml");
    make(
        &Init { config: config.clone(), system: registrar.to_owned(), listen: address, public: None },
        home,
    )?;
    // All callers of a demonstration come from this one machine, most of them as one client; and none measures how long it
    // takes to say that something isn't there.
    let unbounded =
        "\n[visits]\nmissing_min = 0\n\n[smart]\nper_client = { burst = 1000000, per_sec = 1000000 }\n";
    fs::read_to_string(&config)
        .and_then(|text| fs::write(&config, format!("behind_proxy = true\n{text}{unbounded}")))
        .map_err(|error| Failure::file(&config, &error))?;
    let key = dir.join("demo-app.pem");
    let keys = dir.join("demo-app.jwks.json");
    let public = make_key(&key)?;
    fs::write(&keys, public.to_string()).map_err(|error| Failure::file(&keys, &error))?;
    register(&Add {
        id: Door::CLIENT.to_owned(),
        name: Some("The demonstration's app".to_owned()),
        jwks: keys.display().to_string(),
        scopes: SCOPES.to_owned(),
        purposes: vec!["TREAT".to_owned()],
        practitioner: Some(doctor.clone()),
        role: Some("physician".to_owned()),
        may_introspect: false,
        may_vouch: false,
        gateway: ConfigPath { config: config.clone() },
    })
    .map_err(|failure| Failure::new(Exit::Fault, failure.message))?;
    let log = laid.dir.join("gateway.log");
    Ok(Door { org: laid.org.clone(), config, log, address, key, keys, profile: doctor })
}
