//! This file is where the logs are read for what must never be in them.

use crate::world::{EC, sent, sign, world};
use gateway::smart::{INTROSPECT, REVOKE};
use reqwest::StatusCode;
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_secret_and_no_patient_is_in_the_logs() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .with_ansi(false)
        .finish();
    // For the whole process: whatever other tests log beside it only makes this one stricter.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let secrets = story().await;
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    // It is the right log: the request's id, the client, and the token's harmless name are there.
    for expected in ["token issued", "client=ward", "traced-request", "purpose=\"HOPERAT\""] {
        assert!(logged.contains(expected), "{expected} isn't in {logged}");
    }
    for secret in secrets {
        assert!(!logged.contains(&secret), "{secret} is in the log");
    }
}

/// Goes through all that authorisation does, and tells what of it is secret.
async fn story() -> Vec<String> {
    let world = world().await;
    let assertions: Vec<String> = (0..4).map(|_| sign(&EC, &world.claims("ward"))).collect();
    let answer = world.token_for(&assertions[0], "system/*.rs").await;
    assert_eq!(answer.status, StatusCode::OK);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let request = world.http.get(world.at("/fhir/who?name=Mustermann")).bearer_auth(&token);
    let request = request.header("x-request-id", "traced-request");
    assert_eq!(sent(request).await.status, StatusCode::OK);
    assert_eq!(world.get("/fhir/Patient/mustermann-1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get(&format!("/fhir/who?access_token={token}")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.who(&format!("{token}x")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.token_for(&assertions[0], "system/*.rs").await.status, StatusCode::UNAUTHORIZED);
    let broken = format!("{}x", assertions[3]);
    assert_eq!(world.token_for(&broken, "system/*.rs").await.status, StatusCode::UNAUTHORIZED);
    world.ask(INTROSPECT, &assertions[1], &[("token", &token)]).await;
    world.ask(REVOKE, &assertions[2], &[("token", &token)]).await;
    world.server.stop().await;
    let signatures =
        assertions.iter().filter_map(|assertion| assertion.rsplit('.').next()).map(ToOwned::to_owned);
    let mut secrets: Vec<String> = signatures.collect();
    secrets.extend([token, "Mustermann".to_owned(), "mustermann".to_owned()]);
    secrets
}
