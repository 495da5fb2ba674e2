//! This file is where an element becomes the values that it is found by (FHIR R4 search, the tables of datatypes).

use super::date::Interval;
use super::fold::{fold_case, fold_text};
use super::measure;
use super::path::{Element, Leaf};
use super::reference::{self, canonical};
use super::table::ParamType;
use super::value::{Identifier, Reference, Token, Uri, Value};
use fhir::json;

/// Yields the values of an element for a parameter of this type. False if it isn't one that counts for the parameter (a
/// reference to another type), even though it is there.
pub(super) fn extract(
    resource: json::Value<'_>,
    value: json::Value<'_>,
    leaf: Leaf,
    kind: ParamType,
    exact_case: bool,
    found: &mut impl FnMut(Value),
) -> bool {
    match kind {
        ParamType::Token => token(value, leaf, exact_case, &mut |token| found(Value::Token(token))),
        ParamType::String => strings(value, leaf.element, found),
        ParamType::Date => {
            if let Some(interval) = date(value, leaf.element) {
                found(Value::Date(interval));
            }
        }
        ParamType::Number => {
            if let Some(span) = measure::number(value, leaf.element) {
                found(Value::Number(span));
            }
        }
        ParamType::Quantity => {
            if let Some(quantity) = measure::quantity(value, leaf.element) {
                found(Value::Quantity(quantity));
            }
        }
        ParamType::Uri => {
            if let Some(uri) = value.text() {
                found(Value::Uri(match leaf.element {
                    Element::Canonical => {
                        let reference::Uriversion { uri, version } = canonical(&uri);
                        Uri { uri: uri.to_owned(), version: version.map(str::to_owned) }
                    }
                    _ => Uri { uri: uri.into_owned(), version: None },
                }));
            }
        }
        ParamType::Reference => {
            let read = refer(resource, value, leaf.element);
            if leaf.only.is_some() && read.as_ref().and_then(|read| read.kind.as_deref()) != leaf.only {
                return false;
            }
            if let Some(read) = read {
                found(Value::Reference(read));
            }
        }
        // A composite's components are read one by one; nothing is read for what is refused.
        ParamType::Composite | ParamType::Special => {}
    }
    true
}

fn text(value: json::Value<'_>, key: &str) -> Option<String> {
    value.get(key).and_then(json::Value::text).map(|text| text.into_owned())
}

fn token(value: json::Value<'_>, leaf: Leaf, exact_case: bool, found: &mut impl FnMut(Token)) {
    let key = |code: &str| if exact_case { code.to_owned() } else { fold_case(code) };
    let plain = |code: String, system: Option<String>| Token {
        key: Some(key(&code)),
        code: Some(code),
        system,
        ..Token::default()
    };
    let folded = |text: Option<String>| text.map(|text| fold_text(&text)).filter(|text| !text.is_empty());
    let coding = |coding: json::Value<'_>| {
        let (system, code) = (text(coding, "system"), text(coding, "code"));
        let token = Token {
            key: code.as_deref().map(key),
            code,
            system,
            text: folded(text(coding, "display")),
            types: Vec::new(),
        };
        (token.system.is_some() || token.code.is_some() || token.text.is_some()).then_some(token)
    };
    match leaf.element {
        Element::Coding => coding(value).into_iter().for_each(found),
        Element::CodeableConcept => {
            let codings = value.get("coding").into_iter().flat_map(json::Value::each);
            codings.filter_map(coding).for_each(&mut *found);
            if let Some(text) = folded(text(value, "text")) {
                found(Token { text: Some(text), ..Token::default() });
            }
        }
        Element::Identifier => {
            let (system, code) = (text(value, "system"), text(value, "value"));
            let kind = value.get("type");
            let codings = kind.and_then(|kind| kind.get("coding")).into_iter().flat_map(json::Value::each);
            let types =
                codings.filter_map(|coding| Some((text(coding, "system"), text(coding, "code")?))).collect();
            let label = folded(kind.and_then(|kind| text(kind, "text")));
            if system.is_some() || code.is_some() || label.is_some() {
                found(Token { key: code.as_deref().map(key), code, system, text: label, types });
            }
        }
        Element::ContactPoint => {
            if let Some(code) = text(value, "value") {
                found(plain(code, None));
            }
        }
        Element::Dead => {
            let dead = value.kind() != json::Kind::Bool || value.raw() == "true";
            found(plain(dead.to_string(), None));
        }
        Element::Boolean => {
            if value.kind() == json::Kind::Bool {
                found(plain(value.raw().to_owned(), None));
            }
        }
        _ => {
            if let Some(code) = value.text() {
                found(plain(code.into_owned(), leaf.system.map(str::to_owned)));
            }
        }
    }
}

fn strings(value: json::Value<'_>, element: Element, found: &mut impl FnMut(Value)) {
    let mut add = |value: json::Value<'_>| {
        if let Some(text) = value.text() {
            found(Value::String { folded: fold_text(&text), text: text.into_owned() });
        }
    };
    let parts: &[&str] = match element {
        Element::HumanName => &["family", "given", "prefix", "suffix", "text"],
        Element::Address => &["line", "city", "district", "state", "country", "postalCode", "text"],
        _ => return add(value),
    };
    for part in parts {
        value.get(part).into_iter().flat_map(json::Value::each).for_each(&mut add);
    }
}

fn date(value: json::Value<'_>, element: Element) -> Option<Interval> {
    let moment = |value: json::Value<'_>| Interval::read(&value.text()?);
    match element {
        Element::Period => period(value),
        Element::Timing => {
            // Only the outer limits count (FHIR R4 search, "date").
            let events = value.get("event").into_iter().flat_map(json::Value::each).filter_map(moment);
            let bounds = value.get("repeat").and_then(|repeat| repeat.get("boundsPeriod")).and_then(period);
            events
                .chain(bounds)
                .reduce(|one, other| Interval { from: one.from.min(other.from), to: one.to.max(other.to) })
        }
        _ => moment(value),
    }
}

fn period(value: json::Value<'_>) -> Option<Interval> {
    let (start, end) = (value.get("start"), value.get("end"));
    if start.is_none() && end.is_none() {
        return None;
    }
    // An end that can't be read is not an open one.
    let read = |end: Option<json::Value<'_>>| match end {
        None => Some(None),
        Some(end) => Interval::read(&end.text()?).map(Some),
    };
    Interval::between(read(start)?, read(end)?)
}

fn refer(resource: json::Value<'_>, value: json::Value<'_>, element: Element) -> Option<Reference> {
    match element {
        Element::Canonical => {
            let whole = value.text()?;
            let reference::Uriversion { uri, version } = canonical(&whole);
            Some(Reference {
                url: Some(uri.to_owned()),
                version: version.map(str::to_owned),
                ..Reference::default()
            })
        }
        Element::Uri => Some(reference::read(&value.text()?)),
        Element::Resource => {
            let (kind, id) = (text(value, "resourceType")?, text(value, "id")?);
            Some(Reference { kind: Some(kind), id: Some(id), ..Reference::default() })
        }
        _ => {
            let mut read = match text(value, "reference") {
                Some(fragment) if fragment.starts_with('#') => contained(resource, &fragment),
                Some(whole) => reference::read(&whole),
                None => Reference::default(),
            };
            if read.kind.is_none() {
                read.kind = text(value, "type").filter(|kind| fhir::types::r4(kind).is_some());
            }
            read.identifier = value.get("identifier").and_then(|identifier| {
                let value = text(identifier, "value")?;
                Some(Identifier { system: text(identifier, "system"), key: fold_case(&value), value })
            });
            (read != Reference::default()).then_some(read)
        }
    }
}

/// A reference within the resource: its type is known from what it leads to.
fn contained(resource: json::Value<'_>, fragment: &str) -> Reference {
    let id = fragment.get(1..).unwrap_or_default();
    let mut items = resource.get("contained").into_iter().flat_map(json::Value::each);
    let target = items.find(|item| item.get("id").is_some_and(|found| found.is(id)));
    let kind = target.and_then(|target| text(target, "resourceType"));
    Reference {
        kind: kind.filter(|kind| fhir::types::r4(kind).is_some()),
        url: Some(fragment.to_owned()),
        ..Reference::default()
    }
}
