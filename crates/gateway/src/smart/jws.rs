//! This file is where a signed assertion is taken apart and its signature checked (RFC 7515, compact form), before
//! anybody believes a word of it.

use super::jwks::{Algorithm, KID_BYTES_MAX, KeySet};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};

/// Longest assertion, in bytes.
pub(super) const JWS_BYTES_MAX: usize = 16 * 1024;

/// An assertion whose form is right and whose signature isn't checked yet.
pub(super) struct Jws<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// An assertion can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwsError {
    #[error("the assertion is longer than {JWS_BYTES_MAX} bytes")]
    TooLong,
    #[error("the assertion is no signed JWT: three parts in base64url, separated by dots")]
    Malformed,
    #[error("the assertion must be signed by RS384 or ES384")]
    Algorithm,
    #[error("the assertion's header names no `kid` of 1 to {KID_BYTES_MAX} bytes")]
    Kid,
    #[error("the assertion's `typ` is not JWT")]
    Type,
    #[error("the assertion's header holds `crit`, which isn't understood here")]
    Critical,
}

/// The protected header. `jku`, `jwk` and `x5c`, by which a sender could bring keys of its own, are never looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

impl<'a> Jws<'a> {
    /// Takes an assertion apart.
    pub(super) fn parse(text: &'a str) -> Result<Self, JwsError> {
        if text.len() > JWS_BYTES_MAX {
            return Err(JwsError::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Malformed)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed);
        let (header, payload, signature) = (bytes(header)?, bytes(payload)?, bytes(signature)?);
        let Header { alg, kid, typ, crit } =
            serde_json::from_slice(&header).map_err(|_| JwsError::Malformed)?;
        let algorithm = match alg.as_str() {
            "RS384" => Algorithm::Rs384,
            "ES384" => Algorithm::Es384,
            // `none` and the symmetric ones included.
            _ => return Err(JwsError::Algorithm),
        };
        if crit.is_some() {
            return Err(JwsError::Critical);
        }
        if typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(JwsError::Type);
        }
        let kid = kid.filter(|kid| (1..=KID_BYTES_MAX).contains(&kid.len())).ok_or(JwsError::Kid)?;
        Ok(Self { algorithm, kid, signed, payload, signature })
    }

    /// Reads the claims without believing them: only to learn whose keys to check them with.
    pub(super) fn unverified<T: DeserializeOwned>(&self) -> Result<T, JwsError> {
        serde_json::from_slice(&self.payload).map_err(|_| JwsError::Malformed)
    }

    /// Whether one of `keys` signed it.
    pub(super) fn is_signed_by(&self, keys: &KeySet) -> bool {
        keys.verifies(&self.kid, self.algorithm, self.signed.as_bytes(), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_assertions() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let jwt = |header: &str| format!("{}.{}.{}", part(header), part("{}"), part("signature"));
        for (text, result) in [
            (jwt(r#"{"alg":"RS384","kid":"a"}"#), Ok(Algorithm::Rs384)),
            (jwt(r#"{"alg":"ES384","kid":"a","typ":"jwt","jku":"https://evil"}"#), Ok(Algorithm::Es384)),
            (jwt(r#"{"alg":"none","kid":"a"}"#), Err(JwsError::Algorithm)),
            (jwt(r#"{"alg":"HS256","kid":"a"}"#), Err(JwsError::Algorithm)),
            (jwt(r#"{"alg":"RS256","kid":"a"}"#), Err(JwsError::Algorithm)),
            (jwt(r#"{"alg":"rs384","kid":"a"}"#), Err(JwsError::Algorithm)),
            (jwt(r#"{"alg":"RS384"}"#), Err(JwsError::Kid)),
            (jwt(r#"{"alg":"RS384","kid":""}"#), Err(JwsError::Kid)),
            (jwt(r#"{"alg":"RS384","kid":"a","crit":["b64"]}"#), Err(JwsError::Critical)),
            (jwt(r#"{"alg":"RS384","kid":"a","typ":"at+jwt"}"#), Err(JwsError::Type)),
            (jwt(r#"{"alg":"none","alg":"RS384","kid":"a"}"#), Err(JwsError::Malformed)),
            (jwt("{}"), Err(JwsError::Malformed)),
            (jwt("[]"), Err(JwsError::Malformed)),
            (format!("{}.{}", jwt(r#"{"alg":"RS384","kid":"a"}"#), part("x")), Err(JwsError::Malformed)),
            (format!("{}=", jwt(r#"{"alg":"RS384","kid":"a"}"#)), Err(JwsError::Malformed)),
            ("a.b".to_owned(), Err(JwsError::Malformed)),
            ("..".to_owned(), Err(JwsError::Malformed)),
            (String::new(), Err(JwsError::Malformed)),
            ("a".repeat(JWS_BYTES_MAX + 1), Err(JwsError::TooLong)),
        ] {
            assert_eq!(Jws::parse(&text).map(|jws| jws.algorithm), result, "{text}");
        }
    }
}
