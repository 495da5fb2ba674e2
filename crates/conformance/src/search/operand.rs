//! This file is where the value of a search parameter becomes something to compare with.

use super::date::Interval;
use super::decimal::{Decimal, Span};
use super::error::SearchError;
use super::escape::{plain, split};
use super::fold::{fold_case, fold_text};
use super::params::Options;
use super::query::{Base, Match, Prefix, StringMatch, System, UnitMatch, UriMatch};
use super::reference::{self, Uriversion, canonical};
use super::table::{Component, ParamType};
use super::units::{self, UCUM};

/// What an error names, and what a value is read by.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) options: &'a Options,
    /// The whole name of the parameter as given.
    pub(super) name: &'a str,
}

impl Reading<'_> {
    pub(super) fn error(&self, value: &str, why: &str) -> SearchError {
        SearchError::Value { value: short(value), param: short(self.name), why: why.to_owned() }
    }
}

/// The first hundred characters.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Reads a value without modifier. More than one match where a text may be read in two ways: any of them will do.
pub(super) fn operand(
    reading: Reading<'_>,
    kind: ParamType,
    exact_case: bool,
    components: &[Component],
    text: &str,
) -> Result<Vec<Match>, SearchError> {
    let one = match kind {
        ParamType::Token => token(reading, exact_case, text)?,
        ParamType::String => Match::String(StringMatch::Starts(folded(reading, text)?)),
        ParamType::Date => date(reading, text)?,
        ParamType::Number => {
            let (prefix, number) = number(reading, text, text)?;
            Match::Number(prefix, range(prefix, &number).span())
        }
        ParamType::Quantity => quantity(reading, text)?,
        ParamType::Uri => {
            let text = plain(text);
            let Uriversion { uri, version } = canonical(&text);
            Match::Uri(UriMatch::Is { uri: uri.to_owned(), version: version.map(str::to_owned) })
        }
        ParamType::Reference => return refer(reading, None, text),
        ParamType::Composite => return composite(reading, components, text),
        ParamType::Special => {
            return Err(SearchError::Unsupported { what: short(reading.name), param: short(reading.name) });
        }
    };
    Ok(vec![one])
}

/// A text for plain search or `:contains`.
pub(super) fn folded(reading: Reading<'_>, text: &str) -> Result<String, SearchError> {
    let folded = fold_text(&plain(text));
    if folded.is_empty() {
        // It would be the beginning of every text.
        return Err(reading.error(text, "has neither letters nor digits; use `:exact` for such a text"));
    }
    Ok(folded)
}

fn key(exact_case: bool, code: &str) -> String {
    if exact_case { plain(code) } else { fold_case(&plain(code)) }
}

/// `code`, `system|code`, `|code` or `system|`.
pub(super) fn system_and_key(
    reading: Reading<'_>,
    exact_case: bool,
    text: &str,
) -> Result<(System, Option<String>), SearchError> {
    match split(text, '|')[..] {
        [code] if !code.is_empty() => Ok((System::Any, Some(key(exact_case, code)))),
        ["", code] if !code.is_empty() => Ok((System::None, Some(key(exact_case, code)))),
        [system, ""] if !system.is_empty() => Ok((System::Is(plain(system)), None)),
        [system, code] if !system.is_empty() => Ok((System::Is(plain(system)), Some(key(exact_case, code)))),
        _ => Err(reading
            .error(text, "write `code`, `system|code`, `|code` or `system|`, and `\\|` for a `|` within")),
    }
}

fn token(reading: Reading<'_>, exact_case: bool, text: &str) -> Result<Match, SearchError> {
    let (system, key) = system_and_key(reading, exact_case, text)?;
    Ok(Match::Token { system, key })
}

/// `system|code|value` of `:of-type`.
pub(super) fn of_type(reading: Reading<'_>, exact_case: bool, text: &str) -> Result<Match, SearchError> {
    match split(text, '|')[..] {
        [system, code, value] if ![system, code, value].contains(&"") => {
            Ok(Match::TokenOfType { system: plain(system), code: plain(code), key: key(exact_case, value) })
        }
        _ => {
            Err(reading.error(text, "write `system|code|value`: the identifier's type, then the identifier"))
        }
    }
}

/// The two letters before a value, if it may have any.
fn prefix<'t>(reading: Reading<'_>, whole: &str, text: &'t str) -> Result<(Prefix, &'t str), SearchError> {
    if !text.starts_with(|char: char| char.is_ascii_alphabetic()) {
        return Ok((Prefix::Eq, text));
    }
    let prefix = match text.get(..2) {
        Some("eq") => Prefix::Eq,
        Some("ne") => Prefix::Ne,
        Some("gt") => Prefix::Gt,
        Some("lt") => Prefix::Lt,
        Some("ge") => Prefix::Ge,
        Some("le") => Prefix::Le,
        Some("sa") => Prefix::Sa,
        Some("eb") => Prefix::Eb,
        Some("ap") => Prefix::Ap,
        _ => return Err(reading.error(whole, "a prefix is one of eq, ne, gt, lt, ge, le, sa, eb, ap")),
    };
    Ok((prefix, text.get(2..).unwrap_or_default()))
}

fn date(reading: Reading<'_>, text: &str) -> Result<Match, SearchError> {
    let (prefix, rest) = prefix(reading, text, text)?;
    let Some(interval) = Interval::read(rest) else {
        return Err(
            reading.error(text, "a date is `2013`, `2013-01`, `2013-01-14` or `2013-01-14T10:00:00Z`")
        );
    };
    let interval = if prefix == Prefix::Ap { interval.around(reading.options.now_ms) } else { interval };
    Ok(Match::Date(prefix, interval))
}

fn number(reading: Reading<'_>, whole: &str, text: &str) -> Result<(Prefix, Decimal), SearchError> {
    let (prefix, rest) = prefix(reading, whole, text)?;
    let number = Decimal::read(rest);
    number
        .map(|number| (prefix, number))
        .ok_or_else(|| reading.error(whole, "a number is `100`, `-5.40` or `1e-3`"))
}

/// What a number stands for under a prefix.
enum Range {
    /// The number alone: comparisons take it as exact.
    Exactly(Decimal),
    /// The upper end excluded: what rounds to the number.
    Until(Decimal, Decimal),
    /// Both ends included.
    Between(Decimal, Decimal),
}

impl Range {
    fn span(&self) -> Span {
        match self {
            Self::Exactly(number) => Span::point(number),
            Self::Until(low, high) => Span { from: low.below(), to: high.below() },
            Self::Between(low, high) => Span { from: low.below(), to: high.above() },
        }
    }
}

/// FHIR R4 search, "number": precision counts for equality alone.
fn range(prefix: Prefix, number: &Decimal) -> Range {
    match prefix {
        Prefix::Ap if !number.is_zero() => {
            let (low, high) = number.tenth_around();
            Range::Between(low, high)
        }
        Prefix::Eq | Prefix::Ne | Prefix::Ap => {
            let (low, high) = number.rounding();
            Range::Until(low, high)
        }
        Prefix::Gt | Prefix::Lt | Prefix::Ge | Prefix::Le | Prefix::Sa | Prefix::Eb => {
            Range::Exactly(number.clone())
        }
    }
}

/// `5.4`, `5.4|system|code` or `5.4||code`, each with a prefix.
fn quantity(reading: Reading<'_>, text: &str) -> Result<Match, SearchError> {
    let parts = split(text, '|');
    let (value, unit) = match parts[..] {
        [value] | [value, "", ""] => (value, None),
        [value, system, code] if !code.is_empty() => (value, Some((plain(system), plain(code)))),
        _ => return Err(reading.error(text, "write `number`, `number|system|code` or `number||code`")),
    };
    let (prefix, number) = number(reading, text, value)?;
    let range = range(prefix, &number);
    let unit = match unit {
        None => UnitMatch::Any(range.span()),
        Some((system, code)) if system.is_empty() => UnitMatch::Code(range.span(), code),
        Some((system, code)) => {
            let canonical = match &range {
                _ if system != UCUM => None,
                Range::Exactly(number) => units::canonical(&code, Some(number), Some(number)),
                Range::Until(low, high) => units::canonical_until(&code, low, high),
                Range::Between(low, high) => units::canonical(&code, Some(low), Some(high)),
            };
            match canonical {
                Some(canonical) => UnitMatch::Canonical(canonical),
                None => UnitMatch::System(range.span(), system, code),
            }
        }
    };
    Ok(Match::Quantity(prefix, unit))
}

/// An id, `Type/id` or a URL; with the modifier's type.
pub(super) fn refer(
    reading: Reading<'_>,
    kind: Option<&'static str>,
    text: &str,
) -> Result<Vec<Match>, SearchError> {
    let whole = plain(text);
    let own = || Base::Own(reading.options.base.clone());
    if reference::is_id(&whole) {
        return Ok(vec![Match::Reference { kind, id: whole, version: None, base: own() }]);
    }
    let read = reference::read(&whole);
    let url = |url: String, version| Match::ReferenceUrl { url, version };
    match (read.kind.as_deref().and_then(fhir::types::r4), read.id) {
        (Some(found), Some(id)) => {
            if kind.is_some_and(|kind| kind != found) {
                return Err(reading.error(text, "the type in the value is not the one in the modifier"));
            }
            let elsewhere = read.base.filter(|base| *base != reading.options.base);
            let is_url = elsewhere.is_some();
            let base = elsewhere.map_or_else(own, Base::Is);
            let mut matches = vec![Match::Reference { kind: Some(found), id, version: read.version, base }];
            if is_url && kind.is_none() {
                // It may be a canonical, too.
                matches.push(url(whole, None));
            }
            Ok(matches)
        }
        _ if kind.is_none() && whole.contains(':') => {
            let Uriversion { uri, version } = canonical(&whole);
            Ok(vec![url(uri.to_owned(), version.map(str::to_owned))])
        }
        _ => Err(reading.error(text, "a reference is an id, `Type/id` or an absolute URL")),
    }
}

fn composite(reading: Reading<'_>, components: &[Component], text: &str) -> Result<Vec<Match>, SearchError> {
    let parts = split(text, '$');
    if parts.len() != components.len() {
        return Err(reading.error(text, &format!("it has {} parts, with `$` between them", components.len())));
    }
    let mut combined = vec![Vec::new()];
    for (component, part) in components.iter().zip(parts) {
        let readings = operand(reading, component.kind, component.exact_case, &[], part)?;
        combined = combined
            .into_iter()
            .flat_map(|before: Vec<Match>| {
                readings.iter().map(move |reading| {
                    let mut with = before.clone();
                    with.push(reading.clone());
                    with
                })
            })
            .collect();
    }
    Ok(combined.into_iter().map(Match::Composite).collect())
}

/// `:below` and `:above` on a uri.
pub(super) fn hierarchy(reading: Reading<'_>, text: &str, below: bool) -> Result<Match, SearchError> {
    let uri = plain(text);
    let trimmed = uri.trim_end_matches('/');
    let Some(start) = trimmed.find("://").map(|at| at + 3).filter(|start| *start < trimmed.len()) else {
        return Err(reading.error(text, "`:above` and `:below` need a URL with `://`; others have no levels"));
    };
    if below {
        return Ok(Match::Uri(UriMatch::Below(trimmed.to_owned())));
    }
    let mut above = vec![trimmed.to_owned(), format!("{trimmed}/")];
    for (at, _) in trimmed.match_indices('/').filter(|(at, _)| *at >= start) {
        let level = trimmed.get(..at).unwrap_or_default();
        above.extend([level.to_owned(), format!("{level}/")]);
    }
    Ok(Match::Uri(UriMatch::Above(above)))
}
