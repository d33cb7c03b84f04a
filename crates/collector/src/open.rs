//! A WebSocket while it is open: subscribes, answers, pings, reads, and notices silence.
//! It must not know how it was dialled, nor what comes after it.

use crate::{
    dial::Socket,
    limiter::Window,
    publish::Publisher,
    session::{Cause, End, Ended, Event, Session},
    subscriptions::{About, Patience, Subscriptions, Wants},
    unread::Unread,
    words,
};
use futures_util::{SinkExt, StreamExt};
use market::Timestamp;
use std::time::Duration;
use tokio_tungstenite::tungstenite::{self, Message};
use venue::{Frame, Limit, Ping, PingFrame, Problem, Reader, Said, Ws};

/// Places among the events that troubles do not take: no session tells more state changes than that.
const EVENTS_KEPT_FREE: usize = 16;

/// An open session.
pub struct Open {
    session: Session,
    ws: Ws,
    socket: Socket,
    reader: Reader,
    publisher: Publisher,
    subscriptions: Subscriptions,
    said: Vec<Said>,
    sent: Window,
    ping: Option<Ping>,
    opened_at: Timestamp,
    ready: bool,
    first_data: Option<Timestamp>,
    last_data: Option<Timestamp>,
    last_frame: Timestamp,
    pinged_at: Timestamp,
    unreadable: u64,
    unreadable_since_data: Option<String>,
    unread: Unread,
    /// Why the frame at hand gave nothing, and whether that means that it cannot be read.
    puzzle: Option<(String, bool)>,
    gave_data: bool,
    retire_at: Option<Timestamp>,
    told_covered: bool,
    told_replace: bool,
}

impl Open {
    /// Right after the handshake.
    pub fn new(session: Session, ws: Ws, socket: Socket, ping: Option<Ping>) -> Open {
        let now = session.context.clock.now();
        let timing = &session.context.settings.timing;
        let patience = Patience::new(&ws, timing.delisted_retry, timing.rate_limited_pause);
        // Never later than the venue's word: connections that began together do not end together.
        let secrets = ws.headers.iter().map(|(_, value)| value.clone()).collect();
        let lifetime = ws.lifetime_ms.map(|ms| ms - fastrand::u64(0..=ms / 10));
        Open {
            reader: session.venue.reader(),
            publisher: Publisher::new(
                session.venue.id().clone(),
                session.context.broker.clone(),
                session.permit.clone(),
            ),
            subscriptions: Subscriptions::new(ws.subscribes_by_url, patience),
            said: Vec::new(),
            sent: Window::default(),
            ping,
            opened_at: now,
            ready: false,
            first_data: None,
            last_data: None,
            last_frame: now,
            pinged_at: now,
            unreadable: 0,
            unreadable_since_data: None,
            unread: Unread::new(session.venue.clone(), secrets, session.cell.clone()),
            puzzle: None,
            gave_data: false,
            retire_at: lifetime.map(|ms| now.plus_millis(i64::try_from(ms).unwrap_or(i64::MAX))),
            told_covered: false,
            told_replace: false,
            session,
            ws,
            socket,
        }
    }

    fn now(&self) -> Timestamp {
        self.session.context.clock.now()
    }

    /// Lives it. Only ever returns.
    pub async fn run(mut self) -> End {
        let (cause, words) = match self.live().await {
            Ok(()) => (Cause::Stopped, String::new()),
            Err(ended) => ended,
        };
        if cause == Cause::Stopped {
            self.drain().await;
        }
        if self.unreadable > 1 {
            tracing::warn!(venue = %self.session.venue.id(), frames = self.unreadable, "frames could not be read");
        }
        let flowed = match (self.first_data, self.last_data) {
            (Some(first), Some(last)) => {
                Duration::from_millis(u64::try_from(last.millis_since(first)).unwrap_or(0))
            }
            _ => Duration::ZERO,
        };
        End { cause, words, flowed }
    }

    /// Until it is stopped (`Ok`) or ends by itself.
    async fn live(&mut self) -> Result<(), Ended> {
        let wants = self.session.wants.borrow_and_update().clone();
        self.follow(&wants);
        let look_every = self.session.context.settings.timing.look_every;
        let stop = self.session.stop.clone();
        let mut wants_open = true;
        let timer = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(timer);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                frame = self.socket.next() => {
                    self.frame(frame).await?;
                    // The timer is left alone, so that a frame costs no more than itself.
                    if self.subscriptions.is_waiting() {
                        self.send_waiting().await?;
                    }
                }
                changed = self.session.wants.changed(), if wants_open => {
                    wants_open = changed.is_ok();
                    let wants = self.session.wants.borrow_and_update().clone();
                    self.follow(&wants);
                    timer.as_mut().reset(tokio::time::Instant::now());
                }
                () = &mut timer => {
                    let wait = self.housekeeping().await?.min(look_every);
                    timer.as_mut().reset(tokio::time::Instant::now() + wait);
                }
            }
        }
    }

    fn follow(&mut self, wants: &Wants) {
        let now = self.now();
        let covers = self.session.replaces && self.subscriptions.is_empty();
        let difference = self.subscriptions.follow(&self.ws, wants, covers, now);
        if difference.is_empty() {
            return;
        }
        self.reader.unfollow(&difference.removed);
        let added: Vec<_> = difference.added.iter().map(|(symbol, _)| symbol.clone()).collect();
        self.reader.follow(&added);
        for (symbol, _) in difference.added.iter().filter(|(_, allow_negative)| *allow_negative) {
            self.reader.allow_negative(symbol);
        }
        if self.ws.subscribes_by_url && self.ready {
            self.replace("symbols", "the symbols stand in the address, and have changed".to_owned());
        }
    }

    /// What time asks for; how long it may rest then.
    async fn housekeeping(&mut self) -> Result<Duration, Ended> {
        let now = self.now();
        // What waited for its permit does not wait for the next frame.
        self.publisher.flush(now);
        self.judge_silence(now)?;
        if self.retire_at.is_some_and(|at| now >= at) {
            self.replace("lifetime", "the connection reached its age".to_owned());
        }
        for symbol in self.subscriptions.look(&self.ws, now) {
            tracing::debug!(venue = %self.session.venue.id(), %symbol, "asked for again, since no data came");
        }
        let rest = self.ping_if_due(now).await?;
        Ok(rest.min(self.send_waiting().await?))
    }

    fn judge_silence(&mut self, now: Timestamp) -> Result<(), Ended> {
        let since = self.last_data.unwrap_or(self.opened_at);
        let silent_ms = now.millis_since(since);
        if !self.subscriptions.expects_data()
            || silent_ms < i64::try_from(self.ws.silence_ms).unwrap_or(i64::MAX)
        {
            return Ok(());
        }
        match self.unreadable_since_data.take() {
            Some(detail) => {
                Err((Cause::Unreadable, format!("nothing readable for {silent_ms} ms; last: {detail}")))
            }
            None => Err((Cause::Silent, format!("no data for {silent_ms} ms"))),
        }
    }

    /// Our own ping, and whether the one before was answered.
    async fn ping_if_due(&mut self, now: Timestamp) -> Result<Duration, Ended> {
        let Some(ping) = self.ping.clone() else { return Ok(Duration::MAX) };
        let waited = u64::try_from(now.millis_since(self.pinged_at)).unwrap_or(0);
        if let Some(within) = ping.answer_within_ms
            && self.pinged_at > self.opened_at
            && self.last_frame < self.pinged_at
            && waited >= within
        {
            return Err((Cause::Unanswered, format!("nothing came for {waited} ms after a ping")));
        }
        if waited < ping.every_ms {
            let is_answered = self.last_frame >= self.pinged_at;
            let until_answer =
                ping.answer_within_ms.filter(|_| !is_answered).map(|within| within.saturating_sub(waited));
            return Ok(Duration::from_millis(
                (ping.every_ms - waited).min(until_answer.unwrap_or(u64::MAX)).max(1),
            ));
        }
        self.pinged_at = now;
        let message = match ping.frame {
            PingFrame::Protocol => Message::Ping(Default::default()),
            PingFrame::Text => Message::text(self.ws.ping_text(self.subscriptions.next_id(), now.millis())),
        };
        self.send(message).await?;
        Ok(Duration::from_millis(ping.every_ms.min(ping.answer_within_ms.unwrap_or(u64::MAX))))
    }

    /// Sends the subscriptions that the limit lets pass; how long until the next one may.
    async fn send_waiting(&mut self) -> Result<Duration, Ended> {
        let settle = i64::try_from(self.ws.settle_ms).unwrap_or(i64::MAX);
        let settled_ms = self.now().millis_since(self.opened_at);
        if self.ws.waits_for_welcome && !self.ready {
            return Ok(Duration::MAX);
        }
        if settled_ms < settle {
            return Ok(Duration::from_millis((settle - settled_ms).unsigned_abs()));
        }
        self.ready = true;
        // One place in the limit is left free for pongs and pings.
        let limit =
            self.ws.messages.map(|limit| Limit { count: limit.count.saturating_sub(1).max(1), ..limit });
        while self.subscriptions.is_ready(self.now()) {
            let now = self.now();
            if let Some(wait) = limit.map(|limit| self.sent.wait(limit, now)).filter(|wait| !wait.is_zero()) {
                return Ok(wait);
            }
            let Some(frame) = self.subscriptions.take(now) else { break };
            self.send(Message::text(frame.text)).await?;
        }
        Ok(if self.subscriptions.is_waiting() { Duration::from_millis(50) } else { Duration::MAX })
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        self.count_sent();
        let timeout = self.session.context.settings.timing.send_timeout;
        match tokio::time::timeout(timeout, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(closed(&error)),
            Err(_) => Err((Cause::Closed, format!("the venue takes nothing from us for {timeout:?}"))),
        }
    }

    fn count_sent(&mut self) {
        if let Some(limit) = self.ws.messages {
            self.sent.add(self.session.context.clock.now());
            self.sent.forget_beyond(limit.count);
        }
    }

    async fn frame(&mut self, frame: Option<Result<Message, tungstenite::Error>>) -> Result<(), Ended> {
        let now = self.now();
        self.last_frame = now;
        match frame {
            None => Err((Cause::Closed, "the connection was closed".to_owned())),
            Some(Err(error)) => Err(closed(&error)),
            Some(Ok(Message::Text(text))) => self.read(Frame::Text(text.as_bytes()), now).await,
            Some(Ok(Message::Binary(bytes))) => self.read(Frame::Binary(&bytes), now).await,
            Some(Ok(Message::Ping(_))) => {
                // The pong goes out by itself, but it counts.
                self.count_sent();
                Ok(())
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Ok(Message::Close(frame))) => Err((
                Cause::Closed,
                frame.map_or_else(
                    || "the venue closed the connection".to_owned(),
                    |frame| {
                        format!(
                            "the venue closed the connection: {} {}",
                            u16::from(frame.code),
                            words::plain(&frame.reason)
                        )
                    },
                ),
            )),
        }
    }

    async fn read(&mut self, frame: Frame<'_>, now: Timestamp) -> Result<(), Ended> {
        if let Some(tap) = &self.session.context.tap {
            let (Frame::Text(bytes) | Frame::Binary(bytes)) = frame;
            tap.frame(bytes);
        }
        self.gave_data = false;
        if self.parse(frame) {
            let mut said = std::mem::take(&mut self.said);
            for said in said.drain(..) {
                self.said(said, now).await?;
            }
            self.said = said;
            self.publisher.flush(now);
            if !self.told_covered && self.first_data.is_some() && self.subscriptions.is_covered() {
                self.told_covered = true;
                self.tell(Event::Covered);
            }
        }
        if let Some((reason, is_unreadable)) = self.puzzle.take()
            && (is_unreadable || !self.gave_data)
        {
            self.unread.keep(frame, &reason, now);
            if is_unreadable {
                self.unreadable_since_data = Some(reason);
            }
        }
        Ok(())
    }

    /// Reads one frame into `said`; one that cannot be read is counted and kept.
    fn parse(&mut self, frame: Frame<'_>) -> bool {
        self.said.clear();
        let Err(error) = self.reader.read(frame, &mut self.said) else { return true };
        self.session.meters.unreadable(error.reason);
        self.unreadable += 1;
        let detail = words::plain(&self.unread.hide(&error.to_string()));
        if self.unreadable == 1 {
            tracing::warn!(venue = %self.session.venue.id(), reason = error.reason, %detail, "a frame can't be read");
            self.tell(Event::Trouble(format!("a frame can't be read: {detail}")));
        }
        self.puzzle = Some((detail, true));
        // What was read before the mistake still counts.
        !self.said.is_empty()
    }

    async fn said(&mut self, said: Said, now: Timestamp) -> Result<(), Ended> {
        match said {
            // It lives, and gives nothing that could reach a rate.
            Said::Tick(seen) if seen.pair.is_none() => {
                self.subscriptions.not_spot(&seen.symbol, now);
                self.flows(now);
            }
            Said::Tick(seen) => {
                let symbol = seen.symbol.clone();
                if self.publisher.add(seen, now) && self.subscriptions.data(&symbol, now) {
                    self.flows(now);
                }
            }
            Said::Rejected(rejected) => {
                self.session.meters.rejected(rejected.reason.label());
                let said =
                    || format!("{}: {} is no price: {}", rejected.symbol, rejected.field, rejected.reason);
                self.puzzle.get_or_insert_with(|| (said(), false));
                tracing::debug!(venue = %self.session.venue.id(), symbol = %rejected.symbol, field = rejected.field, reason = %rejected.reason, "no price");
            }
            Said::Acknowledged { symbol, id } => {
                self.subscriptions.acknowledged(symbol.as_deref(), id.as_deref());
            }
            Said::Problem(problem) => self.problem(&problem, now),
            Said::Welcome => self.ready = true,
            Said::Reply(text) => self.send(Message::text(text)).await?,
            Said::Reconnect(reason) => self.replace("notice", words::plain(&reason)),
            // Perhaps the venue changed its protocol; if nothing else comes, that is what we say.
            Said::Unknown => {
                self.session.meters.unreadable("unknown");
                self.puzzle = Some(("a message that the venue's file does not describe".to_owned(), true));
            }
            Said::Empty => {
                self.session.meters.unreadable("empty");
                let words =
                    "by its form a message with prices, without a symbol where the venue's file looks";
                self.puzzle = Some((words.to_owned(), true));
            }
            // Perhaps the venue spells its symbols in another way than we ask for them.
            Said::Elsewhere if self.first_data.is_none() => {
                let words = "prices of symbols that nobody asked for";
                self.puzzle.get_or_insert_with(|| (words.to_owned(), true));
            }
            Said::NotBefore(_) | Said::Heartbeat | Said::Ignored | Said::Elsewhere => {}
        }
        Ok(())
    }

    /// What was asked for comes.
    fn flows(&mut self, now: Timestamp) {
        self.last_data = Some(now);
        self.gave_data = true;
        self.unreadable_since_data = None;
        if self.first_data.replace(self.first_data.unwrap_or(now)).is_none() {
            self.tell(Event::Live);
        }
    }

    fn problem(&mut self, problem: &Problem, now: Timestamp) {
        let code =
            problem.code.as_deref().map(|code| format!(" ({})", words::plain(code))).unwrap_or_default();
        let text = words::plain(&self.unread.hide(&problem.text));
        let told = match self.subscriptions.problem(&self.ws, problem, now) {
            About::Symbol(symbol) => format!("{symbol}: {text}{code}"),
            About::Several(count) => format!("one of {count} symbols was refused: {text}{code}"),
            About::Rate | About::Nothing => format!("{text}{code}"),
        };
        self.tell(Event::Trouble(told));
    }

    fn replace(&mut self, label: &'static str, reason: String) {
        if !std::mem::replace(&mut self.told_replace, true) {
            self.tell(Event::Replace(label, reason));
        }
    }

    /// Tells the connection. Mere troubles leave room for what changes its state.
    fn tell(&self, event: Event) {
        let events = &self.session.events;
        let has_room = !matches!(event, Event::Trouble(_)) || events.capacity() > EVENTS_KEPT_FREE;
        if !has_room || events.try_send((self.session.number, event)).is_err() {
            tracing::debug!(venue = %self.session.venue.id(), "an event was dropped");
        }
    }

    /// Says goodbye, and publishes what is still on its way.
    async fn drain(&mut self) {
        let drain_max = self.session.context.settings.timing.drain_max;
        let goodbye = async {
            if self.socket.close(None).await.is_err() {
                return;
            }
            while let Some(Ok(message)) = self.socket.next().await {
                let now = self.session.context.clock.now();
                let frame = match &message {
                    Message::Text(text) => Frame::Text(text.as_bytes()),
                    Message::Binary(bytes) => Frame::Binary(bytes),
                    _ => continue,
                };
                self.said.clear();
                if self.reader.read(frame, &mut self.said).is_ok() {
                    for said in self.said.drain(..) {
                        if let Said::Tick(seen) = said {
                            self.publisher.add(seen, now);
                        }
                    }
                    self.publisher.flush(now);
                }
            }
        };
        if tokio::time::timeout(drain_max, goodbye).await.is_err() {
            tracing::debug!("a connection did not say goodbye in time");
        }
    }
}

fn closed(error: &tungstenite::Error) -> Ended {
    let cause = match error {
        tungstenite::Error::Capacity(_) => Cause::TooBig,
        _ => Cause::Closed,
    };
    (cause, words::causes(error))
}
