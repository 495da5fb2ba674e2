//! This file is where a search is carried out: matches in a stable order, page by page, counted if wanted.

use super::{
    condition::{Conditions, Subject, Way, Within},
    error::WorkingError,
    numbers,
    order::Order,
    place::Place,
    set::WorkingSet,
    sight::Sight,
};
use conformance::search::{Index, Query, Summary, Total, index, sort_key};
use fhir::{Limits, json::Document};
use primitives::Millis;
use rusqlite::{Connection, Row, params_from_iter, types::Value};
use std::cmp::Ordering;

/// Resources that are looked at one by one, at most, where SQL can't decide or sort.
const SCANNED_MAX: usize = 20_000;

/// A resource that was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    pub(super) rid: i64,
    /// Type and id.
    pub place: Place,
    /// The version.
    pub version: u32,
    /// When it became final.
    pub updated: Millis,
    /// The resource.
    pub bytes: Vec<u8>,
}

/// What to search, and which page of it.
#[derive(Clone, Copy, Debug)]
pub struct Searched<'a> {
    /// What is searched.
    pub query: &'a Query,
    /// Of what this finds, only that of which one of these holds as well; nothing for all of it.
    pub within: &'a [Within],
    /// Where the page begins; none is the first one.
    pub after: Option<&'a Cursor>,
    /// Matches on a page, at most.
    pub count: usize,
}

/// A page of matches.
#[derive(Clone, Default)]
pub struct Page {
    /// The matches, in order.
    pub matches: Vec<Found>,
    /// Where the next page begins; none if this is the last one.
    pub next: Option<Cursor>,
    /// All matches, counted, if that was wanted or costs nothing.
    pub total: Option<u64>,
}

/// A place between two matches: sort keys and resource of the one before it. New resources don't shift it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// For each sort key its bytes; none where the resource has no value.
    keys: Vec<Option<Vec<u8>>>,
    rid: i64,
}

impl Cursor {
    /// As text for a link.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{:x}", self.rid);
        for key in &self.keys {
            text.push('.');
            match key {
                Some(key) => text.push_str(&hex::encode(key)),
                None => text.push('-'),
            }
        }
        text
    }

    /// From such a text.
    ///
    /// # Errors
    /// [`WorkingError::Cursor`].
    pub fn of_text(text: &str) -> Result<Self, WorkingError> {
        let mut parts = text.split('.');
        let rid = parts.next().and_then(|rid| i64::from_str_radix(rid, 16).ok());
        let keys = parts.map(|key| match key {
            "-" => Some(None),
            key => hex::decode(key).ok().map(Some),
        });
        let keys = keys.collect::<Option<Vec<_>>>();
        match (rid, keys) {
            (Some(rid), Some(keys)) => Ok(Self { keys, rid }),
            _ => Err(WorkingError::Cursor),
        }
    }
}

pub(super) const COLUMNS: &str = ".rid AS rid, {r}.kind AS kind, {r}.id AS id, {r}.version AS version, {r}.updated AS updated, {r}.bytes AS bytes";

/// The columns of a [`Found`].
pub(super) fn columns(alias: usize) -> String {
    format!("r{alias}{}", COLUMNS.replace("{r}", &format!("r{alias}")))
}

pub(super) fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let updated: i64 = row.get("updated")?;
    Ok(Found {
        rid: row.get("rid")?,
        place: Place { kind: numbers::kind_of(row.get("kind")?).unwrap_or("Basic"), id: row.get("id")? },
        version: row.get("version")?,
        updated: Millis(u64::try_from(updated).unwrap_or(0)),
        bytes: row.get("bytes")?,
    })
}

impl WorkingSet {
    /// One page of the resources that answer a search, as far as they may be seen: what may not be seen is neither found nor
    /// counted, and makes no page shorter.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn search(&self, searched: &Searched<'_>, sight: &Sight) -> Result<Page, WorkingError> {
        if sight.is_blind() {
            return Ok(Page { total: Some(0), ..Page::default() });
        }
        let db = self.read();
        let query = searched.query;
        let subject = Subject { alias: 1, kinds: &query.types };
        let mut written = Conditions::new(&db, sight, self.base());
        written.choose(&query.conditions);
        kinds(&mut written, &query.types);
        written.sql.push(" AND ");
        written.visible(1);
        written.all(subject, &query.conditions)?;
        written.within(subject, searched.within)?;
        let counts = query.summary == Some(Summary::Count) || query.count == Some(0);
        let mut page = match Order::of(&query.types, &query.sort) {
            Some(order) => {
                let wanted = counts || matches!(query.total, Some(Total::Accurate | Total::Estimate));
                let counted = if wanted { Some(count(&db, &written)?) } else { None };
                if counts {
                    return Ok(Page { total: counted, ..Page::default() });
                }
                sorted(&db, &written, &order, searched, counted)?
            }
            None => scanned(&db, &written, searched, counts)?,
        };
        if query.total == Some(Total::None) && !counts {
            page.total = None;
        }
        Ok(page)
    }
}

fn kinds(written: &mut Conditions<'_>, types: &[&'static str]) {
    let past = Way::past_index(written.way == Way::Value);
    match types {
        [] => written.sql.push("1"),
        [kind] => written.sql.push(&format!("{past}r1.kind = ")).bind(numbers::kind(kind)),
        several => {
            let numbers = several.iter().map(|kind| Value::from(numbers::kind(kind))).collect();
            written.sql.push(&format!("{past}r1.kind IN rarray("));
            written.sql.bind_many(std::rc::Rc::new(numbers)).push(")")
        }
    };
}

fn count(db: &Connection, written: &Conditions<'_>) -> Result<u64, WorkingError> {
    let sql = format!("SELECT count(*) FROM resource r1 WHERE {}", written.sql.text);
    let counted: i64 =
        db.prepare_cached(&sql)?.query_row(params_from_iter(&written.sql.bound), |row| row.get(0))?;
    Ok(u64::try_from(counted).unwrap_or(0))
}

/// A page that SQL sorts and cuts.
fn sorted(
    db: &Connection,
    written: &Conditions<'_>,
    order: &Order,
    searched: &Searched<'_>,
    counted: Option<u64>,
) -> Result<Page, WorkingError> {
    let mut sql = written.sql.clone();
    let conditions = std::mem::take(&mut sql.text);
    sql.push(&format!(
        "SELECT * FROM (SELECT {}{} FROM resource r1{} WHERE {conditions}) WHERE 1",
        columns(1),
        order.shown(),
        order.joined()
    ));
    if let Some(after) = searched.after {
        order.after(&mut sql, &after.keys, after.rid)?;
    }
    sql.push(&order.by());
    let limit = searched.count.saturating_add(1);
    sql.push(" LIMIT ").bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let mut statement = db.prepare_cached(&sql.text)?;
    let rows =
        statement.query_map(params_from_iter(&sql.bound), |row| Ok((found(row)?, order.keys_of(row)?)))?;
    let mut rows: Vec<(Found, Vec<Option<Vec<u8>>>)> = rows.collect::<Result<_, _>>()?;
    let more = rows.len() > searched.count;
    rows.truncate(searched.count);
    let next = rows.last().filter(|_| more).map(|(last, keys)| Cursor { keys: keys.clone(), rid: last.rid });
    // A first page that is the last one has them all.
    let whole = (searched.after.is_none() && !more).then_some(rows.len() as u64);
    let matches = rows.into_iter().map(|(found, _)| found).collect();
    Ok(Page { matches, next, total: counted.or(whole) })
}

/// A page for which each candidate is looked at.
fn scanned(
    db: &Connection,
    written: &Conditions<'_>,
    searched: &Searched<'_>,
    counts: bool,
) -> Result<Page, WorkingError> {
    let query = searched.query;
    let limit = SCANNED_MAX + 1;
    let sql = format!(
        "SELECT {} FROM resource r1 WHERE {} ORDER BY r1.rid LIMIT {limit}",
        columns(1),
        written.sql.text
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&written.sql.bound))?;
    let mut all: Vec<(Vec<Option<Vec<u8>>>, Found)> = Vec::new();
    let mut looked = 0;
    while let Some(row) = rows.next()? {
        looked += 1;
        if looked > SCANNED_MAX {
            return Err(WorkingError::TooCostly { max: SCANNED_MAX });
        }
        let found = found(row)?;
        let index = reindex(&found)?;
        let keys = query.sort.iter().map(|sort| sort_key(sort, &index).map(|key| key.as_bytes().to_vec()));
        all.push((keys.collect(), found));
    }
    let total = Some(all.len() as u64);
    if counts {
        return Ok(Page { total, ..Page::default() });
    }
    let compare = |one: (&[Option<Vec<u8>>], i64), other: (&[Option<Vec<u8>>], i64)| -> Ordering {
        let by_key =
            query.sort.iter().zip(one.0.iter().zip(other.0)).map(|(sort, (one, other))| match (one, other) {
                (Some(one), Some(other)) if sort.descending => other.cmp(one),
                (Some(one), Some(other)) => one.cmp(other),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            });
        by_key.fold(Ordering::Equal, Ordering::then).then(one.1.cmp(&other.1))
    };
    all.sort_by(|one, other| compare((&one.0, one.1.rid), (&other.0, other.1.rid)));
    if let Some(after) = searched.after {
        if after.keys.len() != query.sort.len() {
            return Err(WorkingError::Cursor);
        }
        all.retain(|(keys, found)| compare((keys, found.rid), (&after.keys, after.rid)) == Ordering::Greater);
    }
    let more = all.len() > searched.count;
    all.truncate(searched.count);
    let next = all.last().filter(|_| more).map(|(keys, found)| Cursor { keys: keys.clone(), rid: found.rid });
    Ok(Page { matches: all.into_iter().map(|(_, found)| found).collect(), next, total })
}

fn reindex(found: &Found) -> Result<Index, WorkingError> {
    let broken = || WorkingError::NotAResource(found.place.to_string());
    let document = Document::read(&found.bytes[..], &Limits::default()).map_err(|_| broken())?;
    index(document.root()).ok_or_else(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::working::{Class, WorkingKey};
    use primitives::{ChartId, Hash};
    use zeroize::Zeroizing;

    /// How SQLite finds the resource searched.
    fn plan(set: &WorkingSet, kind: &str, text: &str) -> String {
        let chart = |number: u8| ChartId(Hash([number; 32]));
        let classes: Vec<Class> = (0..3)
            .map(|number| Class {
                chart: chart(number),
                category: "general".to_owned(),
                writer: "riverside".parse().unwrap(),
            })
            .collect();
        let charts = [chart(0), chart(1), chart(2)];
        let sight = set.sight(&classes, &charts).unwrap();
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let query = conformance::search::parse(Some(kind), &pairs, &Default::default()).unwrap();
        let db = set.read();
        let mut written = Conditions::new(&db, &sight, set.base());
        written.choose(&query.conditions);
        kinds(&mut written, &query.types);
        written.sql.push(" AND ");
        written.visible(1);
        written.all(Subject { alias: 1, kinds: &query.types }, &query.conditions).unwrap();
        let sql = format!("EXPLAIN QUERY PLAN SELECT 1 FROM resource r1 WHERE {}", written.sql.text);
        let mut statement = db.prepare(&sql).unwrap();
        let rows = statement
            .query_map(params_from_iter(&written.sql.bound), |row| row.get::<_, String>("detail"))
            .unwrap();
        rows.map(Result::unwrap).find(|line| line.contains(" r1 ")).unwrap()
    }

    #[test]
    fn what_finds_few_leads_and_not_all_classes_in_sight() {
        let dir = tempfile::tempdir().unwrap();
        let key = WorkingKey::new(Zeroizing::new([1; 32]));
        let set = WorkingSet::open(&dir.path().join("working.db"), &key, "http://127.0.0.1/fhir").unwrap();
        for (kind, text, expected) in [
            ("Observation", "patient=Patient/1&code=4548-4", "INTEGER PRIMARY KEY (rowid=?)"),
            ("Observation", "subject=Patient/1", "INTEGER PRIMARY KEY (rowid=?)"),
            ("Patient", "identifier=urn:x|1", "INTEGER PRIMARY KEY (rowid=?)"),
            ("Patient", "name=ann", "INTEGER PRIMARY KEY (rowid=?)"),
            ("Patient", "_id=1", "(kind=? AND id=?)"),
            ("Patient", "birthdate=ge2000", "resource_class (class=? AND kind=?)"),
            ("Patient", "_lastUpdated=ge2000", "resource_class (class=? AND kind=?"),
        ] {
            let plan = plan(&set, kind, text);
            assert!(plan.contains(expected), "{kind}?{text}: {plan}");
        }
    }
}
