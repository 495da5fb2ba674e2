//! This file is where a request shows its access token, and gets to know what that allows (RFC 6750, in the header
//! only).

use super::{
    authority::{Authority, stored},
    token::{Grant, Secret},
};
use crate::http::{IssueCode, Refusal};
use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
};
use std::{ops::Deref, sync::Arc};

/// The grant under which a request is made. As an argument of a handler it refuses whoever has none.
#[derive(Clone, Debug)]
pub struct Bearer(pub Grant);

impl Deref for Bearer {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        &self.0
    }
}

/// Whether a user has signed in anew just now, by more than one factor.
#[derive(Clone, Debug)]
pub enum StepUp {
    /// Yes, as the client vouches.
    Done,
    /// The client may vouch for it and doesn't: whatever takes it is answered with this 401
    /// `insufficient_user_authentication` (RFC 9470 §3) before anything is asked in vain.
    Due(Box<Refusal>),
    /// Nobody could say.
    Unknown,
}

impl<S: Send + Sync> FromRequestParts<S> for Bearer
where
    Arc<Authority>: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Arc::<Authority>::from_ref(state).bearer(&parts.headers).await.map(Self)
    }
}

impl Authority {
    /// What the token in these headers allows.
    ///
    /// # Errors
    /// 401 with `WWW-Authenticate` without a live token, 429 if its client asks too often, 500 if the store fails.
    pub async fn bearer(self: &Arc<Self>, headers: &HeaderMap) -> Result<Grant, Refusal> {
        let secret = match presented(headers) {
            Ok(secret) => secret,
            Err(challenge) => return Err(self.unauthorized(challenge)),
        };
        let now = self.host.now();
        let broken = |error| {
            tracing::error!(%error, "a token can't be looked up");
            Refusal::fault()
        };
        let grant = match self.tokens.known(&secret, now).map_err(broken)? {
            Some(grant) => Some(grant),
            None => {
                let tokens = self.tokens.clone();
                stored(move || tokens.find(&secret, now)).await.map_err(broken)?
            }
        };
        let grant = grant.ok_or_else(|| self.unauthorized(Challenge::Invalid))?;
        self.limiter.take(grant.client.clone(), now)?;
        Ok(grant)
    }

    /// Whether the user of a grant has signed in anew just now.
    #[must_use]
    pub fn step_up(&self, grant: &Grant) -> StepUp {
        let longest = self.settings.step_up_max;
        match grant.authenticated {
            Some(at) if self.host.now().since(at) <= longest => StepUp::Done,
            Some(_) | None if grant.may_vouch => {
                StepUp::Due(Box::new(self.unauthorized(Challenge::StepUp { within_secs: longest.0 / 1000 })))
            }
            Some(_) | None => StepUp::Unknown,
        }
    }

    /// RFC 6750 §3. Where to get a token is told too (RFC 9728 §5.1 is for later; clients ask the well-known document).
    fn unauthorized(&self, challenge: Challenge) -> Refusal {
        let realm = self.public.fhir();
        let (error, words) = match challenge {
            Challenge::Missing => (String::new(), "show an access token: `Authorization: Bearer ...`"),
            Challenge::Malformed => {
                (r#", error="invalid_request""#.to_owned(), "the `Authorization` header is malformed")
            }
            Challenge::Invalid => (
                r#", error="invalid_token", error_description="unknown, expired or revoked""#.to_owned(),
                "the access token is unknown, expired or revoked; get a new one",
            ),
            Challenge::StepUp { within_secs } => (
                format!(
                    r#", error="insufficient_user_authentication", error_description="the user must sign in anew, by more than one factor", max_age="{within_secs}""#
                ),
                "breaking the glass takes a user who has just signed in anew, by more than one factor; get a token whose \
                 assertion says so in `auth_time` and `amr`",
            ),
        };
        let refusal = Refusal::new(StatusCode::UNAUTHORIZED, IssueCode::Login, words);
        // The public address is printable ASCII without quotes: `Url` escapes the rest.
        match HeaderValue::from_str(&format!(r#"Bearer realm="{realm}"{error}"#)) {
            Ok(value) => refusal.with_header(header::WWW_AUTHENTICATE, value),
            Err(_) => refusal.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Challenge {
    Missing,
    Malformed,
    Invalid,
    StepUp { within_secs: u64 },
}

fn presented(headers: &HeaderMap) -> Result<Secret, Challenge> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Challenge::Missing)?;
    if values.next().is_some() {
        return Err(Challenge::Malformed);
    }
    let text = value.to_str().map_err(|_| Challenge::Malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(Challenge::Malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Challenge::Missing);
    }
    Secret::presented(token.trim_start_matches(' ')).ok_or(Challenge::Invalid)
}
