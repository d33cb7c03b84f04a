//! `rates venues test FILE PAIR`: one connection for real, and what came of it: frames, their ticks, or the reason.
//! It must not know how a venue is dialled, nor how a frame is read.

use crate::{
    args::TestArgs,
    exit::{Exit, Failure, Outcome},
    opening,
    output::{self, flat},
    venue_files,
};
use clock::Clock;
use collector::{Probe, ProbeVerdict, ProbedFrame, Settings, probe};
use serde_json::json;
use std::fmt::Write;

/// The most characters of a frame that are shown.
const SHOWN_MAX: usize = 600;

/// `rates venues test`
pub async fn test(args: &TestArgs) -> Outcome {
    let (id, file) = venue_files::read(&args.file)?;
    let venue = venue_files::parse(&id, &file)?;
    let config = opening::config(&args.flags())?;
    let settings = Settings {
        allow_private: config.allow_private,
        environment: opening::environment(),
        ..Settings::new("test")
    };
    let trial = probe(&venue, &args.pair, args.url.as_deref(), Clock::system(), settings);
    let probe = trial.await.map_err(|error| Failure::new(Exit::Failure, error))?;
    let (exit, word, why) = outcome(&probe.verdict);
    if args.json {
        let shown = json!({
            "venue": id,
            "pair": args.pair,
            "outcome": word,
            "reason": (exit != Exit::Ok).then_some(&why),
            "frames": probe.frames.iter().map(as_json).collect::<Vec<_>>(),
        });
        output::write(&output::json(&shown)?)?;
    } else {
        output::write(&as_text(&probe))?;
        output::say(&format!("{id} {}: {}", flat(&args.pair), flat(&why)));
    }
    Ok(exit)
}

/// Exit code, one word, and words for people.
fn outcome(verdict: &ProbeVerdict) -> (Exit, &'static str, String) {
    match verdict {
        ProbeVerdict::Ticks => (Exit::Ok, "ticks", "ticks came".to_owned()),
        ProbeVerdict::Invalid(why) => (Exit::Config, "invalid", format!("the row would be invalid: {why}")),
        ProbeVerdict::Blocked(why) => (Exit::Config, "blocked_address", format!("refused address: {why}")),
        ProbeVerdict::Unreachable(why) => {
            (Exit::Unavailable, "no_connection", format!("no connection: {why}"))
        }
        ProbeVerdict::UnknownSymbol(why) => {
            (Exit::Failure, "unknown_symbol", format!("the venue does not know the symbol: {why}"))
        }
        ProbeVerdict::Failed(why) => (Exit::Failure, "failed", format!("the venue was reached, but: {why}")),
        ProbeVerdict::NoData(Some(why)) => (
            Exit::Failure,
            "no_data",
            format!("no data of this pair within the limit; the venue said: {why}"),
        ),
        ProbeVerdict::NoData(None) => {
            (Exit::Failure, "no_data", "no data of this pair within the venue's first-data limit".to_owned())
        }
    }
}

/// A frame as text, cut; what is no text is described.
fn shown(frame: &ProbedFrame) -> String {
    let Ok(text) = std::str::from_utf8(&frame.bytes).or_else(|error| {
        // A cut in the middle of a character is no reason not to show what stands before it.
        let whole = frame.bytes.get(..error.valid_up_to()).unwrap_or_default();
        if error.error_len().is_none() { std::str::from_utf8(whole) } else { Err(error) }
    }) else {
        let start: String =
            frame.bytes.iter().take(16).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        return format!("({} bytes that are no text: {start}…)", frame.length);
    };
    let mut cut: String = text.chars().take(SHOWN_MAX).collect();
    if cut.len() < frame.length {
        let _ = write!(cut, "… ({} bytes)", frame.length);
    }
    flat(&cut)
}

fn as_json(frame: &ProbedFrame) -> serde_json::Value {
    json!({"frame": shown(frame), "bytes": frame.length, "ticks": frame.ticks})
}

fn as_text(probe: &Probe) -> String {
    let mut text = String::new();
    for frame in &probe.frames {
        // Writing to a string does not fail.
        let _ = writeln!(text, "frame  {}", shown(frame));
        for tick in &frame.ticks {
            let _ = write!(text, "tick   {}", tick.pair);
            for (name, price) in [("last", tick.last), ("bid", tick.bid), ("ask", tick.ask)] {
                if let Some(price) = price {
                    let _ = write!(text, " {name} {price}");
                }
            }
            if let Some(time) = tick.venue_time {
                let _ = write!(text, " venue_time {}", time.millis());
            }
            text.push('\n');
        }
        if frame.ticks.is_empty() {
            text.push_str("       (gives no tick of this pair)\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_and_what_is_no_text_is_described() {
        let frame = |bytes: &[u8], length| ProbedFrame { bytes: bytes.to_vec(), length, ticks: Vec::new() };
        let long = "é".repeat(1_000);
        for (frame, expect) in [
            (frame(b"{\"a\":1}", 7), "{\"a\":1}".to_owned()),
            (frame(b"a\x1b[31m\nb", 8), "a [31m b".to_owned()),
            (frame(b"ab\xc3", 9), "ab… (9 bytes)".to_owned()),
            (frame(long.as_bytes(), 2_000), format!("{}… (2000 bytes)", "é".repeat(600))),
            (frame(&[0x1f, 0x8b, 0xff], 3), "(3 bytes that are no text: 1f8bff…)".to_owned()),
        ] {
            assert_eq!(shown(&frame), expect);
        }
    }

    #[test]
    fn every_outcome_has_its_exit_code() {
        for (verdict, code) in [
            (ProbeVerdict::Ticks, 0),
            (ProbeVerdict::NoData(None), 1),
            (ProbeVerdict::UnknownSymbol(String::new()), 1),
            (ProbeVerdict::Failed(String::new()), 1),
            (ProbeVerdict::Unreachable(String::new()), 69),
            (ProbeVerdict::Blocked(String::new()), 78),
            (ProbeVerdict::Invalid(String::new()), 78),
        ] {
            assert_eq!(outcome(&verdict).0.code(), code, "{verdict:?}");
        }
    }
}
