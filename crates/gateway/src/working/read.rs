//! This file is where single resources and their histories are read, always through somebody's sight.

use super::{error::WorkingError, numbers, place::Place, set::WorkingSet, sight::Sight};
use primitives::{ChartId, Hash, Millis};
use rusqlite::{OptionalExtension as _, Row};
use std::collections::BTreeSet;

/// One version of a resource as it is served.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// Type and id.
    pub place: Place,
    /// The version.
    pub version: u32,
    /// When it became final.
    pub updated: Millis,
    /// Whether it is a deletion.
    pub deleted: bool,
    /// The resource; empty of a deletion.
    pub bytes: Vec<u8>,
}

/// What is current of a resource, to whom it may be shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Held {
    /// It isn't there, or the caller may not see it: which of the two is told to nobody.
    Nothing,
    /// It was deleted with this version.
    Gone(Stored),
    /// The resource.
    Current(Stored),
}

/// Where a resource lies, whoever asks: for finding the chart that has to be opened, never for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lies {
    /// The chart.
    pub chart: ChartId,
    /// The newest version known here.
    pub version: u32,
    /// The category's name; empty if the newest version isn't known here.
    pub category: String,
    /// Whether this organisation wrote it.
    pub own: bool,
    /// What was put in as [`super::Version::source`].
    pub source: Vec<u8>,
    /// The charts of the other patients whom it names, each with its number.
    pub also: Vec<(i64, ChartId)>,
    class: i64,
}

/// A place in a history: time, resource and version.
pub type Moment = (i64, i64, u32);

/// Which versions of a history are wanted.
#[derive(Clone, Debug, Default)]
pub struct HistoryAsk {
    /// Only those of this type.
    pub kind: Option<&'static str>,
    /// Only those of this resource.
    pub place: Option<Place>,
    /// Only those that became final at or after this time.
    pub since: Option<Millis>,
    /// Only those before this one, the last one of the page before.
    pub after: Option<Moment>,
    /// At most so many.
    pub count: usize,
}

fn stored(row: &Row<'_>) -> rusqlite::Result<(i64, i64, Stored)> {
    let (rid, kind, updated): (i64, i64, i64) = (row.get("rid")?, row.get("kind")?, row.get("updated")?);
    let stored = Stored {
        place: Place { kind: numbers::kind_of(kind).unwrap_or("Basic"), id: row.get("id")? },
        version: row.get("version")?,
        updated: Millis(u64::try_from(updated).unwrap_or(0)),
        deleted: row.get("deleted")?,
        bytes: row.get("bytes")?,
    };
    Ok((rid, updated, stored))
}

impl WorkingSet {
    /// What is current of a resource, as far as it may be seen.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn get(&self, place: &Place, sight: &Sight) -> Result<Held, WorkingError> {
        let db = self.read();
        let found = db
            .prepare_cached(
                "SELECT rid, kind, id, version, updated, deleted, bytes, class, shared FROM resource
                 WHERE kind = ?1 AND id = ?2",
            )?
            .query_row((numbers::kind(place.kind), &place.id), |row| {
                Ok((stored(row)?, row.get::<_, i64>("class")?, row.get::<_, bool>("shared")?))
            })
            .optional()?;
        let Some(((rid, _, stored), class, shared)) = found else { return Ok(Held::Nothing) };
        if !sight.classes.contains(&class) || (shared && !all_seen(&db, rid, sight)?) {
            return Ok(Held::Nothing);
        }
        Ok(if stored.deleted { Held::Gone(stored) } else { Held::Current(stored) })
    }

    /// One version of a resource, as far as it may be seen.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn get_version(
        &self,
        place: &Place,
        version: u32,
        sight: &Sight,
    ) -> Result<Option<Stored>, WorkingError> {
        let ask = HistoryAsk { place: Some(place.clone()), count: usize::MAX, ..HistoryAsk::default() };
        let all = self.history(&ask, sight)?;
        Ok(all.into_iter().map(|(_, stored)| stored).find(|stored| stored.version == version))
    }

    /// Versions, the newest first, as far as they may be seen, each with its place in the order.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn history(&self, ask: &HistoryAsk, sight: &Sight) -> Result<Vec<(Moment, Stored)>, WorkingError> {
        let db = self.read();
        let (at, rid, version) = ask.after.unwrap_or((i64::MAX, i64::MAX, u32::MAX));
        let kind = ask.place.as_ref().map(|place| place.kind).or(ask.kind).map(numbers::kind);
        let id = ask.place.as_ref().map(|place| place.id.clone());
        let since = ask.since.map_or(i64::MIN, |since| i64::try_from(since.0).unwrap_or(i64::MAX));
        let count = i64::try_from(ask.count).unwrap_or(i64::MAX);
        let mut all = db.prepare_cached(
            "WITH every AS (
                 SELECT rid, kind, id, version, updated, deleted, bytes, class, shared FROM resource
                 WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR id = ?2)
                 UNION ALL
                 SELECT v.rid, r.kind, r.id, v.version, v.updated, v.deleted, v.bytes, v.class, r.shared
                 FROM resource r JOIN version v ON v.rid = r.rid
                 WHERE (?1 IS NULL OR r.kind = ?1) AND (?2 IS NULL OR r.id = ?2))
             SELECT * FROM every WHERE class IN rarray(?3)
             AND (shared = 0 OR NOT EXISTS
                 (SELECT 1 FROM also a WHERE a.rid = every.rid AND a.chart NOT IN rarray(?4)))
             AND updated >= ?5 AND (updated, rid, version) < (?6, ?7, ?8)
             ORDER BY updated DESC, rid DESC, version DESC LIMIT ?9",
        )?;
        let rows = all.query_map(
            rusqlite::params![
                kind,
                id,
                sight.class_array(),
                sight.named_array(),
                since,
                at,
                rid,
                version,
                count
            ],
            |row| {
                let (rid, updated, stored) = stored(row)?;
                Ok(((updated, rid, stored.version), stored))
            },
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The resources of this organisation that came in under this fullUrl, a `urn:`, as far as they may be seen; at most two.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn named(&self, url: &str, sight: &Sight) -> Result<Vec<Place>, WorkingError> {
        let places: Vec<Place> = {
            let db = self.read();
            let mut all = db.prepare_cached(
                "SELECT r.kind, r.id FROM alias a JOIN resource r ON r.rid = a.rid JOIN class k ON k.id = r.class
                 WHERE a.url = ?1 AND k.own = 1 AND r.class IN rarray(?2) AND r.deleted = 0 ORDER BY r.rid LIMIT 2",
            )?;
            let rows = all.query_map((url, sight.class_array()), |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
            })?;
            let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
            rows.into_iter()
                .filter_map(|(kind, id)| Some(Place { kind: numbers::kind_of(kind)?, id }))
                .collect()
        };
        let mut seen = Vec::with_capacity(places.len());
        for place in places {
            if matches!(self.get(&place, sight)?, Held::Current(_)) {
                seen.push(place);
            }
        }
        Ok(seen)
    }

    /// The ids of a chart's Patients.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn patients(&self, chart: &ChartId) -> Result<Vec<String>, WorkingError> {
        let db = self.read();
        let mut all = db.prepare_cached(
            "SELECT r.id FROM resource r JOIN chart c ON c.id = r.chart WHERE c.chart = ?1 AND r.kind = ?2",
        )?;
        let rows = all.query_map((chart.as_bytes(), numbers::kind("Patient")), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Charts that hold something here and that this sight doesn't reach, at most so many.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn charts_beyond(&self, sight: &Sight, count: usize) -> Result<Vec<ChartId>, WorkingError> {
        let db = self.read();
        let mut all =
            db.prepare_cached("SELECT chart FROM chart WHERE id NOT IN rarray(?1) ORDER BY id LIMIT ?2")?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let rows = all
            .query_map(rusqlite::params![sight.chart_array(), count], |row| Ok(ChartId(Hash(row.get(0)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Where a resource lies.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn lies(&self, place: &Place) -> Result<Option<Lies>, WorkingError> {
        let db = self.read();
        let found = db
            .prepare_cached(
                "SELECT c.chart, r.version, coalesce(k.category, ''), coalesce(k.own, 0), r.source, r.class,
                     CASE WHEN r.shared THEN (SELECT group_concat(o.id || ' ' || hex(o.chart)) FROM also a JOIN chart o ON o.id = a.chart
                         WHERE a.rid = r.rid) END
                 FROM resource r JOIN chart c ON c.id = r.chart LEFT JOIN class k ON k.id = r.class
                 WHERE r.kind = ?1 AND r.id = ?2",
            )?
            .query_row((numbers::kind(place.kind), &place.id), |row| {
                Ok(Lies {
                    chart: ChartId(Hash(row.get(0)?)),
                    version: row.get(1)?,
                    category: row.get(2)?,
                    own: row.get(3)?,
                    source: row.get(4)?,
                    class: row.get(5)?,
                    also: row.get::<_, Option<String>>(6)?.iter().flat_map(|all| charts(all)).collect(),
                })
            })
            .optional()?;
        Ok(found)
    }
}

impl Lies {
    /// The charts that have to be open too before it may be shown to whom this sight is: none if what lies here isn't
    /// within it at all.
    #[must_use]
    pub fn beside(&self, sight: &Sight) -> BTreeSet<ChartId> {
        let seen = sight.classes.contains(&self.class);
        let others = self.also.iter().filter(|(number, _)| seen && !sight.named.contains(number));
        others.map(|(_, chart)| *chart).collect()
    }
}

/// Charts with their numbers as the statement above writes them.
fn charts(all: &str) -> impl Iterator<Item = (i64, ChartId)> {
    all.split(',').filter_map(|text| {
        let (number, text) = text.split_once(' ')?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some((number.parse().ok()?, ChartId(Hash(bytes))))
    })
}

/// Whether the caller has a permitted access to the chart of every other patient whom the resource names.
fn all_seen(db: &rusqlite::Connection, rid: i64, sight: &Sight) -> rusqlite::Result<bool> {
    let mut also = db.prepare_cached("SELECT chart FROM also WHERE rid = ?1")?;
    let charts: Vec<i64> = also.query_map([rid], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(charts.iter().all(|chart| sight.named.contains(chart)))
}
