//! The examples of a venue file: answers in the venue's form, and what they must give. The file is its own test.
//! It must not know how an answer is read.

use crate::fields::{Fields, Value};
use crate::{FileError, Frame, Observation, Said, Venue};
use market::{Pair, Price, Sign, Timestamp};
use std::fmt::Write as _;
use std::sync::Arc;

/// An answer of the venue, and what it must give.
#[derive(Debug, Clone)]
pub struct Example {
    /// The frame or body.
    pub frame: Vec<u8>,
    /// A binary WebSocket frame.
    pub binary: bool,
    /// The ticks it must give, in order; the venue's count is not compared.
    pub ticks: Vec<Observation>,
    /// What else it says: `ack`, `error`, `heartbeat`, `welcome`, `reply`, `reconnect`, `ignored`.
    pub says: Option<String>,
    place: FileError,
}

const SAYINGS: &[&str] = &["ack", "error", "heartbeat", "welcome", "reply", "reconnect", "ignored"];

impl Example {
    pub(crate) fn parse(mut fields: Fields<'_>) -> Result<Example, FileError> {
        let place = fields.error("frame", "");
        let (text, hex) = (fields.text("frame")?, fields.take("hex"));
        let (frame, binary) = match (text, hex) {
            (Some(text), None) => (text.into_bytes(), fields.flag("binary", false)?),
            (None, Some(hex)) => (unhex(&hex)?, true),
            _ => return Err(fields.error("frame", "or else `hex` is needed: the answer of the venue")),
        };
        let ticks = fields.tables("ticks")?.into_iter().map(observation).collect::<Result<Vec<_>, _>>()?;
        let says = match fields.take("says") {
            None => None,
            Some(v) if SAYINGS.contains(&v.text()?) => Some(v.text()?.to_owned()),
            Some(v) => return Err(v.error(format!("must be one of {}", SAYINGS.join(", ")))),
        };
        if ticks.is_empty() == says.is_none() {
            return Err(fields.error("ticks", "or else `says` is needed: what the answer gives"));
        }
        fields.finish()?;
        Ok(Example { frame, binary, ticks, says, place })
    }

    /// Whether the venue's file reads it as it says.
    pub(crate) fn check(&self, venue: &Arc<Venue>) -> Result<(), FileError> {
        let mut reader = venue.reader_of_everything();
        for earlier in venue.examples.iter().take_while(|e| e.place != self.place) {
            // What an acknowledgement says of channels holds for the frames after it.
            if earlier.says.as_deref() == Some("ack") {
                let _ = reader.read(earlier.as_frame(), &mut Vec::new());
            }
        }
        let mut said = Vec::new();
        reader.read(self.as_frame(), &mut said).map_err(|e| self.wrong(format!("cannot be read: {e}")))?;
        let ticks: Vec<_> =
            said.iter().filter_map(|s| if let Said::Tick(t) = s { Some(t) } else { None }).collect();
        let same = |(found, want): (&&Observation, &Observation)| {
            let venue_time = found.venue_time.map(millis_only);
            Observation { sequence: None, venue_time, ..(**found).clone() } == *want
        };
        if ticks.len() != self.ticks.len() || !ticks.iter().zip(&self.ticks).all(same) {
            let mut words = String::from("gives other ticks than it must:");
            for tick in ticks {
                let _ = write!(words, "\n    {}", shown(tick));
            }
            for said in said.iter().filter(|s| !matches!(s, Said::Tick(_))) {
                let _ = write!(words, "\n    {said:?}");
            }
            return Err(self.wrong(words));
        }
        match &self.says {
            Some(want) if !said.iter().any(|s| saying(s) == want) => {
                Err(self
                    .wrong(format!("must say {want}, and says {}", said.first().map_or("nothing", saying))))
            }
            _ => Ok(()),
        }
    }

    /// The frame as it would come.
    pub fn as_frame(&self) -> Frame<'_> {
        if self.binary { Frame::Binary(&self.frame) } else { Frame::Text(&self.frame) }
    }

    fn wrong(&self, reason: String) -> FileError {
        FileError { reason, ..self.place.clone() }
    }
}

fn saying(said: &Said) -> &'static str {
    match said {
        Said::Tick(_) => "tick",
        Said::Rejected(_) => "rejected",
        Said::Acknowledged { .. } => "ack",
        Said::Problem(_) => "error",
        Said::Heartbeat => "heartbeat",
        Said::Welcome => "welcome",
        Said::Reply(_) => "reply",
        Said::Reconnect(_) => "reconnect",
        Said::NotBefore(_) => "not_before",
        Said::Ignored | Said::Elsewhere | Said::Empty => "ignored",
        Said::Unknown => "unknown",
    }
}

fn shown(tick: &Observation) -> String {
    let price = |p: Option<Price>| p.map_or("-".to_owned(), |p| p.to_string());
    let time = tick.venue_time.map_or("-".to_owned(), |t| t.millis().to_string());
    let pair = tick.pair.as_ref().map_or("-".to_owned(), ToString::to_string);
    format!(
        "symbol {} pair {pair} last {} bid {} ask {} time {time} history {} duplicate {}",
        tick.symbol,
        price(tick.last),
        price(tick.bid),
        price(tick.ask),
        tick.history,
        tick.duplicate
    )
}

fn observation(mut fields: Fields<'_>) -> Result<Observation, FileError> {
    let symbol = fields.need("symbol")?.text()?.into();
    let pair = |v: Value<'_>| Pair::parse(v.text()?).map_err(|e| v.error(e.to_string()));
    let mut price = |key: &'static str| {
        fields
            .take(key)
            .map(|v| Price::parse_signed(v.text()?, Sign::Any).map_err(|e| v.error(e.to_string())))
            .transpose()
    };
    let (last, bid, ask) = (price("last")?, price("bid")?, price("ask")?);
    let observation = Observation {
        symbol,
        pair: fields.take("pair").map(pair).transpose()?,
        last,
        bid,
        ask,
        venue_time: fields
            .take("time")
            .map(|v| v.integer().map(Timestamp::from_millis))
            .transpose()?
            .map(millis_only),
        sequence: None,
        history: fields.flag("history", false)?,
        duplicate: fields.flag("duplicate", false)?,
    };
    fields.finish()?;
    Ok(observation)
}

/// Examples give times in milliseconds; a finer time of the venue is compared to the millisecond.
fn millis_only(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.millis())
}

fn unhex(value: &Value<'_>) -> Result<Vec<u8>, FileError> {
    let digits: Vec<u8> = value.text()?.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok());
    let bytes =
        digits.chunks(2).map(|c| if c.len() == 2 { byte(c) } else { None }).collect::<Option<Vec<u8>>>();
    bytes.ok_or_else(|| value.error("must be pairs of hexadecimal digits"))
}
