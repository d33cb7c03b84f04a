//! Scripts and venue files side by side, and time made shorter in both alike.
//! It must not know what a venue says.

use crate::harness::{row, venue};
use clock::Clock;
use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};
use store::TradeRow;
use testkit::{Script, ScriptedVenue, Speed, duration, limit};
use venue::Venue;

/// Intervals are ten times shorter, and a day lasts ten seconds.
pub const FAST: Speed = Speed {
    times: 10,
    lifetimes: 8_640,
    round: Duration::from_millis(100),
    slack: Duration::from_millis(400),
    look: LOOK,
};

/// How often a scripted venue on a real socket looks at what is due.
pub const LOOK: Duration = Duration::from_millis(20);

fn texts(folder: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let toml = files.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
    toml.map(|path| {
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
    })
    .collect()
}

/// Venue files by name.
pub fn venue_files() -> BTreeMap<String, String> {
    let mut files = texts("../../venues");
    files.remove("seed");
    files
}

/// Scripts by name. `RATES_VENUES` may name a few of them.
pub fn scripts() -> BTreeMap<String, Script> {
    let only = std::env::var("RATES_VENUES").ok();
    let is_wanted = |id: &str| only.as_ref().is_none_or(|only| only.split(',').any(|one| one == id));
    let read = |(id, text): (String, String)| {
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{id}: {error}"));
        (id, script)
    };
    texts("tests/scripts").into_iter().filter(|(id, _)| is_wanted(id)).map(read).collect()
}

/// The script with so many pairs of invented assets instead of its own, and without an end of connections.
pub fn crowded(script: &Script, count: usize) -> Script {
    let mut script = script.clone();
    let like = script.symbols[0].clone();
    let letter = |at: usize| char::from(b'A' + u8::try_from(at % 26).unwrap());
    let symbol = |at: usize| {
        let name = format!("Q{}{}", letter(at / 26), letter(at));
        let spelled = |text: &str| text.replace("BTC", &name).replace("btc", &name.to_ascii_lowercase());
        let mut symbol = like.clone();
        for text in [&mut symbol.pair, &mut symbol.asked, &mut symbol.told] {
            *text = spelled(text);
        }
        symbol
    };
    script.symbols = (0..count).map(symbol).collect();
    script.lifetime = None;
    script
}

/// One venue on the stage.
pub struct Cast {
    pub id: String,
    pub script: Script,
    pub server: ScriptedVenue,
    pub venue: Arc<Venue>,
}

impl Cast {
    /// The server runs; the venue's file is read as it is, or with its times as short as the server's.
    pub async fn new(id: &str, script: &Script, file: &str, speed: Speed) -> Cast {
        let clock = Clock::system();
        let speed = if speed.times == 1 { speed } else { Speed { times: times(file, speed), ..speed } };
        let server =
            ScriptedVenue::start(script.clone(), speed, Arc::new(move || clock.now().micros())).await;
        let text = if speed.times == 1 { file.to_owned() } else { faster(id, script, file, speed) };
        Cast { id: id.to_owned(), script: script.clone(), server, venue: venue(id, &text) }
    }

    /// One row for each pair that the venue knows, and one for the pair that it does not.
    pub fn rows(&self) -> Vec<TradeRow> {
        let scheme = if self.is_polled() { "http" } else { "ws" };
        let pairs = self.script.symbols.iter().map(|symbol| &symbol.pair).chain([&self.script.unknown.pair]);
        let to_row = |(at, pair): (usize, &String)| {
            let mut row = row(i64::try_from(at).unwrap() + 1, &self.id, pair);
            row.url = Some(format!("{scheme}://{}", self.server.address()));
            row
        };
        pairs.enumerate().map(to_row).collect()
    }

    pub fn is_polled(&self) -> bool {
        self.script.paths.is_empty()
    }
}

/// A venue that is polled is polled every 1.5 s, and its budget is as much shorter as that.
fn times(file: &str, speed: Speed) -> u32 {
    let file: toml::Table = file.parse().unwrap();
    let interval = file.get("http").and_then(|http| http.get("interval")).and_then(toml::Value::as_str);
    interval
        .map_or(speed.times, |interval| u32::try_from(duration(interval).as_millis() / 1_500).unwrap().max(1))
}

/// The file with shorter times and nothing else changed. What is shortened is compared first: the file must
/// promise less than the venue allows.
fn faster(id: &str, script: &Script, file: &str, speed: Speed) -> String {
    let mut file: toml::Table = file.parse().unwrap();
    let shorter = |table: &mut toml::Table, key: &str, by: u32, missing: Option<&str>| {
        let written = table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        // A text that is no duration is a variable of the token call.
        let Some(text) = written.or(missing.map(str::to_owned)).filter(|text| !text.contains('{')) else {
            return;
        };
        table.insert(key.to_owned(), format!("{}ms", (duration(&text) / by).as_millis().max(1)).into());
    };
    if let Some(ws) = file.get_mut("ws").and_then(toml::Value::as_table_mut) {
        if let Some(most) = &script.lifetime {
            let own = ws.get("lifetime").and_then(toml::Value::as_str);
            assert!(
                own.is_some_and(|own| duration(own) < duration(most)),
                "{id}: the file keeps connections for {own:?}, the venue for {most}"
            );
        }
        shorter(ws, "lifetime", speed.lifetimes, None);
        shorter(ws, "silence", speed.times, Some("30s"));
        // A venue of trades alone waits long for the first of a pair; here something is said all the time.
        ws.insert("first_data".to_owned(), "2s".into());
        if let Some(ping) = ws.get_mut("ping").and_then(toml::Value::as_table_mut) {
            shorter(ping, "every", speed.times, None);
            shorter(ping, "answer_within", speed.times, None);
        }
    }
    if let Some(http) = file.get_mut("http").and_then(toml::Value::as_table_mut) {
        shorter(http, "interval", speed.times, None);
        if let Some((count, per)) = http.get("budget").and_then(toml::Value::as_str).map(limit) {
            let shorter = format!("{count}/{}ms", (per / speed.times).as_millis());
            http.insert("budget".to_owned(), shorter.into());
        }
    }
    toml::to_string(&file).unwrap()
}
