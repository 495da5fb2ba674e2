//! This file is where resources leave the working set: their rows, all that they are found by, and their former pages.

use super::{
    error::WorkingError,
    numbers,
    place::{Class, Place, is_of_ledger},
    put::read,
    rows::{self, Systems},
    set::{WorkingSet, find_chart},
};
use primitives::ChartId;
use rusqlite::{Connection, OptionalExtension as _};
use std::collections::BTreeSet;

impl WorkingSet {
    /// Wipes what other organisations wrote into a chart, but for these classes: nobody here may see it any more.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn purge(&self, chart: &ChartId, keep: &BTreeSet<Class>) -> Result<u64, WorkingError> {
        let wiped = self.write(|db, _| {
            let Some(number) = find_chart(db, chart)? else { return Ok(0) };
            let mut foreign =
                db.prepare_cached("SELECT id, category, writer FROM class WHERE chart = ?1 AND own = 0")?;
            let rows = foreign.query_map([number], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            })?;
            let rows: Vec<(i64, String, String)> = rows.collect::<Result<_, _>>()?;
            let mut wiped = 0;
            for (class, category, writer) in rows {
                let kept = keep.iter().any(|kept| {
                    kept.chart == *chart && kept.category == category && *kept.writer.0 == *writer
                });
                if !kept {
                    wiped += wipe_class(db, class)?;
                    if is_of_ledger(&category) {
                        db.prepare_cached("DELETE FROM audited WHERE chart = ?1")?.execute([number])?;
                    }
                }
            }
            if wiped > 0 {
                // What was wiped has to be fetched anew.
                db.prepare_cached("UPDATE chart SET lines = 0 WHERE id = ?1")?.execute([number])?;
            }
            Ok(wiped)
        })?;
        if wiped > 0 {
            self.settle()?;
        }
        Ok(wiped)
    }

    /// Wipes the resources of a chart that were put in with one of these as [`super::Version::source`], with all their
    /// versions.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn erase(&self, chart: &ChartId, sources: &BTreeSet<Vec<u8>>) -> Result<(), WorkingError> {
        if sources.is_empty() {
            return Ok(());
        }
        let wiped = self.write(|db, _| {
            let Some(number) = find_chart(db, chart)? else { return Ok(false) };
            let mut of_chart = db.prepare_cached("SELECT rid, source FROM resource WHERE chart = ?1")?;
            let rows = of_chart.query_map([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let rows: Vec<(i64, Vec<u8>)> = rows.collect::<Result<_, _>>()?;
            let mut wiped = false;
            for (rid, _) in rows.iter().filter(|(_, source)| sources.contains(source)) {
                wipe(db, *rid)?;
                wiped = true;
            }
            Ok(wiped)
        })?;
        if wiped { self.settle() } else { Ok(()) }
    }

    /// Wipes the content of a chart, whoever wrote it, and keeps only where its resources lie: something of it was erased,
    /// and what isn't comes back when the chart is next opened.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn hollow(&self, chart: &ChartId) -> Result<(), WorkingError> {
        let known = self.write(|db, _| {
            let Some(number) = find_chart(db, chart)? else { return Ok(false) };
            let mut of_chart = db.prepare_cached("SELECT rid FROM resource WHERE chart = ?1")?;
            let rids: Vec<i64> = of_chart.query_map([number], |row| row.get(0))?.collect::<Result<_, _>>()?;
            for rid in &rids {
                unfind(db, *rid)?;
                db.prepare_cached(
                    "UPDATE resource SET class = 0, deleted = 0, bytes = x'', present = '' WHERE rid = ?1",
                )?
                .execute([rid])?;
                db.prepare_cached("DELETE FROM version WHERE rid = ?1")?.execute([rid])?;
            }
            db.prepare_cached("UPDATE chart SET lines = 0 WHERE id = ?1")?.execute([number])?;
            // What is rendered from the ledger is rendered anew.
            db.prepare_cached("DELETE FROM audited WHERE chart = ?1")?.execute([number])?;
            Ok(!rids.is_empty())
        })?;
        if known { self.settle() } else { Ok(()) }
    }
}

fn wipe_class(db: &Connection, class: i64) -> rusqlite::Result<u64> {
    let mut of_class = db.prepare_cached(
        "SELECT rid FROM resource WHERE class = ?1 UNION SELECT rid FROM version WHERE class = ?1",
    )?;
    let rids: Vec<i64> = of_class.query_map([class], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for rid in &rids {
        wipe(db, *rid)?;
    }
    db.prepare_cached("DELETE FROM class WHERE id = ?1")?.execute([class])?;
    Ok(rids.len() as u64)
}

fn wipe(db: &Connection, rid: i64) -> rusqlite::Result<()> {
    unfind(db, rid)?;
    for sql in [
        "DELETE FROM resource WHERE rid = ?1",
        "DELETE FROM version WHERE rid = ?1",
        "DELETE FROM also WHERE rid = ?1",
    ] {
        db.prepare_cached(sql)?.execute([rid])?;
    }
    Ok(())
}

/// Removes all values by which a resource is found.
fn unfind(db: &Connection, rid: i64) -> rusqlite::Result<()> {
    let mut known: Option<(i64, Vec<u8>)> = db
        .prepare_cached("SELECT kind, bytes FROM resource WHERE rid = ?1")?
        .query_row([rid], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let former = known.as_mut().filter(|(_, bytes)| !bytes.is_empty()).and_then(|(kind, bytes)| {
        let place = Place { kind: numbers::kind_of(*kind)?, id: String::new() };
        read(&place, bytes).ok()
    });
    match former {
        Some(index) => rows::remove(db, &mut Systems::default(), rid, &index),
        None => rows::sweep(db, rid),
    }
}
