//! What ticks must be: each of them said by the scripted venue, with its price, its time and its pair, and none
//! missing. It must not know how they came.

use crate::stage::Cast;
use market::{Price, Tick};
use std::collections::BTreeSet;
use testkit::last_cents;

/// The unit of a time on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Millis,
    Seconds,
    Day,
    Absent,
}

fn units(cast: &Cast) -> Vec<Unit> {
    let unit = |text: &str| {
        let has = |names: &[&str]| names.iter().any(|name| text.contains(&format!("{{{name}}}")));
        match () {
            () if has(&["ms", "us", "ns", "iso"]) => Unit::Millis,
            () if has(&["s"]) => Unit::Seconds,
            () if has(&["date", "date_dots"]) => Unit::Day,
            () => Unit::Absent,
        }
    };
    let says_price = |text: &str| ["{last", "{bid", "{ask"].iter().any(|price| text.contains(price));
    if cast.is_polled() {
        // Rows and their frame are templates of their own.
        let all: String = cast.script.data().collect();
        return vec![unit(&all)];
    }
    cast.script.data().filter(|text| says_price(text)).map(unit).collect()
}

/// Judges every tick; the rounds that were seen, one set for each pair.
pub fn judged<'a>(cast: &Cast, ticks: impl Iterator<Item = &'a Tick>) -> Result<Vec<BTreeSet<u64>>, String> {
    let units = units(cast);
    let mut seen = vec![BTreeSet::new(); cast.script.symbols.len()];
    for tick in ticks {
        let pair = tick.pair.to_string();
        let symbol = cast.script.symbols.iter().position(|symbol| symbol.pair == pair);
        let symbol = symbol.ok_or_else(|| format!("a tick of {pair}, which nobody said"))?;
        let mut rounds = BTreeSet::new();
        for (price, off) in [(tick.last, 0), (tick.bid, 3), (tick.ask, -4)] {
            let Some(price) = price else { continue };
            rounds.insert(round(symbol, price, off, cast).ok_or_else(|| format!("nobody said {tick:?}"))?);
        }
        let newest = rounds.last().copied().ok_or_else(|| format!("nothing in {tick:?}"))?;
        let fits = |unit: &Unit| match (unit, tick.venue_time) {
            (Unit::Absent, time) => time.is_none(),
            (_, None) => false,
            (unit, Some(time)) => rounds.iter().any(|round| {
                let said = cast.server.time_of(*round).unwrap_or_default() / 1_000;
                let per = match unit {
                    Unit::Seconds => 1_000,
                    Unit::Day => 86_400_000,
                    Unit::Millis | Unit::Absent => 1,
                };
                time.millis() == said / per * per
            }),
        };
        if !units.iter().any(fits) {
            return Err(format!("the time of {tick:?} is not that of round {newest}"));
        }
        seen[symbol].insert(newest);
    }
    Ok(seen)
}

/// The round whose price this is.
fn round(symbol: usize, price: Price, off: i64, cast: &Cast) -> Option<u64> {
    let text = price.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let part = part.trim_end_matches('0');
    let cents = format!("{whole}{part:0<2}").parse::<i64>().ok().filter(|_| part.len() <= 2)?;
    let above = cents + off - last_cents(symbol, 0);
    let round = u64::try_from(above / 10).ok().filter(|_| above % 10 == 0)?;
    (1..=cast.server.round()).contains(&round).then_some(round)
}

/// No round of these is missing.
pub fn complete(cast: &Cast, seen: &[BTreeSet<u64>], from: u64, to: u64) -> Result<(), String> {
    for (symbol, seen) in cast.script.symbols.iter().zip(seen) {
        let missing: Vec<u64> = (from..=to).filter(|round| !seen.contains(round)).collect();
        if !missing.is_empty() {
            return Err(format!("{} lacks the rounds {missing:?} of {from} to {to}", symbol.pair));
        }
    }
    Ok(())
}
