//! Dialogues as text files, played against the whole bot and the fake Bot API: `who> what` and what is answered.
//! It must not know what a right answer is; the files do.

use crate::market::{BASE, board, fill};
use ::market::VenueId;
use async_trait::async_trait;
use bot::{
    Client, Conversation, ConversationParts, House, HouseError, Household, Me, Pace, Polling, Throttle,
    Token, Transport, Updates,
};
use clock::Clock;
use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, OnceLock},
    time::Duration,
};
use store::{NewTradeRow, Seed, Store};
use testkit::{FakeTelegram, Limits};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

pub const TOKEN: &str = "4242:canary_CANARY_canary_CANARY_0123456";
const PATIENCE: Duration = Duration::from_secs(60);

/// Who may say something.
pub const ANN: i64 = 1;
pub const IVAN: i64 = 2;
pub const BOSS: i64 = 3;
pub const MEMBER: i64 = 4;
pub const GROUP: i64 = -100;
pub const TOPIC: i64 = 7;

/// The bot, whole, and what is around it.
pub struct Stage {
    pub fake: FakeTelegram,
    _stop: DropGuard,
}

/// The household, but for the log, whose lines are known.
struct Rooms {
    inner: Arc<Household>,
}

#[async_trait]
impl House for Rooms {
    async fn rules_chat(&self, chat: i64, user: i64) -> Result<bool, HouseError> {
        self.inner.rules_chat(chat, user).await
    }

    async fn broadcast(&self, html: &str) -> Result<u64, HouseError> {
        self.inner.broadcast(html).await
    }

    async fn log_lines(&self, _count: usize) -> Vec<String> {
        vec!["older".to_owned(), "newer <b>&".to_owned()]
    }

    async fn is_api_up(&self) -> Option<bool> {
        Some(true)
    }
}

pub fn venue_name(venue: &VenueId) -> Option<String> {
    let names: BTreeMap<&str, &str> = [
        ("binance", "Binance"),
        ("kraken", "Kraken"),
        ("coingecko", "CoinGecko"),
        ("htx", "HTX"),
        ("cbr", "Bank of Russia"),
    ]
    .into();
    names.get(venue.as_str()).map(|name| (*name).to_owned())
}

pub async fn stage(demo: bool) -> Stage {
    let store = store::open("sqlite::memory:", Seed::default()).await.unwrap();
    fill(&*store).await;
    let row = NewTradeRow {
        venue: "binance".to_owned(),
        currency_pair: "BTC-USDT".to_owned(),
        ..Default::default()
    };
    store.add_trade_row(&row, BASE).await.unwrap();
    stage_on(store, demo).await
}

pub async fn stage_on(store: Arc<dyn Store>, demo: bool) -> Stage {
    let fake = FakeTelegram::start(TOKEN).await;
    fake.set_limits(Limits::NONE);
    fake.add_person(ANN, "Ann", Some("en"));
    fake.add_person(IVAN, "Иван", Some("ru"));
    fake.add_person(BOSS, "Boss <b>", Some("en"));
    fake.add_person(MEMBER, "Member", Some("en"));
    fake.add_group(GROUP, "Traders", &[TOPIC], &[(ANN, "administrator"), (MEMBER, "member")]);
    let throttle = Throttle::new(Pace::TELEGRAM.faster(100_000));
    let client =
        Client::new(&fake.url(), &Token::parse(TOKEN).unwrap(), Duration::from_secs(20), throttle).unwrap();
    let clock = Clock::system();
    let household = Household::new(client.clone(), store.clone(), clock, Arc::new(|_| Vec::new()));
    let board = board(demo);
    let parts = ConversationParts {
        clock: board.clock(),
        board,
        store: store.clone(),
        admins: vec![BOSS],
        bot_name: "rates_test_bot".to_owned(),
        venue_name: Arc::new(venue_name),
        house: Arc::new(Rooms { inner: household.clone() }),
        past_within: PATIENCE,
    };
    let me = Me { id: 4242, name: parts.bot_name.clone() };
    let talk = Arc::new(Conversation::new(parts));
    let whole = Transport { client, store: store.clone(), talk, household, clock };
    let stop = CancellationToken::new();
    let polling = Polling { wait: Duration::from_secs(5), stand_by: Duration::from_millis(500) };
    let sender = Arc::new(whole.sender());
    tokio::spawn(alerts::send_outbox(store, sender, clock, alerts::Sending::new("chat"), stop.clone()));
    tokio::spawn(bot::run(whole, me, Updates::Polled(polling), stop.clone()));
    Stage { fake, _stop: stop.drop_guard() }
}

/// Plays a dialogue; what differs is shown as a whole. With `UPDATE_DIALOGUES` the file is written anew, to be read.
pub async fn play(stage: &Stage, path: &str, text: &str) {
    let steps = steps(text);
    let is_update = std::env::var_os("UPDATE_DIALOGUES").is_some();
    let (mut played, mut wrong) = (String::new(), Vec::new());
    for step in &steps {
        if step.who.starts_with('#') {
            writeln!(played, "{}\n", step.who).unwrap();
            continue;
        }
        let answer = run(stage, step, is_update).await;
        if answer != step.answer {
            wrong
                .push(format!("{}> {}\n--- wanted\n{}\n--- got\n{answer}", step.who, step.what, step.answer));
        }
        writeln!(played, "{}> {}\n{answer}\n", step.who, step.what).unwrap();
    }
    if is_update {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversation").join(path);
        std::fs::write(file, played.trim_end().to_owned() + "\n").unwrap();
    } else {
        assert!(wrong.is_empty(), "{path}: {} answers differ:\n\n{}", wrong.len(), wrong.join("\n\n"));
    }
    assert_eq!(stage.fake.violations(), Vec::<String>::new(), "{path}");
    let is_refused = |call: &testkit::Call| call.code >= 400 && !call.description.contains("is not modified");
    let refused: Vec<_> = stage.fake.calls().into_iter().filter(is_refused).collect();
    assert!(refused.is_empty(), "{path}: telegram refused {refused:?}");
}

struct Step {
    who: String,
    what: String,
    answer: String,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        let head = line.split_once("> ").filter(|(who, _)| {
            ["ann", "ivan", "boss", "member"].iter().any(|name| who.split('@').next() == Some(*name))
        });
        match head {
            Some((who, what)) => {
                steps.push(Step { who: who.to_owned(), what: what.to_owned(), answer: String::new() });
            }
            None if line.starts_with("# ") => {
                steps.push(Step { who: line.to_owned(), what: String::new(), answer: String::new() });
            }
            None => {
                if let Some(step) = steps.last_mut() {
                    step.answer += &format!("{line}\n");
                }
            }
        }
    }
    for step in &mut steps {
        step.answer = step.answer.trim().to_owned();
    }
    steps
}

async fn run(stage: &Stage, step: &Step, is_update: bool) -> String {
    let (name, place) = step.who.split_once('@').unwrap_or((&step.who, "private"));
    let user = match name {
        "ann" => ANN,
        "ivan" => IVAN,
        "boss" => BOSS,
        _ => MEMBER,
    };
    let (chat, thread) = match place {
        "group" => (GROUP, None),
        "topic" => (GROUP, Some(TOPIC)),
        _ => (user, None),
    };
    let before = Seen::of(stage, chat);
    let mut asked = None;
    if place == "inline" {
        let id = stage.fake.ask_inline(user, &step.what);
        return inline(stage, &id).await;
    }
    match step.what.strip_prefix("press ") {
        Some(label) if !has_button(stage, chat, label) => return format!("(no button {label})"),
        Some(label) => asked = Some(stage.fake.press_label(chat, user, label)),
        None => drop(stage.fake.say_in(chat, user, thread, &step.what, None)),
    }
    let toast = match &asked {
        Some(id) => stage.fake.answer_to(id).await.get("text").and_then(|t| t.as_str()).map(str::to_owned),
        None => None,
    };
    let wanted = &step.answer;
    let deadline = Instant::now() + PATIENCE;
    let (mut last, mut same) = (String::new(), 0);
    loop {
        let now = before.then(stage, chat, thread, toast.as_deref());
        // An update waits until nothing more comes; a test waits for what must come.
        same = if now == last && (!now.is_empty() || step.answer == "(nothing)") { same + 1 } else { 0 };
        last = now;
        let is_over = if is_update { same > 12 } else { last == *wanted || (same > 800 && !last.is_empty()) };
        if is_over || Instant::now() > deadline {
            return if last.is_empty() { "(nothing)".to_owned() } else { last };
        }
        if wanted == "(nothing)" && same > 12 {
            return "(nothing)".to_owned();
        }
        sleep(Duration::from_millis(25)).await;
    }
}

fn has_button(stage: &Stage, chat: i64, label: &str) -> bool {
    let all = stage.fake.messages(chat);
    all.iter().flat_map(|m| m.keyboard.iter().flatten()).any(|button| button.text.contains(label))
}

/// What stood in a chat before something was said.
struct Seen {
    edits: BTreeMap<i64, (usize, usize)>,
}

impl Seen {
    fn of(stage: &Stage, chat: i64) -> Seen {
        let all = stage.fake.messages(chat);
        Seen { edits: all.into_iter().map(|m| (m.id, (m.edits, m.keyboard.len()))).collect() }
    }

    /// What has come since.
    fn then(&self, stage: &Stage, chat: i64, thread: Option<i64>, toast: Option<&str>) -> String {
        let mut parts: Vec<String> = toast.map(|text| format!("(toast) {text}")).into_iter().collect();
        for message in stage.fake.messages(chat) {
            let was = self.edits.get(&message.id);
            let mark = match (was, &message.photo) {
                (Some(was), _) if *was == (message.edits, message.keyboard.len()) => continue,
                (Some(_), _) => "(edit) ",
                (None, Some(_)) => "(photo) ",
                (None, None) => "",
            };
            assert!(was.is_some() || message.thread == thread, "another topic: {message:?}");
            let rows = message.keyboard.iter().map(|row| {
                row.iter().map(|button| format!("[{}]", button.text)).collect::<Vec<_>>().join(" ")
            });
            let keyboard: Vec<String> = rows.collect();
            parts.push(format!("{mark}{}\n{}", message.html, keyboard.join("\n")).trim().to_owned());
        }
        normal(&parts.join("\n"))
    }
}

async fn inline(stage: &Stage, id: &str) -> String {
    let answer = stage.fake.answer_to(id).await;
    let results = answer.get("results").cloned().unwrap_or_default();
    let results = match results.as_str() {
        Some(text) => serde_json::from_str(text).unwrap(),
        None => results,
    };
    let line = |result: &serde_json::Value| {
        let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        format!("{} | {}", text("title"), text("description"))
    };
    let lines: Vec<String> = results.as_array().unwrap().iter().map(line).collect();
    normal(&lines.join("\n"))
}

/// Without what depends on how busy the machine is, and with spaces that can be seen.
fn normal(text: &str) -> String {
    static PATTERNS: OnceLock<Vec<(regex_lite::Regex, &str)>> = OnceLock::new();
    let patterns = PATTERNS.get_or_init(|| {
        [
            (r"just now|\d+ (s|min) ago", "‹age› ago"),
            (r"только что|\d+ (с|мин) назад", "‹age› назад"),
            (r"\d\d:\d\d:\d\d", "‹time›"),
            (r"\d+(\.\d)? (s|min)\b", "‹span›"),
            (r"\d+(,\d)? (с|мин)([ ,.)\n]|$)", "‹span›$3"),
            (r"(until|до|Expires|Истекает)( [^,\n]+,)? \d\d:\d\d", "$1$2 ‹hh:mm›"),
            (r"\d\d:\d\d – (.*)\d\d:\d\d", "‹hh:mm› – $1‹hh:mm›"),
        ]
        .map(|(pattern, by)| (regex_lite::Regex::new(pattern).unwrap(), by))
        .into()
    });
    let text = text.replace('\u{a0}', "␣");
    patterns.iter().fold(text, |text, (pattern, by)| pattern.replace_all(&text, *by).into_owned())
}
