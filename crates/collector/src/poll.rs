//! One loop of HTTP requests: as few as the venue allows, within its budget, each timed as a whole, and none
//! before the time that the venue names. It must not know WebSockets, nor what an answer means.

use crate::{
    answers::{Answers, Trouble},
    backoff::Backoff,
    cell::ConnectionCell,
    context::Context,
    limiter::{Host, Kind},
    meters::Meters,
    permit::Permit,
    subscriptions::Wants,
    unread::Unread,
    words,
};
use guard::{Answer, Ask, FetchError, GuardError};
use market::{ConnectionState, PairState, Timestamp};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;
use venue::{Http, Meaning, Request, Venue};

/// One loop of requests.
pub struct Poll {
    /// What all feeds share.
    pub context: Arc<Context>,
    /// The venue; it is polled.
    pub venue: Arc<Venue>,
    /// Replaces the venue's own address.
    pub url: Option<String>,
    /// From one round to the next.
    pub interval: Duration,
    /// What is wanted.
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

/// Why a request failed.
struct Failure {
    state: ConnectionState,
    words: String,
    until: Option<Timestamp>,
    /// Whether the round's other requests would fare no better.
    is_everywhere: bool,
    /// Whether nothing came as far as the venue: no name, no network, nobody listening.
    is_unreached: bool,
}

struct Round {
    poll: Poll,
    http: Http,
    /// The address in use, and how many were tried since one answered.
    address: usize,
    refused: usize,
    answers: Answers,
    etags: HashMap<String, String>,
    /// Whether another collector may have asked the venue until now.
    is_successor: bool,
}

/// After so many failures in a row a loop is no faster than its interval, if the venue had work with them. One
/// that was not even reached is tried again like any connection: its interval may be minutes.
const FAILURES_QUICK: u32 = 3;

impl Poll {
    /// Loops until it is stopped.
    pub async fn run(self) {
        let (stop, cell, context) = (self.stop.clone(), self.cell.clone(), self.context.clone());
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.rounds() => {}
        }
        cell.set(ConnectionState::Stopped, None, None, context.clock.now());
    }

    async fn rounds(self) {
        let Some(http) = self.venue.http() else { return };
        let http = http.with_environment(&*self.context.settings.environment);
        let mut backoff = Backoff::new(self.context.settings.timing.backoff);
        let mut random = fastrand::Rng::new();
        let unread = Unread::new(self.venue.clone(), http.secrets(), self.cell.clone());
        let (context, venue, meters) = (self.context.clone(), self.venue.clone(), self.meters.clone());
        let answers = Answers::new(context, venue, meters, self.permit.clone(), unread);
        let is_successor = self.context.settings.division.is_some();
        let etags = HashMap::new();
        let mut round = Round { http, address: 0, refused: 0, answers, etags, poll: self, is_successor };
        loop {
            let wants = round.poll.wants.borrow_and_update().clone();
            if round.answers.follow(&wants) {
                // The answers differ from those whose versions we know.
                round.etags.clear();
            }
            let result = round.ask_all().await;
            let now = round.now();
            let interval = jittered(round.poll.interval, &mut random);
            let mut wait = match result {
                Ok(()) => {
                    backoff.reset();
                    round.refused = 0;
                    round.show(ConnectionState::Live, None, None, now);
                    interval
                }
                Err(failure) => {
                    let quick = failure.is_unreached || backoff.failures() < FAILURES_QUICK;
                    let wait = backoff.next_wait(&mut random);
                    let wait = if quick { wait } else { wait.max(interval) };
                    let wait = wait.max(round.try_elsewhere(&failure));
                    let until = failure.until.unwrap_or_else(|| now.plus(wait));
                    round.show(failure.state, Some(&failure.words), Some(until), now);
                    wait.max(between(now, until))
                }
            };
            if let Some(at) = round.answers.take_not_before() {
                wait = wait.max(between(now, at));
            }
            round.rest(wait).await;
        }
    }
}

impl Round {
    fn now(&self) -> Timestamp {
        self.poll.context.clock.now()
    }

    /// Where a venue does not serve this place, or cannot be reached, it is asked at its next address, if its own are
    /// asked at all. How long to wait at least: a place is not another one a minute later.
    fn try_elsewhere(&mut self, failure: &Failure) -> Duration {
        let is_refused = failure.state == ConnectionState::GeoBlocked;
        if !is_refused && !failure.is_unreached {
            return Duration::ZERO;
        }
        let addresses = if self.poll.url.is_some() { 1 } else { self.http.addresses() };
        self.refused += 1;
        self.address = (self.address + 1) % addresses;
        if addresses > 1 {
            // Versions of answers are those of one address.
            self.etags.clear();
        }
        match is_refused && self.refused >= addresses {
            true => self.poll.context.settings.timing.geo_blocked_pause,
            false => Duration::ZERO,
        }
    }

    /// Waits for the next round, or until something more is wanted: that is asked for at once, as far as the
    /// venue's budget lets it.
    async fn rest(&mut self, wait: Duration) {
        let fares_well = self.poll.cell.state() == ConnectionState::Live;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            Ok(()) = self.poll.wants.changed(), if fares_well => {}
        }
    }

    /// One round: every request that the wants need. A request refused for its own sake does not keep the
    /// others from being sent; it fails the round only if none succeeds.
    async fn ask_all(&mut self) -> Result<(), Failure> {
        let (alone, together) = self.answers.wanted(self.now());
        let (url, http) = (self.poll.url.as_deref(), self.http.at_address(self.address));
        let mut requests = if together.is_empty() { Vec::new() } else { http.requests(&together, url) };
        requests.extend(alone.iter().flat_map(|symbol| http.requests(std::slice::from_ref(symbol), url)));
        if std::mem::take(&mut self.is_successor) {
            self.count_predecessor(&requests);
        }
        let (mut succeeded, mut failed) = (false, None);
        for request in requests {
            match self.ask(&request).await {
                Ok(()) => succeeded = true,
                Err(failure) if failure.is_everywhere => return Err(failure),
                Err(failure) => {
                    self.answers.set_without_data(&request.symbols, PairState::NoData, self.now());
                    failed = Some(failure);
                }
            }
        }
        match failed {
            Some(failure) if !succeeded => Err(failure),
            Some(failure) => {
                self.poll.cell.set_error(&failure.words);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whoever had the venue before asked as we do, the last time just now: with that in mind the budget holds across
    /// collectors, whatever became of the other.
    fn count_predecessor(&self, requests: &[Request]) {
        let Some(budget) = self.http.budget else { return };
        let interval_ms = u64::try_from(self.poll.interval.as_millis()).unwrap_or(u64::MAX).max(1);
        let rounds = u32::try_from(budget.per_ms / interval_ms + 1).unwrap_or(u32::MAX);
        let mut by_host: HashMap<String, u32> = HashMap::new();
        for url in requests.iter().filter_map(|request| Url::parse(&request.url).ok()) {
            *by_host.entry(words::address(&url)).or_default() += rounds;
        }
        for (host, count) in by_host {
            let host = self.poll.context.hosts.host(&host);
            host.assume(Kind::Request, count.min(budget.count), self.now());
        }
    }

    async fn ask(&mut self, request: &Request) -> Result<(), Failure> {
        let context = self.poll.context.clone();
        let url = Url::parse(&request.url)
            .map_err(|error| failure(format!("the venue's address is none: {error}")))?;
        let host = context.hosts.host(&words::address(&url));
        if let Some(until) = host.held_until(self.now()) {
            return Err(rate_limited("the venue asked us to wait".to_owned(), until));
        }
        host.turn(Kind::Request, self.http.budget, &context.clock).await;
        let etag = self.etags.get(&request.url).cloned();
        let mut headers = request.headers.clone();
        // A row is not trusted, and may name any address: the operator's key goes to the venue's own alone, and
        // to machines that the operator has opened by hand.
        if self.poll.url.is_none()
            || self.http.at_address(self.address).is_own(&request.url)
            || context.guard.is_opened(&url)
        {
            headers.extend_from_slice(&request.key_headers);
        }
        let ask = Ask {
            method: "GET",
            url: &request.url,
            headers: &headers,
            etag: etag.as_deref(),
            body: None,
            timeout: Duration::from_millis(self.http.timeout_ms),
            body_bytes_max: self.http.body_bytes_max,
        };
        match context.http.fetch(&ask).await {
            Ok(answer) => self.answered(request, answer, &host).await,
            Err(FetchError::Blocked(blocked)) => Err(self.blocked(blocked.to_string())),
            Err(error) => {
                let is_unreached = matches!(&error, FetchError::Failed(cause) if cause.is_connect());
                Err(Failure { is_unreached, ..failure(format!("{}: {error}", words::address(&url))) })
            }
        }
    }

    fn blocked(&self, words: String) -> Failure {
        self.answers.set_all(PairState::BlockedAddress, &words);
        Failure { state: ConnectionState::BlockedAddress, ..failure(words) }
    }

    async fn answered(&mut self, request: &Request, answer: Answer, host: &Host) -> Result<(), Failure> {
        let now = self.now();
        let status = answer.status.as_u16();
        if status == 304 {
            // Nothing new: the ticks stand, and go on ageing.
            return Ok(());
        }
        let is_good = (200..300).contains(&status);
        if let Some(tap) = &self.poll.context.tap {
            tap.frame(&answer.body);
        }
        let trouble = self.answers.read(request, &answer.body, is_good, now);
        let told = trouble.as_ref().map(|trouble| format!(": {}", trouble.words)).unwrap_or_default();
        let means = trouble.as_ref().map(|trouble| trouble.means);
        if matches!(status, 429 | 418) || means == Some(Meaning::RateLimited) {
            let pause = self.poll.context.settings.timing.rate_limited_pause;
            let until = answer.retry_at.unwrap_or_else(|| now.plus(pause));
            host.hold_until(until);
            return Err(rate_limited(format!("HTTP {status}, too many requests{told}"), until));
        }
        if let Some(until) = answer.retry_at.filter(|_| !is_good) {
            host.hold_until(until);
        }
        let failed = |words| Err(Failure { until: answer.retry_at, ..failure(words) });
        match (status, trouble) {
            (200..=299, None) => {
                if let Some(etag) = answer.etag {
                    self.etags.insert(request.url.clone(), etag);
                }
                Ok(())
            }
            // The symbols of this request are dealt with; the others go on.
            (200..=299 | 400..=499, Some(Trouble { means: Meaning::UnknownSymbol, words, .. })) => {
                self.poll.cell.set_error(&words);
                Ok(())
            }
            (200..=299, Some(trouble)) => {
                let state = match trouble.is_unreadable {
                    true => ConnectionState::CannotRead,
                    false => ConnectionState::BackingOff,
                };
                Err(Failure { state, is_everywhere: false, ..failure(trouble.words) })
            }
            (451, _) => {
                let words = "HTTP 451: the venue does not serve this place".to_owned();
                Err(Failure { state: ConnectionState::GeoBlocked, ..failure(words) })
            }
            (300..=399, _) => self.redirected(status, answer.location.as_ref()).await,
            (400..=499, _) => {
                Err(Failure { is_everywhere: false, ..failure(format!("HTTP {status}{told}")) })
            }
            _ => failed(format!("HTTP {status}{told}")),
        }
    }

    async fn redirected(&self, status: u16, location: Option<&Url>) -> Result<(), Failure> {
        let Some(location) = location else { return Err(failure(format!("HTTP {status}"))) };
        match self.poll.context.guard.resolve(location).await {
            Err(GuardError::Blocked(blocked)) => {
                Err(self.blocked(format!("HTTP {status} points to where we do not go: {blocked}")))
            }
            _ => {
                let to = words::address(location);
                Err(failure(format!("HTTP {status} points to {to}; redirects are not followed")))
            }
        }
    }

    fn show(&self, state: ConnectionState, error: Option<&str>, until: Option<Timestamp>, now: Timestamp) {
        let cell = &self.poll.cell;
        if !cell.set(state, error, until, now) {
            return;
        }
        let (venue, connection) = (self.poll.venue.id(), cell.id());
        match state {
            ConnectionState::Live => tracing::info!(%venue, connection, ?state, "polling state changed"),
            _ => {
                let reason = error.unwrap_or_default();
                tracing::warn!(%venue, connection, ?state, reason, "polling state changed");
            }
        }
    }
}

fn failure(words: String) -> Failure {
    Failure {
        state: ConnectionState::BackingOff,
        words,
        until: None,
        is_everywhere: true,
        is_unreached: false,
    }
}

fn rate_limited(words: String, until: Timestamp) -> Failure {
    Failure { state: ConnectionState::RateLimited, until: Some(until), ..failure(words) }
}

/// 95 to 105 %.
fn jittered(interval: Duration, random: &mut fastrand::Rng) -> Duration {
    let micros = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
    let span = micros / 20;
    Duration::from_micros(random.u64(micros - span..=micros.saturating_add(span)))
}

fn between(now: Timestamp, until: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(until.micros().saturating_sub(now.micros())).unwrap_or(0))
}
