//! This file is where the program speaks: data to stdout, sentences to stderr, colour and progress on a terminal only.

use crate::exit::Failure;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

/// Widest line that the program lays out itself.
pub(crate) const WIDTH: usize = 96;

/// How a piece of text is to look on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// As it is.
    Plain,
    /// Strong.
    Bold,
    /// In the background.
    Dim,
    /// It went well.
    Good,
    /// It was refused, or went wrong.
    Bad,
    /// A name or a number to be noticed.
    Accent,
}

/// The way out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    /// Data as JSON.
    pub(crate) json: bool,
    color_out: bool,
    color_err: bool,
}

impl Out {
    /// The way out of this process.
    pub(crate) fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|value| value != "dumb");
        Self {
            json,
            color_out: wanted && !json && io::stdout().is_terminal(),
            color_err: wanted && io::stderr().is_terminal(),
        }
    }

    /// A line of data. A reader who hung up is no failure of ours.
    pub(crate) fn line(&self, line: impl Display) {
        let _hung_up = writeln!(io::stdout().lock(), "{line}");
    }

    /// A sentence for the person at the terminal.
    pub(crate) fn say(&self, sentence: impl Display) {
        let _hung_up = writeln!(io::stderr().lock(), "{sentence}");
    }

    /// Data as JSON.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(|error| {
            Failure::new(crate::exit::Exit::Fault, format!("can't be written as JSON: {error}"))
        })?;
        self.line(text);
        Ok(())
    }

    /// The lines of a table, for stdout.
    pub(crate) fn lines_of(&self, table: &Table) -> Vec<String> {
        table.lines(self.color_out)
    }

    /// A table of data, columns aligned.
    pub(crate) fn table(&self, table: &Table) {
        for line in table.lines(self.color_out) {
            self.line(line);
        }
    }

    /// Text for stdout in a style, if that is a terminal.
    pub(crate) fn paint(&self, style: Style, text: impl Display) -> String {
        painted(self.color_out, style, &text.to_string())
    }

    /// Why the command failed.
    pub(crate) fn fail(&self, failure: &Failure) {
        let message = clean(&failure.message);
        if self.json {
            let error =
                serde_json::json!({ "error": message, "exit": failure.exit.code(), "status": failure.exit });
            self.say(error);
        } else {
            self.say(format_args!("{} {message}", painted(self.color_err, Style::Bad, "horkos:")));
        }
    }

    /// A progress bar over `total` steps; unseen unless stderr is a terminal.
    pub(crate) fn bar(&self, total: u64, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg:<24} {bar:32} {pos}/{len} {eta:>4}") {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_message(what);
        bar
    }

    /// Something that moves while one waits; unseen unless stderr is a terminal.
    pub(crate) fn spinner(&self, what: impl Into<String>) -> ProgressBar {
        let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            spinner.set_style(style);
        }
        spinner.set_message(what.into());
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner
    }
}

fn painted(color: bool, style: Style, text: &str) -> String {
    let code = match style {
        Style::Plain => return text.to_owned(),
        Style::Bold => "1",
        Style::Dim => "2",
        Style::Good => "32",
        Style::Bad => "31",
        Style::Accent => "36",
    };
    if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Text from elsewhere, made harmless for a terminal: no control characters but line feeds.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Breaks words into lines of at most `width` characters.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Rows under headings, aligned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<(Style, String)>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    /// Adds a row of plain cells.
    pub(crate) fn row<T: Display>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.styled(cells.into_iter().map(|cell| (Style::Plain, cell.to_string())));
    }

    /// Adds a row of cells, each with its style.
    pub(crate) fn styled(&mut self, cells: impl IntoIterator<Item = (Style, String)>) {
        let flat = |text: String| clean(&text).replace('\n', " ");
        self.rows.push(cells.into_iter().map(|(style, cell)| (style, flat(cell))).collect());
    }

    /// Its lines, without colour.
    pub(crate) fn plain(&self) -> Vec<String> {
        self.lines(false)
    }

    fn lines(&self, color: bool) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).chain([self.head.len()]).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        let head: Vec<(Style, String)> = self.head.iter().map(|cell| (Style::Dim, cell.clone())).collect();
        let all = || std::iter::once(&head).filter(|head| !head.is_empty()).chain(&self.rows);
        for row in all() {
            for (width, (_, cell)) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        all()
            .map(|row| {
                let mut line = String::new();
                for (column, (style, cell)) in row.iter().enumerate() {
                    line.push_str(&painted(color, *style, cell));
                    if column + 1 < row.len() {
                        let width = widths.get(column).copied().unwrap_or(0);
                        line.push_str(&" ".repeat(width.saturating_sub(cell.chars().count()) + 2));
                    }
                }
                line.trim_end().to_owned()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_harmless() {
        let mut table = Table::new(&["who", "height"]);
        table.row(["Åsa\u{1b}[31m", "7"]);
        table.row(["x", "12"]);
        assert_eq!(table.lines(false), ["who       height", "Åsa\u{fffd}[31m  7", "x         12"]);
    }

    #[test]
    fn words_are_wrapped() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), Vec::<String>::new());
    }
}
