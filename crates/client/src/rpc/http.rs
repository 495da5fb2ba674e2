//! This file is where calls go over HTTP: `POST /v1/<method>`, connections kept, answers bounded.

use super::{CallError, Transport};
use crate::wire::ANSWER_BYTES_MAX;
use futures::future::BoxFuture;
use primitives::Span;
use std::time::Duration;

/// Connections to one node.
pub struct Http {
    client: reqwest::Client,
    address: String,
}

impl Http {
    /// A way to the node at `address`: `host:port` or `http://host:port`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`CallError::Address`].
    pub fn new(address: &str) -> Result<Self, CallError> {
        let bare = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
        let is_host_port =
            bare.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !is_host_port || bare.contains(['/', '@', '?', '#']) {
            return Err(CallError::Address(address.to_owned()));
        }
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .build()
            .map_err(|_| CallError::Address(address.to_owned()))?;
        Ok(Self { client, address: bare.to_owned() })
    }

    async fn post(&self, method: &'static str, call: Vec<u8>, limit: Span) -> Result<Vec<u8>, CallError> {
        let broken = |error: reqwest::Error| {
            if error.is_timeout() && !error.is_connect() {
                CallError::Timeout(self.address.clone())
            } else {
                CallError::Unreachable { address: self.address.clone(), reason: root_cause(&error) }
            }
        };
        let malformed =
            |reason: String| CallError::Malformed { address: self.address.clone(), method, reason };
        let mut response = self
            .client
            .post(format!("http://{}/v1/{method}", self.address))
            .timeout(Duration::from_millis(limit.0))
            .body(call)
            .send()
            .await
            .map_err(broken)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(malformed(format!("HTTP status {}", response.status().as_u16())));
        }
        // The announced length is only a hint for the first allocation.
        let hint = response.content_length().unwrap_or(0).min(1 << 20);
        let mut body = Vec::with_capacity(usize::try_from(hint).unwrap_or(0));
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(malformed(format!("longer than {ANSWER_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

impl Transport for Http {
    fn address(&self) -> &str {
        &self.address
    }

    fn carry(
        &self,
        method: &'static str,
        call: Vec<u8>,
        limit: Span,
    ) -> BoxFuture<'_, Result<Vec<u8>, CallError>> {
        Box::pin(self.post(method, call, limit))
    }
}

/// The innermost cause: the outer ones only say that a request failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (address, good) in [
            ("127.0.0.1:7001", true),
            ("http://node.example:80/", true),
            ("[::1]:7001", true),
            ("127.0.0.1", false),
            ("https://127.0.0.1:7001", false),
            ("host:port", false),
            (":80", false),
            ("user@host:80", false),
            ("", false),
        ] {
            assert_eq!(Http::new(address).is_ok(), good, "{address}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable() {
        // Bound and dropped: the port is free again.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let http = Http::new(&format!("127.0.0.1:{port}")).unwrap();
        let error = http.carry("status", vec![], Span::secs(5)).await.unwrap_err();
        assert!(matches!(error, CallError::Unreachable { .. }), "{error:?}");
        assert!(error.is_open());
    }
}
