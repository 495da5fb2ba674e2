//! This file is where a resource is walked once and all values that it is found by are collected.

use super::extract::extract;
use super::path::{Element, Leaf};
use super::table::{Parameter, Type, of};
use super::tree::{Visitor, follow};
use super::value::{Token, Value};
use fhir::json;
use std::collections::HashSet;

/// All that a resource is found by.
#[derive(Clone, Debug)]
pub struct Index {
    /// The type of the resource.
    pub kind: &'static str,
    /// Its id, if it has one.
    pub id: Option<String>,
    /// Its values, in no particular order, without repetition.
    pub rows: Vec<Row>,
    /// The parameters that have an element in the resource, sorted by code, be it one that yields no row (a reference
    /// with nothing but a display). What is not here is `:missing=true`.
    pub present: Vec<&'static Parameter>,
}

/// One value of one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The parameter. Its code is unique within a type: (type, code) is the key of a table.
    pub param: &'static Parameter,
    /// The value.
    pub value: Value,
}

impl Index {
    /// The values of a parameter.
    pub fn values(&self, param: &Parameter) -> impl Iterator<Item = &Value> {
        self.rows.iter().filter(move |row| row.param.code == param.code).map(|row| &row.value)
    }

    /// Whether the parameter has an element: the opposite of `:missing=true`.
    #[must_use]
    pub fn has(&self, param: &Parameter) -> bool {
        self.present.binary_search_by(|present| present.code.cmp(param.code)).is_ok()
    }
}

/// Walks a resource and collects its values; none if it isn't an object with a `resourceType` of R4.
///
/// What has the wrong shape (a date that is none, an object where a text belongs) yields no value: whether a resource is
/// valid is for others to say.
///
/// ```
/// use conformance::search::{index, parameter};
/// let text = r#"{"resourceType":"Patient","name":[{"family":"Müller"}]}"#;
/// let document = fhir::json::Document::read(text, &fhir::Limits::default()).unwrap();
/// let index = index(document.root()).unwrap();
/// assert_eq!(index.values(parameter("Patient", "family").unwrap()).count(), 1);
/// ```
#[must_use]
pub fn index(resource: json::Value<'_>) -> Option<Index> {
    let kind = fhir::types::r4(&resource.get("resourceType")?.text()?)?;
    let table = of(kind)?;
    let mut walk =
        Walk { table, resource, rows: Vec::with_capacity(32), present: vec![false; table.params.len()] };
    table.tree.walk(resource, &mut walk);
    walk.alive();
    let Walk { mut rows, present, .. } = walk;
    let mut seen = HashSet::with_capacity(rows.len());
    let first: Vec<bool> = rows.iter().map(|row| seen.insert((row.param.code, &row.value))).collect();
    if first.contains(&false) {
        let mut first = first.into_iter();
        rows.retain(|_| first.next().unwrap_or(true));
    }
    Some(Index {
        kind,
        id: resource.get("id").and_then(json::Value::text).map(|id| id.into_owned()),
        rows,
        present: table
            .params
            .iter()
            .zip(present)
            .filter_map(|(param, there)| there.then_some(param))
            .collect(),
    })
}

struct Walk<'d> {
    table: &'static Type,
    resource: json::Value<'d>,
    rows: Vec<Row>,
    /// For each parameter of the table whether it has an element.
    present: Vec<bool>,
}

impl<'d> Visitor<'d> for Walk<'d> {
    fn element(&mut self, param: usize, leaf: Leaf, value: json::Value<'d>) {
        let Some(present) = self.present.get_mut(param) else { return };
        let Some(param) = self.table.params.get(param) else { return };
        let rows = &mut self.rows;
        *present |= extract(self.resource, value, leaf, param.kind, param.exact_case, &mut |value| {
            rows.push(Row { param, value });
        });
    }

    fn composite(&mut self, param: usize, group: usize, value: json::Value<'d>) {
        let Some(present) = self.present.get_mut(param) else { return };
        let Some(param) = self.table.params.get(param) else { return };
        let Some(group) = param.groups.get(group) else { return };
        let mut parts = Vec::with_capacity(group.components.len());
        for (component, sources) in param.components.iter().zip(&group.components) {
            let mut values = Vec::new();
            for source in sources {
                let from = if source.from_root { self.resource } else { value };
                follow(from, &source.steps, &mut |value| {
                    extract(
                        self.resource,
                        value,
                        source.leaf,
                        component.kind,
                        component.exact_case,
                        &mut |value| {
                            values.push(value);
                        },
                    );
                });
            }
            if values.is_empty() {
                return;
            }
            parts.push(values);
        }
        *present = true;
        self.rows.push(Row { param, value: Value::Composite(parts) });
    }
}

impl Walk<'_> {
    /// `Patient.deceased.exists() and Patient.deceased != false` is false, not empty, for who isn't said to be dead.
    fn alive(&mut self) {
        for (param, present) in self.table.params.iter().zip(&mut self.present) {
            if !*present && param.sources.iter().any(|source| source.leaf.element == Element::Dead) {
                *present = true;
                let (code, key) = (Some("false".to_owned()), Some("false".to_owned()));
                self.rows.push(Row { param, value: Value::Token(Token { code, key, ..Token::default() }) });
            }
        }
    }
}
