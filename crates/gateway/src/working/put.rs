//! This file is where versions of resources come into the working set.

use super::{
    error::WorkingError,
    numbers,
    place::{Class, Place},
    rows::{self, Systems},
    set::{WorkingSet, find_chart},
    sight::chart_key,
};
use conformance::search::{Index, index};
use fhir::{Limits, json::Document};
use primitives::{ChartId, Millis};
use rusqlite::{Connection, OptionalExtension as _};

/// A class that nobody may see: stands where a resource's newest version isn't known here.
const HIDDEN: i64 = 0;

/// One version of a resource, as it is served.
#[derive(Clone)]
pub struct Version {
    /// Type and id.
    pub place: Place,
    /// To what it belongs.
    pub class: Class,
    /// Whether this organisation wrote it: then it stays when accesses end.
    pub own: bool,
    /// Charts of other patients whom it names.
    pub also: Vec<ChartId>,
    /// The version, from 1.
    pub version: u32,
    /// Time of the block in which it became final.
    pub updated: Millis,
    /// Whether it is a deletion.
    pub deleted: bool,
    /// Whether nothing newer exists, seen or unseen.
    pub newest: bool,
    /// The fullUrl with which it came, if any: under a `urn:` others may refer to it later.
    pub full_url: Option<String>,
    /// The resource as it is served, with id and meta; empty of a deletion.
    pub bytes: Vec<u8>,
    /// Whatever the caller needs to find the record again.
    pub source: Vec<u8>,
}

/// A version with all that it is found by.
struct Ready<'a> {
    version: &'a Version,
    index: Option<Index>,
}

pub(super) fn read(place: &Place, bytes: &[u8]) -> Result<Index, WorkingError> {
    let broken = || WorkingError::NotAResource(place.to_string());
    let document = Document::read(bytes, &Limits::default()).map_err(|_| broken())?;
    index(document.root()).ok_or_else(broken)
}

impl WorkingSet {
    /// Takes in versions, all or none; what is there already stays as it is. `lines` tells for each chart up to which line
    /// of its log the working set is complete from now on.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn put(&self, versions: &[Version], lines: &[(ChartId, u64)]) -> Result<(), WorkingError> {
        let ready: Vec<Ready<'_>> = versions
            .iter()
            .map(|version| {
                let index = if version.deleted { None } else { Some(read(&version.place, &version.bytes)?) };
                Ok(Ready { version, index })
            })
            .collect::<Result<_, WorkingError>>()?;
        self.write(|db, systems| {
            for ready in &ready {
                put_one(db, systems, ready)?;
            }
            for (chart, lines) in lines {
                let number = chart_number(db, chart)?;
                db.prepare_cached("UPDATE chart SET lines = max(lines, ?2) WHERE id = ?1")?
                    .execute((number, i64::try_from(*lines).unwrap_or(i64::MAX)))?;
            }
            Ok(())
        })
    }

    /// Up to which line of its log the chart is complete here; 0 if it isn't known.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn lines(&self, chart: &ChartId) -> Result<u64, WorkingError> {
        let db = self.read();
        let lines: Option<i64> = db
            .prepare_cached("SELECT lines FROM chart WHERE chart = ?1")?
            .query_row([chart_key(chart)], |row| row.get(0))
            .optional()?;
        Ok(lines.and_then(|lines| u64::try_from(lines).ok()).unwrap_or(0))
    }
}

pub(super) fn chart_number(db: &Connection, chart: &ChartId) -> rusqlite::Result<i64> {
    if let Some(number) = find_chart(db, chart)? {
        return Ok(number);
    }
    db.prepare_cached("INSERT INTO chart(chart) VALUES (?1)")?.execute([chart_key(chart)])?;
    Ok(db.last_insert_rowid())
}

fn class_number(db: &Connection, chart: i64, class: &Class, own: bool) -> rusqlite::Result<i64> {
    let found: Option<i64> = db
        .prepare_cached("SELECT id FROM class WHERE chart = ?1 AND category = ?2 AND writer = ?3")?
        .query_row((chart, &class.category, &*class.writer.0), |row| row.get(0))
        .optional()?;
    if let Some(number) = found {
        return Ok(number);
    }
    db.prepare_cached("INSERT INTO class(chart, category, writer, own) VALUES (?1, ?2, ?3, ?4)")?
        .execute((chart, &class.category, &*class.writer.0, own))?;
    Ok(db.last_insert_rowid())
}

/// What is current of a resource.
struct Current {
    rid: i64,
    version: u32,
    class: i64,
    updated: i64,
    deleted: bool,
    bytes: Vec<u8>,
}

fn put_one(db: &Connection, systems: &mut Systems, ready: &Ready<'_>) -> Result<(), WorkingError> {
    let Ready { version: new, index } = ready;
    let kind = numbers::kind(new.place.kind);
    let chart = chart_number(db, &new.class.chart)?;
    let class = class_number(db, chart, &new.class, new.own)?;
    let updated = i64::try_from(new.updated.0).unwrap_or(i64::MAX);
    let known = db
        .prepare_cached(
            "SELECT rid, version, class, updated, deleted, bytes FROM resource WHERE kind = ?1 AND id = ?2",
        )?
        .query_row((kind, &new.place.id), |row| {
            Ok(Current {
                rid: row.get(0)?,
                version: row.get(1)?,
                class: row.get(2)?,
                updated: row.get(3)?,
                deleted: row.get(4)?,
                bytes: row.get(5)?,
            })
        })
        .optional()?;
    let former = (new.version, class, updated, new.deleted, &new.bytes[..]);
    let rid = match &known {
        Some(known)
            if known.version > new.version || (known.version == new.version && known.class != HIDDEN) =>
        {
            if known.version > new.version {
                put_former(db, known.rid, former)?;
                put_alias(db, known.rid, new)?;
            }
            return Ok(());
        }
        Some(known) => {
            if known.class != HIDDEN {
                let of_known = (known.version, known.class, known.updated, known.deleted, &known.bytes[..]);
                put_former(db, known.rid, of_known)?;
                if !known.deleted && !known.bytes.is_empty() {
                    rows::remove(db, systems, known.rid, &read(&new.place, &known.bytes)?)?;
                }
            }
            known.rid
        }
        None => {
            db.prepare_cached(
                "INSERT INTO resource(kind, id, chart, class, version, updated, deleted, shared, present, source, bytes)
                 VALUES (?1, ?2, ?3, 0, ?4, 0, 0, 0, '', x'', x'')",
            )?
            .execute((kind, &new.place.id, chart, new.version))?;
            db.last_insert_rowid()
        }
    };
    put_alias(db, rid, new)?;
    if !new.newest {
        // Something newer exists that isn't known here: so nothing is current.
        put_former(db, rid, former)?;
        db.prepare_cached(
            "UPDATE resource SET class = 0, version = ?2, bytes = x'', present = '' WHERE rid = ?1",
        )?
        .execute((rid, new.version))?;
        return Ok(());
    }
    let present = index.as_ref().map(rows::present).unwrap_or_default();
    db.prepare_cached(
        "UPDATE resource SET chart = ?2, class = ?3, version = ?4, updated = ?5, deleted = ?6, shared = ?7,
         present = ?8, source = ?9, bytes = ?10 WHERE rid = ?1",
    )?
    .execute(rusqlite::params![
        rid,
        chart,
        class,
        new.version,
        updated,
        new.deleted,
        !new.also.is_empty(),
        present,
        new.source,
        new.bytes
    ])?;
    if known.is_some() {
        db.prepare_cached("DELETE FROM also WHERE rid = ?1")?.execute([rid])?;
    }
    for chart in &new.also {
        let number = chart_number(db, chart)?;
        db.prepare_cached("INSERT OR IGNORE INTO also(rid, chart) VALUES (?1, ?2)")?
            .execute([rid, number])?;
    }
    if let Some(index) = index {
        rows::insert(db, systems, rid, index)?;
    }
    Ok(())
}

fn put_alias(db: &Connection, rid: i64, new: &Version) -> rusqlite::Result<()> {
    if let Some(url) = new.full_url.as_deref().filter(|url| url.starts_with("urn:")) {
        db.prepare_cached("INSERT OR IGNORE INTO alias(url, rid) VALUES (?1, ?2)")?.execute((url, rid))?;
    }
    Ok(())
}

fn put_former(
    db: &Connection,
    rid: i64,
    (version, class, updated, deleted, bytes): (u32, i64, i64, bool, &[u8]),
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR IGNORE INTO version(rid, version, class, updated, deleted, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((rid, version, class, updated, deleted, bytes))
    .map(drop)
}
