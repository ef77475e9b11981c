//! Results on standard output: a table for people, JSON for programs.

use std::io::Write;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::{common::Form, error::CliError};

/// One line of a table, and one object of a JSON array.
pub(crate) trait Row: Serialize {
    /// The columns' headings.
    const HEADINGS: &'static [&'static str];
    /// The columns' texts, as many as there are headings.
    fn cells(&self) -> Vec<String>;
}

/// Where results go.
#[derive(Debug)]
pub(crate) struct Output<W: Write> {
    form: Form,
    out: W,
}

impl Output<std::io::StdoutLock<'static>> {
    /// Standard output.
    pub(crate) fn stdout(form: Form) -> Self {
        Self { form, out: std::io::stdout().lock() }
    }
}

impl<W: Write> Output<W> {
    /// Whether the result is for programs.
    pub(crate) fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    /// Rows of one kind.
    pub(crate) fn rows<R: Row>(&mut self, rows: &[R]) -> Result<(), CliError> {
        match self.form {
            Form::Json => self.json(&rows),
            Form::Table => self.line(&table(rows)),
        }
    }

    /// Any value, as JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value).map_err(|e| CliError::output(e.into()))?;
        self.line(&text)
    }

    /// A line of text.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), CliError> {
        writeln!(self.out, "{text}").map_err(CliError::output)
    }

    /// What was done: a line for people, a value for programs.
    pub(crate) fn done(&mut self, text: &str, value: &impl Serialize) -> Result<(), CliError> {
        match self.form {
            Form::Json => self.json(value),
            Form::Table => self.line(text),
        }
    }
}

/// A table without lines, as wide as the terminal allows. An empty one still has its headings.
pub(crate) fn table<R: Row>(rows: &[R]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(R::HEADINGS.iter().map(|heading| heading.to_uppercase()));
    for row in rows {
        table.add_row(row.cells());
    }
    let lines = table.to_string();
    let trimmed = lines.lines().map(|line| line.trim_end().strip_prefix(' ').unwrap_or(line));
    trimmed.collect::<Vec<_>>().join("\n")
}
