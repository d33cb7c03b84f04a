//! The table of `rates watch`: what is known of each pair, drawn over itself on a terminal.
//! It must not know where the rates come from.

use crate::{
    ask::{RateAnswer, value_of},
    output, span,
};
use market::Price;
use std::{cmp::Ordering, collections::BTreeMap, fmt::Write};

/// Hides the cursor and cuts long lines instead of wrapping them, which would break drawing over.
pub const BEGIN: &str = "\u{1b}[?25l\u{1b}[?7l";
/// Undoes [`BEGIN`].
pub const END: &str = "\u{1b}[?25h\u{1b}[?7h";

/// What is known of one pair.
#[derive(Debug)]
struct Row {
    rate: RateAnswer,
    /// By our own clock, when its age was 0.
    born_ms: i64,
    moved: Ordering,
}

/// What is known of every pair.
#[derive(Debug, Default)]
pub struct Screen {
    rows: BTreeMap<String, Row>,
    lines_drawn: usize,
}

/// How the connection is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Changes come.
    Live,
    /// Nothing comes; nothing that is shown may be called fresh.
    Lost {
        /// Since when, by our own clock.
        since_ms: i64,
    },
}

impl Screen {
    /// Takes a rate.
    pub fn take(&mut self, rate: RateAnswer, now_ms: i64) {
        let value = |rate: &RateAnswer| {
            rate.value.as_deref().and_then(|v| Price::parse_signed(v, market::Sign::Any).ok())
        };
        let before = self.rows.get(&rate.pair);
        let moved = match before.map(|row| (value(&row.rate), value(&rate))) {
            Some((Some(old), Some(new))) if old != new => new.cmp(&old),
            Some(_) => before.map_or(Ordering::Equal, |row| row.moved),
            None => Ordering::Equal,
        };
        let born_ms = now_ms - rate.age_ms.unwrap_or(0);
        self.rows.insert(rate.pair.clone(), Row { rate, born_ms, moved });
    }

    /// Forgets everything: a snapshot follows.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// The lines to show; ages grow by our own clock.
    fn lines(&self, place: &str, link: &Link, now_ms: i64, rows_max: usize, colour: bool) -> Vec<String> {
        let demo = if self.rows.values().any(|row| row.rate.demo) { "  DEMO: invented prices" } else { "" };
        let head = match link {
            Link::Live => format!("{place}  live{demo}"),
            Link::Lost { since_ms } => {
                format!("{place}  DISCONNECTED for {}; trying again{demo}", span::show_age(now_ms - since_ms))
            }
        };
        let cells: Vec<Vec<String>> = self
            .rows
            .values()
            .take(rows_max.saturating_sub(3).max(1))
            .map(|row| {
                let state = if *link == Link::Live { row.rate.state.as_str() } else { "unknown" };
                let arrow = match row.moved {
                    Ordering::Greater => "▲",
                    Ordering::Less => "▼",
                    Ordering::Equal => " ",
                };
                let used = format!(
                    "{}/{}",
                    row.rate.sources.len(),
                    row.rate.sources_total.max(row.rate.sources.len() as u64)
                );
                let age = row.rate.age_ms.map(|_| span::show_age(now_ms - row.born_ms)).unwrap_or_default();
                vec![
                    row.rate.pair.clone(),
                    arrow.to_owned(),
                    value_of(&row.rate),
                    state.to_owned(),
                    age,
                    used,
                    row.rate.degraded.join(" "),
                ]
            })
            .collect();
        let table = output::table(&["PAIR", " ", "VALUE", "STATE", "AGE", "VENUES", ""], &cells);
        let mut lines = vec![output::flat(&head)];
        lines.extend(table.lines().map(|line| if colour { coloured(line) } else { line.to_owned() }));
        let hidden = self.rows.len() - cells.len();
        if hidden > 0 {
            lines.push(format!("and {hidden} more: name the pairs you want, or use a taller window"));
        }
        lines
    }

    /// The bytes that draw it over what was drawn before.
    pub fn draw(&mut self, place: &str, link: &Link, now_ms: i64, rows_max: usize, colour: bool) -> String {
        let lines = self.lines(place, link, now_ms, rows_max, colour);
        let mut out = String::new();
        if self.lines_drawn > 0 {
            let _ = write!(out, "\u{1b}[{}A\r", self.lines_drawn);
        }
        for line in &lines {
            let _ = writeln!(out, "{line}\u{1b}[K");
        }
        out.push_str("\u{1b}[J");
        self.lines_drawn = lines.len();
        out
    }
}

/// Colour beside the words, never instead of them.
fn coloured(line: &str) -> String {
    line.replace('▲', "\u{1b}[32m▲\u{1b}[0m").replace('▼', "\u{1b}[31m▼\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(pair: &str, value: &str) -> RateAnswer {
        let body =
            format!(r#"{{"pair":"{pair}","value":"{value}","state":"fresh","sources":["a"],"age_ms":100}}"#);
        serde_json::from_str(&body).unwrap()
    }

    #[test]
    fn ages_grow_and_nothing_is_fresh_without_a_connection() {
        let mut screen = Screen::default();
        screen.take(rate("BTC-USDT", "2.0"), 1_000);
        screen.take(rate("BTC-USDT", "10.0"), 2_000);
        let lines = screen.lines("http://x", &Link::Live, 4_000, 20, false);
        assert_eq!(lines[0], "http://x  live");
        assert_eq!(lines[2], "BTC-USDT  ▲   10.0  fresh  2.1s     1/1");
        let lines = screen.lines("http://x", &Link::Lost { since_ms: 3_000 }, 9_000, 20, false);
        assert_eq!(lines[0], "http://x  DISCONNECTED for 6.0s; trying again");
        assert!(lines[2].contains("unknown") && !lines.concat().contains("fresh"), "{lines:?}");
    }

    #[test]
    fn more_pairs_than_lines_are_counted() {
        let mut screen = Screen::default();
        for at in 0..30 {
            screen.take(rate(&format!("A{at}-USD"), "1"), 0);
        }
        let lines = screen.lines("x", &Link::Live, 0, 10, false);
        assert_eq!(lines.len(), 10);
        assert!(lines[9].starts_with("and 23 more"), "{lines:?}");
    }

    #[test]
    fn a_second_drawing_goes_over_the_first() {
        let mut screen = Screen::default();
        screen.take(rate("A-B", "1"), 0);
        assert!(!screen.draw("x", &Link::Live, 0, 9, true).contains("\u{1b}[3A"));
        assert!(screen.draw("x", &Link::Live, 0, 9, true).starts_with("\u{1b}[3A\r"));
    }
}
