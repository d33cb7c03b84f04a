//! What a tick costs through the generic engine, of every venue file its own examples.
//! It must not know what a frame means.

use crate::{ROUNDS, load, median};
use std::{fs, hint::black_box, sync::Arc, time::Instant};
use venue::{Frame, Reader, Said, Venue};

/// No tick may cost more, in nanoseconds.
pub const MOST_NS: f64 = 5_000.0;
/// So long one venue is read in one round.
pub const SLICE_NS: u128 = 2_000_000;

/// One frame that carries ticks.
struct Work {
    venue: Arc<Venue>,
    /// What was said before and makes it readable.
    before: Vec<(Vec<u8>, bool)>,
    frame: (Vec<u8>, bool),
    ticks: usize,
}

/// The most that a tick of any venue's own examples costs, by venue.
pub fn run(quick: bool) -> f64 {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../venues");
    let mut stems: Vec<String> = fs::read_dir(folder)
        .expect("the venue files")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .filter(|stem| stem != "seed")
        .collect();
    stems.sort();
    let venues: Vec<(String, Vec<Work>)> =
        stems.into_iter().map(|stem| (stem.clone(), works(&Arc::new(load(&stem))))).collect();
    let mut costs = vec![Vec::new(); venues.len()];
    for _ in 0..if quick { 1 } else { ROUNDS } {
        for ((_, works), costs) in venues.iter().zip(&mut costs) {
            costs.push(costs_of(works, quick));
        }
    }
    println!(
        "\n{:<22} {:>9} {:>14}  (medians of {ROUNDS} rounds)",
        "venue file's examples", "ns a tick", "worst example"
    );
    let mut worst = 0.0f64;
    for ((stem, _), mut rounds) in venues.iter().zip(costs) {
        let mut all: Vec<f64> = rounds.iter().map(|(all, _)| *all).collect();
        let mut most: Vec<f64> = rounds.iter_mut().map(|(_, most)| *most).collect();
        let (all, most) = (median(&mut all), median(&mut most));
        worst = worst.max(all);
        println!("{stem:<22} {all:>9.0} {most:>14.0}");
    }
    worst
}

fn works(venue: &Arc<Venue>) -> Vec<Work> {
    let examples = venue.examples();
    let work = |(at, example): (usize, &venue::Example)| {
        let acks = examples[..at].iter().filter(|earlier| earlier.says.as_deref() == Some("ack"));
        Work {
            venue: venue.clone(),
            before: acks.map(|ack| (ack.frame.clone(), ack.binary)).collect(),
            frame: (example.frame.clone(), example.binary),
            ticks: example.ticks.len(),
        }
    };
    examples.iter().enumerate().filter(|(_, example)| !example.ticks.is_empty()).map(work).collect()
}

/// Nanoseconds a tick over all examples, and of the dearest of them.
fn costs_of(works: &[Work], quick: bool) -> (f64, f64) {
    let (mut sum, mut ticks, mut most) = (0.0, 0.0, 0.0f64);
    for work in works {
        let mut reader = work.venue.reader_of_everything();
        let mut said = Vec::new();
        for frame in &work.before {
            read(&mut reader, frame, &mut said);
        }
        let (start, mut count) = (Instant::now(), 0u32);
        while count == 0 || (!quick && start.elapsed().as_nanos() < SLICE_NS) {
            for _ in 0..16 {
                said.clear();
                read(&mut reader, &work.frame, &mut said);
            }
            count += 16;
        }
        let ns = start.elapsed().as_nanos() as f64 / f64::from(count);
        let found = said.iter().filter(|said| matches!(said, Said::Tick(_))).count();
        assert_eq!(found, work.ticks, "an example of {}", work.venue.id());
        let carried = work.ticks as f64;
        (sum, ticks, most) = (sum + ns, ticks + carried, most.max(ns / carried));
    }
    (sum / ticks, most)
}

fn read(reader: &mut Reader, (frame, binary): &(Vec<u8>, bool), said: &mut Vec<Said>) {
    let frame = black_box(frame.as_slice());
    let frame = if *binary { Frame::Binary(frame) } else { Frame::Text(frame) };
    reader.read(frame, said).expect("readable");
}
