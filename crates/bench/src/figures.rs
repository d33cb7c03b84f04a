//! Rows of the last table, medians and percentiles.
//! It must not know what is measured.

use std::{fmt, time::Duration};

/// How many times everything is measured.
pub const ROUNDS: usize = 5;

/// What a figure must be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

#[derive(Debug)]
struct Row {
    what: String,
    target: Target,
    unit: &'static str,
    figure: f64,
    beside: String,
    is_ratio: bool,
}

/// The table at the end.
#[derive(Debug, Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// A ratio: what must hold wherever it is measured.
    pub fn ratio(&mut self, what: &str, target: Target, figure: f64, beside: String) {
        self.add(what, target, "", figure, beside, true);
    }

    /// An absolute figure: an aim, as good as the machine.
    pub fn aim(&mut self, what: &str, target: Target, unit: &'static str, figure: f64, beside: String) {
        self.add(what, target, unit, figure, beside, false);
    }

    fn add(
        &mut self,
        what: &str,
        target: Target,
        unit: &'static str,
        figure: f64,
        beside: String,
        is_ratio: bool,
    ) {
        self.0.push(Row { what: what.to_owned(), target, unit, figure, beside, is_ratio });
    }

    /// Whether no ratio is missed.
    pub fn every_ratio_holds(&self) -> bool {
        self.0.iter().all(|row| !row.is_ratio || row.holds())
    }
}

impl Row {
    fn holds(&self) -> bool {
        match self.target {
            Target::AtLeast(least) => self.figure >= least,
            Target::AtMost(most) => self.figure <= most,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<50} {:>12} {:>12}  {:<7} beside it", "what", "target", "figure", "verdict")?;
        for row in &self.0 {
            let target = match row.target {
                Target::AtLeast(least) => format!(">= {least}"),
                Target::AtMost(most) => format!("<= {most}"),
            };
            let digits = if row.unit.is_empty() { 2 } else { usize::from(row.figure < 100.0) };
            let figure = format!("{:.digits$}", row.figure);
            let verdict = if row.holds() { "ok" } else { "misses" };
            let (what, unit, beside) = (&row.what, row.unit, &row.beside);
            let with_unit = |text: String| format!("{text} {unit}").trim_end().to_owned();
            writeln!(
                f,
                "{what:<50} {:>12} {:>12}  {verdict:<7} {beside}",
                with_unit(target),
                with_unit(figure)
            )?;
        }
        f.write_str("targets without a unit are ratios and must hold; the others are aims")
    }
}

/// The middle one, with the least and the most.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of these; zeros where there are none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
        let mut all: Vec<f64> = figures.into_iter().collect();
        all.sort_by(f64::total_cmp);
        let at = |index: usize| all.get(index).copied().unwrap_or(0.0);
        Spread { median: at(all.len() / 2), least: at(0), most: at(all.len().saturating_sub(1)) }
    }
}

impl fmt::Display for Spread {
    /// `median (least-most)` with the precision asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(0);
        write!(f, "{:.digits$} ({:.digits$}-{:.digits$})", self.median, self.least, self.most)
    }
}

/// How long each of many took.
#[derive(Debug, Clone)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Of these.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Times {
        let mut all: Vec<Duration> = times.into_iter().collect();
        all.sort_unstable();
        Times(all)
    }

    /// A percentile, in milliseconds; 100 is the worst.
    pub fn ms(&self, percent: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let index = (last as f64 * percent / 100.0).round() as usize;
        self.0.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (middle, most, worst) = (self.ms(50.0), self.ms(95.0), self.ms(100.0));
        write!(f, "p50 {middle:.1}, p95 {most:.1}, worst {worst:.1} ms of {}", self.0.len())
    }
}

/// The percentile of sorted nanoseconds, in microseconds.
pub fn percentile_us(sorted_ns: &[u32], percent: f64) -> f64 {
    let last = sorted_ns.len().saturating_sub(1);
    let index = (last as f64 * percent / 100.0).round() as usize;
    sorted_ns.get(index).map_or(0.0, |ns| f64::from(*ns) / 1_000.0)
}
