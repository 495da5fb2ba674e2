//! This file is where a parameter's name, with modifiers, chain or `_has`, becomes what must hold of a resource.

use super::error::SearchError;
use super::escape::{plain, split};
use super::operand::{Reading, folded, hierarchy, of_type, operand, refer, short, system_and_key};
use super::query::{Condition, Match, StringMatch, Test};
use super::table::{ParamType, Parameter, parameter};

/// Parameters that the specification has and that are refused, wherever they stand.
pub(super) const REFUSED: &[&str] =
    &["_text", "_content", "_query", "_filter", "_list", "_containedType", "_score", "_contained"];

/// What is used up while one search is read.
pub(super) struct Budget {
    pub(super) values: usize,
    pub(super) branches: usize,
}

/// Reads one condition on resources of a type; of no type, on all of them.
pub(super) fn condition(
    reading: Reading<'_>,
    budget: &mut Budget,
    kind: Option<&'static str>,
    name: &str,
    value: &str,
    depth: usize,
) -> Result<Condition, SearchError> {
    let max = reading.options.limits.depth_max;
    if depth > max {
        return Err(SearchError::TooMuch { what: "the steps of a chain", max, param: short(reading.name) });
    }
    let max = reading.options.limits.branches_max;
    budget.branches += 1;
    if budget.branches > max {
        return Err(SearchError::TooMuch { what: "the branches of chains", max, param: short(reading.name) });
    }
    if let Some(rest) = name.strip_prefix("_has:") {
        return has(reading, budget, kind, rest, value, depth);
    }
    let (head, rest) = match name.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (name, None),
    };
    let (code, modifier) = match head.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (head, None),
    };
    let param = known(reading, kind, code)?;
    match rest {
        Some(rest) => chain(reading, budget, param, modifier, rest, value, depth),
        None => Ok(Condition::Param { param, test: test(reading, budget, param, modifier, value)? }),
    }
}

/// The parameter, if there is one and it is supported.
pub(super) fn known(
    reading: Reading<'_>,
    kind: Option<&'static str>,
    code: &str,
) -> Result<&'static Parameter, SearchError> {
    let param = short(reading.name);
    if REFUSED.contains(&code) {
        return Err(SearchError::Unsupported { what: code.to_owned(), param });
    }
    let found = match kind {
        Some(kind) => parameter(kind, code),
        // What all types have, any type has.
        None => parameter("Basic", code).filter(|param| param.code.starts_with('_')),
    };
    let Some(found) = found else {
        let kind = kind.unwrap_or("a search of all types").to_owned();
        return Err(SearchError::UnknownParam { kind, code: short(code), param });
    };
    if found.kind == ParamType::Special {
        return Err(SearchError::Unsupported { what: code.to_owned(), param });
    }
    Ok(found)
}

fn has(
    reading: Reading<'_>,
    budget: &mut Budget,
    kind: Option<&'static str>,
    rest: &str,
    value: &str,
    depth: usize,
) -> Result<Condition, SearchError> {
    let wrong = |why: String| SearchError::Chain { param: short(reading.name), why };
    let mut parts = rest.splitn(3, ':');
    let (Some(source), Some(code), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong("write `_has:Type:reference:parameter`".to_owned()));
    };
    let source = resource_type(reading, source)?;
    let param = known(reading, Some(source), code)?;
    if param.kind != ParamType::Reference {
        return Err(wrong(format!("`{code}` of {source} is no reference")));
    }
    if let Some(kind) = kind.filter(|kind| !param.targets.contains(kind)) {
        return Err(wrong(format!("`{code}` of {source} does not refer to {kind}")));
    }
    let condition = Box::new(condition(reading, budget, Some(source), rest, value, depth + 1)?);
    Ok(Condition::Has { source, param, condition })
}

fn resource_type(reading: Reading<'_>, name: &str) -> Result<&'static str, SearchError> {
    fhir::types::r4(name)
        .ok_or_else(|| SearchError::UnknownType { kind: short(name), param: short(reading.name) })
}

fn chain(
    reading: Reading<'_>,
    budget: &mut Budget,
    param: &'static Parameter,
    modifier: Option<&str>,
    rest: &str,
    value: &str,
    depth: usize,
) -> Result<Condition, SearchError> {
    let wrong = |why: String| SearchError::Chain { param: short(reading.name), why };
    if param.kind != ParamType::Reference {
        return Err(wrong(format!("`{}` is no reference", param.code)));
    }
    let only = match modifier {
        None => None,
        Some(name) => {
            let kind = resource_type(reading, name)?;
            if !param.targets.contains(&kind) {
                return Err(wrong(format!("`{}` does not refer to {kind}", param.code)));
            }
            Some(kind)
        }
    };
    let (mut targets, mut first) = (Vec::new(), None);
    for kind in param.targets.iter().copied().filter(|kind| only.is_none_or(|only| only == *kind)) {
        match condition(reading, budget, Some(kind), rest, value, depth + 1) {
            Ok(condition) => targets.push((kind, condition)),
            Err(error @ SearchError::TooMuch { .. }) => return Err(error),
            // A type that has no such parameter, or cannot hold the value, is no target. What one of them has and
            // cannot read says more than that another hasn't it.
            Err(error) => {
                let vague = |error: &SearchError| matches!(error, SearchError::UnknownParam { .. });
                if first.as_ref().is_none_or(|known| vague(known) && !vague(&error)) {
                    first = Some(error);
                }
            }
        }
    }
    match first {
        Some(error) if targets.is_empty() => Err(error),
        _ => Ok(Condition::Chain { param, targets }),
    }
}

/// Reads modifier and value.
fn test(
    reading: Reading<'_>,
    budget: &mut Budget,
    param: &'static Parameter,
    modifier: Option<&str>,
    value: &str,
) -> Result<Test, SearchError> {
    if modifier == Some("missing") {
        return match value {
            "true" => Ok(Test::Missing(true)),
            "false" => Ok(Test::Missing(false)),
            _ => Err(reading.error(value, "`:missing` is true or false")),
        };
    }
    let mut matches = Vec::new();
    for text in split(value, ',') {
        if text.is_empty() {
            return Err(reading.error(value, "a value is empty; write `\\,` for a comma within a value"));
        }
        let max = reading.options.limits.values_max;
        budget.values += 1;
        if budget.values > max {
            return Err(SearchError::TooMuch {
                what: "the values of a search",
                max,
                param: short(reading.name),
            });
        }
        match (param.kind, modifier) {
            (kind, None) => {
                matches.extend(operand(reading, kind, param.exact_case, &param.components, text)?)
            }
            (ParamType::Token, Some("not")) => {
                matches.extend(operand(reading, ParamType::Token, param.exact_case, &[], text)?);
            }
            (kind, Some(modifier)) => matches.push(modified(reading, param, kind, modifier, text)?),
        }
    }
    Ok(if modifier == Some("not") { Test::None(matches) } else { Test::Any(matches) })
}

fn modified(
    reading: Reading<'_>,
    param: &Parameter,
    kind: ParamType,
    modifier: &str,
    text: &str,
) -> Result<Match, SearchError> {
    match (kind, modifier) {
        (ParamType::String, "exact") => Ok(Match::String(StringMatch::Exact(plain(text)))),
        (ParamType::String, "contains") => Ok(Match::String(StringMatch::Contains(folded(reading, text)?))),
        (ParamType::Token, "text") => Ok(Match::TokenText(folded(reading, text)?)),
        (ParamType::Token, "of-type") => of_type(reading, param.exact_case, text),
        (ParamType::Uri, "below") => hierarchy(reading, text, true),
        (ParamType::Uri, "above") => hierarchy(reading, text, false),
        (ParamType::Reference, "identifier") => {
            let (system, key) = system_and_key(reading, false, text)?;
            Ok(Match::ReferenceIdentifier { system, key })
        }
        (ParamType::Token | ParamType::Reference, "above" | "below")
        | (ParamType::Token, "in" | "not-in") => {
            Err(SearchError::Unsupported { what: format!(":{modifier}"), param: short(reading.name) })
        }
        (ParamType::Reference, name)
            if fhir::types::r4(name).is_some_and(|name| param.targets.contains(&name)) =>
        {
            let mut matches = refer(reading, fhir::types::r4(name), text)?;
            // With a type there is one way to read it.
            matches
                .pop()
                .ok_or_else(|| reading.error(text, "a reference is an id, `Type/id` or an absolute URL"))
        }
        _ => Err(SearchError::Modifier {
            modifier: short(modifier),
            param: short(reading.name),
            kind: kind.code(),
        }),
    }
}
