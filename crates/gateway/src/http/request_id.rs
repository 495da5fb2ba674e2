//! This file is where a request gets the name under which logs and answers speak of it.

use axum::http::HeaderMap;
use std::{fmt, sync::Arc};

/// Longest id taken from a caller, in bytes.
const BYTES_MAX: usize = 64;

/// A request's name: the caller's `X-Request-Id` if it is well-formed, a random one otherwise. In every request's
/// extensions, and echoed in every answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Header that carries it.
    pub const HEADER: &str = "x-request-id";

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The caller's, if it sent exactly one of 1 to 64 letters, digits, `-`, `_`, `.` or `~`.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(Self::HEADER).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let bytes = value.as_bytes();
        let good = (1..=BYTES_MAX).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(b));
        let text = value.to_str().ok().filter(|_| good)?;
        Some(Self(text.into()))
    }

    /// A random one, of 128 bits.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex::encode(bytes).into()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_taken_from_callers() {
        let long = "a".repeat(65);
        for (values, taken) in [
            (vec!["abc-1_2.3~4"], true),
            (vec![&long[..64]], true),
            (vec![long.as_str()], false),
            (vec![""], false),
            (vec!["a b"], false),
            (vec!["a\"b"], false),
            (vec!["a", "b"], false),
            (vec![], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(RequestId::HEADER, value.parse().unwrap());
            }
            assert_eq!(RequestId::of(&headers).is_some(), taken, "{values:?}");
        }
        assert_ne!(RequestId::random().unwrap(), RequestId::random().unwrap());
    }
}
