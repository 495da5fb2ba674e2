//! This file is where references are judged by their text: local ones must be found, typed ones must be allowed.

use fhir::json::Value;
use fhir::types;
use std::borrow::Cow;
use std::collections::HashMap;

/// A resource with what it contains, for references between them.
pub(super) struct Scope<'d> {
    pub(super) root: Value<'d>,
    /// Index of the root's type in the table.
    pub(super) kind: u16,
    by_id: HashMap<Cow<'d, str>, usize>,
    pub(super) contained: Vec<Contained>,
}

/// A contained resource.
pub(super) struct Contained {
    kind: Option<&'static str>,
    /// Whether something refers to it, or it to its container.
    pub(super) is_tied: bool,
}

/// What is wrong with a reference.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A local reference to nothing.
    Missing,
    /// A type that R4 doesn't have.
    UnknownType,
    /// A type to which the element may not point.
    Target(&'static str),
    /// `type` says another type than `reference`.
    OtherType(&'static str),
}

impl<'d> Scope<'d> {
    pub(super) fn of(root: Value<'d>, kind: u16) -> Self {
        let mut scope = Self { root, kind, by_id: HashMap::new(), contained: Vec::new() };
        for (number, resource) in root.get("contained").into_iter().flat_map(Value::each).enumerate() {
            let kind = resource.get("resourceType").and_then(Value::text).and_then(|name| types::r4(&name));
            if let Some(id) = resource.get("id").and_then(Value::text) {
                scope.by_id.entry(id).or_insert(number);
            }
            scope.contained.push(Contained { kind, is_tied: false });
        }
        scope
    }

    /// Whether another contained resource before this one has its id.
    pub(super) fn is_taken(&self, id: &str, number: usize) -> bool {
        self.by_id.get(id).is_some_and(|first| *first != number)
    }

    /// Notes that a text refers to a contained resource, if it does.
    pub(super) fn tie(&mut self, text: &str) {
        let found = text.strip_prefix('#').and_then(|id| self.by_id.get(id));
        if let Some(contained) = found.and_then(|at| self.contained.get_mut(*at)) {
            contained.is_tied = true;
        }
    }

    /// What is wrong with the text of a reference, which may point to `targets`; none means to any type.
    pub(super) fn wrong(&self, text: &str, targets: &[&'static str]) -> Option<Wrong> {
        let kind = match text.strip_prefix('#') {
            // The container itself.
            Some("") => types::r4(self.root.get("resourceType")?.text()?.as_ref()),
            Some(id) => match self.by_id.get(id).and_then(|at| self.contained.get(*at)) {
                Some(contained) => contained.kind,
                None => return Some(Wrong::Missing),
            },
            None => named(text).ok()?,
        };
        let kind = kind?;
        (!targets.is_empty() && !targets.contains(&kind)).then_some(Wrong::Target(kind))
    }
}

/// The type that the text names, none if it doesn't say one; an error if it names one that R4 doesn't have.
fn named(text: &str) -> Result<Option<&'static str>, ()> {
    if let Some(kind) = types::named(text) {
        return Ok(Some(kind));
    }
    // `Type/id` is the only form of a relative reference.
    match text.split_once('/') {
        Some((kind, id))
            if !id.is_empty()
                && !id.contains('/')
                && kind.starts_with(|first: char| first.is_ascii_uppercase())
                && kind.bytes().all(|byte| byte.is_ascii_alphabetic()) =>
        {
            Err(())
        }
        _ => Ok(None),
    }
}

/// What is wrong with `Reference.type`, next to what the reference's text names.
pub(super) fn wrong_type(text: Option<&str>, kind: &str, targets: &[&'static str]) -> Option<Wrong> {
    // A URL is a logical model's.
    if kind.contains(':') {
        return None;
    }
    let Some(kind) = types::r4(kind) else { return Some(Wrong::UnknownType) };
    match text.filter(|text| !text.starts_with('#')).and_then(types::named) {
        Some(named) if named != kind => Some(Wrong::OtherType(named)),
        // What the text says has been held against the targets.
        Some(_) => None,
        None => (!targets.is_empty() && !targets.contains(&kind)).then_some(Wrong::Target(kind)),
    }
}

/// Whether the text names a type that R4 doesn't have.
pub(super) fn is_foreign(text: &str) -> bool {
    !text.starts_with('#') && named(text).is_err()
}

impl Wrong {
    pub(super) fn words(&self, targets: &[&'static str]) -> String {
        match self {
            Self::Missing => "points to a contained resource that is not there".to_owned(),
            Self::UnknownType => "names a resource type that FHIR R4 does not have".to_owned(),
            Self::OtherType(named) => {
                format!("has a `type` other than the {named} that its `reference` names")
            }
            Self::Target(kind) => format!("points to a {kind}; allowed are: {}", targets.join(", ")),
        }
    }
}
