//! This file is where the gateway learns how the world calls it: from its configuration, never from a request.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use url::{Host, Url};

/// The gateway's address as clients see it, for example `https://fhir.riverside.example`: a proxy may stand in front.
///
/// Links, audiences and the FHIR base derive from it. What a request says in `Host` or `Forwarded` never counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicUrl(String);

/// Why a text is no public address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// Not a URL, or not one of the web.
    #[error("`{0}` is no web address; write it as https://fhir.hospital.example")]
    Malformed(String),
    /// Plain HTTP in the open.
    #[error("`{0}` is not encrypted; only a loopback address may be http")]
    Plain(String),
    /// User, query or fragment.
    #[error("`{0}` must be scheme, host, port and path only, at most 200 bytes")]
    Extra(String),
}

/// Longest address.
const BYTES_MAX: usize = 200;

impl PublicUrl {
    /// The address without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Base of the FHIR service.
    #[must_use]
    pub fn fhir(&self) -> String {
        format!("{}/fhir", self.0)
    }

    /// Where a route of the gateway is seen from outside; `path` starts with a slash.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Whether clients come over TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let url = Url::parse(text).map_err(|_| PublicUrlError::Malformed(text.to_owned()))?;
        let loopback = match url.host() {
            None => return Err(PublicUrlError::Malformed(text.to_owned())),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(_) => url.domain() == Some("localhost"),
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err(PublicUrlError::Plain(text.to_owned())),
            _ => return Err(PublicUrlError::Malformed(text.to_owned())),
        }
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let address = url.as_str().trim_end_matches('/').to_owned();
        if !plain || address.len() > BYTES_MAX {
            return Err(PublicUrlError::Extra(text.to_owned()));
        }
        Ok(Self(address))
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = PublicUrlError;

    fn try_from(text: String) -> Result<Self, PublicUrlError> {
        text.parse()
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> Self {
        url.0
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses() {
        for (text, is) in [
            ("https://fhir.example", Some("https://fhir.example")),
            ("https://FHIR.example:443/", Some("https://fhir.example")),
            ("https://fhir.example:8443/gate/", Some("https://fhir.example:8443/gate")),
            ("http://127.0.0.1:80", Some("http://127.0.0.1")),
            ("http://[::1]:8080", Some("http://[::1]:8080")),
            ("http://localhost:8080", Some("http://localhost:8080")),
            ("http://fhir.example", None),
            ("ftp://fhir.example", None),
            ("https://user@fhir.example", None),
            ("https://fhir.example/?a=b", None),
            ("https://fhir.example/#a", None),
            ("fhir.example", None),
            ("", None),
        ] {
            let found = text.parse::<PublicUrl>().ok();
            assert_eq!(found.as_ref().map(PublicUrl::as_str), is, "{text}");
        }
    }
}
