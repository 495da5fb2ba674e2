//! This file is where what matches refer to, and what refers to them, is added to a page.

use super::{
    condition::{Conditions, Way},
    error::WorkingError,
    numbers,
    page::{Found, columns, found},
    set::WorkingSet,
    sight::Sight,
};
use conformance::search::{Include, Query};
use rusqlite::{params_from_iter, types::Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// Resources that one page may bring along.
const INCLUDED_MAX: usize = 1_000;

/// Rounds of `:iterate`.
const ROUNDS_MAX: usize = 8;

/// What was brought along.
#[derive(Clone, Default)]
pub struct Included {
    /// The resources, in no particular order, none of them a match.
    pub resources: Vec<Found>,
    /// Whether there was more than a page may bring along.
    pub cut: bool,
}

impl WorkingSet {
    /// What `_include` and `_revinclude` add to the matches of a page, as far as it may be seen.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn include(&self, query: &Query, matches: &[Found], sight: &Sight) -> Result<Included, WorkingError> {
        let mut known: BTreeSet<i64> = matches.iter().map(|found| found.rid).collect();
        let mut included = Included::default();
        let mut fresh: Vec<Found> = matches.to_vec();
        for round in 0..ROUNDS_MAX {
            let mut next: Vec<Found> = Vec::new();
            let asked = query
                .includes
                .iter()
                .map(|include| (include, false))
                .chain(query.reverse_includes.iter().map(|include| (include, true)));
            for (include, reverse) in asked.filter(|(include, _)| round == 0 || include.iterate) {
                let room = INCLUDED_MAX.saturating_sub(included.resources.len() + next.len());
                let from: Vec<&Found> = fresh.iter().collect();
                let mut more = self.include_one(include, reverse, &from, sight)?;
                // What was brought along by another include of this round is a source for iterating ones in the next.
                more.retain(|found| known.insert(found.rid));
                if more.len() > room {
                    more.truncate(room);
                    included.cut = true;
                }
                next.extend(more);
            }
            if next.is_empty() {
                break;
            }
            included.resources.extend(next.iter().cloned());
            fresh = next;
        }
        Ok(included)
    }

    fn include_one(
        &self,
        include: &Include,
        reverse: bool,
        from: &[&Found],
        sight: &Sight,
    ) -> Result<Vec<Found>, WorkingError> {
        let db = self.read();
        let params = include.params.iter().map(|param| Value::from(numbers::param(include.source, param)));
        let params: Rc<Vec<Value>> = Rc::new(params.collect());
        let mut written = Conditions::new(&db, sight, self.base());
        // What is brought along is found by the references.
        written.way = Way::Value;
        written.sql.push(&format!("SELECT DISTINCT {} FROM ref x JOIN resource r1 ON ", columns(1)));
        if reverse {
            written.sql.push("r1.rid = x.rid WHERE +r1.kind = ");
            written.sql.bind(numbers::kind(include.source)).push(" AND x.p IN rarray(");
            written.sql.bind_many(params).push(") AND (0");
            // Grouped by type, so that the statement stays short however many there are.
            let mut by_kind: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
            for found in
                from.iter().filter(|found| include.target.is_none_or(|kind| kind == found.place.kind))
            {
                by_kind.entry(found.place.kind).or_default().push(Value::from(found.place.id.clone()));
            }
            for (kind, ids) in by_kind {
                written.sql.push(" OR (x.kind = ").bind(numbers::kind(kind)).push(" AND x.id IN rarray(");
                written.sql.bind_many(Rc::new(ids)).push("))");
            }
            written.sql.push(")");
        } else {
            let rids = from.iter().filter(|found| found.place.kind == include.source);
            let rids = rids.map(|found| Value::from(found.rid)).collect();
            written.sql.push("r1.kind = x.kind AND r1.id = x.id WHERE x.rid IN rarray(");
            written.sql.bind_many(Rc::new(rids)).push(") AND x.p IN rarray(").bind_many(params).push(")");
            if let Some(target) = include.target {
                written.sql.push(" AND x.kind = ").bind(numbers::kind(target));
            }
        }
        let base = written.base.to_owned();
        written.sql.push(" AND x.base IN ('', ").bind(base).push(") AND ");
        written.visible(1);
        written.sql.push(&format!(" ORDER BY r1.rid LIMIT {}", INCLUDED_MAX + 1));
        let mut statement = db.prepare_cached(&written.sql.text)?;
        let rows = statement.query_map(params_from_iter(&written.sql.bound), found)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
