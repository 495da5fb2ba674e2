//! This file is where a request has its form once it is read: by itself, or as an entry of a batch.

use super::{
    answer::{of_http_date, version_of},
    interaction::Interaction,
    negotiate::Wishes,
    refusals::{invalid, scope},
};
use crate::{
    http::Refusal,
    smart::{self, Allowed, Scopes},
    visit::Asking,
};
use axum::http::{HeaderMap, header};
use primitives::Millis;

/// A request, understood.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) asking: Asking,
    pub(crate) scopes: Scopes,
    pub(crate) wishes: Wishes,
    pub(crate) interaction: Interaction,
    /// When it came, or the bundle in which it came.
    pub(crate) began: Millis,
    /// Decoded, in order.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) conditions: Preconditions,
    pub(crate) body: Vec<u8>,
    /// Whether the body is JSON Patch.
    pub(crate) is_json_patch: bool,
}

/// What must hold for a request to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preconditions {
    /// Only if this version is current; `Err` for a tag that can't be one.
    pub(crate) if_match: Option<Option<u32>>,
    /// Only if none of these versions is current.
    pub(crate) if_none_match: Vec<u32>,
    /// Only if nothing is there: `*`.
    pub(crate) if_none_match_any: bool,
    pub(crate) if_modified_since: Option<Millis>,
    /// Create only if this search finds nothing.
    pub(crate) if_none_exist: Option<String>,
}

impl Preconditions {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
        let none_match = text(header::IF_NONE_MATCH).unwrap_or_default();
        Self {
            if_match: text(header::IF_MATCH).map(version_of),
            if_none_match: none_match.split(',').filter_map(version_of).collect(),
            if_none_match_any: none_match.trim() == "*",
            if_modified_since: text(header::IF_MODIFIED_SINCE).and_then(of_http_date),
            if_none_exist: headers
                .get("if-none-exist")
                .and_then(|value| value.to_str().ok())
                .map(|query| query.rsplit('?').next().unwrap_or(query).to_owned()),
        }
    }
}

impl Request {
    /// The search parameters of the request, without those that say how to answer.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        let about =
            |(name, _): &&(String, String)| !matches!(name.as_str(), "_format" | "_pretty" | "_cursor");
        self.query.iter().filter(about).cloned().collect()
    }

    /// The first parameter of this name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The filters under which this may be done; none without a restriction.
    ///
    /// # Errors
    /// 403 if the token doesn't reach so far.
    pub(crate) fn allowed(
        &self,
        kind: &str,
        interaction: smart::Interaction,
    ) -> Result<Vec<smart::Filter>, Refusal> {
        match self.scopes.allows(kind, interaction) {
            Allowed::Yes => Ok(Vec::new()),
            Allowed::Restricted(filters) => Ok(filters),
            Allowed::No => Err(scope("the token's scopes don't allow this; ask for one that does")),
        }
    }
}

/// Decodes a query: `application/x-www-form-urlencoded`.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// The pairs of a posted form.
///
/// # Errors
/// 400 if it isn't UTF-8.
pub(crate) fn form(body: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| invalid("the form isn't UTF-8"))?;
    Ok(pairs(text))
}
