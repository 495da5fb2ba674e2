//! This file is where the values that a resource is found by become rows, and are taken away again.

use super::{numbers, schema::VALUES};
use conformance::search::{Index, Parameter, Reference, Value};
use rusqlite::{Connection, OptionalExtension as _, ToSql};
use std::collections::HashMap;

/// Numbers of systems that were met, so that most values need no look-up. Belongs to one connection.
#[derive(Debug, Default)]
pub(super) struct Systems(HashMap<String, i64>);

/// Systems remembered at most; beyond that the memory is begun anew.
const SYSTEMS_MAX: usize = 10_000;

impl Systems {
    /// The number of a system, made if it is new; 0 for none.
    fn number(&mut self, db: &Connection, system: Option<&str>) -> rusqlite::Result<i64> {
        let Some(uri) = system.filter(|uri| !uri.is_empty()) else { return Ok(0) };
        if let Some(number) = self.0.get(uri) {
            return Ok(*number);
        }
        let number = match find_system(db, uri)? {
            Some(number) => number,
            None => {
                db.prepare_cached("INSERT INTO system(uri) VALUES (?1)")?.execute([uri])?;
                db.last_insert_rowid()
            }
        };
        if self.0.len() >= SYSTEMS_MAX {
            self.0.clear();
        }
        self.0.insert(uri.to_owned(), number);
        Ok(number)
    }
}

/// The number of a system that is known; none, and no value has it, if it isn't.
pub(super) fn find_system(db: &Connection, uri: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM system WHERE uri = ?1")?.query_row([uri], |row| row.get(0)).optional()
}

/// Parameters that the row of the resource itself answers.
pub(super) fn is_of_resource(param: &Parameter) -> bool {
    matches!(param.code, "_id" | "_lastUpdated")
}

/// The parameters that have an element, as `,code,code,`: what `:missing` asks.
pub(super) fn present(index: &Index) -> String {
    let mut text = String::from(",");
    for param in &index.present {
        text.push_str(param.code);
        text.push(',');
    }
    text
}

/// Adds the rows of a resource.
pub(super) fn insert(
    db: &Connection,
    systems: &mut Systems,
    rid: i64,
    index: &Index,
) -> rusqlite::Result<()> {
    each(db, systems, rid, index, &mut |table, columns, values| {
        let marks = (1..=values.len()).map(|at| format!("?{at}")).collect::<Vec<_>>().join(",");
        let sql = format!("INSERT OR IGNORE INTO {table}({columns}) VALUES ({marks})");
        db.prepare_cached(&sql)?.execute(values).map(drop)
    })
}

/// Takes the rows of a resource away: those that its former content had.
pub(super) fn remove(
    db: &Connection,
    systems: &mut Systems,
    rid: i64,
    index: &Index,
) -> rusqlite::Result<()> {
    each(db, systems, rid, index, &mut |table, columns, values| {
        let tests = columns.split(',').zip(1..).map(|(column, at)| format!("{column} = ?{at}"));
        let sql = format!("DELETE FROM {table} WHERE {}", tests.collect::<Vec<_>>().join(" AND "));
        db.prepare_cached(&sql)?.execute(values).map(drop)
    })
}

/// Takes all rows of a resource away, whatever they are: slow, for when its content isn't at hand.
pub(super) fn sweep(db: &Connection, rid: i64) -> rusqlite::Result<()> {
    let (first, last) = numbers::composites(rid);
    for table in VALUES {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE rid = ?1 OR rid BETWEEN ?2 AND ?3"))?
            .execute([rid, first, last])?;
    }
    Ok(())
}

type Put<'a> = dyn FnMut(&str, &str, &[&dyn ToSql]) -> rusqlite::Result<()> + 'a;

fn each(
    db: &Connection,
    systems: &mut Systems,
    rid: i64,
    index: &Index,
    put: &mut Put<'_>,
) -> rusqlite::Result<()> {
    let mut composites = 0;
    for row in index.rows.iter().filter(|row| !is_of_resource(row.param)) {
        let p = numbers::param(index.kind, row.param);
        if let Value::Composite(parts) = &row.value {
            let part = numbers::composite(rid, composites);
            composites += 1;
            put("cmp", "p,rid,part", &[&p, &rid, &part])?;
            for (at, values) in parts.iter().enumerate() {
                let p = numbers::component(p, at);
                for found in values {
                    // No part is searched by its words or by its type.
                    let mut put = |table: &str, columns: &str, values: &[&dyn ToSql]| {
                        if matches!(table, "txt" | "typ") { Ok(()) } else { put(table, columns, values) }
                    };
                    value(db, systems, p, part, found, &mut put)?;
                }
            }
        } else {
            value(db, systems, p, rid, &row.value, put)?;
        }
    }
    Ok(())
}

fn value(
    db: &Connection,
    systems: &mut Systems,
    p: i64,
    rid: i64,
    value: &Value,
    put: &mut Put<'_>,
) -> rusqlite::Result<()> {
    match value {
        Value::Token(token) => {
            let sys = systems.number(db, token.system.as_deref())?;
            if let Some(key) = &token.key {
                put("tok", "p,key,rid,sys", &[&p, key, &rid, &sys])?;
                for (system, code) in &token.types {
                    let sys = systems.number(db, system.as_deref())?;
                    put("typ", "p,key,rid,sys,code", &[&p, key, &rid, &sys, code])?;
                }
            }
            if let Some(text) = &token.text {
                put("txt", "p,folded,rid", &[&p, &text.as_bytes(), &rid])?;
            }
        }
        Value::String { text, folded } => {
            put("str", "p,folded,rid,text", &[&p, &folded.as_bytes(), &rid, text])?;
        }
        Value::Date(when) => put("dat", "p,lo,rid,hi", &[&p, &when.from, &rid, &when.to])?,
        Value::Number(span) => {
            put("num", "p,lo,rid,hi", &[&p, &span.from.as_bytes(), &rid, &span.to.as_bytes()])?;
        }
        Value::Quantity(quantity) => {
            let sys = systems.number(db, quantity.system.as_deref())?;
            let span = &quantity.span;
            let (lo, hi) = (span.from.as_bytes(), span.to.as_bytes());
            let code = quantity.code.as_deref().unwrap_or_default();
            let unit = quantity.unit.as_deref().unwrap_or_default();
            put("qty", "p,lo,rid,hi,sys,code,unit", &[&p, &lo, &rid, &hi, &sys, &code, &unit])?;
            if let Some(canonical) = &quantity.canonical {
                let (lo, hi) = (canonical.span.from.as_bytes(), canonical.span.to.as_bytes());
                put("qtc", "p,unit,lo,rid,hi", &[&p, &canonical.unit, &lo, &rid, &hi])?;
            }
        }
        Value::Uri(uri) => {
            let version = uri.version.as_deref().unwrap_or_default();
            put("uri", "p,uri,rid,ver", &[&p, &uri.uri, &rid, &version])?;
        }
        Value::Reference(reference) => self::reference(db, systems, p, rid, reference, put)?,
        // No component is a composite itself.
        Value::Composite(_) => {}
    }
    Ok(())
}

fn reference(
    db: &Connection,
    systems: &mut Systems,
    p: i64,
    rid: i64,
    reference: &Reference,
    put: &mut Put<'_>,
) -> rusqlite::Result<()> {
    let version = reference.version.as_deref().unwrap_or_default();
    if let Some(id) = &reference.id {
        let kind = reference.kind.as_deref().map_or(0, numbers::kind);
        let base = reference.base.as_deref().unwrap_or_default();
        put("ref", "p,id,rid,kind,base,ver", &[&p, id, &rid, &kind, &base, &version])?;
    }
    if let Some(url) = &reference.url {
        put("rfu", "p,url,rid,ver", &[&p, url, &rid, &version])?;
    }
    if let Some(identifier) = &reference.identifier {
        let sys = systems.number(db, identifier.system.as_deref())?;
        put("rfi", "p,key,rid,sys", &[&p, &identifier.key, &rid, &sys])?;
    }
    Ok(())
}
