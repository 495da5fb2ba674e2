//! This file is where one access becomes an AuditEvent after IHE's Basic Audit Log Patterns (BALP 1.1).
//!
//! A permitted access is a query of the patient's chart (PatientQuery) or, where single classes were named, a read
//! (PatientRead); a denied one is a decision of authorisation (AuthZconsent). A profile is named only where all of its rules
//! are kept. Categories and classes are never told: the same AuditEvent is shown to users who may not know that they are there.

use super::scene::{Known, Scene};
use crate::{
    visit::instant,
    working::{LEDGER, ORIGIN, PROOF},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ledger::{
    access::{Extent, Reader},
    consent::By,
};
use primitives::{OrgId, TxId};
use serde_json::{Map, Value, json};

const PROFILE: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const AUTHZ: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType";
const ENTITY_TYPE: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const ENTITY: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";

/// A URI. Source: value set `network-type`.
const NETWORK_URI: &str = "5";

/// What decided, told apart.
#[derive(Default)]
struct Deciding {
    directives: Vec<TxId>,
    policies: Vec<String>,
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

fn concept(system: &str, code: &str, display: &str) -> Value {
    json!({ "coding": [coding(system, code, display)] })
}

fn identifier(system: &str, value: &str) -> Value {
    json!({ "system": format!("urn:horkos:{system}"), "value": value })
}

/// The AuditEvent, without id and version.
pub(super) fn render(known: &Known<'_>, scene: &Scene) -> Value {
    let Known { logged, decided, count, review: _ } = known;
    let permitted = decided.permitted();
    // What isn't permitted is explained to the custodian alone: to others it could tell what the chart holds.
    let deciding = if permitted || scene.is_custodian { deciding(known) } else { Deciding::default() };
    let request = scene.requests.get(&logged.tx);
    let purpose = concept(REASON, decided.purpose.code(), decided.purpose.display());
    let authz = if deciding.directives.is_empty() {
        coding(AUTHZ, "AuthZ-Role", "Authorization Decision using only Roles")
    } else {
        coding(AUTHZ, "AuthZ-Consent", "Authorization Decision using Roles and Consent")
    };
    let whole = matches!(decided.extent, Extent::All | Extent::General);
    let rest = |code: &str| coding("http://hl7.org/fhir/restful-interaction", code, code);
    let kind = coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "RESTful Operation");
    let (kind, subtypes, action, profile) = match (permitted, whole) {
        (true, true) => (kind, vec![rest("search"), authz], "E", "PatientQuery"),
        (true, false) => (kind, vec![rest("read"), authz], "R", "PatientRead"),
        (false, _) => (coding(DCM, "110113", "Security Alert"), vec![authz], "E", "AuthZconsent"),
    };
    // Its slices of entities are closed, and it wants a directive.
    let kept = permitted || (!deciding.directives.is_empty() && request.is_none());
    let mut meta = json!({ "tag": [{ "system": ORIGIN, "code": LEDGER }] });
    if let (Some(meta), true, true) = (meta.as_object_mut(), kept, scene.patient.is_some()) {
        meta.insert("profile".into(), json!([format!("{PROFILE}{profile}")]));
    }
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| drop(event.insert(name.to_owned(), value));
    put("resourceType", "AuditEvent".into());
    put("meta", meta);
    put("extension", extensions(known, scene).into());
    put("type", kind);
    put("subtype", subtypes.into());
    put("action", action.into());
    if let Some(expires) = decided.expires {
        put("period", json!({ "start": instant(logged.time), "end": instant(expires) }));
    }
    put("recorded", instant(logged.time).into());
    put("outcome", if permitted { "0" } else { "8" }.into());
    if let Some(words) = words(permitted, *count, &deciding, scene) {
        put("outcomeDesc", words.into());
    }
    put("purposeOfEvent", json!([purpose]));
    put("agent", agents(known, &deciding, whole, &purpose, scene).into());
    put(
        "source",
        json!({
            "site": scene.network_name,
            "observer": network(scene),
            "type": [coding("http://terminology.hl7.org/CodeSystem/security-source-type", "6", "Security Server")],
        }),
    );
    let mut entities = vec![patient(scene)];
    if permitted {
        entities.push(asked(known, whole, scene));
    }
    entities.extend(deciding.directives.iter().map(|directive| {
        json!({
            "what": { "type": "Consent", "identifier": identifier("directive", &directive.to_string()) },
            "type": coding("http://hl7.org/fhir/resource-types", "Consent", "Consent"),
        })
    }));
    if let Some(request) = request {
        entities.push(json!({
            "what": { "identifier": { "value": request.as_str() } },
            "type": { "system": ENTITY_TYPE, "code": "XrequestId" },
        }));
    }
    put("entity", entities.into());
    Value::Object(event)
}

/// What permitted what was permitted; of a denial, what denied it.
fn deciding(known: &Known<'_>) -> Deciding {
    let decided = known.decided;
    let decisions = decided.classes.iter().map(|class| &class.decision).chain(&decided.index);
    let mut deciding = Deciding::default();
    for decision in decisions.filter(|decision| decision.permit == decided.permitted()) {
        match &decision.by {
            By::Directive(id) if !deciding.directives.contains(id) => deciding.directives.push(*id),
            By::Policies(names) => {
                for name in names.iter().map(ToString::to_string) {
                    if !deciding.policies.contains(&name) {
                        deciding.policies.push(name);
                    }
                }
            }
            By::Directive(_) | By::Default => {}
        }
    }
    deciding
}

fn words(permitted: bool, count: u64, deciding: &Deciding, scene: &Scene) -> Option<String> {
    if permitted {
        return None;
    }
    let why = match (scene.is_custodian, deciding.directives.is_empty(), deciding.policies.is_empty()) {
        (false, _, _) => "not permitted",
        (true, false, _) => "a directive of the patient denies it",
        (true, true, false) => "the network's policies deny it",
        (true, true, true) => "nothing permits it",
    };
    Some(if count > 1 { format!("{why}; denied {count} times in a row") } else { why.to_owned() })
}

/// The way to the proof, and what the profiles have no place for.
fn extensions(known: &Known<'_>, scene: &Scene) -> Vec<Value> {
    let Known { logged, decided, count, review } = known;
    let (transaction, chart) = (logged.tx.to_string(), scene.chart.to_string());
    let verify = format!(
        "`horkos explain {transaction} --chart {chart}` shows the access with its proof, `horkos audit {chart}` that none is left out"
    );
    let mut all = vec![json!({
        "url": PROOF,
        "extension": [
            { "url": "network", "valueString": scene.network.to_string() },
            { "url": "chart", "valueString": chart },
            { "url": "access", "valueString": known.access(scene).to_string() },
            { "url": "transaction", "valueString": transaction },
            { "url": "height", "valueDecimal": logged.height },
            { "url": "line", "valueDecimal": logged.index },
            { "url": "time", "valueInstant": instant(logged.time) },
            { "url": "verify", "valueString": verify },
        ],
    })];
    if *count > 1 {
        all.push(json!({ "url": "urn:horkos:denied-in-a-row", "valueDecimal": count }));
    }
    if let Some(emergency) = &decided.emergency {
        let mut parts = vec![
            json!({ "url": "reason", "valueCode": spelled(&emergency.reason) }),
            json!({ "url": "step-up", "valueBoolean": emergency.step_up }),
        ];
        if let Some(finding) = review {
            parts.push(json!({ "url": "review", "valueCode": spelled(finding) }));
        }
        all.push(json!({ "url": "urn:horkos:break-glass", "extension": parts }));
    }
    all
}

/// As the ledger's JSON spells it.
fn spelled(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn organisation(org: &OrgId, scene: &Scene) -> Value {
    let mut who =
        json!({ "type": "Organization", "identifier": identifier("organisation", &org.to_string()) });
    if let (Some(who), Some(name)) = (who.as_object_mut(), scene.members.get(org)) {
        who.insert("display".into(), name.as_str().into());
    }
    who
}

fn network(scene: &Scene) -> Value {
    json!({ "identifier": identifier("network", &scene.network.to_string()), "display": scene.network_name })
}

fn at(urn: String) -> Value {
    json!({ "address": urn, "type": NETWORK_URI })
}

fn agents(known: &Known<'_>, deciding: &Deciding, whole: bool, purpose: &Value, scene: &Scene) -> Vec<Value> {
    let reader = &known.decided.reader;
    let client_at = at(format!("urn:horkos:organisation:{}", reader.org));
    let server_at = at(format!("urn:horkos:network:{}", scene.network));
    let machine = |kind: Value, who: Value| json!({ "type": kind, "who": who, "requestor": false });
    let with = |mut agent: Value, network: Value| {
        if let Some(agent) = agent.as_object_mut() {
            agent.insert("network".into(), network);
        }
        agent
    };
    let (source, destination) =
        (concept(DCM, "110153", "Source Role ID"), concept(DCM, "110152", "Destination Role ID"));
    let org = organisation(&reader.org, scene);
    let mut all = vec![user(reader, deciding, purpose, scene)];
    if known.decided.permitted() {
        // BALP: of a query the client is the source, of a read the server.
        let (client, server) = if whole { (source, destination) } else { (destination, source) };
        all.push(with(machine(client, org), client_at));
        all.push(with(machine(server, network(scene)), server_at));
    } else {
        all.push(with(machine(concept(DCM, "110150", "Application"), org.clone()), client_at));
        let provider =
            concept("http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV", "healthcare provider");
        all.push(machine(provider, org));
        let authorizer = concept(
            "http://terminology.hl7.org/CodeSystem/extra-security-role-type",
            "authserver",
            "authorization server",
        );
        all.push(machine(authorizer, network(scene)));
    }
    all
}

fn user(reader: &Reader, deciding: &Deciding, purpose: &Value, scene: &Scene) -> Value {
    let who = match &reader.principal {
        None => organisation(&reader.org, scene),
        Some(principal) => {
            let mut who = json!({ "identifier": identifier("principal", &principal.to_string()) });
            let kind = match (&reader.role, reader.owner) {
                (Some(_), _) => Some("Practitioner"),
                (None, true) => Some("Patient"),
                (None, false) => None,
            };
            if let (Some(who), Some(kind)) = (who.as_object_mut(), kind) {
                who.insert("type".into(), kind.into());
            }
            who
        }
    };
    let mut agent = Map::new();
    let information = "information recipient";
    let kind = concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP", information);
    agent.insert("type".into(), kind);
    if let Some(role) = &reader.role {
        let role = json!([{ "coding": [{ "system": "urn:horkos:role", "code": role.to_string() }] }]);
        agent.insert("role".into(), role);
    }
    agent.insert("who".into(), who);
    agent.insert("requestor".into(), true.into());
    let directives = deciding.directives.iter().map(|directive| format!("urn:horkos:directive:{directive}"));
    let policies = deciding.policies.iter().map(|policy| format!("urn:horkos:policy:{policy}"));
    let policies: Vec<String> = directives.chain(policies).collect();
    if !policies.is_empty() {
        agent.insert("policy".into(), policies.into());
    }
    agent.insert("purposeOfUse".into(), json!([purpose]));
    Value::Object(agent)
}

fn patient(scene: &Scene) -> Value {
    let mut what = json!({ "identifier": identifier("chart", &scene.chart.to_string()) });
    if let (Some(what), Some(id)) = (what.as_object_mut(), &scene.patient) {
        what.insert("reference".into(), format!("Patient/{id}").into());
        what.insert("type".into(), "Patient".into());
    }
    json!({
        "what": what,
        "type": coding(ENTITY, "1", "Person"),
        "role": coding(ROLE, "1", "Patient"),
    })
}

/// What was asked for: the whole chart by a query, or named parts of it.
fn asked(known: &Known<'_>, whole: bool, scene: &Scene) -> Value {
    let extent = match &known.decided.extent {
        Extent::All => "all",
        Extent::General => "general",
        Extent::Classes(_) => "classes",
        Extent::Index => "index",
    };
    let said = format!("chart={}&extent={extent}&purpose={}", scene.chart, known.decided.purpose.code());
    let object = coding(ENTITY, "2", "System Object");
    if whole {
        json!({
            "type": object,
            "role": coding(ROLE, "24", "Query"),
            "description": said,
            "query": STANDARD.encode(&said),
        })
    } else {
        json!({
            "what": { "identifier": identifier("chart", &scene.chart.to_string()) },
            "type": object,
            "role": coding(ROLE, "4", "Domain Resource"),
            "description": said,
        })
    }
}
