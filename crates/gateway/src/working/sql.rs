//! This file is where pieces of SQL and the values bound to them are put together, so that no text of a caller ever becomes
//! part of a statement.

use rusqlite::types::{ToSqlOutput, Value};
use std::{fmt::Write as _, rc::Rc};

/// What is bound to a mark.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    One(Value),
    Many(Rc<Vec<Value>>),
}

impl rusqlite::ToSql for Bound {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::One(value) => value.to_sql(),
            Self::Many(values) => values.to_sql(),
        }
    }
}

/// A statement being written.
#[derive(Clone, Debug, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) bound: Vec<Bound>,
}

impl Sql {
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Binds a value here.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.mark(Bound::One(value.into()))
    }

    /// Binds an array here, for `IN rarray(…)`.
    pub(super) fn bind_many(&mut self, values: Rc<Vec<Value>>) -> &mut Self {
        self.mark(Bound::Many(values))
    }

    fn mark(&mut self, bound: Bound) -> &mut Self {
        self.bound.push(bound);
        // Writing to a String doesn't fail.
        let _written = write!(self.text, "?{}", self.bound.len());
        self
    }
}
