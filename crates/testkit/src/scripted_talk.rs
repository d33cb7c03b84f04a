//! One connection of a scripted venue: reads by the script's forms, answers, pings, and closes as the venue would.
//! It must not know the other connections.

use crate::{
    fill::{Fill, fill, frame},
    form,
    script::{Message as Form, duration, limit},
    scripted::{Bytes, Cue, Stage, is_beyond},
};
use futures_util::{SinkExt, StreamExt};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

/// The welcome comes so late where it must be waited for.
const WELCOME_AFTER: Duration = Duration::from_millis(60);
/// A connection that was told to go ends after a minute of its time.
const NOTICE: &str = "60s";

/// A channel and a symbol of the script, by index.
pub(crate) type Item = (usize, usize);

/// A connection ended, by whomever.
pub(crate) struct Over;

pub(crate) struct Talk {
    socket: WebSocketStream<Box<dyn Bytes>>,
    pub(crate) number: u64,
    pub(crate) stage: Arc<Stage>,
    opened: Instant,
    welcomed: bool,
    /// Channel and symbol, and the number by which frames name them.
    pub(crate) subscribed: BTreeMap<Item, u64>,
    pub(crate) channels_given: u64,
    received: VecDeque<Instant>,
    pub(crate) requests: usize,
    pub(crate) has_asked: bool,
    pinged_by_client: Instant,
    pub(crate) pings_us: bool,
    pinged: Instant,
    unanswered: Option<(Instant, String)>,
    beat: Instant,
    ends: Option<Instant>,
}

impl Talk {
    pub fn new(socket: WebSocketStream<Box<dyn Bytes>>, number: u64, stage: Arc<Stage>) -> Talk {
        let now = Instant::now();
        let pings_us = stage.script.server_ping.as_ref().is_some_and(|ping| !ping.on_demand);
        // Numbers differ between connections, so that one taken for another shows.
        let channels_given = number * 1_000;
        Talk {
            socket,
            number,
            stage,
            opened: now,
            welcomed: false,
            subscribed: BTreeMap::new(),
            channels_given,
            received: VecDeque::new(),
            requests: 0,
            has_asked: false,
            pinged_by_client: now,
            pings_us,
            pinged: now,
            unanswered: None,
            beat: now,
            ends: None,
        }
    }

    pub async fn run(mut self) {
        let _ = self.live().await;
        let _ = tokio::time::timeout(Duration::from_millis(200), self.socket.close(None)).await;
    }

    async fn live(&mut self) -> Result<(), Over> {
        let mut cues = self.stage.cues.subscribe();
        if !self.stage.script.welcome_first {
            self.welcome().await?;
        }
        let mut clock = tokio::time::interval(self.stage.speed.look);
        loop {
            tokio::select! {
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.read(&text).await?,
                    Some(Ok(Message::Ping(_))) => {
                        self.count();
                        if self.stage.script.ping.as_ref().is_some_and(|ping| ping.form == "protocol" || ping.any) {
                            self.client_pinged();
                        }
                    }
                    Some(Ok(Message::Pong(_))) => {
                        self.count();
                        if self.unanswered.take().is_some() {
                            self.stage.state().pongs += 1;
                        }
                    }
                    Some(Ok(Message::Binary(_))) => self.stage.violation("a binary message"),
                    Some(Ok(Message::Close(_) | Message::Frame(_))) | Some(Err(_)) | None => return Err(Over),
                },
                Ok(cue) = cues.recv() => match cue {
                    Cue::Round(round, at) => self.round((round, at)).await?,
                    Cue::Close => return Err(Over),
                    Cue::Notice => {
                        if let Some(notice) = self.stage.script.notice.clone() {
                            self.ends = Some(Instant::now() + self.stage.scaled(NOTICE));
                            self.say(&notice, &Fill { round: self.stage.now(), ..Fill::default() }, false).await?;
                        }
                    }
                },
                _ = clock.tick() => self.tick().await?,
            }
        }
    }

    async fn welcome(&mut self) -> Result<(), Over> {
        self.welcomed = true;
        match self.stage.script.welcome.clone() {
            Some(text) => self.say(&text, &Fill { round: self.stage.now(), ..Fill::default() }, false).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn say(&mut self, template: &str, with: &Fill, is_data: bool) -> Result<(), Over> {
        if template.is_empty() {
            return Ok(());
        }
        let (bytes, is_binary) = frame(&fill(template, with), self.stage.script.frames, is_data);
        let message = match is_binary {
            true => Message::binary(bytes),
            false => Message::text(String::from_utf8(bytes).expect("a text")),
        };
        self.socket.send(message).await.map_err(|_| Over)
    }

    /// One round of data for what is subscribed.
    async fn round(&mut self, round: (u64, i64)) -> Result<(), Over> {
        for ((channel, symbol), chan) in self.subscribed.clone() {
            self.data((channel, symbol), chan, round, false).await?;
        }
        Ok(())
    }

    pub(crate) async fn data(
        &mut self,
        (channel, symbol): (usize, usize),
        chan: u64,
        round: (u64, i64),
        is_first: bool,
    ) -> Result<(), Over> {
        let stage = self.stage.clone();
        let channel = &stage.script.channel[channel];
        let words = vec![("chan", chan.to_string()), ("channel", channel.name.clone())];
        let with = stage.fill(symbol, round, words);
        for template in if is_first { &channel.first } else { &channel.data } {
            self.say(template, &with, true).await?;
        }
        Ok(())
    }

    fn count(&mut self) {
        if let Some(messages) = &self.stage.script.limits.messages
            && is_beyond(&mut self.received, limit(messages), self.stage.speed.slack)
        {
            self.stage.violation(format!("more than {messages} messages"));
            self.ends = Some(Instant::now());
        }
    }

    fn client_pinged(&mut self) {
        self.pinged_by_client = Instant::now();
        self.stage.state().pings += 1;
    }

    async fn read(&mut self, text: &str) -> Result<(), Over> {
        let stage = self.stage.clone();
        let script = &stage.script;
        self.count();
        if script.limits.bytes.is_some_and(|most| text.len() > most) {
            stage.violation(format!("a message of {} bytes", text.len()));
        }
        if !self.welcomed {
            stage.violation(format!("before the welcome: {text}"));
        }
        if script.settle.as_ref().is_some_and(|settle| self.opened.elapsed() < duration(settle) * 19 / 20) {
            stage.violation(format!("too soon after connecting: {text}"));
        }
        if let Some((_, answer)) = &self.unanswered
            && form::read(answer, text, &[], "").is_ok()
        {
            self.unanswered = None;
            stage.state().pongs += 1;
            return Ok(());
        }
        if let Some(ping) = &script.ping
            && let Ok(named) = form::read(&ping.form, text, &[], "")
        {
            self.client_pinged();
            let id = named.values.get("id").cloned().unwrap_or_default();
            let with = Fill { words: vec![("id", id)], round: stage.now(), ..Fill::default() };
            return self.say(&ping.answer, &with, false).await;
        }
        if script.ping.as_ref().is_some_and(|ping| ping.any) {
            self.pinged_by_client = Instant::now();
        }
        match self.form_of(text) {
            Ok((form, kind, named)) => self.asked(&form, kind, named).await,
            Err(reasons) => {
                stage.violation(format!("{text} has no documented form: {reasons}"));
                self.say(&script.refusal, &Fill::default(), false).await
            }
        }
    }

    /// The form that a message has, or where it differs from each.
    fn form_of(&self, text: &str) -> Result<(Form, Kind, form::Named), String> {
        let script = &self.stage.script;
        let kinds = [
            (&script.subscribe, Kind::Begin),
            (&script.unsubscribe, Kind::End),
            (&script.other, Kind::Other),
        ];
        let mut reasons = Vec::new();
        for (forms, kind) in kinds {
            for form in forms {
                let of_variant = script.channel.iter().filter(|channel| channel.variant == form.variant);
                let channels: Vec<&str> = of_variant.map(|channel| channel.name.as_str()).collect();
                match form::read(&form.form, text, &channels, &form.channel) {
                    Ok(named) => return Ok((form.clone(), kind, named)),
                    Err(reason) => reasons.push(reason),
                }
            }
        }
        Err(reasons.join("; "))
    }

    /// What time asks for.
    async fn tick(&mut self) -> Result<(), Over> {
        let stage = self.stage.clone();
        let script = &stage.script;
        let (now, age) = (Instant::now(), self.opened.elapsed());
        if !self.welcomed && age >= WELCOME_AFTER {
            self.welcome().await?;
        }
        let late = |since: Instant, within: Duration| now - since > within + stage.speed.slack;
        if let Some(within) = &script.subscribe_within
            && !self.has_asked
            && late(self.opened, duration(within))
        {
            stage.violation(format!("no subscription within {within}"));
            return Err(Over);
        }
        if let Some(within) = script.ping.as_ref().and_then(|ping| ping.within.as_ref())
            && late(self.pinged_by_client, stage.scaled(within))
        {
            stage.violation(format!("no ping within {within}"));
            return Err(Over);
        }
        self.ping(now).await?;
        if let Some(heartbeat) = script.heartbeat.clone()
            && now - self.beat >= stage.scaled(&heartbeat.every)
        {
            self.beat = now;
            let chans: Vec<u64> = match heartbeat.send.contains("{chan}") {
                true => self.subscribed.values().copied().collect(),
                false => vec![0],
            };
            for chan in chans {
                let words = vec![("chan", chan.to_string())];
                self.say(&heartbeat.send, &Fill { words, round: stage.now(), ..Fill::default() }, false)
                    .await?;
            }
        }
        if self.ends.is_some_and(|at| now >= at) {
            return Err(Over);
        }
        if let Some(lifetime) = &script.lifetime
            && late(self.opened, duration(lifetime) / stage.speed.lifetimes)
        {
            stage.violation(format!("still there after {lifetime}"));
            return Err(Over);
        }
        Ok(())
    }

    /// The venue's own ping, and whether the one before was answered.
    async fn ping(&mut self, now: Instant) -> Result<(), Over> {
        let stage = self.stage.clone();
        let Some(ping) = stage.script.server_ping.as_ref().filter(|_| self.pings_us) else { return Ok(()) };
        if let Some((since, _)) = &self.unanswered
            && now - *since > stage.scaled(&ping.within) + stage.speed.slack
        {
            stage.violation(format!("a ping was not answered within {}", ping.within));
            return Err(Over);
        }
        if self.unanswered.is_some() || now - self.pinged < stage.scaled(&ping.every) {
            return Ok(());
        }
        self.pinged = now;
        let with = Fill { round: stage.now(), ..Fill::default() };
        self.unanswered = Some((now, fill(&ping.answer, &with)));
        match ping.send.as_str() {
            "protocol" => self.socket.send(Message::Ping("life".into())).await.map_err(|_| Over),
            text => self.say(text, &with, false).await,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Begin,
    End,
    Other,
}
