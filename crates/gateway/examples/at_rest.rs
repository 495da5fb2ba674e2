//! This file is where three ways of encrypting an index at rest are measured against each other: SQLite plain, SQLCipher
//! (each page encrypted), and values sealed one by one, found by keyed tokens. Figures and what follows from them stand in
//! docs/adr/0010.
//!
//! `cargo run --workspace --example at_rest -- [PATIENTS] [ROUNDS]`; 30 Observations each. The three take turns, so that what
//! else the machine does falls on all of them; medians of the rounds are told.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use conformance::search::{Index, Value, index};
use fhir::{Limits, json::Document};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::{
    error::Error,
    fs,
    path::Path,
    time::{Duration, Instant},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const OBSERVATIONS: usize = 30;
const CODES: [&str; 10] =
    ["4548-4", "718-7", "2339-0", "8302-2", "29463-7", "8867-4", "8480-6", "8462-4", "2093-3", "6299-2"];
/// Resources written at once.
const BATCH: usize = 100;
const READS: usize = 2000;
const SEARCHES: usize = 500;
/// Pages kept in memory, in KiB: as the gateway has it, and so few that most are read from the file.
const CACHES: [i64; 2] = [32 << 10, 1 << 10];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Pages,
    Values,
}

impl Way {
    const ALL: [Self; 3] = [Self::Plain, Self::Pages, Self::Values];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain SQLite",
            Self::Pages => "SQLCipher",
            Self::Values => "sealed values",
        }
    }
}

/// Keys of sealed values.
struct Seal {
    key: LessSafeKey,
    tokens: hmac::Key,
}

impl Seal {
    fn new() -> Result<Self> {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes)?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes[..32]).map_err(|_| "no key")?;
        Ok(Self { key: LessSafeKey::new(key), tokens: hmac::Key::new(hmac::HMAC_SHA256, &bytes[32..]) })
    }

    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        let mut sealed = plain.to_vec();
        let key = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(key, Aad::empty(), &mut sealed).map_err(|_| "not sealed")?;
        drop(sealed.splice(..0, nonce));
        Ok(sealed)
    }

    fn open(&self, sealed: &[u8]) -> Result<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or("too short")?;
        let mut bytes = rest.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| "no nonce")?;
        let plain = self.key.open_in_place(nonce, Aad::empty(), &mut bytes).map_err(|_| "not opened")?;
        Ok(plain.to_vec())
    }

    /// Equal values of one parameter have equal tokens.
    fn token(&self, p: i64, value: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.tokens);
        context.update(&p.to_le_bytes());
        context.update(value);
        context.sign().as_ref().iter().take(16).copied().collect()
    }
}

/// A resource with its rows, made before the clock runs.
struct Ready {
    kind: i64,
    id: String,
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

enum Row {
    Equal {
        p: i64,
        key: String,
    },
    Text {
        p: i64,
        folded: String,
        text: String,
    },
    /// From and to, as bytes that sort; the first of them are the bucket.
    Range {
        p: i64,
        from: Vec<u8>,
        to: Vec<u8>,
    },
}

struct Store {
    way: Way,
    db: Connection,
    seal: Seal,
}

impl Store {
    fn open(way: Way, path: &Path, key: &str, seal: Seal, cache: i64) -> Result<Self> {
        let db = Connection::open(path)?;
        if way == Way::Pages {
            db.execute_batch(&format!("PRAGMA key = \"x'{key}'\";"))?;
        }
        // As the working set has it.
        db.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -{cache};
             PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;
             CREATE TABLE IF NOT EXISTS resource(rid INTEGER PRIMARY KEY, kind INTEGER, id BLOB, bytes BLOB, UNIQUE(kind, id));
             CREATE TABLE IF NOT EXISTS eq(p INTEGER, key BLOB, rid INTEGER, PRIMARY KEY(p, key, rid)) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS txt(p INTEGER, folded BLOB, rid INTEGER, text BLOB,
                PRIMARY KEY(p, folded, rid, text)) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS rng(p INTEGER, lo BLOB, rid INTEGER, hi BLOB,
                PRIMARY KEY(p, lo, rid, hi)) WITHOUT ROWID;"
        ))?;
        Ok(Self { way, db, seal })
    }

    fn equal(&self, p: i64, key: &str) -> Vec<u8> {
        match self.way {
            Way::Plain | Way::Pages => key.as_bytes().to_vec(),
            Way::Values => self.seal.token(p, key.as_bytes()),
        }
    }

    fn content(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        match self.way {
            Way::Plain | Way::Pages => Ok(bytes.to_vec()),
            Way::Values => self.seal.seal(bytes),
        }
    }

    fn ingest(&mut self, all: &[Ready]) -> Result<Duration> {
        let began = Instant::now();
        for batch in all.chunks(BATCH) {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
            for ready in batch {
                self.put(ready)?;
            }
            self.db.execute_batch("COMMIT")?;
        }
        Ok(began.elapsed())
    }

    fn put(&self, ready: &Ready) -> Result<()> {
        self.db
            .prepare_cached("INSERT INTO resource(kind, id, bytes) VALUES (?1, ?2, ?3)")?
            .execute(params![ready.kind, self.equal(-1, &ready.id), self.content(&ready.bytes)?])?;
        let rid = self.db.last_insert_rowid();
        for row in &ready.rows {
            match row {
                Row::Equal { p, key } => {
                    let sql = "INSERT OR IGNORE INTO eq(p, key, rid) VALUES (?1, ?2, ?3)";
                    self.db.prepare_cached(sql)?.execute(params![p, self.equal(*p, key), rid])?;
                }
                Row::Text { p, folded, text } => {
                    // Sealed texts are found by their first three letters and opened.
                    let (folded, text) = match self.way {
                        Way::Plain | Way::Pages => (folded.as_bytes().to_vec(), text.as_bytes().to_vec()),
                        Way::Values => {
                            let first: String = folded.chars().take(3).collect();
                            (self.seal.token(*p, first.as_bytes()), self.seal.seal(text.as_bytes())?)
                        }
                    };
                    let sql = "INSERT OR IGNORE INTO txt(p, folded, rid, text) VALUES (?1, ?2, ?3, ?4)";
                    self.db.prepare_cached(sql)?.execute(params![p, folded, rid, text])?;
                }
                Row::Range { p, from, to } => {
                    // Sealed intervals are found by a bucket and opened.
                    let (lo, hi) = match self.way {
                        Way::Plain | Way::Pages => (from.clone(), to.clone()),
                        Way::Values => {
                            let bucket = from.get(..from.len().min(4)).unwrap_or_default();
                            (self.seal.token(*p, bucket), self.seal.seal(&[&from[..], to].concat())?)
                        }
                    };
                    let sql = "INSERT OR IGNORE INTO rng(p, lo, rid, hi) VALUES (?1, ?2, ?3, ?4)";
                    self.db.prepare_cached(sql)?.execute(params![p, lo, rid, hi])?;
                }
            }
        }
        Ok(())
    }

    fn served(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        match self.way {
            Way::Plain | Way::Pages => Ok(bytes),
            Way::Values => self.seal.open(&bytes),
        }
    }

    fn read(&self, all: &[Ready]) -> Result<Duration> {
        let began = Instant::now();
        for at in 0..READS {
            // Spread over everything, the same for all three.
            let ready = all.get(at.wrapping_mul(7919) % all.len()).ok_or("nothing there")?;
            let found: Option<Vec<u8>> = self
                .db
                .prepare_cached("SELECT bytes FROM resource WHERE kind = ?1 AND id = ?2")?
                .query_row(params![ready.kind, self.equal(-1, &ready.id)], |row| row.get(0))
                .optional()?;
            if self.served(found.ok_or("not found")?)? != ready.bytes {
                return Err("another content".into());
            }
        }
        Ok(began.elapsed())
    }

    /// `Observation?patient=…&code=…`
    fn search(&self, patients: usize) -> Result<Duration> {
        let kind = kind("Observation");
        let (patient, code) = (param("Observation", "patient"), param("Observation", "code"));
        let began = Instant::now();
        for at in 0..SEARCHES {
            let id = format!("p{}", at.wrapping_mul(7919) % patients);
            let wanted = CODES.get(at % CODES.len()).ok_or("no code")?;
            let mut found = self.db.prepare_cached(
                // The plus keeps the planner from going through all resources of the type.
                "SELECT r.bytes FROM resource r WHERE +r.kind = ?1
                 AND r.rid IN (SELECT rid FROM eq WHERE p = ?2 AND key = ?3)
                 AND EXISTS (SELECT 1 FROM eq WHERE p = ?4 AND key = ?5 AND rid = r.rid) ORDER BY r.rid",
            )?;
            let asked = params![kind, patient, self.equal(patient, &id), code, self.equal(code, wanted)];
            let rows = found.query_map(asked, |row| row.get::<_, Vec<u8>>(0))?;
            let mut count = 0;
            for row in rows {
                std::hint::black_box(self.served(row?)?);
                count += 1;
            }
            if count != OBSERVATIONS / CODES.len() {
                return Err(format!("{count} found").into());
            }
        }
        Ok(began.elapsed())
    }
}

fn kind(name: &str) -> i64 {
    let place = conformance::search::resource_types().position(|kind| kind == name);
    place.and_then(|place| i64::try_from(place).ok()).unwrap_or(-1)
}

fn param(of: &str, code: &str) -> i64 {
    let place = conformance::search::parameters(of).position(|param| param.code == code);
    let place = place.and_then(|place| i64::try_from(place).ok()).unwrap_or(-1);
    kind(of) * 256 + place
}

fn ready(text: String) -> Result<Ready> {
    let document = Document::read(text.as_bytes(), &Limits::default())?;
    let Index { kind: of, id, rows, .. } = index(document.root()).ok_or("no resource")?;
    let mut all = Vec::new();
    for row in rows {
        let p = param(of, row.param.code);
        match row.value {
            Value::Token(token) => all.extend(token.key.map(|key| Row::Equal { p, key })),
            Value::Reference(reference) => all.extend(reference.id.map(|key| Row::Equal { p, key })),
            Value::Uri(uri) => all.push(Row::Equal { p, key: uri.uri }),
            Value::String { text, folded } => all.push(Row::Text { p, folded, text }),
            Value::Date(when) => {
                let sorted = |time: i64| time.wrapping_sub(i64::MIN).to_be_bytes().to_vec();
                all.push(Row::Range { p, from: sorted(when.from), to: sorted(when.to) });
            }
            Value::Number(span) => {
                let (from, to) = (span.from.as_bytes().to_vec(), span.to.as_bytes().to_vec());
                all.push(Row::Range { p, from, to });
            }
            Value::Quantity(quantity) => {
                let span = &quantity.span;
                let (from, to) = (span.from.as_bytes().to_vec(), span.to.as_bytes().to_vec());
                all.push(Row::Range { p, from, to });
            }
            Value::Composite(_) => {}
        }
    }
    Ok(Ready { kind: kind(of), id: id.ok_or("no id")?, bytes: text.into_bytes(), rows: all })
}

fn generated(patients: usize) -> Result<Vec<Ready>> {
    let mut all = Vec::new();
    for p in 0..patients {
        let (year, day) = (1930 + p % 90, 1 + p % 28);
        all.push(ready(format!(
            r#"{{"resourceType":"Patient","id":"p{p}","identifier":[{{"system":"urn:example:numbers","value":"{p:08}"}}],"name":[{{"family":"Okafor{p}","given":["Nneka","Ada"]}}],"gender":"female","birthDate":"{year}-05-{day:02}","address":[{{"line":["{p} Harbour Street"],"city":"Riverside","postalCode":"{p:05}"}}]}}"#
        ))?);
        for o in 0..OBSERVATIONS {
            let code = CODES.get(o % CODES.len()).ok_or("no code")?;
            let (month, day, value) = (1 + o % 12, 1 + (p + o) % 28, (p * 31 + o * 7) % 1000);
            all.push(ready(format!(
                r#"{{"resourceType":"Observation","id":"p{p}o{o}","status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory","display":"Laboratory"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"A laboratory test with a name of usual length"}}],"text":"A laboratory test with a name of usual length"}},"subject":{{"reference":"Patient/p{p}"}},"encounter":{{"reference":"Encounter/p{p}e{o}"}},"effectiveDateTime":"2026-{month:02}-{day:02}T08:30:00Z","issued":"2026-{month:02}-{day:02}T09:00:00.000Z","performer":[{{"reference":"Practitioner/d{p}"}}],"valueQuantity":{{"value":{value}.50,"unit":"mg/dL","system":"http://unitsofmeasure.org","code":"mg/dL"}},"note":[{{"text":"Drawn fasting; haemolysis none; repeated once because of a clotted sample."}}]}}"#
            ))?);
        }
    }
    Ok(all)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>());
    let patients = args.next().transpose()?.unwrap_or(300).max(1);
    let rounds = args.next().transpose()?.unwrap_or(5).max(1);
    let all = generated(patients)?;
    let dir = tempfile::tempdir()?;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let key = &hex::encode(bytes);
    let mut measured: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); Way::ALL.len()]; 2 + 2 * CACHES.len()];
    let mut put = |line: usize, way: usize, figure: f64| {
        if let Some(cell) = measured.get_mut(line).and_then(|line| line.get_mut(way)) {
            cell.push(figure);
        }
    };
    for round in 0..rounds {
        for (at, way) in Way::ALL.into_iter().enumerate() {
            let path = dir.path().join(format!("{at}-{round}.db"));
            let mut store = Store::open(way, &path, key, Seal::new()?, CACHES[0])?;
            put(0, at, rate(all.len(), store.ingest(&all)?));
            let Store { db, mut seal, .. } = store;
            db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
            drop(db);
            put(1, at, rate(usize::try_from(fs::metadata(&path)?.len())?, Duration::from_secs(1 << 20)));
            for (line, cache) in (2..).step_by(2).zip(CACHES) {
                let store = Store::open(way, &path, key, seal, cache)?;
                // Once before the clock runs.
                store.search(patients)?;
                put(line, at, rate(READS, store.read(&all)?));
                put(line + 1, at, rate(SEARCHES, store.search(patients)?));
                seal = store.seal;
            }
            fs::remove_file(&path)?;
        }
    }
    println!("{} resources, {rounds} rounds, medians\n", all.len());
    println!("| | {} |", Way::ALL.map(Way::name).join(" | "));
    println!("|---|---|---|---|");
    let small = CACHES[1] >> 10;
    let names = [
        "ingest, resources/s".to_owned(),
        "size on disk, MiB".to_owned(),
        "read by id, /s".to_owned(),
        "Observation?patient=&code=, /s".to_owned(),
        format!("read by id, {small} MiB of cache, /s"),
        format!("Observation?patient=&code=, {small} MiB of cache, /s"),
    ];
    for (name, line) in names.iter().zip(measured) {
        let medians: Vec<f64> = line.into_iter().map(median).collect();
        let plain = medians.first().copied().unwrap_or(f64::NAN);
        let cells = medians.iter().map(|figure| format!("{figure:.1} ({:.2})", figure / plain));
        println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    Ok(())
}
