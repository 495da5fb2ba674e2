//! This file is where the conditions of a search become SQL. What it means is said by `conformance::search::matches`; a test
//! holds both against each other.

use super::{
    numbers,
    rows::{find_system, is_of_resource},
    sight::Sight,
    sql::Sql,
};
use conformance::search::{
    Base, Condition, Interval, Match, Parameter, Prefix, Span, StringMatch, System, Test, UnitMatch, UriMatch,
};
use rusqlite::{Connection, types::Value};
use std::rc::Rc;

/// What one of several restricted scopes lets through.
#[derive(Clone, Debug)]
pub struct Within {
    /// Of this type.
    pub kind: &'static str,
    /// All of these hold; without any, everything of the type.
    pub conditions: Vec<Condition>,
}

/// Writes the conditions of one search.
pub(super) struct Conditions<'a> {
    pub(super) db: &'a Connection,
    pub(super) sight: &'a Sight,
    /// The server's own base URL, under which references may be spelled out.
    pub(super) base: &'a str,
    pub(super) sql: Sql,
    /// How many resources are spoken of so far: each has an alias.
    aliases: usize,
    /// How the resource searched is found.
    pub(super) way: Way,
}

/// How SQLite is to find the resource searched. It doesn't know how many rows a value has, and would rather go through all
/// classes that may be seen: with a thousand visits a thousand charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As SQLite thinks best.
    Any,
    /// By type and id.
    Id,
    /// By the condition that finds the fewest.
    Value,
}

impl Way {
    /// Before a column whose index isn't to be used. Source: SQLite, Query Planning, unary `+`.
    pub(super) fn past_index(is_past: bool) -> &'static str {
        if is_past { "+" } else { "" }
    }
}

/// Classes in sight from which on going through them costs more than going through the rows of a common code.
const CLASSES_FEW: usize = 64;

/// A resource that is spoken of: its alias and types.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) alias: usize,
    /// None for all types.
    pub(super) kinds: &'a [&'static str],
}

impl<'a> Conditions<'a> {
    pub(super) fn new(db: &'a Connection, sight: &'a Sight, base: &'a str) -> Self {
        Self { db, sight, base, sql: Sql::default(), aliases: 1, way: Way::Any }
    }

    /// Writes that the resource under this alias may be seen and isn't deleted.
    pub(super) fn visible(&mut self, alias: usize) {
        // Whoever comes along with another resource is found by what joins them.
        let past = Way::past_index(alias > 1 || self.way != Way::Any);
        self.sql.push(&format!("r{alias}.deleted = 0 AND {past}r{alias}.class IN rarray("));
        self.sql.bind_many(self.sight.class_array());
        self.sql.push(&format!(
            ") AND (r{alias}.shared = 0 OR NOT EXISTS (SELECT 1 FROM also a WHERE a.rid = r{alias}.rid \
             AND a.chart NOT IN rarray("
        ));
        self.sql.bind_many(self.sight.named_array());
        self.sql.push(")))");
    }

    /// Writes that at least one of these groups holds as a whole: what a restricted scope lets through.
    pub(super) fn within(&mut self, subject: Subject<'_>, groups: &[Within]) -> rusqlite::Result<()> {
        if groups.is_empty() {
            return Ok(());
        }
        self.sql.push(" AND (0");
        for Within { kind, conditions } in groups {
            self.sql.push(&format!(" OR (r{}.kind = ", subject.alias)).bind(numbers::kind(kind));
            let kinds = [*kind];
            for condition in conditions {
                self.sql.push(" AND ");
                self.one(Subject { alias: subject.alias, kinds: &kinds }, condition, false)?;
            }
            self.sql.push(")");
        }
        self.sql.push(")");
        Ok(())
    }

    /// Chooses how the resource searched is found; before anything of it is written.
    pub(super) fn choose(&mut self, conditions: &[Condition]) {
        let leading = conditions.iter().filter_map(rank).min();
        self.way = match leading {
            Some(0) => Way::Id,
            Some(1..=4) => Way::Value,
            Some(5) if self.sight.classes.len() > CLASSES_FEW => Way::Value,
            Some(_) | None => Way::Any,
        };
    }

    /// Writes all conditions, the one that finds the fewest as the source of candidates.
    pub(super) fn all(&mut self, subject: Subject<'_>, conditions: &[Condition]) -> rusqlite::Result<()> {
        let driver = conditions
            .iter()
            .enumerate()
            .filter_map(|(at, condition)| Some((rank(condition)?, at)))
            .min()
            .map(|(_, at)| at);
        for (at, condition) in conditions.iter().enumerate() {
            self.sql.push(" AND ");
            self.one(subject, condition, driver == Some(at))?;
        }
        Ok(())
    }

    fn one(&mut self, subject: Subject<'_>, condition: &Condition, drives: bool) -> rusqlite::Result<()> {
        let alias = subject.alias;
        match condition {
            Condition::Param { param, test } => self.test(subject, param, test, drives),
            Condition::Chain { param, targets } => {
                let x = self.next();
                // Driven, the targets are found first and then what refers to them.
                let source = if drives {
                    format!("r{alias}.rid IN (SELECT x{x}.rid")
                } else {
                    "EXISTS (SELECT 1".into()
                };
                self.sql.push("(0");
                for (kind, condition) in targets {
                    let t = self.next();
                    self.sql.push(&format!(
                        " OR {source} FROM resource r{t} JOIN ref x{x} ON x{x}.id = r{t}.id AND x{x}.kind = r{t}.kind \
                         WHERE r{t}.kind = "
                    ));
                    self.sql.bind(numbers::kind(kind)).push(&format!(" AND x{x}."));
                    self.p(subject, param);
                    self.own_base(&format!("x{x}"));
                    if !drives {
                        self.sql.push(&format!(" AND x{x}.rid = r{alias}.rid"));
                    }
                    self.sql.push(" AND ");
                    self.visible(t);
                    let kinds = [*kind];
                    self.sql.push(" AND ");
                    self.one(Subject { alias: t, kinds: &kinds }, condition, false)?;
                    self.sql.push(")");
                }
                self.sql.push(")");
                Ok(())
            }
            Condition::Has { source, param, condition } => {
                let (x, s) = (self.next(), self.next());
                let kinds = [*source];
                let from = Subject { alias: s, kinds: &kinds };
                self.sql.push(&format!(
                    "EXISTS (SELECT 1 FROM ref x{x} JOIN resource r{s} ON r{s}.rid = x{x}.rid WHERE x{x}."
                ));
                self.p(from, param);
                self.sql.push(&format!(" AND x{x}.id = r{alias}.id AND x{x}.kind = r{alias}.kind"));
                self.own_base(&format!("x{x}"));
                self.sql.push(&format!(" AND r{s}.kind = "));
                self.sql.bind(numbers::kind(source)).push(" AND ");
                self.visible(s);
                self.sql.push(" AND ");
                self.one(from, condition, false)?;
                self.sql.push(")");
                Ok(())
            }
        }
    }

    fn next(&mut self) -> usize {
        self.aliases += 1;
        self.aliases
    }

    fn test(
        &mut self,
        subject: Subject<'_>,
        param: &'static Parameter,
        test: &Test,
        drives: bool,
    ) -> rusqlite::Result<()> {
        let alias = subject.alias;
        match test {
            Test::Missing(missing) => {
                let sign = if *missing { "=" } else { ">" };
                self.sql.push(&format!("instr(r{alias}.present, "));
                self.sql.bind(format!(",{},", param.code)).push(&format!(") {sign} 0"));
                Ok(())
            }
            Test::Any(wanted) if is_of_resource(param) => self.of_resource(alias, wanted),
            Test::None(wanted) if is_of_resource(param) => {
                self.sql.push("NOT ");
                self.of_resource(alias, wanted)
            }
            Test::Any(wanted) if drives => {
                self.sql.push(&format!("r{alias}.rid IN ("));
                for (at, wanted) in wanted.iter().enumerate() {
                    if at > 0 {
                        self.sql.push(" UNION ALL ");
                    }
                    self.rows(subject, param, wanted)?;
                }
                self.sql.push(")");
                Ok(())
            }
            Test::Any(wanted) => {
                self.sql.push("(0");
                for wanted in wanted {
                    self.sql.push(" OR EXISTS (");
                    self.rows(subject, param, wanted)?;
                    self.sql.push(&format!(" AND rid = r{alias}.rid)"));
                }
                self.sql.push(")");
                Ok(())
            }
            Test::None(wanted) => {
                self.sql.push("(1");
                for wanted in wanted {
                    self.sql.push(" AND NOT EXISTS (");
                    self.rows(subject, param, wanted)?;
                    self.sql.push(&format!(" AND rid = r{alias}.rid)"));
                }
                self.sql.push(")");
                Ok(())
            }
        }
    }

    /// `_id` and `_lastUpdated`, which the row of the resource itself answers.
    fn of_resource(&mut self, alias: usize, wanted: &[Match]) -> rusqlite::Result<()> {
        // No index helps where a constant is one of the ways.
        let mut or = "(";
        for wanted in wanted {
            match wanted {
                Match::Token { system: System::Any | System::None, key: Some(key) } => {
                    self.sql.push(&format!("{or}r{alias}.id = ")).bind(key.clone());
                }
                Match::Date(prefix, Interval { from, to }) => {
                    self.sql.push(or);
                    let (lo, hi) = (format!("r{alias}.updated"), format!("(r{alias}.updated + 1)"));
                    self.compare(*prefix, (&lo, &hi), ((*from).into(), (*to).into()));
                }
                // No id has a system, and nothing else compares with these.
                _ => continue,
            }
            or = " OR ";
        }
        if or == "(" {
            self.sql.push("(0");
        }
        self.sql.push(")");
        Ok(())
    }

    /// `p = …` for the parameter of these types.
    fn p(&mut self, subject: Subject<'_>, param: &Parameter) {
        self.p_of(subject, param, None);
    }

    /// The same for a component of the parameter.
    fn p_of(&mut self, subject: Subject<'_>, param: &Parameter, component: Option<usize>) {
        let number = |kind: &str| {
            let number = numbers::by_code(kind, param.code);
            component.map_or(number, |at| numbers::component(number, at))
        };
        match subject.kinds {
            [kind] => {
                self.sql.push("p = ").bind(number(kind));
            }
            kinds => {
                let all: Vec<&str> = conformance::search::resource_types().collect();
                let kinds: &[&str] = if kinds.is_empty() { &all } else { kinds };
                let numbers = kinds.iter().map(|kind| Value::from(number(kind)));
                self.sql.push("p IN rarray(").bind_many(Rc::new(numbers.collect())).push(")");
            }
        }
    }

    /// That a reference leads to this server.
    fn own_base(&mut self, alias: &str) {
        self.sql.push(&format!(" AND {alias}.base IN ('', "));
        self.sql.bind(self.base.to_owned()).push(")");
    }

    /// `SELECT rid FROM … WHERE …` of the rows with a value that matches.
    fn rows(&mut self, subject: Subject<'_>, param: &Parameter, wanted: &Match) -> rusqlite::Result<()> {
        let table = table(wanted);
        self.sql.push(&format!("SELECT rid FROM {table} WHERE "));
        self.p(subject, param);
        self.value(subject, param, wanted)
    }

    /// What a row has besides its parameter.
    fn value(&mut self, subject: Subject<'_>, param: &Parameter, wanted: &Match) -> rusqlite::Result<()> {
        match wanted {
            Match::Token { system, key } => {
                if let Some(key) = key {
                    self.sql.push(" AND key = ").bind(key.clone());
                }
                self.system(system)?;
            }
            Match::TokenText(text) => self.starts("folded", text),
            Match::TokenOfType { system, code, key } => {
                self.sql.push(" AND key = ").bind(key.clone()).push(" AND code = ").bind(code.clone());
                self.system(&System::Is(system.clone()))?;
            }
            Match::String(StringMatch::Starts(text)) => self.starts("folded", text),
            Match::String(StringMatch::Contains(text)) => {
                self.sql.push(" AND instr(folded, ").bind(text.clone().into_bytes()).push(") > 0");
            }
            Match::String(StringMatch::Exact(text)) => {
                self.sql.push(" AND folded = ").bind(conformance::search::fold_text(text).into_bytes());
                self.sql.push(" AND text = ").bind(text.clone());
            }
            Match::Date(prefix, Interval { from, to }) => {
                self.sql.push(" AND ");
                self.compare(*prefix, ("lo", "hi"), ((*from).into(), (*to).into()));
            }
            Match::Number(prefix, span) => self.span(*prefix, span),
            Match::Quantity(prefix, unit) => match unit {
                UnitMatch::Any(span) => self.span(*prefix, span),
                UnitMatch::Code(span, code) => {
                    self.span(*prefix, span);
                    self.sql.push(" AND (code = ").bind(code.clone());
                    self.sql.push(" OR unit = ").bind(code.clone()).push(")");
                }
                UnitMatch::System(span, system, code) => {
                    self.span(*prefix, span);
                    self.sql.push(" AND code = ").bind(code.clone());
                    self.system(&System::Is(system.clone()))?;
                }
                UnitMatch::Canonical(canonical) => {
                    self.sql.push(" AND unit = ").bind(canonical.unit.clone());
                    self.span(*prefix, &canonical.span);
                }
            },
            Match::Uri(wanted) => self.uri(wanted),
            Match::Reference { kind, id, version, base } => {
                self.sql.push(" AND id = ").bind(id.clone());
                if let Some(kind) = kind {
                    self.sql.push(" AND kind = ").bind(numbers::kind(kind));
                }
                if let Some(version) = version {
                    self.sql.push(" AND ver = ").bind(version.clone());
                }
                match base {
                    Base::Own(own) => self.sql.push(" AND base IN ('', ").bind(own.clone()).push(")"),
                    Base::Is(base) => self.sql.push(" AND base = ").bind(base.clone()),
                };
            }
            Match::ReferenceUrl { url, version } => {
                self.sql.push(" AND url = ").bind(url.clone());
                if let Some(version) = version {
                    self.sql.push(" AND ver = ").bind(version.clone());
                }
            }
            Match::ReferenceIdentifier { system, key } => {
                if let Some(key) = key {
                    self.sql.push(" AND key = ").bind(key.clone());
                }
                self.system(system)?;
            }
            Match::Composite(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    self.sql.push(&format!(" AND part IN (SELECT rid FROM {} WHERE ", table(part)));
                    self.p_of(subject, param, Some(at));
                    self.value(subject, param, part)?;
                    self.sql.push(")");
                }
            }
        }
        Ok(())
    }

    fn system(&mut self, system: &System) -> rusqlite::Result<()> {
        let number = match system {
            System::Any => return Ok(()),
            System::None => 0,
            // No value has a system that nobody has met.
            System::Is(uri) => find_system(self.db, uri)?.unwrap_or(-1),
        };
        self.sql.push(" AND sys = ").bind(number);
        Ok(())
    }

    /// That a folded text starts with this: a range of its bytes.
    fn starts(&mut self, column: &str, text: &str) {
        let from = text.as_bytes().to_vec();
        let mut to = from.clone();
        // No byte of UTF-8 is 0xff: behind all that starts so, before all that comes after.
        to.push(0xff);
        self.sql.push(&format!(" AND {column} >= ")).bind(from).push(&format!(" AND {column} < ")).bind(to);
    }

    fn span(&mut self, prefix: Prefix, span: &Span) {
        let ends = (span.from.as_bytes().to_vec().into(), span.to.as_bytes().to_vec().into());
        self.sql.push(" AND ");
        self.compare(prefix, ("lo", "hi"), ends);
    }

    fn uri(&mut self, wanted: &UriMatch) {
        match wanted {
            UriMatch::Is { uri, version: None } => {
                self.sql.push(" AND uri = ").bind(uri.clone());
            }
            UriMatch::Is { uri, version: Some(version) } => {
                self.sql.push(" AND ((uri = ").bind(uri.clone()).push(" AND ver = ").bind(version.clone());
                self.sql.push(") OR (ver = '' AND uri = ").bind(format!("{uri}|{version}")).push("))");
            }
            UriMatch::Below(uri) => {
                self.sql.push(" AND (uri = ").bind(uri.clone()).push(" OR (uri >= ").bind(format!("{uri}/"));
                // `0` is the character after `/`.
                self.sql.push(" AND uri < ").bind(format!("{uri}0")).push("))");
            }
            UriMatch::Above(levels) => {
                let levels = levels.iter().cloned().map(Value::from).collect();
                self.sql.push(" AND uri IN rarray(").bind_many(Rc::new(levels)).push(")");
            }
        }
    }

    /// The table of prefixes; see `conformance::search`.
    fn compare(&mut self, prefix: Prefix, (lo, hi): (&str, &str), (from, to): (Value, Value)) {
        let sql = &mut self.sql;
        // `lo < to` follows from `hi <= to` and lets the index end there.
        let within = |sql: &mut Sql| {
            sql.push(&format!("({lo} >= "))
                .bind(from.clone())
                .push(&format!(" AND {lo} < "))
                .bind(to.clone());
            sql.push(&format!(" AND {hi} <= ")).bind(to.clone()).push(")");
        };
        match prefix {
            Prefix::Eq => within(sql),
            Prefix::Ne => {
                sql.push("NOT ");
                within(sql);
            }
            Prefix::Gt => {
                sql.push(&format!("{hi} > ")).bind(to);
            }
            Prefix::Lt => {
                sql.push(&format!("{lo} < ")).bind(from);
            }
            Prefix::Ge => {
                sql.push("(");
                within(sql);
                sql.push(&format!(" OR {hi} > ")).bind(to).push(")");
            }
            Prefix::Le => {
                sql.push("(");
                within(sql);
                sql.push(&format!(" OR {lo} < ")).bind(from).push(")");
            }
            Prefix::Sa => {
                sql.push(&format!("{lo} >= ")).bind(to);
            }
            Prefix::Eb => {
                sql.push(&format!("{hi} <= ")).bind(from);
            }
            Prefix::Ap => {
                sql.push(&format!("({lo} < ")).bind(to).push(&format!(" AND {hi} > ")).bind(from).push(")");
            }
        }
    }
}

/// The table in which a value to match lies.
fn table(wanted: &Match) -> &'static str {
    match wanted {
        Match::Token { .. } => "tok",
        Match::TokenText(_) => "txt",
        Match::TokenOfType { .. } => "typ",
        Match::String(_) => "str",
        Match::Date(..) => "dat",
        Match::Number(..) => "num",
        Match::Quantity(_, UnitMatch::Canonical(_)) => "qtc",
        Match::Quantity(..) => "qty",
        Match::Uri(_) => "uri",
        Match::Reference { .. } => "ref",
        Match::ReferenceUrl { .. } => "rfu",
        Match::ReferenceIdentifier { .. } => "rfi",
        Match::Composite(_) => "cmp",
    }
}

/// How few resources a condition may be expected to find, the fewest first; none if it can't be a source of candidates.
fn rank(condition: &Condition) -> Option<u8> {
    match condition {
        Condition::Param { param, test: Test::Any(wanted) } => {
            // The row of the resource has an index of its own for these.
            if param.code == "_id" {
                return Some(0);
            }
            if is_of_resource(param) {
                return None;
            }
            let rank = |wanted: &Match| match wanted {
                Match::ReferenceIdentifier { .. } | Match::TokenOfType { .. } => 1,
                Match::Token { key: Some(_), .. } if param.code == "identifier" => 1,
                Match::Reference { .. } | Match::ReferenceUrl { .. } => 2,
                Match::Uri(UriMatch::Is { .. }) => 3,
                Match::String(StringMatch::Exact(_) | StringMatch::Starts(_)) | Match::TokenText(_) => 4,
                Match::Token { key: Some(_), .. } => 5,
                _ => 7,
            };
            wanted.iter().map(rank).max()
        }
        Condition::Chain { .. } => Some(6),
        Condition::Param { .. } | Condition::Has { .. } => None,
    }
}
