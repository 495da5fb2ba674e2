//! This file is where the story is told: a heading, what happens in plain words, what it proved.

use crate::{
    exit::{Exit, Failure},
    out::{Out, Style, Table, WIDTH, wrap},
};
use serde_json::json;
use std::{fmt::Display, time::Instant};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// What it was to prove is proven.
    Held(String),
    /// It isn't.
    Failed(String),
    /// The network is too small for it.
    TooSmall(usize),
    /// An earlier step failed.
    NotReached,
}

struct Told {
    title: String,
    ended: Ended,
    millis: u128,
}

/// Where the story is told.
pub(crate) struct Stage {
    out: Out,
    told: Vec<Told>,
    began: Instant,
}

/// Fails the step unless what it claims holds.
pub(super) fn claim(held: bool, what: impl Display) -> Result<(), Failure> {
    if held { Ok(()) } else { Err(Failure::new(Exit::Unverified, format!("this does not hold: {what}"))) }
}

impl Stage {
    /// An empty stage.
    pub(crate) fn new(out: Out) -> Self {
        Self { out, told: Vec::new(), began: Instant::now() }
    }

    /// With `--json` the story goes to stderr: stdout is for data.
    fn put(&self, line: impl Display) {
        if self.out.json { self.out.say(line) } else { self.out.line(line) }
    }

    /// What stands above everything.
    pub(crate) fn opening(&self, title: &str, text: &str) {
        self.put("");
        self.put(self.out.paint(Style::Bold, title));
        for line in wrap(text, WIDTH) {
            self.put(line);
        }
    }

    /// Begins a step.
    pub(crate) fn begin(&mut self, title: &str) {
        self.began = Instant::now();
        let number = self.told.len() + 1;
        let rule = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 8));
        self.put("");
        self.put(format_args!(
            "{} {} {}",
            self.out.paint(Style::Accent, format_args!("{number:>2} ──")),
            self.out.paint(Style::Bold, title),
            self.out.paint(Style::Dim, rule)
        ));
    }

    /// What happens, in plain words.
    pub(super) fn tell(&self, text: impl Display) {
        for line in wrap(&text.to_string(), WIDTH - 3) {
            self.put(format_args!("   {line}"));
        }
    }

    /// The command that does the same.
    pub(super) fn command(&self, command: impl Display) {
        self.put(self.out.paint(Style::Dim, format_args!("   $ horkos {command}")));
    }

    /// A table within a step.
    pub(super) fn table(&self, table: &Table) {
        for line in table.plain() {
            self.put(format_args!("     {line}"));
        }
    }

    /// Ends a step.
    pub(crate) fn end(&mut self, title: &str, ended: Ended) {
        let (style, mark, text) = match &ended {
            Ended::Held(text) => (Style::Good, "✓", text.clone()),
            Ended::Failed(text) => (Style::Bad, "✗", text.clone()),
            Ended::TooSmall(needs) => (Style::Dim, "·", format!("needs a network of {needs} organisations")),
            Ended::NotReached => (Style::Dim, "·", "not reached".to_owned()),
        };
        if ended != Ended::NotReached {
            for (at, line) in wrap(&text, WIDTH - 5).into_iter().enumerate() {
                let mark = if at == 0 { mark } else { " " };
                self.put(format_args!("   {} {}", self.out.paint(style, mark), self.out.paint(style, line)));
            }
        }
        self.told.push(Told { title: title.to_owned(), ended, millis: self.began.elapsed().as_millis() });
    }

    /// Whether every step that was told held.
    pub(crate) fn all_held(&self) -> bool {
        self.told.iter().all(|told| matches!(told.ended, Ended::Held(_) | Ended::TooSmall(_)))
    }

    /// All steps at a glance.
    pub(crate) fn close(&self) -> Result<(), Failure> {
        if self.out.json {
            let steps = self.told.iter().map(|told| {
                let (ended, text) = match &told.ended {
                    Ended::Held(text) => ("held", text.clone()),
                    Ended::Failed(text) => ("failed", text.clone()),
                    Ended::TooSmall(needs) => ("left out", format!("needs {needs} organisations")),
                    Ended::NotReached => ("not reached", String::new()),
                };
                json!({ "step": told.title, "ended": ended, "proved": text, "millis": told.millis as u64 })
            });
            return self.out.json(&json!({ "held": self.all_held(), "steps": steps.collect::<Vec<_>>() }));
        }
        self.put("");
        let mut table = Table::new(&["", "step", "", "ms"]);
        for (at, told) in self.told.iter().enumerate() {
            let (style, word) = match &told.ended {
                Ended::Held(_) => (Style::Good, "held"),
                Ended::Failed(_) => (Style::Bad, "FAILED"),
                Ended::TooSmall(_) => (Style::Dim, "left out"),
                Ended::NotReached => (Style::Dim, "not reached"),
            };
            table.styled([
                (Style::Accent, format!("{:>2}", at + 1)),
                (Style::Plain, told.title.clone()),
                (style, word.to_owned()),
                (Style::Dim, told.millis.to_string()),
            ]);
        }
        self.out.table(&table);
        self.put("");
        Ok(())
    }

    /// A closing line.
    pub(crate) fn note(&self, text: impl Display) {
        self.put(text);
    }
}
