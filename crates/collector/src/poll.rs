//! One loop of HTTP requests: as few as the venue allows, within its budget, each timed as a whole, and none
//! before the time that the venue names. It must not know WebSockets.

use crate::{
    backoff::Backoff,
    cell::{ConnectionCell, PairCell},
    context::Context,
    http::{Answer, Ask, FetchError},
    limiter::{Host, Kind},
    meters::Meters,
    publish::Publisher,
    subscriptions::Wants,
    words,
};
use market::{ConnectionState, PairState, Timestamp};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;
use venue::{Frame, Http, Meaning, Reader, Request, Said, Symbol, Venue};

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
    /// Ends it.
    pub stop: CancellationToken,
}

/// Why a round failed.
struct Failure {
    state: ConnectionState,
    words: String,
    until: Option<Timestamp>,
}

struct Round {
    poll: Poll,
    http: Http,
    reader: Reader,
    publisher: Publisher,
    said: Vec<Said>,
    followed: Vec<(Symbol, bool)>,
    cells: HashMap<Arc<str>, Arc<PairCell>>,
    etags: HashMap<String, String>,
    /// Symbols that the venue does not know, and when they are asked for again.
    unknown: HashMap<Arc<str>, Timestamp>,
    /// Symbols asked for one by one, since a request with several was refused.
    suspects: HashSet<Arc<str>>,
    not_before: Option<Timestamp>,
}

/// After so many failures in a row a loop is no faster than its interval.
const FAILURES_QUICK: u32 = 3;

impl Poll {
    /// Loops until it is stopped.
    pub async fn run(self) {
        let stop = self.stop.clone();
        let cell = self.cell.clone();
        let context = self.context.clone();
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
        let mut round = Round {
            http,
            reader: self.venue.reader(),
            publisher: Publisher::new(self.venue.id().clone(), self.context.broker.clone()),
            said: Vec::new(),
            followed: Vec::new(),
            cells: HashMap::new(),
            etags: HashMap::new(),
            unknown: HashMap::new(),
            suspects: HashSet::new(),
            not_before: None,
            poll: self,
        };
        loop {
            round.follow();
            let result = round.ask_all().await;
            let now = round.now();
            let interval = jittered(round.poll.interval, &mut random);
            let mut wait = match result {
                Ok(()) => {
                    backoff.reset();
                    round.show(ConnectionState::Live, None, None, now);
                    interval
                }
                Err(failure) => {
                    let quick = backoff.failures() < FAILURES_QUICK;
                    let wait = backoff.next_wait(&mut random);
                    let wait = if quick { wait } else { wait.max(interval) };
                    let until = failure.until.unwrap_or_else(|| plus(now, wait));
                    round.show(failure.state, Some(&failure.words), Some(until), now);
                    wait.max(between(now, until))
                }
            };
            if let Some(at) = round.not_before.take() {
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

    /// Waits for the next round, or until something more is wanted: that is asked for at once, as far as the
    /// venue's budget lets it.
    async fn rest(&mut self, wait: Duration) {
        let held = self.poll.cell.state() != ConnectionState::Live;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            Ok(()) = self.poll.wants.changed(), if !held => {}
        }
    }

    fn follow(&mut self) {
        let wants = self.poll.wants.borrow_and_update().clone();
        let followed: Vec<_> = wants.iter().map(|wanted| (wanted.want.symbol.clone(), wanted.want.allow_negative)).collect();
        self.cells = wants.iter().map(|wanted| (wanted.want.symbol.name.clone(), wanted.cell.clone())).collect();
        if followed == self.followed {
            return;
        }
        let before: Vec<_> = self.followed.drain(..).map(|(symbol, _)| symbol).collect();
        self.reader.unfollow(&before);
        let symbols: Vec<_> = followed.iter().map(|(symbol, _)| symbol.clone()).collect();
        self.reader.follow(&symbols);
        for (symbol, _) in followed.iter().filter(|(_, allow_negative)| *allow_negative) {
            self.reader.allow_negative(symbol);
        }
        self.followed = followed;
        // The answers differ from those whose versions we know.
        self.etags.clear();
    }

    /// One round: every request that the wants need. The first failure ends it.
    async fn ask_all(&mut self) -> Result<(), Failure> {
        let now = self.now();
        self.unknown.retain(|_, at| now < *at);
        let known = self.followed.iter().map(|(symbol, _)| symbol).filter(|symbol| !self.unknown.contains_key(&symbol.name));
        let (alone, together): (Vec<Symbol>, Vec<Symbol>) = known.cloned().partition(|symbol| self.suspects.contains(&symbol.name));
        let url = self.poll.url.clone();
        let mut requests = Vec::new();
        if !together.is_empty() {
            requests.extend(self.http.requests(&together, url.as_deref()));
        }
        for symbol in alone {
            requests.extend(self.http.requests(std::slice::from_ref(&symbol), url.as_deref()));
        }
        for request in requests {
            self.ask(&request).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, request: &Request) -> Result<(), Failure> {
        let context = self.poll.context.clone();
        let refused = |words: String| Failure { state: ConnectionState::BackingOff, words, until: None };
        let url = Url::parse(&request.url).map_err(|error| refused(format!("the venue's address is none: {error}")))?;
        let host = context.hosts.host(&words::address(&url));
        host.turn(Kind::Request, self.http.budget, &context.clock).await;
        let etag = self.etags.get(&request.url).cloned();
        let ask = Ask {
            method: "GET",
            url: &request.url,
            headers: &request.headers,
            etag: etag.as_deref(),
            timeout: Duration::from_millis(self.http.timeout_ms),
            body_bytes_max: self.http.body_bytes_max,
        };
        match context.http.fetch(&ask).await {
            Ok(answer) => self.answered(request, answer, &host).await,
            Err(FetchError::Blocked(blocked)) => Err(self.blocked(blocked.to_string())),
            Err(error) => Err(refused(format!("{}: {error}", words::address(&url)))),
        }
    }

    fn blocked(&self, words: String) -> Failure {
        for cell in self.cells.values() {
            cell.set(PairState::BlockedAddress);
        }
        Failure { state: ConnectionState::BlockedAddress, words, until: None }
    }

    async fn answered(&mut self, request: &Request, answer: Answer, host: &Host) -> Result<(), Failure> {
        let now = self.now();
        let status = answer.status.as_u16();
        if status == 304 {
            // Nothing new: the ticks stand, and go on ageing.
            return Ok(());
        }
        let problem = self.read(request, &answer.body, (200..300).contains(&status), now);
        let told = problem.as_ref().map(|(_, words)| format!(": {words}")).unwrap_or_default();
        let means = problem.as_ref().map(|(means, _)| *means);
        match status {
            429 | 418 => return Err(self.rate_limited(answer.retry_at, format!("HTTP {status}{told}"), host, now)),
            _ if means == Some(Meaning::RateLimited) => {
                return Err(self.rate_limited(answer.retry_at, format!("too many requests{told}"), host, now));
            }
            _ => {}
        }
        if let Some(until) = answer.retry_at.filter(|_| status >= 300) {
            host.hold_until(until);
        }
        let failure = |state, words| Err(Failure { state, words, until: answer.retry_at });
        match status {
            200..=299 => {}
            451 => return failure(ConnectionState::GeoBlocked, "HTTP 451: the venue does not serve this place".to_owned()),
            300..=399 => return self.redirected(status, answer.location.as_ref()).await,
            // The symbols of this request are dealt with; the others go on.
            _ if means == Some(Meaning::UnknownSymbol) => return Ok(()),
            _ => return failure(ConnectionState::BackingOff, format!("HTTP {status}{told}")),
        }
        match problem {
            Some((Meaning::Error, words)) => failure(ConnectionState::BackingOff, words),
            Some((Meaning::UnknownSymbol | Meaning::RateLimited, words)) => {
                self.poll.cell.set_error(&words);
                Ok(())
            }
            None => {
                if let Some(etag) = answer.etag {
                    self.etags.insert(request.url.clone(), etag);
                }
                Ok(())
            }
        }
    }

    fn rate_limited(&self, until: Option<Timestamp>, words: String, host: &Host, now: Timestamp) -> Failure {
        let until = until.unwrap_or_else(|| plus(now, self.poll.context.settings.timing.rate_limited_pause));
        host.hold_until(until);
        Failure { state: ConnectionState::RateLimited, words, until: Some(until) }
    }

    async fn redirected(&self, status: u16, location: Option<&Url>) -> Result<(), Failure> {
        let Some(location) = location else {
            return Err(Failure { state: ConnectionState::BackingOff, words: format!("HTTP {status}"), until: None });
        };
        let words = match self.poll.context.guard.resolve(location).await {
            Err(crate::guard::GuardError::Blocked(blocked)) => {
                return Err(self.blocked(format!("HTTP {status} points to where we do not go: {blocked}")));
            }
            _ => format!("HTTP {status} points to {}; redirects are not followed", words::address(location)),
        };
        Err(Failure { state: ConnectionState::BackingOff, words, until: None })
    }

    /// Reads a body and publishes what it says; a problem that it reports, if any. `complete`: it should
    /// mention every symbol of the request.
    fn read(&mut self, request: &Request, body: &[u8], complete: bool, now: Timestamp) -> Option<(Meaning, String)> {
        let venue = self.poll.venue.id().clone();
        self.said.clear();
        if let Err(error) = self.reader.read(Frame::Text(body), &mut self.said) {
            if !complete {
                return None; // An error page need not be in the venue's form.
            }
            self.poll.meters.unreadable(error.reason);
            return Some((Meaning::Error, words::plain(&error.to_string())));
        }
        let mut missing: HashSet<Arc<str>> = request.symbols.iter().cloned().collect();
        let mut worst = None;
        let mut said = std::mem::take(&mut self.said);
        for said in said.drain(..) {
            match said {
                Said::Tick(seen) => {
                    let symbol = seen.symbol.clone();
                    if self.publisher.add(seen, now)
                        && let Some(cell) = self.cells.get(&symbol)
                    {
                        cell.data(now);
                        missing.remove(&symbol);
                        self.suspects.remove(&symbol);
                    }
                }
                Said::Rejected(rejected) => {
                    self.poll.meters.rejected(rejected.reason.label());
                    tracing::debug!(%venue, symbol = %rejected.symbol, field = rejected.field, reason = %rejected.reason, "no price");
                }
                Said::Problem(problem) => {
                    let code = problem.code.as_deref().map(|code| format!(" ({})", words::plain(code))).unwrap_or_default();
                    let text = format!("{}{code}", words::plain(&problem.text));
                    let means = problem.means;
                    if means == Meaning::UnknownSymbol {
                        self.refused(request, problem.symbol.as_ref(), &mut missing, now);
                    }
                    if worst.as_ref().is_none_or(|(known, _)| severity(means) > severity(*known)) {
                        worst = Some((means, text));
                    }
                }
                Said::Unknown => {
                    self.poll.meters.unreadable("unknown");
                    if complete && worst.is_none() {
                        worst = Some((Meaning::Error, "an answer that the venue's file does not describe".to_owned()));
                    }
                }
                Said::NotBefore(at) => self.not_before = self.not_before.max(Some(at)),
                _ => {}
            }
        }
        self.said = said;
        self.publisher.flush(now);
        if complete && worst.is_none() {
            for cell in missing.iter().filter_map(|symbol| self.cells.get(symbol)) {
                cell.set(PairState::NoData);
            }
        }
        worst
    }

    /// The venue does not know a symbol: this one, or one of the request's.
    fn refused(&mut self, request: &Request, symbol: Option<&Arc<str>>, missing: &mut HashSet<Arc<str>>, now: Timestamp) {
        let one = symbol.or_else(|| request.symbols.first().filter(|_| request.symbols.len() == 1));
        match one {
            Some(symbol) => {
                missing.remove(symbol);
                self.suspects.remove(symbol);
                self.unknown.insert(symbol.clone(), plus(now, self.poll.context.settings.timing.delisted_retry));
                if let Some(cell) = self.cells.get(symbol) {
                    cell.set(PairState::Delisted);
                }
            }
            None => self.suspects.extend(request.symbols.iter().cloned()),
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
            _ => tracing::warn!(%venue, connection, ?state, reason = error.unwrap_or_default(), "polling state changed"),
        }
    }
}

fn severity(means: Meaning) -> u8 {
    match means {
        Meaning::UnknownSymbol => 0,
        Meaning::Error => 1,
        Meaning::RateLimited => 2,
    }
}

/// 95 to 105 %.
fn jittered(interval: Duration, random: &mut fastrand::Rng) -> Duration {
    let micros = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
    let span = micros / 20;
    Duration::from_micros(random.u64(micros - span..=micros.saturating_add(span)))
}

fn plus(now: Timestamp, wait: Duration) -> Timestamp {
    now.plus_millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

fn between(now: Timestamp, until: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(until.micros().saturating_sub(now.micros())).unwrap_or(0))
}
