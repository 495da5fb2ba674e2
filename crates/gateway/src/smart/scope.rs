//! This file is where one scope is read and written: who asks (patient, user, system), which resource type, which
//! interactions, and under which search restriction.
//!
//! SMART App Launch 2.2 §4.0.12, and the forms of version 1 (`system/Observation.read`), which mean the same.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
    str::FromStr,
};
use url::form_urlencoded;

/// In whose name access is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// One patient, known from the launch.
    Patient,
    /// What the user may see.
    User,
    /// A program, by agreement.
    System,
}

/// What is done with resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Interaction {
    /// `c`: create.
    Create = 1,
    /// `r`: read, vread and the history of one resource.
    Read = 2,
    /// `u`: update and patch.
    Update = 4,
    /// `d`: delete.
    Delete = 8,
    /// `s`: search and the history of a type or all.
    Search = 16,
}

impl Interaction {
    /// All, in the order in which a scope names them.
    pub const ALL: [Self; 5] = [Self::Create, Self::Read, Self::Update, Self::Delete, Self::Search];

    fn letter(self) -> char {
        match self {
            Self::Create => 'c',
            Self::Read => 'r',
            Self::Update => 'u',
            Self::Delete => 'd',
            Self::Search => 's',
        }
    }
}

/// A set of interactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Interactions(pub(super) u8);

impl Interactions {
    const READ: Self = Self(Interaction::Read as u8 | Interaction::Search as u8);
    const WRITE: Self =
        Self(Interaction::Create as u8 | Interaction::Update as u8 | Interaction::Delete as u8);
    const FULL: Self = Self(Self::READ.0 | Self::WRITE.0);

    pub(super) fn has(self, interaction: Interaction) -> bool {
        self.0 & interaction as u8 != 0
    }
}

/// A search restriction: name and value of search parameters, all of which a resource must match.
///
/// Values are as in a search URL after decoding: commas still separate alternatives. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filter(pub(super) BTreeSet<(String, String)>);

impl Filter {
    /// The pairs, sorted.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// One scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    pub(super) context: Context,
    /// `None` is `*`.
    pub(super) resource_type: Option<String>,
    pub(super) interactions: Interactions,
    pub(super) filter: Option<Filter>,
    /// Asked for in the form of version 1, and answered so.
    pub(super) old: bool,
}

/// The text is no scope for resources.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no scope; write it as system/Observation.rs or system/Observation.rs?category=laboratory")]
pub struct ScopeError(pub String);

/// Longest scope in bytes.
pub(super) const SCOPE_BYTES_MAX: usize = 1024;
/// Most pairs of one filter.
pub(super) const PAIRS_MAX: usize = 16;

/// Parameters that change what an answer looks like and not what it is about: as a restriction they would restrict
/// nothing. `_query`, `_filter`, `_has` and `_list` could reach beyond the resource at hand.
const NO_RESTRICTION: [&str; 19] = [
    "_contained",
    "_containedType",
    "_count",
    "_cursor",
    "_elements",
    "_filter",
    "_format",
    "_has",
    "_include",
    "_list",
    "_offset",
    "_page",
    "_pretty",
    "_query",
    "_revinclude",
    "_sort",
    "_summary",
    "_total",
    "_graph",
];

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        parse(text).ok_or_else(|| ScopeError(text.chars().take(SCOPE_BYTES_MAX).collect()))
    }
}

fn parse(text: &str) -> Option<Scope> {
    // RFC 6749 §3.3: printable ASCII without space, quote and backslash.
    let clean = text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    if !clean || text.len() > SCOPE_BYTES_MAX {
        return None;
    }
    let (context, rest) = text.split_once('/')?;
    let context = match context {
        "patient" => Context::Patient,
        "user" => Context::User,
        "system" => Context::System,
        _ => return None,
    };
    let (head, query) = rest.split_once('?').map_or((rest, None), |(head, query)| (head, Some(query)));
    let (resource_type, interactions) = head.split_once('.')?;
    let resource_type = match resource_type {
        "*" => None,
        name if is_type_name(name) => Some(name.to_owned()),
        _ => return None,
    };
    let (interactions, old) = interactions_of(interactions)?;
    let filter = match query {
        None => None,
        // Version 1 knew no restrictions.
        Some(_) if old => return None,
        Some(query) => Some(filter_of(query)?),
    };
    Some(Scope { context, resource_type, interactions, filter, old })
}

fn is_type_name(name: &str) -> bool {
    (2..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn interactions_of(text: &str) -> Option<(Interactions, bool)> {
    match text {
        "read" => return Some((Interactions::READ, true)),
        "write" => return Some((Interactions::WRITE, true)),
        "*" => return Some((Interactions::FULL, true)),
        _ => {}
    }
    // Version 2: a subset of `cruds` in this order, at least one.
    let mut rest = text;
    let mut bits = 0;
    for interaction in Interaction::ALL {
        if let Some(after) = rest.strip_prefix(interaction.letter()) {
            rest = after;
            bits |= interaction as u8;
        }
    }
    (rest.is_empty() && bits != 0).then_some((Interactions(bits), false))
}

fn filter_of(query: &str) -> Option<Filter> {
    let mut pairs = BTreeSet::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let plain = name.split(':').next().unwrap_or_default();
        let named = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_:".contains(&b));
        if !named || value.is_empty() || NO_RESTRICTION.contains(&plain) || pairs.len() >= PAIRS_MAX {
            return None;
        }
        pairs.insert((name.into_owned(), value.into_owned()));
    }
    // An empty restriction is a slip, and would be read as none.
    (!pairs.is_empty()).then_some(Filter(pairs))
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = match self.context {
            Context::Patient => "patient",
            Context::User => "user",
            Context::System => "system",
        };
        write!(f, "{context}/{}.", self.resource_type.as_deref().unwrap_or("*"))?;
        match (self.old && self.filter.is_none(), self.interactions) {
            (true, Interactions::READ) => f.write_str("read")?,
            (true, Interactions::WRITE) => f.write_str("write")?,
            (true, Interactions::FULL) => f.write_str("*")?,
            _ => {
                for interaction in Interaction::ALL {
                    if self.interactions.has(interaction) {
                        f.write_char(interaction.letter())?;
                    }
                }
            }
        }
        let mut separator = '?';
        for (name, value) in self.filter.iter().flat_map(Filter::pairs) {
            write!(f, "{separator}{name}=")?;
            escape(f, value)?;
            separator = '&';
        }
        Ok(())
    }
}

/// Writes a value so that it reads back as it is and stays legible: `http://loinc.org|4548-4` needs no escapes.
fn escape(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/|,$@!*();".contains(&byte) {
            f.write_char(char::from(byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

impl Scope {
    /// In whose name.
    #[must_use]
    pub fn context(&self) -> Context {
        self.context
    }

    /// What both allow, if anything.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        if self.context != other.context {
            return None;
        }
        let resource_type = match (&self.resource_type, &other.resource_type) {
            (None, any) | (any, None) => any.clone(),
            (Some(one), Some(another)) if one == another => Some(one.clone()),
            (Some(_), Some(_)) => return None,
        };
        let interactions = Interactions(self.interactions.0 & other.interactions.0);
        let filter = match (&self.filter, &other.filter) {
            (None, any) | (any, None) => any.clone(),
            // Both must match: parameters stand side by side, as in a search.
            (Some(one), Some(another)) => Some(Filter(one.0.union(&another.0).cloned().collect())),
        };
        let bounded = filter.as_ref().is_none_or(|filter| filter.0.len() <= PAIRS_MAX);
        // Version 1 can't say everything that is left.
        let old = self.old
            && filter.is_none()
            && [Interactions::READ, Interactions::WRITE, Interactions::FULL].contains(&interactions);
        (interactions.0 != 0 && bounded).then_some(Self {
            context: self.context,
            resource_type,
            interactions,
            filter,
            old,
        })
    }

    /// Whether `other` allows all that this one does.
    pub(super) fn within(&self, other: &Self) -> bool {
        self.context == other.context
            && (other.resource_type.is_none() || self.resource_type == other.resource_type)
            && self.interactions.0 & !other.interactions.0 == 0
            && match (&self.filter, &other.filter) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(narrow), Some(wide)) => wide.0.is_subset(&narrow.0),
            }
    }

    pub(super) fn covers(&self, resource_type: &str, interaction: Interaction) -> bool {
        self.resource_type.as_deref().is_none_or(|mine| mine == resource_type)
            && self.interactions.has(interaction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_and_written() {
        for (text, written) in [
            ("system/*.read", Some("system/*.read")),
            ("user/Observation.write", Some("user/Observation.write")),
            ("patient/*.*", Some("patient/*.*")),
            ("system/Observation.cruds", Some("system/Observation.cruds")),
            ("system/Observation.rs", Some("system/Observation.rs")),
            ("system/Observation.rs?category=laboratory", Some("system/Observation.rs?category=laboratory")),
            (
                "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
                Some(
                    "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
                ),
            ),
            // Sorted, repeated once, escaped only where it must be.
            ("system/A1.r?b=2&a=x%20y&b=2", Some("system/A1.r?a=x%20y&b=2")),
            ("system/Condition.s?code:in=http://a%26b", Some("system/Condition.s?code:in=http://a%26b")),
            ("system/Observation.sr", None),
            ("system/Observation.rr", None),
            ("system/Observation.", None),
            ("system/Observation", None),
            ("system/Observation.readwrite", None),
            ("system/Observation.read?category=laboratory", None),
            ("system/Observation.rs?", None),
            ("system/Observation.rs?category=", None),
            ("system/Observation.rs?category", None),
            ("system/Observation.rs?_count=1", None),
            ("system/Observation.rs?_include=Observation:subject", None),
            ("system/Observation.rs?_has:Group:member:_id=1", None),
            ("system/Observation.rs?subject.name=x", None),
            ("system/observation.rs", None),
            ("system/Obs*.rs", None),
            ("SYSTEM/Observation.rs", None),
            ("admin/Observation.rs", None),
            ("system/Observation.rs?a=\"", None),
            ("system/Observation.rs?a=é", None),
            ("openid", None),
            ("launch/patient", None),
            ("", None),
        ] {
            let scope = text.parse::<Scope>().ok();
            assert_eq!(scope.as_ref().map(ToString::to_string).as_deref(), written, "{text}");
            if let Some(scope) = scope {
                assert_eq!(scope.to_string().parse::<Scope>(), Ok(scope.clone()), "{text}");
            }
        }
        let pairs: Vec<String> = (0..=PAIRS_MAX).map(|n| format!("p{n}=1")).collect();
        assert!(format!("system/A1.r?{}", pairs.join("&")).parse::<Scope>().is_err());
        assert!(format!("system/A1.r?a={}", "x".repeat(SCOPE_BYTES_MAX)).parse::<Scope>().is_err());
    }
}
