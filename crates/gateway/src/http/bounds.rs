//! This file is where the server's settings and bounds are: addresses, TLS, origins, sizes, times and rates.

use super::{limiter::Rate, public::PublicUrl, tls::TlsFiles};
use axum::http::HeaderValue;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, str::FromStr, time::Duration};
use url::Url;

/// How the server listens.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where; port 0 is any free one.
    pub listen: SocketAddr,
    /// How clients see it.
    pub public: PublicUrl,
    /// Certificate and key; without them the server speaks plain HTTP, for a proxy on the same machine.
    pub tls: Option<TlsFiles>,
    /// Web pages of these origins may call.
    pub cors: Vec<CorsOrigin>,
    /// What it bears.
    pub bounds: Bounds,
}

/// What the server bears before it refuses.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Longest body, in bytes.
    pub body_bytes_max: usize,
    /// Most connections at a time; further ones wait in the system's queue.
    pub connections_max: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long a request's head may take to arrive, and a connection be idle.
    pub head: Duration,
    /// How long a request may take until its answer begins. Its handler is dropped then, as it is when the caller hangs
    /// up: what must not end half-way belongs in a task of its own.
    pub answer: Duration,
    /// How long requests under way may take once the server stops.
    pub drain: Duration,
    /// Requests of one network address; `None` behind a proxy, from which all come.
    pub per_address: Option<Rate>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body_bytes_max: 32 << 20,
            connections_max: 1024,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            answer: Duration::from_secs(120),
            drain: Duration::from_secs(10),
            per_address: Some(Rate { burst: 200, per_sec: 50 }),
        }
    }
}

/// An origin of web pages: scheme, host and port, as browsers send it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CorsOrigin(pub(crate) HeaderValue);

/// The text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin; write scheme and host, as https://app.example")]
pub struct CorsOriginError(String);

impl FromStr for CorsOrigin {
    type Err = CorsOriginError;

    fn from_str(text: &str) -> Result<Self, CorsOriginError> {
        let error = || CorsOriginError(text.to_owned());
        let url = Url::parse(text).map_err(|_| error())?;
        let origin = url.origin().ascii_serialization();
        // Browsers send the canonical form; anything else, `*` and `null` included, would never or always match.
        if !matches!(url.scheme(), "http" | "https") || origin != text {
            return Err(error());
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| error())
    }
}

impl TryFrom<String> for CorsOrigin {
    type Error = CorsOriginError;

    fn try_from(text: String) -> Result<Self, CorsOriginError> {
        text.parse()
    }
}

impl From<CorsOrigin> for String {
    fn from(origin: CorsOrigin) -> Self {
        // It was made of a text.
        String::from_utf8_lossy(origin.0.as_bytes()).into_owned()
    }
}

/// The bound on a body, handed to extractors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyMax(pub(crate) usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for (text, good) in [
            ("https://app.example", true),
            ("http://localhost:3000", true),
            ("https://app.example/", false),
            ("https://app.example:443", false),
            ("https://App.example", false),
            ("*", false),
            ("null", false),
            ("file:///", false),
        ] {
            assert_eq!(text.parse::<CorsOrigin>().is_ok(), good, "{text}");
        }
    }
}
