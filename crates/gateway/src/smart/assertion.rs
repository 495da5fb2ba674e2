//! This file is where a client shows who it is: by an assertion that it signed for this gateway, just now, once
//! (RFC 7523; SMART Backend Services).

use super::{
    authority::{Authority, stored},
    client::{Client, ClientId},
    form::Form,
    jws::Jws,
    keyring::KeysError,
    oauth::{OauthCode, OauthError},
    paths::TOKEN,
    replay::Used,
};
use ledger::consent::Purpose;
use primitives::{Millis, Span};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// The only kind of assertion that is taken.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How far ahead an assertion may expire, and how long ago it may have been made.
const LIFE_MAX: Span = Span::secs(300);
/// How far a client's clock may be off.
const SKEW: Span = Span::secs(30);
/// Longest `jti`, in bytes.
const JTI_BYTES_MAX: usize = 256;
/// Most audiences of one assertion.
const AUDIENCES_MAX: usize = 8;
/// The authentication method that stands for more than one factor (RFC 8176 §2).
const FACTORS: &str = "mfa";
/// Prefixes under which a purpose of use may be written: the object identifier and the address of HL7 v3 ActReason.
const PURPOSE_SYSTEMS: [&str; 2] =
    ["urn:oid:2.16.840.1.113883.5.8#", "http://terminology.hl7.org/CodeSystem/v3-ActReason#"];

/// What a client says of itself. Unknown claims are passed over, as RFC 7519 §4 asks.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    jti: String,
    /// When the user signed in (OpenID Connect Core §2).
    auth_time: Option<f64>,
    /// By what (RFC 8176).
    #[serde(default)]
    amr: Vec<String>,
    #[serde(default)]
    extensions: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, urls: &[String]) -> bool {
        match self {
            Self::One(one) => urls.contains(one),
            Self::Several(all) => all.len() <= AUDIENCES_MAX && all.iter().any(|one| urls.contains(one)),
        }
    }
}

/// A client that showed who it is.
pub(super) struct Known {
    pub(super) client: Client,
    signed_in: Option<f64>,
    factors: Vec<String>,
    extensions: BTreeMap<String, Value>,
}

/// Strangers learn no more than this: not whether the client exists, is kept out, or has such a key.
fn stranger() -> OauthError {
    OauthError::new(
        OauthCode::InvalidClient,
        "the client isn't registered here, or no key of it (by `kid`) made this signature",
    )
}

fn invalid(words: impl Into<String>) -> OauthError {
    OauthError::new(OauthCode::InvalidClient, words)
}

impl Authority {
    /// Authenticates the client of a request to `endpoint` (a path of this gateway).
    pub(super) async fn authenticate(
        self: &Arc<Self>,
        form: &Form,
        endpoint: &str,
    ) -> Result<Known, OauthError> {
        match form.get("client_assertion_type") {
            Some(ASSERTION_TYPE) => {}
            _ => return Err(invalid(format!("`client_assertion_type` must be {ASSERTION_TYPE}"))),
        }
        let assertion =
            form.get("client_assertion").ok_or_else(|| invalid("the form lacks `client_assertion`"))?;
        let jws = Jws::parse(assertion).map_err(|error| invalid(error.to_string()))?;
        let claims: Claims = jws.unverified().map_err(|_| {
            invalid("the assertion must claim `iss`, `sub`, `aud`, `exp` and `jti`, each in its own form")
        })?;
        let id: ClientId = claims.iss.parse().map_err(|_| stranger())?;
        if claims.sub != claims.iss || form.get("client_id").is_some_and(|named| named != claims.iss) {
            return Err(invalid("`iss`, `sub` and a `client_id` beside them must be the client's id"));
        }
        let client = self.enabled(&id).await?;
        let keys = self.keyring.keys(&client.keys, &jws.kid).await.map_err(|error| {
            tracing::warn!(client = %id, %error, "a client's keys aren't to be had");
            match error {
                KeysError::Busy | KeysError::TooSoon => OauthError::throttled(10, error.to_string()),
                KeysError::Inline(_) | KeysError::Fetch(_) => stranger(),
            }
        })?;
        if !jws.is_signed_by(&keys) {
            tracing::info!(client = %id, "an assertion isn't signed by its client");
            return Err(stranger());
        }
        // From here on it is the client who speaks, and may be told what is wrong.
        let now = self.host.now();
        self.limiter
            .take(id.clone(), now)
            .map_err(|throttled| OauthError::throttled(throttled.retry_secs, throttled.to_string()))?;
        let until = self.check(&claims, endpoint, now)?;
        let Claims { jti, auth_time: signed_in, amr: factors, extensions, .. } = claims;
        let replay = self.replay.clone();
        match stored(move || replay.use_up(&id, &jti, until, now)).await? {
            Used::Now => Ok(Known { client, signed_in, factors, extensions }),
            Used::Before => {
                Err(invalid("the assertion was used before; sign a new one, with a `jti` of its own"))
            }
            Used::TooMany => {
                Err(OauthError::throttled(60, "too many live assertions; use tokens until they end"))
            }
        }
    }

    async fn enabled(&self, id: &ClientId) -> Result<Client, OauthError> {
        let (clients, asked) = (self.clients.clone(), id.clone());
        let client = stored(move || clients.get(&asked)).await?;
        client.filter(|client| client.enabled).ok_or_else(|| {
            tracing::info!(client = %id, "a client that isn't registered or enabled came");
            stranger()
        })
    }

    /// Checks for whom and when an assertion was made; tells until when it could be used.
    fn check(&self, claims: &Claims, endpoint: &str, now: Millis) -> Result<Millis, OauthError> {
        let urls = [self.public.at(TOKEN), self.public.at(endpoint)];
        if !claims.aud.names(&urls) {
            return Err(invalid(format!("`aud` must be {}", urls[0])));
        }
        let exp = moment(claims.exp).ok_or_else(|| invalid("`exp` is no time in seconds"))?;
        if exp <= now {
            return Err(invalid("the assertion has expired; sign a new one, and check the client's clock"));
        }
        if exp > now.plus(LIFE_MAX).plus(SKEW) {
            return Err(invalid("`exp` must be at most 5 minutes ahead"));
        }
        for (name, claim) in [("iat", claims.iat), ("nbf", claims.nbf)] {
            let Some(claim) = claim else { continue };
            let at = moment(claim).ok_or_else(|| invalid(format!("`{name}` is no time in seconds")))?;
            if at > now.plus(SKEW) {
                return Err(invalid(format!("`{name}` lies ahead; check the client's clock")));
            }
            if at.plus(LIFE_MAX).plus(SKEW) < now {
                return Err(invalid(format!("`{name}` is more than 5 minutes ago; sign a new assertion")));
            }
        }
        if !(1..=JTI_BYTES_MAX).contains(&claims.jti.len()) {
            return Err(invalid(format!("`jti` must be 1 to {JTI_BYTES_MAX} bytes")));
        }
        Ok(exp)
    }

    /// When the user signed in anew by more than one factor, as a client says that may vouch for it. What others say of that
    /// isn't heard.
    pub(super) fn authenticated(&self, known: &Known) -> Result<Option<Millis>, OauthError> {
        let (true, Some(signed_in)) = (known.client.may_vouch, known.signed_in) else { return Ok(None) };
        let at = moment(signed_in).ok_or_else(|| invalid("`auth_time` is no time in seconds"))?;
        if at > self.host.now().plus(SKEW) {
            return Err(invalid("`auth_time` lies ahead; check the client's clock"));
        }
        Ok(known.factors.iter().any(|factor| factor == FACTORS).then_some(at))
    }

    /// The purpose of use: the one that the assertion names, if registration and role allow it.
    ///
    /// An assertion may leave it out if the client is registered for a single one: then there is nothing to choose.
    pub(super) fn purpose(&self, known: &Known) -> Result<Purpose, OauthError> {
        let refuse = |words: String| OauthError::new(OauthCode::InvalidGrant, words);
        let client = &known.client;
        let purpose = match known.extensions.get("hl7-b2b") {
            Some(extension) => {
                let named = extension.get("purpose_of_use").and_then(Value::as_array).map(Vec::as_slice);
                // The ledger decides and records an access for one purpose.
                let Some([Value::String(text)]) = named else {
                    return Err(refuse(
                        "`hl7-b2b` must hold `purpose_of_use`, an array of one code".to_owned(),
                    ));
                };
                let code =
                    PURPOSE_SYSTEMS.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
                code.parse().map_err(|_| {
                    refuse("`purpose_of_use` is no code of HL7 PurposeOfUse, as TREAT".to_owned())
                })?
            }
            None => match client.purposes.iter().collect::<Vec<_>>().as_slice() {
                [only] => **only,
                _ => {
                    return Err(refuse(
                        "name the purpose of use in the assertion: extensions.hl7-b2b.purpose_of_use"
                            .to_owned(),
                    ));
                }
            },
        };
        if !client.purposes.contains(&purpose) || !self.role_may(client, purpose) {
            return Err(refuse(format!(
                "the client may not ask for {}: neither its registration nor its role may be wider",
                purpose.code()
            )));
        }
        Ok(purpose)
    }

    fn role_may(&self, client: &Client, purpose: Purpose) -> bool {
        let roles = &self.settings.purposes_of_roles;
        match client.principal.role() {
            Some(role) if !roles.is_empty() => {
                roles.get(role).is_some_and(|purposes| purposes.contains(&purpose))
            }
            _ => true,
        }
    }
}

/// A JWT's time (RFC 7519 §2, seconds, maybe with a fraction), if it is one that a calendar knows.
fn moment(secs: f64) -> Option<Millis> {
    // Up to the year 9999: every such number of milliseconds is exact in a double.
    let good = secs.is_finite() && (0.0..=253_402_300_799.0).contains(&secs);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is out of range saturates and is thrown away"
    )]
    good.then_some(Millis((secs * 1000.0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_assertions() {
        for (secs, millis) in [
            (0.0, Some(0)),
            (1_700_000_000.0, Some(1_700_000_000_000)),
            (1.5, Some(1_500)),
            (-1.0, None),
            (1e300, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            assert_eq!(moment(secs), millis.map(Millis), "{secs}");
        }
    }
}
