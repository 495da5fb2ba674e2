//! This file is where a query is held against what a resource is found by: what searching means, without any database.

use super::date::Interval;
use super::index::Index;
use super::query::{Base, Condition, Match, Prefix, Query, StringMatch, System, Test, UnitMatch, UriMatch};
use super::value::{Reference, Token, Uri, Value};

/// The other resources, which chains and `_has` look into. Whoever may not see a resource must not be shown it here.
pub trait World {
    /// The resource that a reference leads to, if it is there: by type and id, by absolute URL, or by canonical.
    fn follow(&self, reference: &Reference) -> Option<&Index>;
    /// Every resource of a type.
    fn all<'a>(&'a self, kind: &str) -> Box<dyn Iterator<Item = &'a Index> + 'a>;
}

/// No other resources: no chain and no `_has` holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl World for Nowhere {
    fn follow(&self, _: &Reference) -> Option<&Index> {
        None
    }

    fn all<'a>(&'a self, _: &str) -> Box<dyn Iterator<Item = &'a Index> + 'a> {
        Box::new(std::iter::empty())
    }
}

/// Whether a resource answers a query: it is of its types and all conditions hold.
#[must_use]
pub fn matches_all(query: &Query, index: &Index, world: &dyn World) -> bool {
    (query.types.is_empty() || query.types.contains(&index.kind))
        && query.conditions.iter().all(|condition| matches(condition, index, world))
}

/// Whether a condition holds of a resource.
#[must_use]
pub fn matches(condition: &Condition, index: &Index, world: &dyn World) -> bool {
    match condition {
        Condition::Param { param, test } => {
            let found = |wanted: &[Match]| {
                index.values(param).any(|value| wanted.iter().any(|wanted| value_matches(value, wanted)))
            };
            match test {
                Test::Any(wanted) => found(wanted),
                Test::None(wanted) => !found(wanted),
                Test::Missing(missing) => index.has(param) != *missing,
            }
        }
        Condition::Chain { param, targets } => index.values(param).any(|value| {
            let Value::Reference(reference) = value else { return false };
            let Some(target) = world.follow(reference) else { return false };
            targets.iter().any(|(kind, condition)| target.kind == *kind && matches(condition, target, world))
        }),
        Condition::Has { source, param, condition } => world.all(source).any(|from| {
            let refers = from.values(param).any(|value| match value {
                Value::Reference(reference) => world.follow(reference).is_some_and(|target| {
                    target.id.is_some() && (target.kind, &target.id) == (index.kind, &index.id)
                }),
                _ => false,
            });
            refers && matches(condition, from, world)
        }),
    }
}

fn value_matches(value: &Value, wanted: &Match) -> bool {
    match (value, wanted) {
        (Value::Token(token), Match::Token { system, key }) => {
            system_is(token.system.as_deref(), system) && key_is(token.key.as_deref(), key.as_deref())
        }
        (Value::Token(token), Match::TokenText(text)) => {
            token.text.as_deref().is_some_and(|found| found.starts_with(text.as_str()))
        }
        (Value::Token(token), Match::TokenOfType { system, code, key }) => of_type(token, system, code, key),
        (Value::String { text, folded }, Match::String(wanted)) => match wanted {
            StringMatch::Starts(wanted) => folded.starts_with(wanted.as_str()),
            StringMatch::Contains(wanted) => folded.contains(wanted.as_str()),
            StringMatch::Exact(wanted) => text == wanted,
        },
        (Value::Date(interval), Match::Date(prefix, wanted)) => {
            let ends = |interval: &Interval| (interval.from, interval.to);
            compare(*prefix, ends(interval), ends(wanted))
        }
        (Value::Number(span), Match::Number(prefix, wanted)) => {
            compare(*prefix, (&span.from, &span.to), (&wanted.from, &wanted.to))
        }
        (Value::Quantity(quantity), Match::Quantity(prefix, unit)) => {
            let is = |found: &Option<String>, wanted: &String| found.as_ref() == Some(wanted);
            let (found, wanted) = match unit {
                UnitMatch::Any(wanted) => (&quantity.span, wanted),
                UnitMatch::Code(wanted, code) if is(&quantity.code, code) || is(&quantity.unit, code) => {
                    (&quantity.span, wanted)
                }
                UnitMatch::System(wanted, system, code)
                    if is(&quantity.system, system) && is(&quantity.code, code) =>
                {
                    (&quantity.span, wanted)
                }
                UnitMatch::Canonical(wanted) => match &quantity.canonical {
                    Some(found) if found.unit == wanted.unit => (&found.span, &wanted.span),
                    _ => return false,
                },
                UnitMatch::Code(..) | UnitMatch::System(..) => return false,
            };
            compare(*prefix, (&found.from, &found.to), (&wanted.from, &wanted.to))
        }
        (Value::Uri(found), Match::Uri(wanted)) => uri_is(found, wanted),
        (Value::Reference(found), Match::Reference { kind, id, version, base }) => {
            let part = |found: &Option<String>, wanted: Option<&str>| {
                wanted.is_none_or(|wanted| found.as_deref() == Some(wanted))
            };
            found.id.as_ref() == Some(id)
                && part(&found.kind, *kind)
                && part(&found.version, version.as_deref())
                && match (base, &found.base) {
                    (Base::Own(_), None) => true,
                    (Base::Own(own), Some(base)) => !own.is_empty() && own == base,
                    (Base::Is(wanted), base) => base.as_ref() == Some(wanted),
                }
        }
        (Value::Reference(found), Match::ReferenceUrl { url, version }) => {
            found.url.as_ref() == Some(url) && (version.is_none() || found.version == *version)
        }
        (Value::Reference(found), Match::ReferenceIdentifier { system, key }) => {
            found.identifier.as_ref().is_some_and(|identifier| {
                system_is(identifier.system.as_deref(), system)
                    && key_is(Some(&identifier.key), key.as_deref())
            })
        }
        (Value::Composite(parts), Match::Composite(wanted)) => {
            parts.len() == wanted.len()
                && parts
                    .iter()
                    .zip(wanted)
                    .all(|(values, wanted)| values.iter().any(|value| value_matches(value, wanted)))
        }
        _ => false,
    }
}

fn system_is(found: Option<&str>, wanted: &System) -> bool {
    match wanted {
        System::Any => true,
        System::None => found.is_none(),
        System::Is(wanted) => found == Some(wanted),
    }
}

/// Without a key any code will do, but there must be one.
fn key_is(found: Option<&str>, wanted: Option<&str>) -> bool {
    wanted.map_or(found.is_some(), |wanted| found == Some(wanted))
}

fn of_type(token: &Token, system: &str, code: &str, key: &str) -> bool {
    let typed = token.types.iter().any(|(found, kind)| found.as_deref() == Some(system) && kind == code);
    typed && token.key.as_deref() == Some(key)
}

fn uri_is(found: &Uri, wanted: &UriMatch) -> bool {
    match wanted {
        UriMatch::Is { uri, version: None } => found.uri == *uri,
        UriMatch::Is { uri, version: Some(version) } => match &found.version {
            Some(found_version) => found.uri == *uri && found_version == version,
            None => found.uri.strip_prefix(uri).and_then(|rest| rest.strip_prefix('|')) == Some(version),
        },
        UriMatch::Below(wanted) => {
            found.uri.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        UriMatch::Above(levels) => levels.contains(&found.uri),
    }
}

/// The table of prefixes: the ends of the resource's interval against those of the query's.
fn compare<T: Ord>(prefix: Prefix, found: (T, T), wanted: (T, T)) -> bool {
    let ((from, to), (wanted_from, wanted_to)) = (found, wanted);
    let within = from >= wanted_from && to <= wanted_to;
    match prefix {
        Prefix::Eq => within,
        Prefix::Ne => !within,
        Prefix::Gt => to > wanted_to,
        Prefix::Lt => from < wanted_from,
        Prefix::Ge => to > wanted_to || within,
        Prefix::Le => from < wanted_from || within,
        Prefix::Sa => from >= wanted_to,
        Prefix::Eb => to <= wanted_from,
        Prefix::Ap => from < wanted_to && to > wanted_from,
    }
}
