//! This file is where an app comes in by the front door: writes and reads over FHIR, and what the ledger says of it.

use super::{
    caller::App,
    stage::{Stage, claim},
    story::{LOOK_EVERY, SETTLE_WITHIN, Tour},
};
use crate::exit::{Exit, Failure};
use client::Line;
use ledger::Event;
use primitives::OrgId;
use serde_json::{Value, json};
use std::time::Instant;
use tokio::time::sleep;

/// The system of the numbers that Riverside gives its patients.
const NUMBERS: &str = "urn:example:riverside:numbers";

impl Tour<'_> {
    /// An app of Riverside writes and reads; one of Lakeside asks and sees nothing, and both stand on the ledger.
    pub(super) async fn app(&mut self, stage: &Stage) -> Result<String, Failure> {
        let [riverside, lakeside, ..] = self.doors else {
            return Err(Failure::new(Exit::Fault, "there are no gateways"));
        };
        let app = App::at(riverside).await?;
        stage.tell(format_args!(
            "Each hospital has a front door, a FHIR R4 server. An app that Riverside registered proves itself with its \
             key (SMART Backend Services), says that it comes for treatment, and posts a transaction to {}.",
            riverside.fhir()
        ));
        let number = hex::encode(&client::host::random(&client::SystemHost)[..6]);
        let (status, answer) = app.post("", transaction(&number).to_string()).await?;
        claim(status == 200, format_args!("the transaction is taken: {status} {answer}"))?;
        let place = |at: usize| -> Result<String, Failure> {
            let location = answer.pointer(&format!("/entry/{at}/response/location")).and_then(Value::as_str);
            let place = location.and_then(|location| location.split("/_history/").next());
            place.map(str::to_owned).ok_or_else(|| Failure::new(Exit::Unverified, "an entry has no location"))
        };
        let (patient, observation) = (place(0)?, place(1)?);
        let (status, read) = app.get(&format!("/{observation}")).await?;
        claim(status == 200, format_args!("what was written is read: {status} {read}"))?;
        claim(
            read.pointer("/valueQuantity/value").map(Value::to_string).as_deref() == Some("6.30"),
            "numbers come back digit for digit",
        )?;
        claim(
            read.pointer("/subject/reference").and_then(Value::as_str) == Some(patient.as_str()),
            "the reference within the transaction leads to the patient",
        )?;
        let (status, found) = app.get(&format!("/Observation?patient={patient}&code=4548-4")).await?;
        claim(status == 200 && total(&found) == Some(1), format_args!("it is found: {status} {found}"))?;
        let (status, why) = app.get(&format!("/{observation}/$explain-access")).await?;
        claim(status == 200, format_args!("it is explained: {status} {why}"))?;
        stage.command(riverside.token_command());
        self.app_patient = Some(patient.clone());

        let registrar = self.client("riverside/registrar").await?;
        let chart = registrar.chart_of_token(&format!("{NUMBERS}|{number}")).await?;
        let chart = chart.ok_or_else(|| Failure::new(Exit::Unverified, "the patient's chart isn't known"))?;
        let other = App::at(lakeside).await?;
        let path = format!("/Patient?identifier=urn:horkos:chart|{chart}");
        let (status, hidden) = other.get(&path).await?;
        claim(
            status == 200 && total(&hidden) == Some(0),
            format_args!("Lakeside sees nothing: {status} {hidden}"),
        )?;
        // Each access was final at the node of the gateway that asked; the registrar's node executes it in its own time.
        let deadline = Instant::now() + SETTLE_WITHIN;
        loop {
            let lines = registrar.log(chart, 0).await?;
            let missing = [(&riverside.org, true, "permitted"), (&lakeside.org, false, "denied")]
                .into_iter()
                .find(|(org, permitted, _)| !decided(&lines, org, *permitted));
            let Some((org, _, how)) = missing else { break };
            claim(
                Instant::now() < deadline,
                format_args!("the access of {org} stands on the ledger, {how}"),
            )?;
            sleep(LOOK_EVERY).await;
        }
        stage.tell(
            "The app of Lakeside's doctor asks for the same patient by the chart's number: it gets an empty answer, as if \
             nobody were there. Both accesses were final on the ledger before a byte left.",
        );
        Ok("what was written was read back digit for digit and found; without consent there is nothing to see; both are \
            recorded"
            .to_owned())
    }
}

/// Whether a chart's log has an access of this organisation that was decided so.
fn decided(lines: &[Line], org: &OrgId, permitted: bool) -> bool {
    lines.iter().any(|line| match &line.event {
        Some(Event::Decided(decided)) => decided.reader.org == *org && decided.permitted() == permitted,
        Some(_) | None => false,
    })
}

fn total(bundle: &Value) -> Option<u64> {
    bundle.get("total").and_then(Value::as_u64)
}

fn transaction(number: &str) -> Value {
    let precise: Value = serde_json::from_str("6.30").unwrap_or(Value::Null);
    json!({
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:2e9f9f3e-0c84-4b7a-9d49-7a3c1f3f5a10",
                "resource": {
                    "resourceType": "Patient",
                    "identifier": [{ "system": NUMBERS, "value": number }],
                    "name": [{ "family": "Okafor", "given": ["Nneka"] }],
                    "birthDate": "1984-02-29",
                },
                "request": { "method": "POST", "url": "Patient" },
            },
            {
                "fullUrl": "urn:uuid:2e9f9f3e-0c84-4b7a-9d49-7a3c1f3f5a11",
                "resource": {
                    "resourceType": "Observation",
                    "status": "final",
                    "code": { "coding": [{ "system": "http://loinc.org", "code": "4548-4" }] },
                    "subject": { "reference": "urn:uuid:2e9f9f3e-0c84-4b7a-9d49-7a3c1f3f5a10" },
                    "effectiveDateTime": "2026-03-01",
                    "valueQuantity": {
                        "value": precise, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%",
                    },
                },
                "request": { "method": "POST", "url": "Observation" },
            },
        ],
    })
}
