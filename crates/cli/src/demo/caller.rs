//! This file is where the demonstration calls a gateway as an app does: with a token, over HTTP.

use super::doors::Door;
use crate::{
    commands::gateway::token,
    exit::{Exit, Failure},
};
use serde_json::Value;

/// An app with its token.
#[derive(Clone)]
pub(crate) struct App {
    fhir: String,
    token: String,
    http: reqwest::Client,
}

impl App {
    /// The app of a door's doctor.
    pub(crate) async fn at(door: &Door) -> Result<Self, Failure> {
        let answer = token::fetch(&door.token()).await?;
        let token = answer.get("access_token").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self { fhir: door.fhir(), token, http: reqwest::Client::new() })
    }

    /// Status and body.
    pub(crate) async fn get(&self, path: &str) -> Result<(u16, Value), Failure> {
        self.send(self.http.get(format!("{}{path}", self.fhir))).await
    }

    /// Status and body.
    pub(crate) async fn post(&self, path: &str, body: String) -> Result<(u16, Value), Failure> {
        let request = self.http.post(format!("{}{path}", self.fhir));
        self.send(request.header("content-type", "application/fhir+json").body(body)).await
    }

    /// Status and body, which isn't looked at.
    pub(crate) async fn fetch(&self, path: &str) -> Result<(u16, Vec<u8>), Failure> {
        self.bytes(self.http.get(format!("{}{path}", self.fhir))).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(u16, Value), Failure> {
        let (status, bytes) = self.bytes(request).await?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    async fn bytes(&self, request: reqwest::RequestBuilder) -> Result<(u16, Vec<u8>), Failure> {
        let failed =
            |error: reqwest::Error| Failure::new(Exit::Unreachable, format!("`{}`: {error}", self.fhir));
        let request = request.bearer_auth(&self.token).header("accept", "application/fhir+json");
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        Ok((status, response.bytes().await.map_err(failed)?.to_vec()))
    }
}
