//! How data reaches the reader: an aligned table on a terminal, tab-separated lines in a pipe, JSON on request.
//! Data goes to standard output, talk to standard error; it must not know what the data is.

use crate::exit::Failure;
use std::io::{IsTerminal, Write};

/// The form of what is written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Aligned, with a heading.
    Table,
    /// Tab-separated, one line each, no heading.
    Tabs,
    /// JSON.
    Json,
}

impl Form {
    /// JSON if asked for, else by who reads.
    pub fn choose(json: bool) -> Form {
        match (json, std::io::stdout().is_terminal()) {
            (true, _) => Form::Json,
            (_, true) => Form::Table,
            _ => Form::Tabs,
        }
    }
}

/// Whether colours may be used on a stream: it is a terminal, and `NO_COLOR` is not set.
pub fn has_colour(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes text to standard output.
pub fn write(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::output)
}

/// Says something to the person, on standard error. Nobody hearing it is no failure.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Rows under headings, in the form asked for (a table or tabs; JSON is the caller's own).
pub fn rows(form: Form, headings: &[&str], rows: &[Vec<String>]) -> String {
    match form {
        Form::Table => table(headings, rows),
        _ => rows
            .iter()
            .map(|row| row.iter().map(|cell| flat(cell)).collect::<Vec<_>>().join("\t") + "\n")
            .collect(),
    }
}

/// A cell on one line: what a foreign client wrote into a row may hold anything, control characters included.
pub fn flat(cell: &str) -> String {
    cell.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect()
}

/// The longest cell of a table, so that one megabyte in one row does not widen every line; pipes and JSON get all.
const CELL_CHARS_MAX: usize = 400;

/// A flat cell of a length that a person reads.
fn short(cell: &str) -> String {
    match cell.char_indices().nth(CELL_CHARS_MAX) {
        Some((at, _)) => flat(&cell[..at]) + "…",
        None => flat(cell),
    }
}

/// Characters that steer a terminal, or reverse or hide what follows.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Aligned columns; numbers to the right.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| short(cell)).collect()).collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain(headings.get(at).map(|h| h.chars().count())).max().unwrap_or(0)
    };
    let is_number = |at: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(at)).filter(|cell| !cell.is_empty()).peekable();
        cells.peek().is_some() && cells.all(|cell| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
    };
    let columns: Vec<(usize, bool)> = (0..headings.len()).map(|at| (width(at), is_number(at))).collect();
    let line = |cells: &[&str]| {
        let padded = cells.iter().zip(&columns).map(|(cell, (width, right))| {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
            if *right { format!("{gap}{cell}") } else { format!("{cell}{gap}") }
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let body = rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    std::iter::once(line(headings)).chain(body).collect()
}

/// A value as JSON text with a line end.
pub fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Failure::from(anyhow::Error::new(error)))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(row: &[&str]) -> Vec<String> {
        row.iter().map(|&cell| cell.to_owned()).collect()
    }

    #[test]
    fn columns_line_up_and_numbers_stand_right() {
        let rows = [cells(&["BTC-USDT", "64348.95", "fresh"]), cells(&["ETH-USDT", "3.1", ""])];
        let expect = "PAIR         VALUE  STATE\nBTC-USDT  64348.95  fresh\nETH-USDT       3.1\n";
        assert_eq!(table(&["PAIR", "VALUE", "STATE"], &rows), expect);
    }

    #[test]
    fn a_pipe_gets_tabs_and_one_line_each_whatever_a_cell_holds() {
        let out = rows(Form::Tabs, &["A", "B"], &[cells(&["x\ny\t\u{1b}[31m", "2"])]);
        assert_eq!(out, "x y  [31m\t2\n");
    }

    #[test]
    fn a_table_s_cell_is_never_longer_than_a_person_reads() {
        let long = cells(&[&"é".repeat(1_000_000), "2"]);
        assert!(table(&["A", "B"], std::slice::from_ref(&long)).chars().count() < 4 * CELL_CHARS_MAX);
        assert!(rows(Form::Tabs, &["A", "B"], &[long]).chars().count() > 1_000_000, "a pipe gets all");
        assert_eq!(short(&"x".repeat(CELL_CHARS_MAX)).chars().count(), CELL_CHARS_MAX);
    }
}
