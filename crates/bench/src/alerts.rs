//! What a tick costs beside a million alerts, when none of them fires, beside the same tick with no alert at all.
//! It must not know how alerts are kept.

use crate::figures::{Spread, Table, Target};
use alerts::{Alert, Book, Condition, Direction, Progress, Seen, Side, Spec};
use anyhow::Context;
use board::{Board, Options};
use clock::Clock;
use market::{Flags, Pair, Price, Sequence, Sign, Tick, Timestamp, VenueId};
use rust_decimal::Decimal;
use std::{hint::black_box, sync::Arc, time::Duration};
use store::AlertRow;
use tokio::time::Instant;

const PAIRS: usize = 1_000;
const ALERTS: usize = 1_000_000;
const TICKS: usize = 20_000;
/// The two are measured in turns, so that whatever else the machine does is done to both.
const TURNS: usize = 15;

/// Measures.
pub fn run(table: &mut Table) -> anyhow::Result<()> {
    let clock = Clock::system();
    let options =
        Options { stale_after_ms: 600_000, expire_after_ms: 600_000, demo: false, same_as: Vec::new() };
    let pairs: Vec<Pair> =
        (0..PAIRS).map(|at| Pair::parse(&format!("A{at}-USDT"))).collect::<Result<_, _>>()?;
    let (mut none, mut million) = (Book::new(None, false), Book::new(None, false));
    let before = resident_kb();
    let started = Instant::now();
    for id in 0..ALERTS {
        let row = row(id, &pairs[id % PAIRS], clock.now());
        million.load(Alert::from_row(&row).context("an alert")?, clock.now());
    }
    let loaded = started.elapsed();
    let bytes = (resident_kb() - before) * 1_024 / ALERTS as i64;
    println!(
        "{ALERTS} alerts on {PAIRS} pairs: read and placed in {loaded:.1?}, {bytes} bytes of memory for each"
    );
    let yesterday = clock.now().plus_millis(-86_400_000);
    for pair in &pairs {
        let points = [(yesterday.plus_millis(-60_000), Decimal::from(100))];
        million.tell_references(pair, points.into_iter(), yesterday.plus_millis(3_600_000));
    }
    // Nor does a gate wait for what was before.
    for need in million.needs(clock.now()) {
        for within_ms in need.windows_ms {
            million.tell_window(&need.pair, within_ms, &[]);
        }
    }
    let mut lane = Lane { board: Board::new(clock, options), clock, pairs, at: 0 };
    // Both know every pair, every gate knows its side, and the machine is warm.
    lane.run(&mut none, PAIRS * 3)?;
    lane.run(&mut million, PAIRS * 3)?;
    let fired = million.take_fired().len();
    anyhow::ensure!(fired == 0, "{fired} alerts fired, and none should");
    while !million.take_progress(10_000).is_empty() {}

    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        without.push(lane.run(&mut none, TICKS)?);
        with.push(lane.run(&mut million, TICKS)?);
    }
    anyhow::ensure!(million.take_fired().is_empty(), "alerts fired, and none should");
    let (with, without) = (Spread::of(with), Spread::of(without));
    let more = with.median - without.median;
    println!("a tick through the board and the alerts, µs: none {without:.2}, {ALERTS} {with:.2}");
    println!("ratio {:.3}, +{more:.3} µs", with.median / without.median);
    let beside = format!("{with:.2} to {without:.2} µs, {bytes} B an alert");
    // The ratio that must hold is the same sentence for any machine: far less than the tick itself costs.
    table.ratio(
        "a tick with 1,000,000 alerts to one with none",
        Target::AtMost(2.0),
        with.median / without.median,
        beside,
    );
    table.aim("1,000,000 alerts: more for each tick", Target::AtMost(5.0), "µs", more, String::new());
    table.aim("the same, hoped for", Target::AtMost(1.0), "µs", more, String::new());
    Ok(())
}

/// One board, and ticks that go round its pairs.
struct Lane {
    board: Arc<Board>,
    clock: Clock,
    pairs: Vec<Pair>,
    at: usize,
}

impl Lane {
    /// Microseconds for each of so many ticks: into the board, and its answer into the book, as the watch does it.
    fn run(&mut self, book: &mut Book, ticks: usize) -> anyhow::Result<f64> {
        let venue = VenueId::parse("bench")?;
        let ticks: Vec<Tick> = (0..ticks).map(|_| self.tick()).collect::<Result<_, _>>()?;
        let started = Instant::now();
        for tick in &ticks {
            self.board.apply(&venue, std::slice::from_ref(tick));
            let Some(answer) = self.board.answer(&tick.pair) else { continue };
            if let Some(seen) = Seen::of(&answer.rate, self.clock.now()) {
                book.see(&tick.pair, black_box(&seen));
            }
        }
        let took: Duration = started.elapsed();
        Ok(took.as_secs_f64() * 1e6 / ticks.len() as f64)
    }

    /// Around 100, never more than 0.05 off.
    fn tick(&mut self) -> anyhow::Result<Tick> {
        self.at += 1;
        let now = self.clock.now();
        let cents = 99_950 + i64::from(fastrand::u8(0..=100));
        Ok(Tick {
            pair: self.pairs[self.at % self.pairs.len()].clone(),
            symbol: "".into(),
            last: Some(Price::from_decimal(Decimal::new(cents, 3), Sign::Positive)?),
            bid: None,
            ask: None,
            venue_time: Some(now),
            received_at: now,
            sequence: Sequence::new(&self.at.to_string()),
            flags: Flags::NONE,
        })
    }
}

/// A bit of everything, none of it near.
fn row(id: usize, pair: &Pair, now: Timestamp) -> AlertRow {
    let n = (id / PAIRS) as i64;
    let side = if n % 2 == 0 { Side::Above } else { Side::Below };
    let direction = [Direction::Up, Direction::Down, Direction::Either][n as usize % 3];
    let far = Decimal::new(101_000 + n * 17, 3);
    let near = Decimal::new(99_000 - n * 17, 3);
    let threshold = Price::from_decimal(if n % 2 == 0 { far } else { near }, Sign::Any);
    let pct = Decimal::new(100 + n, 2);
    let condition = match (n % 20, threshold) {
        (0..=7, Ok(threshold)) => Condition::Cross { side, threshold },
        (8..=10, Ok(threshold)) => Condition::Is { side, threshold },
        (11..=13, _) => Condition::MoveFromNow { direction, pct },
        (14..=17, _) => {
            let within_ms = [15, 60, 240, 1_440][n as usize / 20 % 4] * 60_000;
            Condition::Move { direction, pct, within_ms }
        }
        (18, _) => Condition::Change24h { direction, pct },
        _ => Condition::Spread { pct: Decimal::new(100 + n % 800, 2) },
    };
    AlertRow {
        id: id as i64,
        owner: "chat:1234567890".into(),
        target: "chat:1234567890".into(),
        pair: pair.to_string(),
        spec: Spec::new(Some(pair.clone()), condition).to_json(),
        progress: Progress::default().to_json(),
        is_open: true,
        fire_seq: 0,
        revision: 1,
        delivered_at: None,
        created_at: now,
        changed_at: now,
    }
}

/// Of this process, in kilobytes; zero where the system does not say.
fn resident_kb() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
