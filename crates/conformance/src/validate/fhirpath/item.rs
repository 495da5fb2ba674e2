//! This file is where the values of an evaluation are: elements of the resource with their type, and plain results.

use crate::validate::primitive::Primitive;
use crate::validate::table::{Element, Kind, Table};
use fhir::json::{Kind as JsonKind, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// An element of the resource.
#[derive(Clone, Copy)]
pub(in crate::validate) struct Node<'d> {
    /// Absent where a primitive has only extensions.
    pub(in crate::validate) value: Option<Value<'d>>,
    /// What stands under `_name`.
    pub(in crate::validate) sibling: Option<Value<'d>>,
    pub(in crate::validate) kind: NodeKind,
}

/// The type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) enum NodeKind {
    Primitive(Primitive),
    /// Index of a type in the table.
    Object(u16),
}

/// One value of a collection.
#[derive(Clone)]
pub(super) enum Item<'d> {
    Node(Node<'d>),
    Bool(bool),
    Number(f64),
    Text(Cow<'d, str>),
}

/// What can be compared.
pub(super) enum Atom<'d> {
    Bool(bool),
    Number(f64),
    Text(Cow<'d, str>),
    Moment(Cow<'d, str>),
}

impl<'d> Node<'d> {
    /// Calls `found` for each child under a name; without a name for all.
    pub(super) fn children(self, table: &'static Table, name: Option<&str>, found: &mut impl FnMut(Self)) {
        let (owner, value) = match self.kind {
            NodeKind::Object(owner) => (table.get(owner), self.value),
            // Only what an Element has: id and extensions.
            NodeKind::Primitive(_) => (table.named("Element").and_then(|at| table.get(at)), self.sibling),
        };
        let (Some(owner), Some(value)) = (owner, value) else { return };
        let wanted = match name.map(|name| owner.names.get(name)) {
            Some(None) => return,
            Some(Some(at)) => Some(*at),
            None => None,
        };
        for (key, member) in value.members() {
            let Some(key) = key.text() else { continue };
            let Some(slot) = owner.keys.get(key.as_ref()) else { continue };
            if wanted.is_some_and(|wanted| wanted != slot.element) {
                continue;
            }
            let Some(element) = owner.elements.get(usize::from(slot.element)) else { continue };
            if slot.is_sibling {
                let main = key.get(1..).and_then(|key| value.get(key));
                // With the value, if there is one.
                if main.is_none() {
                    member.each().filter(|item| item.is_object()).for_each(|item| {
                        if let Some(Kind::Primitive(kind)) = element.kinds.get(usize::from(slot.kind)) {
                            found(Self {
                                value: None,
                                sibling: Some(item),
                                kind: NodeKind::Primitive(*kind),
                            });
                        }
                    });
                }
                continue;
            }
            let sibling = match element.kinds.get(usize::from(slot.kind)) {
                Some(Kind::Primitive(_)) => value.get(&format!("_{key}")),
                _ => None,
            };
            let mut siblings = sibling.into_iter().flat_map(Value::each);
            for item in member.each() {
                let sibling = siblings.next().filter(|sibling| sibling.is_object());
                if let Some(kind) = kind_of(table, element, slot.kind, item) {
                    let value = (item.kind() != JsonKind::Null).then_some(item);
                    if value.is_some() || sibling.is_some() {
                        found(Self { value, sibling, kind });
                    }
                }
            }
        }
    }

    /// Whether it is of the type: `Quantity`, `boolean`, or `Boolean` as the language itself calls it.
    pub(super) fn is_a(self, table: &'static Table, name: &str) -> bool {
        match self.kind {
            NodeKind::Object(at) => table.get(at).is_some_and(|found| found.name == name),
            NodeKind::Primitive(primitive) => {
                let system = matches!(name, "Boolean" | "String" | "Integer" | "Decimal");
                primitive.name() == name || (system && primitive.name().eq_ignore_ascii_case(name))
            }
        }
    }

    fn atom(self) -> Option<Atom<'d>> {
        let NodeKind::Primitive(kind) = self.kind else { return None };
        let value = self.value?;
        Some(match kind {
            Primitive::Boolean => Atom::Bool(value.raw() == "true"),
            Primitive::Decimal | Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => {
                Atom::Number(value.raw().parse().ok()?)
            }
            Primitive::Date | Primitive::DateTime | Primitive::Instant | Primitive::Time => {
                Atom::Moment(value.text()?)
            }
            _ => Atom::Text(value.text()?),
        })
    }
}

fn kind_of(table: &'static Table, element: &Element, kind: u8, value: Value<'_>) -> Option<NodeKind> {
    Some(match element.kinds.get(usize::from(kind))? {
        Kind::Primitive(primitive) => NodeKind::Primitive(*primitive),
        Kind::Object(at) | Kind::Reference(at, _) => NodeKind::Object(*at),
        Kind::Resource(_) => NodeKind::Object(table.named(value.get("resourceType")?.text()?.as_ref())?),
    })
}

impl<'d> Item<'d> {
    pub(super) fn atom(&self) -> Option<Atom<'d>> {
        match self {
            Self::Node(node) => node.atom(),
            Self::Bool(bool) => Some(Atom::Bool(*bool)),
            Self::Number(number) => Some(Atom::Number(*number)),
            Self::Text(text) => Some(Atom::Text(text.clone())),
        }
    }

    pub(super) fn text(&self) -> Option<Cow<'d, str>> {
        match self.atom()? {
            Atom::Text(text) | Atom::Moment(text) => Some(text),
            Atom::Bool(_) | Atom::Number(_) => None,
        }
    }

    /// A text that is equal for equal items only.
    pub(super) fn key(&self) -> String {
        match self.atom() {
            Some(Atom::Bool(bool)) => bool.to_string(),
            Some(Atom::Number(number)) => number.to_string(),
            Some(Atom::Text(text) | Atom::Moment(text)) => format!("'{text}"),
            None => {
                let mut key = String::new();
                if let Self::Node(node) = self {
                    node.value.into_iter().for_each(|value| canonical(value, &mut key));
                    key.push('_');
                    node.sibling.into_iter().for_each(|value| canonical(value, &mut key));
                }
                key
            }
        }
    }
}

/// Appends a value with its keys sorted and its escapes resolved.
fn canonical(value: Value<'_>, into: &mut String) {
    match value.kind() {
        JsonKind::Object => {
            let mut members: Vec<_> = value.members().collect();
            members.sort_by(|one, other| one.0.text().cmp(&other.0.text()));
            into.push('{');
            for (key, member) in members {
                canonical(key, into);
                canonical(member, into);
            }
            into.push('}');
        }
        JsonKind::Array => {
            into.push('[');
            value.items().for_each(|item| canonical(item, into));
            into.push(']');
        }
        _ => match value.text() {
            // With its length, so that no text can look like the end of another.
            Some(text) => into.push_str(&format!("{}'{text}", text.len())),
            None => into.push_str(&format!("{}#{}", value.raw().len(), value.raw())),
        },
    }
}

/// How two atoms stand to each other; none if that cannot be said.
pub(super) fn compare(one: &Atom<'_>, other: &Atom<'_>) -> Option<Ordering> {
    match (one, other) {
        (Atom::Bool(one), Atom::Bool(other)) => Some(one.cmp(other)),
        (Atom::Number(one), Atom::Number(other)) => one.partial_cmp(other),
        (Atom::Text(one), Atom::Text(other)) => Some(one.cmp(other)),
        (Atom::Moment(one), Atom::Moment(other)) => moments(one, other),
        // A literal date is a text here.
        (Atom::Moment(one), Atom::Text(other)) | (Atom::Text(one), Atom::Moment(other)) => {
            (one == other).then_some(Ordering::Equal)
        }
        _ => None,
    }
}

/// Dates and times of different precision are ordered only where that does not matter.
fn moments(one: &str, other: &str) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (instant(one), instant(other)) {
        return Some(one.cmp(&other));
    }
    if one.len() == other.len() && !one.contains('T') {
        return Some(one.cmp(other));
    }
    let (one, other) = (one.split('T').next()?, other.split('T').next()?);
    let common = one.len().min(other.len());
    // A day apart, and no time zone can matter.
    match one.get(..common)?.cmp(other.get(..common)?) {
        Ordering::Equal => None,
        order => Some(order),
    }
}

fn instant(text: &str) -> Option<jiff::Timestamp> {
    text.contains('T').then_some(())?;
    // A leap second is the one before, for an order.
    text.replacen(":60", ":59", usize::from(text.get(16..19) == Some(":60"))).parse().ok()
}
