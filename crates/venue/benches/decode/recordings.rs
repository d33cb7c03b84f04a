//! What a tick of real traffic costs through the generic engine, where recordings are at hand (`RATES_SHARED`, or
//! beside the repository). It must not know which ticks come out.

use crate::{ROUNDS, load, median, per_tick::SLICE_NS};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::{collections::BTreeMap, fs, hint::black_box, path::Path, path::PathBuf, sync::Arc, time::Instant};
use venue::{Frame, Said, Venue};

/// Which venue file reads which recordings.
const RECORDINGS: &[(&str, &[&str])] = &[
    ("binance", &["binance_spot.2021", "binance_spot.samples"]),
    ("binance-us", &["binance_us.2021", "binance_us.samples"]),
    ("bitfinex", &["bitfinex.2021", "bitfinex.samples"]),
    ("bitflyer", &["bitflyer.2021", "bitflyer.samples"]),
    ("bitget", &["bitget_spot.samples"]),
    ("bithumb", &["bithumb.samples"]),
    ("bitmex", &["bitmex.2021", "bitmex.samples"]),
    ("bitstamp", &["bitstamp.2022", "bitstamp.samples"]),
    ("bitvavo", &["bitvavo.samples"]),
    ("bybit", &["bybit_spot.samples"]),
    ("bybit-linear", &["bybit_linear.samples"]),
    ("cbr", &["cbr_daily"]),
    ("coinbase-advanced", &["coinbase_advanced.samples"]),
    ("coinbase-exchange", &["coinbase_exchange.2021", "coinbase_exchange.samples"]),
    ("coinbase-v2", &["coinbase_v2_rates"]),
    ("coingecko", &["coingecko"]),
    ("cryptocom", &["cryptocom.samples"]),
    ("deribit", &["deribit.2021", "deribit.samples"]),
    ("ecb", &["ecb_daily_xml"]),
    ("ecb-csv", &["ecb_csv"]),
    ("frankfurter", &["frankfurter"]),
    ("gateio", &["gateio_spot.2021", "gateio_spot.samples"]),
    ("gemini", &["gemini_v3.samples"]),
    ("hitbtc", &["fmfw_hitbtc_v3.2021", "hitbtc_v3.samples"]),
    ("htx", &["htx_spot.2021", "htx_spot.samples"]),
    ("kraken", &["kraken_v2.samples"]),
    ("kucoin", &["kucoin.2021", "kucoin.samples"]),
    ("mexc", &["mexc_spot.samples"]),
    ("okx", &["okx.samples", "okx_v5.2022"]),
    ("open-er-api", &["open_er_api"]),
    ("phemex", &["phemex.2021", "phemex.samples"]),
    ("poloniex", &["poloniex_spot.2022", "poloniex_spot.samples"]),
    ("upbit", &["upbit.2021", "upbit.samples"]),
];

/// What came on one connection of a recording.
type Connections = BTreeMap<(usize, u64), Vec<(Vec<u8>, bool)>>;

#[derive(Default)]
struct Costs {
    /// Of the first pass of a round: the other venues were read since the last.
    cold: Vec<f64>,
    per_tick: Vec<f64>,
    per_frame: Vec<f64>,
    ticks: u64,
    frames: u64,
}

/// The most that a tick of any venue's recordings costs; `None` where there are none.
pub fn run(quick: bool) -> Option<f64> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("RATES_SHARED").map_or_else(beside, PathBuf::from).join("recordings");
    if !folder.is_dir() {
        println!("\nSKIPPED: no recordings of real traffic at hand (RATES_SHARED)");
        return None;
    }
    let all: Vec<(&str, Arc<Venue>, Connections)> = RECORDINGS
        .iter()
        .map(|(stem, names)| {
            let venue = Arc::new(load(stem));
            let frames = frames(&folder, names, venue.http().is_some());
            (*stem, venue, frames)
        })
        .collect();
    let mut costs: Vec<Costs> = all.iter().map(|_| Costs::default()).collect();
    for _ in 0..if quick { 1 } else { ROUNDS } {
        for ((_, venue, connections), costs) in all.iter().zip(&mut costs) {
            let start = Instant::now();
            let (_, cold) = pass(venue, connections, costs);
            costs.cold.push(cold);
            let (mut frame, mut tick) = (Vec::new(), Vec::new());
            while frame.is_empty() || (!quick && start.elapsed().as_nanos() < SLICE_NS) {
                let (a_frame, a_tick) = pass(venue, connections, costs);
                frame.push(a_frame);
                tick.push(a_tick);
            }
            costs.per_frame.push(median(&mut frame));
            costs.per_tick.push(median(&mut tick));
        }
    }
    println!(
        "\n{:<22} {:>8} {:>8} {:>9} {:>9} {:>9}  (medians of {ROUNDS} rounds; cold: the first pass of a round)",
        "venue's recordings", "frames", "ticks", "ns/frame", "ns/tick", "cold"
    );
    let mut worst = 0.0f64;
    for ((stem, _, _), mut costs) in all.iter().zip(costs) {
        let (frame, tick) = (median(&mut costs.per_frame), median(&mut costs.per_tick));
        let cold = median(&mut costs.cold);
        worst = worst.max(tick);
        println!("{stem:<22} {:>8} {:>8} {frame:>9.0} {tick:>9.0} {cold:>9.0}", costs.frames, costs.ticks);
    }
    Some(worst)
}

/// Reads all with new readers: nanoseconds of a frame, and of those that carry ticks by tick.
fn pass(venue: &Arc<Venue>, connections: &Connections, costs: &mut Costs) -> (f64, f64) {
    let (mut all_ns, mut tick_ns, mut said) = (0, 0, Vec::new());
    (costs.frames, costs.ticks) = (0, 0);
    for frames in connections.values() {
        let mut reader = venue.reader_of_everything();
        for (frame, binary) in frames {
            said.clear();
            let frame = black_box(frame.as_slice());
            let frame = if *binary { Frame::Binary(frame) } else { Frame::Text(frame) };
            let start = Instant::now();
            reader.read(frame, &mut said).expect("readable");
            let took = start.elapsed().as_nanos();
            let ticks = said.iter().filter(|said| matches!(said, Said::Tick(_))).count();
            all_ns += took;
            tick_ns += if ticks > 0 { took } else { 0 };
            costs.frames += 1;
            costs.ticks += ticks as u64;
        }
    }
    (all_ns as f64 / costs.frames.max(1) as f64, tick_ns as f64 / costs.ticks.max(1) as f64)
}

/// What the venue said; answers over HTTP only where the venue is asked over HTTP.
fn frames(folder: &Path, names: &[&str], with_http: bool) -> Connections {
    let mut connections = Connections::new();
    for (at, name) in names.iter().enumerate() {
        let text = fs::read_to_string(folder.join(format!("{name}.jsonl"))).expect("a recording");
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let line: Value = serde_json::from_str(line).expect("a line of a recording");
            if line["dir"] != "in" || (line["transport"] == "http" && !with_http) {
                continue;
            }
            let written = line["data"].as_str().expect("data");
            let data = match line["enc"].as_str() {
                Some(_) => STANDARD.decode(written).expect("base64"),
                None => written.as_bytes().to_vec(),
            };
            let binary =
                line["op"].as_str().map_or_else(|| std::str::from_utf8(&data).is_err(), |op| op == "binary");
            connections.entry((at, line["conn"].as_u64().unwrap_or(0))).or_default().push((data, binary));
        }
    }
    connections
}
