//! One connection over time: sessions come and go on it, each replaced by the next: at once or after a wait
//! when one broke, and with an overlap when its end was planned. It must not know what is said on the wire.

use crate::{
    backoff::Backoff,
    cell::ConnectionCell,
    context::Context,
    meters::Meters,
    permit::Permit,
    session::{Cause, End, Event, Session},
    subscriptions::Wants,
};
use futures_util::FutureExt;
use market::{ConnectionState, PairState, Timestamp};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use venue::Venue;

/// One connection.
pub struct Connection {
    /// What all feeds share.
    pub context: Arc<Context>,
    /// The venue; it has a WebSocket.
    pub venue: Arc<Venue>,
    /// The addresses, tried in turn.
    pub urls: Vec<String>,
    /// The row's own address, where it has one.
    pub origin: Option<String>,
    /// What is wanted of it.
    pub wants: watch::Receiver<Wants>,
    /// Where its state is told.
    pub cell: Arc<ConnectionCell>,
    /// The venue's counters.
    pub meters: Arc<Meters>,
    /// Lets what it reads pass.
    pub permit: Arc<Permit>,
    /// Ends it.
    pub stop: CancellationToken,
}

/// A session that runs; dropping it tells it to say goodbye.
struct Running {
    number: u64,
    _stop: DropGuard,
    is_live: bool,
    started_at: Timestamp,
}

/// The session that is to replace the current one, or the wait before it is tried.
enum Next {
    None,
    Running(Running),
    At(Timestamp),
}

struct Life {
    connection: Connection,
    events: mpsc::Sender<(u64, Event)>,
    current: Option<Running>,
    next: Next,
    start_at: Timestamp,
    backoff: Backoff,
    next_backoff: Backoff,
    replace_reason: &'static str,
    number: u64,
    url_at: usize,
    /// How many addresses in a row did not serve this place.
    refused: usize,
    random: fastrand::Rng,
    had_session: bool,
}

impl Connection {
    /// Lives until it is stopped.
    pub async fn run(self) {
        let (events, mut inbox) = mpsc::channel(64);
        let now = self.context.clock.now();
        let limits = self.context.settings.timing.backoff;
        let stop = self.stop.clone();
        let mut life = Life {
            events,
            current: None,
            next: Next::None,
            start_at: now,
            backoff: Backoff::new(limits),
            next_backoff: Backoff::new(limits),
            replace_reason: "lifetime",
            number: 0,
            url_at: 0,
            refused: 0,
            random: fastrand::Rng::new(),
            had_session: false,
            connection: self,
        };
        loop {
            let wait = life.step();
            tokio::select! {
                () = stop.cancelled() => break,
                Some((number, event)) = inbox.recv() => life.on(number, event),
                () = tokio::time::sleep(wait) => {}
            }
        }
        // Sessions hold a child of the token: they say goodbye by themselves, within their time limit.
        let now = life.now();
        life.connection.cell.set(ConnectionState::Stopped, None, None, now);
        let drain = life.connection.context.settings.timing.drain_max;
        let mut running =
            usize::from(life.current.is_some()) + usize::from(matches!(life.next, Next::Running(_)));
        while running > 0 {
            match tokio::time::timeout(drain, inbox.recv()).await {
                Ok(Some((_, Event::Ended(_)))) => running -= 1,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }
}

impl Life {
    fn now(&self) -> Timestamp {
        self.connection.context.clock.now()
    }

    /// Starts what is due; how long nothing is due then.
    fn step(&mut self) -> Duration {
        let now = self.now();
        if self.current.is_none() {
            if now < self.start_at {
                return until(self.start_at, now);
            }
            self.current = Some(self.start(false, now));
        }
        match &self.next {
            Next::None => Duration::from_secs(3_600),
            Next::At(at) if now < *at => until(*at, now),
            Next::At(_) => {
                self.next = Next::Running(self.start(true, now));
                self.overlap_max()
            }
            Next::Running(next) => {
                let deadline = next.started_at.plus(self.overlap_max());
                if now < deadline {
                    return until(deadline, now);
                }
                let is_live = next.is_live;
                if is_live {
                    self.promote();
                } else {
                    self.give_up_next(now);
                }
                Duration::ZERO
            }
        }
    }

    fn overlap_max(&self) -> Duration {
        self.connection.context.settings.timing.overlap_max
    }

    fn start(&mut self, replaces: bool, now: Timestamp) -> Running {
        self.number += 1;
        let connection = &self.connection;
        if self.had_session && !replaces {
            connection.cell.reconnected();
        }
        self.had_session = true;
        let stop = connection.stop.child_token();
        let session = Session {
            context: connection.context.clone(),
            venue: connection.venue.clone(),
            url: connection.urls.get(self.url_at % connection.urls.len().max(1)).cloned().unwrap_or_default(),
            origin: connection.origin.clone(),
            wants: connection.wants.clone(),
            replaces,
            stop: stop.clone(),
            events: self.events.clone(),
            number: self.number,
            meters: connection.meters.clone(),
            permit: connection.permit.clone(),
            cell: connection.cell.clone(),
        };
        let (number, events) = (self.number, self.events.clone());
        let supervised = async move {
            // A mistake of ours in reading one venue must not end anything else.
            let end = AssertUnwindSafe(session.run()).catch_unwind().await.unwrap_or_else(|_| End {
                cause: Cause::Panicked,
                words: "the feed failed inside the program".to_owned(),
                flowed: Duration::ZERO,
            });
            if events.send((number, Event::Ended(end))).await.is_err() {
                tracing::debug!("a session outlived its connection");
            }
        };
        drop(tokio::spawn(supervised));
        Running { number, _stop: stop.drop_guard(), is_live: false, started_at: now }
    }

    fn on(&mut self, number: u64, event: Event) {
        let now = self.now();
        let is_current = self.current.as_ref().is_some_and(|current| current.number == number);
        let is_next = matches!(&self.next, Next::Running(next) if next.number == number);
        match event {
            Event::Live if is_current => {
                if let Some(current) = &mut self.current {
                    current.is_live = true;
                }
                self.show(ConnectionState::Live, None, None, now);
            }
            Event::Live if is_next => {
                if let Next::Running(next) = &mut self.next {
                    next.is_live = true;
                }
            }
            Event::Covered if is_next => self.promote(),
            Event::Replace(label, reason) if is_current && matches!(self.next, Next::None) => {
                tracing::info!(venue = %self.connection.venue.id(), connection = self.connection.cell.id(), %reason, "connection is being replaced");
                self.replace_reason = label;
                if let Some(current) = &self.current {
                    let age = u64::try_from(now.millis_since(current.started_at)).unwrap_or(0);
                    self.next_backoff.flowed_for(Duration::from_millis(age));
                }
                self.next = Next::At(self.next_try(now));
            }
            // The replacement is out of date already: it is replaced in turn once it has taken over.
            Event::Replace(label, _) if is_next => self.replace_reason = label,
            Event::Trouble(text) if is_current || is_next => {
                tracing::debug!(venue = %self.connection.venue.id(), connection = self.connection.cell.id(), %text, "the venue reports an error");
                self.connection.cell.set_error(&text);
            }
            Event::Ended(end) if is_current => self.current_ended(&end, now),
            Event::Ended(end) if is_next => {
                self.connection.cell.set_error(&end.words);
                self.give_up_next(now);
            }
            _ => {}
        }
    }

    /// When a replacement is tried: at once, unless the last ones were replaced soon too. A venue that tells
    /// every connection to reconnect is not hammered.
    fn next_try(&mut self, now: Timestamp) -> Timestamp {
        let wait = self.next_backoff.next_wait(&mut self.random);
        now.plus(wait)
    }

    /// The new session takes over; the old one says goodbye.
    fn promote(&mut self) {
        let Next::Running(next) = std::mem::replace(&mut self.next, Next::None) else { return };
        let now = self.now();
        let state = if next.is_live { ConnectionState::Live } else { ConnectionState::Connecting };
        self.current = Some(next);
        self.connection.cell.reconnected();
        self.connection.meters.reconnect(self.replace_reason);
        self.show(state, None, None, now);
    }

    /// The replacement failed while the old session goes on.
    fn give_up_next(&mut self, now: Timestamp) {
        self.url_at = self.url_at.wrapping_add(1);
        self.next = Next::At(self.next_try(now));
    }

    fn current_ended(&mut self, end: &End, now: Timestamp) {
        self.current = None;
        self.connection.meters.reconnect(end.cause.label());
        self.backoff.flowed_for(end.flowed);
        match std::mem::replace(&mut self.next, Next::None) {
            Next::Running(next) => {
                let state = if next.is_live { ConnectionState::Live } else { ConnectionState::Connecting };
                self.current = Some(next);
                self.connection.cell.reconnected();
                self.show(state, Some(&end.words), None, now);
                return;
            }
            // Its replacement was due anyway.
            Next::At(_) | Next::None => {}
        }
        if !matches!(end.cause, Cause::Silent | Cause::Closed | Cause::Unanswered | Cause::TooBig)
            || end.flowed.is_zero()
        {
            self.url_at = self.url_at.wrapping_add(1);
        }
        self.refused = if end.cause == Cause::GeoBlocked { self.refused + 1 } else { 0 };
        let mut wait = self.backoff.next_wait(&mut self.random);
        if self.refused >= self.connection.urls.len().max(1) {
            // A place is not another one a minute later.
            wait = wait.max(self.connection.context.settings.timing.geo_blocked_pause);
        }
        let mut start_at = now.plus(wait);
        let state = match end.cause {
            Cause::RateLimited(until) => {
                start_at = until.map_or(start_at, |until| until.max(start_at));
                ConnectionState::RateLimited
            }
            Cause::Silent => ConnectionState::Silent,
            Cause::Unreadable => ConnectionState::CannotRead,
            Cause::GeoBlocked => ConnectionState::GeoBlocked,
            Cause::Blocked => ConnectionState::BlockedAddress,
            Cause::Stopped => ConnectionState::Stopped,
            Cause::Refused | Cause::Closed | Cause::TooBig | Cause::Unanswered | Cause::Panicked => {
                ConnectionState::BackingOff
            }
        };
        if state == ConnectionState::BlockedAddress {
            for wanted in self.connection.wants.borrow().iter() {
                wanted.cell.set_because(PairState::BlockedAddress, &end.words);
            }
        }
        self.start_at = start_at;
        self.show(state, Some(&end.words), Some(start_at), now);
    }

    /// Tells a state, and logs it once per change; what repeats is counted by `reconnects`.
    fn show(&self, state: ConnectionState, error: Option<&str>, until: Option<Timestamp>, now: Timestamp) {
        let cell = &self.connection.cell;
        if !cell.set(state, error, until, now) {
            return;
        }
        let (venue, connection) = (self.connection.venue.id(), cell.id());
        let reason = error.unwrap_or_default();
        match state {
            ConnectionState::Live | ConnectionState::Connecting | ConnectionState::Stopped => {
                tracing::info!(%venue, connection, ?state, "connection state changed");
            }
            _ => {
                tracing::warn!(%venue, connection, ?state, reason, failures = self.backoff.failures(), "connection state changed");
            }
        }
    }
}

/// Rounded up, so that waking up finds it due.
fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(at.micros().saturating_sub(now.micros())).unwrap_or(0))
        + Duration::from_millis(1)
}
