//! `rates watch`: follows the stream of a server, and shows each change until Ctrl-C.
//! It must not know how the table is drawn; that is `screen.rs`.

use crate::{
    args::WatchArgs,
    ask::{RateAnswer, rate_line, value_of},
    client::Client,
    exit::{Exit, Failure, Outcome},
    output::{self, Form},
    screen::{self, Link, Screen},
    sse::{Event, Events},
};
use clock::Clock;
use reqwest::Response;
use serde::Deserialize;
use std::{collections::HashMap, io::IsTerminal, time::Duration};
use tokio::time::{MissedTickBehavior, timeout};

/// How often the table is drawn: ages grow, and more than four times a second nobody reads.
const DRAW_EVERY_MS: u64 = 250;
/// Longer than any pause between two heartbeats of a server.
const SILENCE_MS: u64 = 45_000;
/// The longest wait between two tries.
const WAIT_MS_MAX: u64 = 10_000;

#[derive(Deserialize)]
struct Snapshot<'a> {
    #[serde(borrow)]
    rates: Vec<&'a serde_json::value::RawValue>,
}

/// `rates watch`
pub async fn watch(args: &WatchArgs) -> Outcome {
    let client = Client::new(&args.server.url)?;
    let form = Form::choose(args.json);
    let mut watching = Watching {
        client,
        form,
        clock: Clock::system(),
        screen: Screen::default(),
        link: Link::Live,
        last_id: None,
        written: HashMap::new(),
        changes_left: args.changes,
        query: (!args.pairs.is_empty()).then(|| ("pairs", args.pairs.join(","))).into_iter().collect(),
    };
    let drawn = form == Form::Table;
    if drawn {
        output::write(screen::BEGIN)?;
    }
    let outcome = tokio::select! {
        outcome = watching.follow() => outcome,
        () = interrupted() => Ok(Exit::Interrupted),
    };
    if drawn {
        output::write(screen::END)?;
    }
    outcome
}

/// Ctrl-C, or the polite end of a service.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut end) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = end.recv() => {}
    }
}

struct Watching {
    client: Client,
    form: Form,
    clock: Clock,
    screen: Screen,
    link: Link,
    last_id: Option<String>,
    /// In a pipe: what was last written for a pair; its age alone is no change.
    written: HashMap<String, (String, String, Vec<String>)>,
    changes_left: Option<u64>,
    query: Vec<(&'static str, String)>,
}

/// Why a stream ended.
enum Ended {
    Enough,
    Lost(String),
}

impl Watching {
    fn now_ms(&self) -> i64 {
        self.clock.now().millis()
    }

    /// Connects for ever; but nobody there at the first try ends with 69, and a refusal at any try ends too.
    async fn follow(&mut self) -> Outcome {
        let mut stream = self.open().await?;
        loop {
            if let Link::Lost { .. } = self.link {
                self.tell("connected again");
            }
            self.link = Link::Live;
            let why = match self.read(stream).await? {
                Ended::Enough => return Ok(Exit::Ok),
                Ended::Lost(why) => why,
            };
            self.link = Link::Lost { since_ms: self.now_ms() };
            self.tell(&format!("disconnected ({why}); what was shown may be stale; trying again"));
            stream = self.reopen().await?;
        }
    }

    async fn open(&self) -> Result<Response, Failure> {
        self.client.stream(&["api", "v1", "stream"], &self.query, self.last_id.as_deref()).await
    }

    async fn reopen(&mut self) -> Result<Response, Failure> {
        let mut wait_ms = 250;
        loop {
            // Half of the wait is random, so that many watchers do not come back at one moment.
            self.wait(wait_ms / 2 + fastrand::u64(0..=wait_ms / 2)).await?;
            match self.open().await {
                Ok(stream) => return Ok(stream),
                Err(failure) if failure.exit == Exit::Unavailable => wait_ms = (wait_ms * 2).min(WAIT_MS_MAX),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Waits, and keeps drawing: without a connection ages grow all the same.
    async fn wait(&mut self, ms: u64) -> Result<(), Failure> {
        let waited = tokio::time::sleep(Duration::from_millis(ms));
        tokio::pin!(waited);
        loop {
            self.draw()?;
            tokio::select! {
                () = &mut waited => return Ok(()),
                () = tokio::time::sleep(Duration::from_millis(DRAW_EVERY_MS)) => {}
            }
        }
    }

    async fn read(&mut self, mut stream: Response) -> Result<Ended, Failure> {
        let mut reader = Events::default();
        let mut events = Vec::new();
        let mut draw = tokio::time::interval(Duration::from_millis(DRAW_EVERY_MS));
        draw.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut heard_at = tokio::time::Instant::now();
        loop {
            let silence = Duration::from_millis(SILENCE_MS).saturating_sub(heard_at.elapsed());
            tokio::select! {
                _ = draw.tick() => self.draw()?,
                piece = timeout(silence, stream.chunk()) => match piece {
                    Err(_) => return Ok(Ended::Lost("nothing heard for too long".to_owned())),
                    Ok(Err(error)) => return Ok(Ended::Lost(error.without_url().to_string())),
                    Ok(Ok(None)) => return Ok(Ended::Lost("the server ended the stream".to_owned())),
                    Ok(Ok(Some(piece))) => {
                        heard_at = tokio::time::Instant::now();
                        if let Err(error) = reader.read(&piece, &mut events) {
                            return Ok(Ended::Lost(error.to_string()));
                        }
                        for event in events.drain(..) {
                            if let Some(ended) = self.take(event)? {
                                self.draw()?;
                                return Ok(ended);
                            }
                        }
                    }
                }
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<Option<Ended>, Failure> {
        if let Some(id) = event.id {
            self.last_id = Some(id);
        }
        match event.kind.as_str() {
            "snapshot" => {
                self.screen.clear();
                let Ok(snapshot) = serde_json::from_str::<Snapshot<'_>>(&event.data) else {
                    return Err(Failure::say(Exit::Failure, "the server's snapshot cannot be read"));
                };
                for rate in snapshot.rates {
                    self.show(rate.get())?;
                }
            }
            "rate" => {
                if self.show(&event.data)?
                    && let Some(left) = &mut self.changes_left
                {
                    *left = left.saturating_sub(1);
                    return Ok((*left == 0).then_some(Ended::Enough));
                }
            }
            "bye" => return Ok(Some(Ended::Lost("the server is stopping".to_owned()))),
            // A snapshot follows `resync`; what venues do is in each rate's `degraded`.
            _ => {}
        }
        Ok(None)
    }

    /// Shows a rate; `false` if there is nothing new to see.
    fn show(&mut self, text: &str) -> Result<bool, Failure> {
        // A rate of a newer version that cannot be read is left out rather than ending everything.
        let Ok(rate) = serde_json::from_str::<RateAnswer>(text) else { return Ok(false) };
        match self.form {
            Form::Table => {
                self.screen.take(rate, self.clock.now().millis());
                Ok(true)
            }
            Form::Tabs => {
                let now = (value_of(&rate), rate.state.clone(), rate.sources.clone());
                let is_new = self.written.get(&rate.pair) != Some(&now);
                if is_new {
                    output::write(&rate_line(&rate))?;
                    self.written.insert(rate.pair, now);
                }
                Ok(is_new)
            }
            Form::Json => output::write(&format!("{text}\n")).map(|()| true),
        }
    }

    fn draw(&mut self) -> Result<(), Failure> {
        if self.form != Form::Table {
            return Ok(());
        }
        let rows_max =
            terminal_size::terminal_size().map_or(24, |(_, height)| usize::from(height.0)).saturating_sub(1);
        let colour = output::has_colour(std::io::stdout().is_terminal());
        let (place, now_ms) = (self.client.place(), self.now_ms());
        output::write(&self.screen.draw(&place, &self.link, now_ms, rows_max, colour))
    }

    /// In a pipe the state of the connection goes to standard error; the table says it in its first line.
    fn tell(&self, text: &str) {
        if self.form != Form::Table {
            output::say(&format!("rates: {text}"));
        }
    }
}
