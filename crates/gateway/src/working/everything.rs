//! This file is where all of a chart is read, as far as it may be seen.

use super::{
    condition::Conditions,
    error::WorkingError,
    numbers,
    page::{columns, found},
    place::Place,
    read::Stored,
    set::{WorkingSet, find_chart},
    sight::Sight,
};
use primitives::{ChartId, Millis};
use rusqlite::{params_from_iter, types::Value};
use std::rc::Rc;

/// What of a chart is wanted.
#[derive(Clone, Debug)]
pub struct EverythingAsk {
    /// The chart.
    pub chart: ChartId,
    /// Only these types.
    pub kinds: Vec<&'static str>,
    /// Only what became final at or after this time.
    pub since: Option<Millis>,
    /// Only care given at or after this time, where a resource says when.
    pub from: Option<Millis>,
    /// Only care given before this time, where a resource says when.
    pub to: Option<Millis>,
    /// Only what comes after this resource of the page before.
    pub after: Option<i64>,
    /// At most so many.
    pub count: usize,
}

/// Search parameters that say when care was given, the first that a type has.
const WHEN: &[&str] = &["date", "period", "effective-time", "onset-date", "authoredon", "created", "started"];

impl WorkingSet {
    /// Resources of a chart in the order in which they came in, each with its number.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn everything(&self, ask: &EverythingAsk, sight: &Sight) -> Result<Vec<(i64, Stored)>, WorkingError> {
        let db = self.read();
        let Some(chart) = find_chart(&db, &ask.chart)? else { return Ok(Vec::new()) };
        let number = |time: Millis| i64::try_from(time.0).unwrap_or(i64::MAX);
        let mut written = Conditions::new(&db, sight, self.base());
        written.sql.push(&format!("SELECT {} FROM resource r1 WHERE r1.chart = ", columns(1)));
        written.sql.bind(chart).push(" AND r1.kind IN rarray(");
        let kinds = ask.kinds.iter().map(|kind| Value::from(numbers::kind(kind))).collect();
        written.sql.bind_many(Rc::new(kinds)).push(") AND ");
        written.visible(1);
        // Who looked is no part of what the chart holds.
        written.sql.push(
            " AND NOT EXISTS (SELECT 1 FROM class k WHERE k.id = r1.class AND k.category LIKE 'ledger:%')",
        );
        if let Some(since) = ask.since {
            written.sql.push(" AND r1.updated >= ").bind(number(since));
        }
        if let Some(after) = ask.after {
            written.sql.push(" AND r1.rid > ").bind(after);
        }
        if ask.from.is_some() || ask.to.is_some() {
            let params = ask.kinds.iter().filter_map(|kind| {
                let code = WHEN.iter().find(|code| conformance::search::parameter(kind, code).is_some())?;
                Some(Value::from(numbers::by_code(kind, code)))
            });
            let params: Rc<Vec<Value>> = Rc::new(params.collect());
            written.sql.push(" AND (NOT EXISTS (SELECT 1 FROM dat WHERE rid = r1.rid AND p IN rarray(");
            written.sql.bind_many(Rc::clone(&params));
            written.sql.push(")) OR EXISTS (SELECT 1 FROM dat WHERE rid = r1.rid AND p IN rarray(");
            written.sql.bind_many(params).push(")");
            if let Some(from) = ask.from {
                written.sql.push(" AND hi > ").bind(number(from));
            }
            if let Some(to) = ask.to {
                written.sql.push(" AND lo < ").bind(number(to));
            }
            written.sql.push("))");
        }
        written.sql.push(" ORDER BY r1.rid LIMIT ").bind(i64::try_from(ask.count).unwrap_or(i64::MAX));
        let mut statement = db.prepare_cached(&written.sql.text)?;
        let rows = statement.query_map(params_from_iter(&written.sql.bound), |row| {
            let found = found(row)?;
            let place = Place { kind: found.place.kind, id: found.place.id };
            let stored = Stored {
                place,
                version: found.version,
                updated: found.updated,
                deleted: false,
                bytes: found.bytes,
            };
            Ok((found.rid, stored))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
