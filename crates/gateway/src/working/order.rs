//! This file is where SQL sorts a search: which keys it can sort by, how a page begins after the one before it.
//!
//! Keys are the bytes of `conformance::search::sort_key`, in hexadecimal; of a date, the integer that they spell.

use super::{error::WorkingError, numbers, sql::Sql};
use conformance::search::{ParamType, Sort};
use rusqlite::{Row, types::Value};

/// An order that SQL can sort by: none of the keys is the one in which resources came in.
pub(super) struct Order(Vec<Key>);

struct Key {
    descending: bool,
    what: What,
}

/// By what is sorted. Parameters by their numbers.
enum What {
    Updated,
    Id,
    Date(i64),
    String(i64),
    Number(i64),
    Uri(i64),
}

impl Order {
    /// The order of a search in these types, if SQL can sort by it. Tokens, references and quantities it can't: their rows
    /// don't hold all that their order goes by.
    pub(super) fn of(types: &[&'static str], sort: &[Sort]) -> Option<Self> {
        let keys = sort.iter().map(|sort| {
            let what = match (sort.param.code, types, sort.param.kind) {
                ("_lastUpdated", _, _) => What::Updated,
                ("_id", _, _) => What::Id,
                (_, [kind], of) => {
                    let number = numbers::param(kind, sort.param);
                    match of {
                        ParamType::Date => What::Date(number),
                        ParamType::String => What::String(number),
                        ParamType::Number => What::Number(number),
                        ParamType::Uri => What::Uri(number),
                        _ => return None,
                    }
                }
                (_, _, _) => return None,
            };
            Some(Key { descending: sort.descending, what })
        });
        keys.collect::<Option<Vec<Key>>>().map(Self)
    }

    fn each(&self) -> impl Iterator<Item = (usize, &Key)> {
        self.0.iter().enumerate()
    }

    /// The keys as columns, `k0` and so on.
    pub(super) fn shown(&self) -> String {
        self.each().fold(String::new(), |sql, (at, Key { descending, what })| {
            let key = match what {
                What::Updated => "r1.updated".to_owned(),
                What::Id => "hex(r1.id) || '0000'".to_owned(),
                What::Date(p) => {
                    let best = if *descending { "max(hi)" } else { "min(lo)" };
                    format!("(SELECT {best} FROM dat WHERE rid = r1.rid AND p = {p})")
                }
                What::String(_) | What::Number(_) | What::Uri(_) => format!("s{at}.best"),
            };
            format!("{sql}, {key} AS k{at}")
        })
    }

    /// What has to be joined for them: these tables are read by their values, so once for all resources.
    pub(super) fn joined(&self) -> String {
        self.each().fold(String::new(), |sql, (at, Key { descending, what })| {
            let (table, p, key) = match what {
                What::Updated | What::Id | What::Date(_) => return sql,
                What::String(p) => ("str", p, "hex(folded) || '00' || hex(text) || '00'"),
                What::Number(p) if *descending => ("num", p, "hex(hi)"),
                What::Number(p) => ("num", p, "hex(lo)"),
                What::Uri(p) => ("uri", p, "hex(uri) || '00' || hex(ver) || '00'"),
            };
            let best = if *descending { "max" } else { "min" };
            format!(
                "{sql} LEFT JOIN (SELECT rid, {best}({key}) AS best FROM {table} WHERE p = {p} GROUP BY rid) s{at} \
                 ON s{at}.rid = r1.rid"
            )
        })
    }

    /// `ORDER BY`. What has no value comes last, whichever way it is sorted.
    pub(super) fn by(&self) -> String {
        let keys = self.each().fold(String::new(), |sql, (at, key)| {
            let way = if key.descending { " DESC" } else { "" };
            format!("{sql}k{at} IS NULL, k{at}{way}, ")
        });
        format!(" ORDER BY {keys}rid")
    }

    /// Writes that a resource comes after the one with these keys.
    ///
    /// # Errors
    /// [`WorkingError::Cursor`] if they aren't keys of this order.
    pub(super) fn after(
        &self,
        sql: &mut Sql,
        keys: &[Option<Vec<u8>>],
        rid: i64,
    ) -> Result<(), WorkingError> {
        if keys.len() != self.0.len() {
            return Err(WorkingError::Cursor);
        }
        let keys = self
            .0
            .iter()
            .zip(keys)
            .map(|(key, bytes)| bytes.as_deref().map(|bytes| key.value(bytes)).transpose());
        let keys: Vec<Option<Value>> = keys.collect::<Result<_, _>>()?;
        // By the first key in which they differ; by the number if they don't.
        sql.push(" AND (");
        for (at, (key, value)) in self.0.iter().zip(&keys).enumerate() {
            same(sql, &keys, at);
            match value {
                // After what has no value comes nothing, by this key.
                None => sql.push("0 OR "),
                Some(value) => {
                    let sign = if key.descending { "<" } else { ">" };
                    sql.push(&format!("(k{at} {sign} ")).bind(value.clone());
                    sql.push(&format!(" OR k{at} IS NULL) OR "))
                }
            };
        }
        same(sql, &keys, keys.len());
        sql.push("rid > ").bind(rid).push(")");
        Ok(())
    }

    /// The keys of a row, for a cursor.
    pub(super) fn keys_of(&self, row: &Row<'_>) -> rusqlite::Result<Vec<Option<Vec<u8>>>> {
        let keys = self.each().map(|(at, _)| {
            Ok(match row.get::<_, Value>(format!("k{at}").as_str())? {
                Value::Integer(number) => Some(number.to_be_bytes().to_vec()),
                Value::Text(hex) => Some(hex.into_bytes()),
                Value::Null | Value::Real(_) | Value::Blob(_) => None,
            })
        });
        keys.collect()
    }
}

impl Key {
    /// A cursor's bytes as they compare with this key.
    fn value(&self, bytes: &[u8]) -> Result<Value, WorkingError> {
        match self.what {
            What::Updated | What::Date(_) => {
                let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| WorkingError::Cursor)?;
                Ok(Value::from(i64::from_be_bytes(bytes)))
            }
            What::Id | What::String(_) | What::Number(_) | What::Uri(_) => {
                let text = String::from_utf8(bytes.to_vec()).map_err(|_| WorkingError::Cursor)?;
                Ok(Value::from(text))
            }
        }
    }
}

/// Writes that the first keys are the same, and `AND`.
fn same(sql: &mut Sql, keys: &[Option<Value>], count: usize) {
    for (at, value) in keys.iter().take(count).enumerate() {
        match value {
            Some(value) => sql.push(&format!("k{at} = ")).bind(value.clone()).push(" AND "),
            None => sql.push(&format!("k{at} IS NULL AND ")),
        };
    }
}
