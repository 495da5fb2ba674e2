//! This file is where the ledger's own questions are asked from afar: a question runs over rows fetched as it asks for
//! them, until it has all it needs.

use crate::{
    client::Client,
    rpc::CallError,
    wire::{GetStatus, LogRange, Read, ReadLog, ReadRows, Rows, Scan, ScanRows, Status},
};
use ledger::{Event, Logged};
use primitives::{ChartId, List, Millis, State};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Most rounds of fetching for one question.
const ROUNDS_MAX: u32 = 64;

/// Rows asked for at once.
const ROWS_MAX: usize = 4096;

/// Lines of a log asked for at once.
const LINES: u32 = 2000;

/// The block as of which an answer holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsOf {
    /// Its height.
    pub height: u64,
    /// Its time.
    pub time: Millis,
}

/// One line of a chart's log, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The line.
    pub logged: Logged,
    /// What happened; none if this version doesn't know that type of event.
    pub event: Option<Event>,
}

impl From<Logged> for Line {
    fn from(logged: Logged) -> Self {
        let event = Event::decode(logged.tag, &logged.body);
        Self { logged, event }
    }
}

/// Rows fetched so far. What isn't among them is noted and answered with nothing; so an answer counts only if nothing
/// was noted while it was found.
#[derive(Default)]
pub(crate) struct Fetched {
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    missed: RefCell<BTreeSet<Vec<u8>>>,
    asked: RefCell<BTreeSet<Vec<u8>>>,
}

/// Why a question has no answer yet.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// These rows are needed, too.
    Missing(Vec<Vec<u8>>),
    /// A row isn't what the ledger would have stored.
    Malformed,
}

impl State for Fetched {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.asked.borrow_mut().insert(key.to_vec());
        match self.rows.get(key) {
            Some(value) => value.clone(),
            None => {
                self.missed.borrow_mut().insert(key.to_vec());
                None
            }
        }
    }
}

impl Fetched {
    pub(crate) fn from_rows(rows: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>) -> Self {
        Self { rows: rows.into_iter().collect(), ..Self::default() }
    }

    /// Answers the question, or says why not.
    pub(crate) fn ask<T>(&self, question: impl Fn(&dyn State) -> T) -> Result<T, Unanswered> {
        self.missed.borrow_mut().clear();
        self.asked.borrow_mut().clear();
        // To a node, a row that doesn't decode is a fault of its own disk, and stops it. Here it is only somebody's answer.
        let answer = catch_unwind(AssertUnwindSafe(|| question(self))).map_err(|_| Unanswered::Malformed)?;
        let missed = std::mem::take(&mut *self.missed.borrow_mut());
        if missed.is_empty() { Ok(answer) } else { Err(Unanswered::Missing(missed.into_iter().collect())) }
    }

    /// The keys that the last question asked for, sorted.
    pub(crate) fn asked(&self) -> Vec<Vec<u8>> {
        self.asked.borrow().iter().cloned().collect()
    }

    pub(crate) fn add(&mut self, rows: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>) {
        self.rows.extend(rows);
    }
}

impl Client {
    /// Asks the node's state something, as the ledger's own functions ask it. The answer isn't proven; see
    /// [`Client::prove`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn view<T>(&self, question: impl Fn(&dyn State) -> T) -> Result<(T, AsOf), CallError> {
        self.view_from(0, question).await
    }

    /// As [`Client::view`], of a state no older than `min_height`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn view_from<T>(
        &self,
        min_height: u64,
        question: impl Fn(&dyn State) -> T,
    ) -> Result<(T, AsOf), CallError> {
        let mut fetched = Fetched::default();
        let mut as_of = AsOf::default();
        for _ in 0..ROUNDS_MAX {
            let missing = match fetched.ask(&question) {
                Ok(answer) => return Ok((answer, as_of)),
                Err(Unanswered::Missing(missing)) => missing,
                Err(Unanswered::Malformed) => return Err(self.malformed("rows", "a row is malformed")),
            };
            for keys in missing.chunks(ROWS_MAX) {
                let Rows { height, time, rows } = self.node.call::<ReadRows>(&read(keys, min_height)).await?;
                as_of = AsOf { height, time };
                // Every key must be answered, or the question would be asked for ever.
                let rows: BTreeMap<_, _> = rows.into_iter().collect();
                fetched.add(keys.iter().map(|key| (key.clone(), rows.get(key).cloned().flatten())));
            }
        }
        Err(self.malformed("rows", "the question doesn't come to an end"))
    }

    /// All rows whose key begins with `prefix`, in order.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn scan(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, CallError> {
        let mut all = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let scan = Scan { prefix: prefix.to_vec(), after: after.clone(), limit: ROWS_MAX as u32 };
            let rows = self.node.call::<ScanRows>(&scan).await?.rows;
            let Some((last, _)) = rows.last() else { return Ok(all) };
            if after.as_ref().is_some_and(|after| last <= after) {
                return Err(self.malformed("scan", "rows come back out of order"));
            }
            after = Some(last.clone());
            all.extend(rows.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))));
        }
    }

    /// The lines of a chart's log from index `from` on, checked to be without gaps. Not proven; see
    /// [`Client::prove_log`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn log(&self, chart: ChartId, from: u64) -> Result<Vec<Line>, CallError> {
        let mut lines: Vec<Line> = Vec::new();
        loop {
            let next = from + lines.len() as u64;
            let page = self.node.call::<ReadLog>(&LogRange { chart, from: next, limit: LINES }).await?;
            let ended = page.is_empty();
            for (index, logged) in (next..).zip(page) {
                if logged.chart != chart || logged.index != index {
                    return Err(self.malformed("log", "lines of the log are missing or of another chart"));
                }
                lines.push(logged.into());
            }
            if ended {
                return Ok(lines);
            }
        }
    }

    /// Where the node stands.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn status(&self) -> Result<Status, CallError> {
        self.node.call::<GetStatus>(&()).await
    }

    pub(crate) fn malformed(&self, method: &'static str, reason: &str) -> CallError {
        CallError::Malformed { address: self.node.address().to_owned(), method, reason: reason.to_owned() }
    }
}

pub(crate) fn read(keys: &[Vec<u8>], min_height: u64) -> Read {
    let keys: Vec<Vec<u8>> = keys.iter().take(ROWS_MAX).cloned().collect();
    Read { keys: List::try_from(keys).unwrap_or_default(), min_height }
}
