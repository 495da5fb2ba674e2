//! This file is where an index entry is: all values that one resource is found by.

use super::table::Parameter;
use super::value::Value;

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
