//! This file is where a set of scopes answers what a token may do.

use super::scope::{Context, Filter, Interaction, Scope, ScopeError};
use std::{collections::BTreeSet, fmt};

/// Longest list of scopes in a request or registration, in bytes.
pub const SCOPES_BYTES_MAX: usize = 16 * 1024;
/// Most scopes of one set.
pub const SCOPES_MAX: usize = 128;

/// What a set of scopes says of one interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Not at all.
    No,
    /// Without a restriction.
    Yes,
    /// For resources that match at least one of these filters; a filter is matched when all its pairs are.
    ///
    /// What is written must match before and after. A parameter that the server doesn't know matches nothing.
    Restricted(Vec<Filter>),
}

/// A set of scopes: what any of them allows is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

/// A list of scopes can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopesError {
    /// One isn't a scope.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// There are too many.
    #[error("more than {SCOPES_MAX} scopes or {SCOPES_BYTES_MAX} bytes of them; use `*` for the type")]
    TooMany,
}

impl Scopes {
    /// Reads a list separated by spaces, strictly.
    ///
    /// # Errors
    /// [`ScopesError`] names the first that is no scope.
    pub fn parse(text: &str) -> Result<Self, ScopesError> {
        if text.len() > SCOPES_BYTES_MAX {
            return Err(ScopesError::TooMany);
        }
        let scopes: BTreeSet<Scope> =
            text.split_ascii_whitespace().map(str::parse).collect::<Result<_, ScopeError>>()?;
        Self::bounded(scopes)
    }

    /// Reads what a client asks for: what isn't known is dropped, as RFC 6749 §3.3 lets a server do.
    ///
    /// # Errors
    /// [`ScopesError::TooMany`].
    pub fn asked(text: &str) -> Result<Self, ScopesError> {
        if text.len() > SCOPES_BYTES_MAX {
            return Err(ScopesError::TooMany);
        }
        Self::bounded(text.split_ascii_whitespace().filter_map(|scope| scope.parse().ok()).collect())
    }

    fn bounded(scopes: BTreeSet<Scope>) -> Result<Self, ScopesError> {
        if scopes.len() > SCOPES_MAX { Err(ScopesError::TooMany) } else { Ok(Self(scopes)) }
    }

    /// What is in both, in the forms in which `self` writes it.
    ///
    /// # Errors
    /// [`ScopesError::TooMany`] if that takes more scopes than a set may have.
    pub fn meet(&self, other: &Self) -> Result<Self, ScopesError> {
        let mut met: BTreeSet<Scope> = BTreeSet::new();
        for one in &self.0 {
            // Of what one scope comes to, the widest is enough; but each scope asked for is answered for itself, as
            // clients look for their own words in the answer.
            let mut found: Vec<Scope> = Vec::new();
            for scope in other.0.iter().filter_map(|two| one.meet(two)) {
                if !found.iter().any(|known| scope.within(known)) {
                    found.retain(|known| !known.within(&scope));
                    found.push(scope);
                }
            }
            met.extend(found);
        }
        Self::bounded(met)
    }

    /// What may be done with resources of a type, in a user's or a system's name.
    ///
    /// Scopes for one patient don't count here: without that patient they would allow too much.
    #[must_use]
    pub fn allows(&self, resource_type: &str, interaction: Interaction) -> Allowed {
        let mut filters: Vec<Filter> = Vec::new();
        for scope in &self.0 {
            if scope.context == Context::Patient || !scope.covers(resource_type, interaction) {
                continue;
            }
            match &scope.filter {
                None => return Allowed::Yes,
                Some(filter) if filters.contains(filter) => {}
                Some(filter) => filters.push(filter.clone()),
            }
        }
        if filters.is_empty() { Allowed::No } else { Allowed::Restricted(filters) }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, scope) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{scope}")?;
        }
        Ok(())
    }
}
