//! Reads a recording offline through a venue file and writes one JSON line per price observation.
//! It must not know sockets, nor any venue's name.

use crate::{
    Error,
    recording::{Direction, Line, Lines, Transport},
};
use market::{Pair, Price};
use serde::Serialize;
use std::{
    collections::HashMap,
    io::{BufRead, Write},
    sync::Arc,
};
use venue::{Frame, Observation, Reader, Said, Venue};

/// The most complaints that are kept in words; the rest is only counted.
const COMPLAINTS_MAX: usize = 20;
/// The most connections of one recording that are remembered at once.
const READERS_MAX: usize = 4_096;

/// What a recording held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DecodeSummary {
    /// Frames and bodies of the venue.
    pub frames: u64,
    /// Observations of prices, as many as lines were written.
    pub observations: u64,
    /// Frames that could not be read as a whole.
    pub unreadable: u64,
    /// Values that are no price.
    pub rejected: u64,
    /// Errors that the venue reported.
    pub problems: u64,
    /// The first of what went wrong, with its line, in words.
    pub complaints: Vec<(usize, String)>,
}

/// One observation as it is written.
#[derive(Serialize)]
struct Row<'a> {
    line: usize,
    /// `None` = the frame does not say.
    symbol: Option<&'a str>,
    pair: Option<&'a Pair>,
    last: Option<Price>,
    bid: Option<Price>,
    ask: Option<Price>,
    venue_time: Option<i64>,
    history: bool,
    duplicate: bool,
}

impl<'a> Row<'a> {
    fn of(line: usize, seen: &'a Observation) -> Row<'a> {
        Row {
            line,
            symbol: Some(&*seen.symbol).filter(|symbol| !symbol.is_empty()),
            pair: seen.pair.as_ref(),
            last: seen.last,
            bid: seen.bid,
            ask: seen.ask,
            venue_time: seen.venue_time.map(market::Timestamp::millis),
            history: seen.history,
            duplicate: seen.duplicate,
        }
    }
}

/// Reads everything that the venue said in `recording` and writes one line per observation to `out`, in order.
/// `name` is the recording's, for messages. Every connection has its own reader, since channel ids and partial
/// updates belong to the connection. What cannot be read is counted in the summary and never written as a row.
pub fn decode(
    venue: &Arc<Venue>,
    name: &str,
    recording: impl BufRead,
    out: &mut impl Write,
) -> Result<DecodeSummary, Error> {
    let mut summary = DecodeSummary::default();
    let mut readers: HashMap<(Transport, String, u64), Reader> = HashMap::new();
    let mut said = Vec::new();
    for line in Lines::new(name, recording) {
        let line = line?;
        if line.direction == Direction::Out {
            continue;
        }
        if readers.len() >= READERS_MAX {
            readers.clear();
        }
        let key = (line.transport, line.url.clone(), line.connection);
        let reader = readers.entry(key).or_insert_with(|| venue.reader_of_recordings());
        summary.frames += 1;
        said.clear();
        if let Err(unreadable) = reader.read(frame(&line), &mut said) {
            summary.unreadable += 1;
            summary.complain(line.number, || unreadable.to_string());
        }
        for said in &said {
            summary.take(line.number, said);
            if let Said::Tick(seen) = said {
                serde_json::to_writer(&mut *out, &Row::of(line.number, seen))
                    .map_err(|e| Error::Write(e.into()))?;
                out.write_all(b"\n").map_err(Error::Write)?;
            }
        }
    }
    out.flush().map_err(Error::Write)?;
    Ok(summary)
}

fn frame(line: &Line) -> Frame<'_> {
    if line.binary && line.transport == Transport::Ws {
        Frame::Binary(&line.data)
    } else {
        Frame::Text(&line.data)
    }
}

impl DecodeSummary {
    fn take(&mut self, line: usize, said: &Said) {
        match said {
            Said::Tick(_) => self.observations += 1,
            Said::Rejected(rejected) => {
                self.rejected += 1;
                self.complain(line, || {
                    format!("{} {}: {}", rejected.symbol, rejected.field, rejected.reason)
                });
            }
            Said::Problem(problem) => {
                self.problems += 1;
                self.complain(line, || format!("the venue reports: {}", problem.text));
            }
            _ => {}
        }
    }

    fn complain(&mut self, line: usize, words: impl FnOnce() -> String) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push((line, words()));
        }
    }
}
