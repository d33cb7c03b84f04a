//! What the board costs: a tick with few and with many pairs, and reading one answer.
//! It must not judge: it prints figures, medians of five runs taken in turns.
#![expect(clippy::print_stdout, reason = "a benchmark speaks on standard output")]
#![expect(clippy::float_arithmetic, reason = "these are durations, not prices")]

use board::{Board, Options};
use clock::Clock;
use market::{Flags, Pair, Price, Sequence, Tick, VenueId};
use std::{hint::black_box, sync::Arc};
use tokio::time::Instant;

const TICKS: usize = 40_000;
const RUNS: usize = 5;

fn board() -> Arc<Board> {
    Board::new(
        Clock::system(),
        Options { stale_after_ms: 30_000, expire_after_ms: 300_000, demo: false, same_as: Vec::new() },
    )
}

fn pairs(count: usize) -> Vec<Pair> {
    (0..count).filter_map(|n| Pair::parse(&format!("A{n}-USDT")).ok()).collect()
}

fn tick(board: &Board, pair: &Pair, number: usize) -> Option<Tick> {
    let now = board.clock().now();
    let price = |part: usize| Price::parse(&format!("643{:02}.{:02}", number % 100, part)).ok();
    Some(Tick {
        pair: pair.clone(),
        symbol: "s".into(),
        last: Some(price(5)?),
        bid: price(4),
        ask: price(6),
        venue_time: Some(now),
        received_at: now,
        sequence: Sequence::new(&number.to_string()),
        flags: Flags::NONE,
    })
}

/// Nanoseconds per tick, in batches of eight spread over all pairs.
fn apply(board: &Board, venue: &VenueId, pairs: &[Pair]) -> f64 {
    let ticks: Vec<Tick> =
        (0..TICKS).filter_map(|n| tick(board, &pairs[n.wrapping_mul(7_919) % pairs.len()], n)).collect();
    per(TICKS, || ticks.chunks(8).for_each(|batch| board.apply(venue, batch)))
}

fn per(count: usize, what: impl FnOnce()) -> f64 {
    let started = Instant::now();
    what();
    started.elapsed().as_nanos() as f64 / count as f64
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Resident memory of this process in KiB, where the system tells it.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

fn main() {
    let Ok(venue) = VenueId::parse("v1") else { return };
    let (few, many) = (pairs(10), pairs(10_000));
    let before = resident_kib();
    let large = board();
    let all: Vec<Tick> = many.iter().enumerate().filter_map(|(n, p)| tick(&large, p, n)).collect();
    large.apply(&venue, &all);
    drop(all);
    println!("10,000 pairs: {} KiB more resident memory", resident_kib() - before);
    let small = board();
    let (mut with_few, mut with_many) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        with_few.push(apply(&small, &venue, &few));
        with_many.push(apply(&large, &venue, &many));
    }
    let (with_few, with_many) = (median(with_few), median(with_many));
    println!(
        "a tick with 10 pairs: {with_few:.0} ns; with 10,000: {with_many:.0} ns; {:.2} times",
        with_many / with_few
    );
    println!("after {TICKS} ticks x {RUNS}: {} KiB resident", resident_kib());
    let reads = 200_000;
    let read = |name: &str, what: &dyn Fn(usize)| {
        let runs = (0..RUNS).map(|_| per(reads, || (0..reads).for_each(what))).collect();
        println!("{name}: {:.0} ns", median(runs));
    };
    read("answer, 10 pairs", &|n| drop(black_box(small.answer(&few[n % few.len()]))));
    read("answer, 10,000 pairs in turn", &|n| drop(black_box(large.answer(&many[n % many.len()]))));
    read("find and answer", &|_| {
        if let board::Found::Pair(pair) = small.find(black_box("A7-USDT")) {
            drop(black_box(small.answer(&pair)));
        }
    });
    let Ok(crossed) = Pair::parse("A7-A5") else { return };
    read("answer of a cross, legs at rest", &|_| drop(black_box(large.answer(&crossed))));
    read("find of a cross", &|_| drop(black_box(large.find("A7-A5"))));
    read("the clock", &|_| {
        black_box(large.clock().now());
    });
    let made = per(1_000, || {
        for n in 0..1_000 {
            let Some(tick) = tick(&large, &many[7], 1_000_000 + n) else { return };
            large.apply(&venue, &[tick]);
            black_box(large.answer(&crossed));
        }
    });
    println!("a tick and a cross made anew: {made:.0} ns");
    println!("the timer, nothing due: {:.0} ns", per(1_000, || (0..1_000).for_each(|_| large.tick_clock())));
}
