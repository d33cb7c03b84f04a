//! Rows become a plan: what each row is, and which symbols are wanted from which address. Pure; a row is
//! untrusted to the last character. It must not know sockets, nor what runs already.

use crate::{
    catalogue::{Catalogue, Found},
    settings::Environment,
    words,
};
use guard::Guard;
use market::{Pair, PairSpec, VenueId};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};
use store::TradeRow;
use url::Url;
use venue::{Http, Symbol, Venue};

/// How a feed is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// A WebSocket.
    Stream,
    /// HTTP requests at this interval.
    Poll {
        /// From one to the next.
        interval_ms: i64,
    },
}

/// What shares connections and requests: rows of one venue at one address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedKey {
    /// The venue.
    pub venue: VenueId,
    /// The address that replaces the venue's own.
    pub url: Option<String>,
    /// How it is carried.
    pub transport: Transport,
}

/// One wanted symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The pair as the venue spells it.
    pub symbol: Symbol,
    /// Past this age its ticks are stale.
    pub stale_after_ms: i64,
    /// Past this age they are refused.
    pub expire_after_ms: i64,
    /// Whether prices below zero are believed.
    pub allow_negative: bool,
}

/// A feed: the venue and what is wanted of it.
#[derive(Debug, Clone)]
pub struct Feed {
    /// The venue.
    pub venue: Arc<Venue>,
    /// The symbols, in the order of the rows, each once.
    pub wants: Vec<Want>,
}

/// What a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It runs, in this feed, with these pairs.
    Runs {
        /// The feed.
        feed: FeedKey,
        /// The pairs.
        pairs: Vec<Pair>,
    },
    /// Switched off by the operator.
    Disabled,
    /// It cannot run: the column and the reason.
    Invalid(String),
    /// Its address must not be dialled: the reason.
    Blocked(String),
}

/// A row and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRow {
    /// The row's id.
    pub id: i64,
    /// The venue under whose name it is reported; [`UNKNOWN_VENUE`] for a row whose venue is none.
    pub venue: VenueId,
    /// What it is.
    pub verdict: Verdict,
}

/// What should run.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Every row, by id.
    pub rows: Vec<PlannedRow>,
    /// Every feed.
    pub feeds: BTreeMap<FeedKey, Feed>,
}

/// The name under which rows are reported whose venue column names no venue.
pub const UNKNOWN_VENUE: &str = "unknown";

/// The most pairs that one row may give.
const PAIRS_MAX: usize = 10_000;
/// The longest text of a column that is looked at.
const TEXT_MAX: usize = 64 * 1024;
/// The longest address.
const URL_MAX: usize = 2_048;
/// Polling more often than this is a mistake.
const INTERVAL_MS_MIN: i64 = 100;
/// Ten years; more is a mistake, and less than what would overflow.
const TIME_MS_MAX: i64 = 315_360_000_000;

/// What applies to every row.
#[derive(Clone)]
pub struct Planner {
    /// Judges addresses.
    pub guard: Guard,
    /// Where venue files find their keys.
    pub environment: Environment,
    /// Replaces every venue's `stale_after`.
    pub stale_after_ms: Option<i64>,
    /// Replaces every venue's `expire_after`.
    pub expire_after_ms: Option<i64>,
}

impl Planner {
    /// The plan of these rows. A pair that two rows want of the same address is subscribed once, as the
    /// first of them says.
    pub fn plan(&self, rows: &[TradeRow], catalogue: &Catalogue) -> Plan {
        let mut plan = Plan::default();
        let mut polled = HashMap::new();
        let mut taken: HashSet<(VenueId, Option<String>, Pair)> = HashSet::new();
        for row in rows {
            let venue = self.reported_under(row, catalogue);
            let verdict = match self.read(row, catalogue, &mut polled) {
                Err(verdict) => verdict,
                Ok((venue, key, wants)) => {
                    let pairs = wants.iter().map(|want| want.symbol.pair.clone()).collect();
                    let feed =
                        plan.feeds.entry(key.clone()).or_insert_with(|| Feed { venue, wants: Vec::new() });
                    for want in wants {
                        if taken.insert((key.venue.clone(), key.url.clone(), want.symbol.pair.clone())) {
                            feed.wants.push(want);
                        }
                    }
                    Verdict::Runs { feed: key, pairs }
                }
            };
            plan.rows.push(PlannedRow { id: row.id, venue, verdict });
        }
        plan.feeds.retain(|_, feed| !feed.wants.is_empty());
        plan
    }

    fn reported_under(&self, row: &TradeRow, catalogue: &Catalogue) -> VenueId {
        let named = row.venue.as_deref().filter(|name| !matches!(catalogue.find(name), Found::Unknown));
        named
            .and_then(|name| VenueId::parse(name).ok())
            .or_else(|| VenueId::parse(UNKNOWN_VENUE).ok())
            .unwrap_or_else(|| unreachable!("the constant is a name"))
    }

    /// Reads one row; `Err` is why it does not run.
    fn read(
        &self,
        row: &TradeRow,
        catalogue: &Catalogue,
        polled: &mut HashMap<VenueId, Option<Http>>,
    ) -> Result<(Arc<Venue>, FeedKey, Vec<Want>), Verdict> {
        if !row.enabled {
            return Err(Verdict::Disabled);
        }
        let name = column("venue", row.venue.as_deref())?.ok_or_else(|| invalid("venue", "is empty"))?;
        let venue = match catalogue.find(name) {
            Found::Venue(venue) => venue,
            Found::Broken(reason) => {
                return Err(invalid(
                    "venue",
                    &format!("the file of {} can't be used: {reason}", words::plain(name)),
                ));
            }
            Found::Unknown => {
                return Err(invalid("venue", &format!("there is no venue called '{}'", words::plain(name))));
            }
        };
        let url = self.url(row)?;
        let http = polled
            .entry(venue.id().clone())
            .or_insert_with(|| venue.http().map(|http| http.with_environment(&*self.environment)));
        let interval_ms = time("interval_ms", row.interval_ms.as_deref())?;
        let transport = transport(venue, http.as_ref(), url.as_ref(), interval_ms)?;
        let polled_every = match transport {
            Transport::Stream => None,
            Transport::Poll { interval_ms } => Some(interval_ms),
        };
        let stale_after_ms = time("stale_after_ms", row.stale_after_ms.as_deref())?
            .or(self.stale_after_ms)
            .unwrap_or_else(|| venue.stale_after_ms(polled_every));
        let expire_after_ms = time("expire_after_ms", row.expire_after_ms.as_deref())?
            .or(self.expire_after_ms)
            .unwrap_or_else(|| stale_after_ms.saturating_mul(10));
        if expire_after_ms < stale_after_ms {
            return Err(invalid(
                "expire_after_ms",
                &format!("is {expire_after_ms}, less than stale_after, {stale_after_ms}"),
            ));
        }
        let wants = symbols(venue, row)?
            .into_iter()
            .map(|symbol| Want {
                symbol,
                stale_after_ms,
                expire_after_ms,
                allow_negative: row.allow_negative,
            })
            .collect();
        let key = FeedKey { venue: venue.id().clone(), url: url.map(String::from), transport };
        Ok((venue.clone(), key, wants))
    }

    fn url(&self, row: &TradeRow) -> Result<Option<Url>, Verdict> {
        let Some(text) = column("url", row.url.as_deref())? else { return Ok(None) };
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > URL_MAX {
            return Err(invalid("url", &format!("has more than {URL_MAX} characters")));
        }
        let url = Url::parse(text).map_err(|error| invalid("url", &format!("is no address: {error}")))?;
        self.guard.check(&url).map_err(|blocked| Verdict::Blocked(format!("url: {blocked}")))?;
        Ok(Some(url))
    }
}

/// A streamed venue is streamed and a polled one polled; a venue with both is streamed, unless the row's own
/// address says otherwise.
fn transport(
    venue: &Venue,
    http: Option<&Http>,
    url: Option<&Url>,
    interval_ms: Option<i64>,
) -> Result<Transport, Verdict> {
    let poll = |http: &Http| {
        let own = i64::try_from(http.interval_ms).unwrap_or(TIME_MS_MAX);
        let interval_ms = interval_ms.unwrap_or(own);
        if interval_ms < INTERVAL_MS_MIN {
            return Err(invalid("interval_ms", &format!("is {interval_ms}; {INTERVAL_MS_MIN} is the least")));
        }
        Ok(Transport::Poll { interval_ms })
    };
    match (url.map(Url::scheme), venue.ws(), http) {
        (Some("ws" | "wss") | None, Some(_), _) => Ok(Transport::Stream),
        (Some("http" | "https") | None, _, Some(http)) => poll(http),
        (Some(_), Some(_), None) => Err(invalid("url", "this venue is streamed: write wss:// or ws://")),
        (Some(_), None, Some(_)) => Err(invalid("url", "this venue is polled: write https:// or http://")),
        (_, _, _) => Err(invalid("venue", "its file says neither how to stream nor how to poll it")),
    }
}

/// The symbols of the row's `currency_pair`.
fn symbols(venue: &Venue, row: &TradeRow) -> Result<Vec<Symbol>, Verdict> {
    const COLUMN: &str = "currency_pair";
    let text = column(COLUMN, row.currency_pair.as_deref())?.ok_or_else(|| invalid(COLUMN, "is empty"))?;
    let spec = PairSpec::parse(text)
        .map_err(|error| invalid(COLUMN, &format!("'{}': {error}", words::plain(text))))?;
    if spec.bases.len().saturating_mul(spec.quotes.len()) > PAIRS_MAX {
        return Err(invalid(COLUMN, &format!("gives more than {PAIRS_MAX} pairs")));
    }
    let mut seen = HashSet::new();
    let mut symbols = Vec::new();
    for (base, quote) in spec.product() {
        let symbol = venue
            .symbol(base, quote)
            .map_err(|error| invalid(COLUMN, &format!("'{base}-{quote}': {error}")))?;
        if seen.insert(symbol.pair.clone()) {
            symbols.push(symbol);
        }
    }
    Ok(symbols)
}

/// A column's text, unless it is longer than any sensible one or holds what could break a line.
fn column<'a>(name: &str, text: Option<&'a str>) -> Result<Option<&'a str>, Verdict> {
    let Some(text) = text else { return Ok(None) };
    if text.len() > TEXT_MAX {
        return Err(invalid(name, &format!("has {} bytes", text.len())));
    }
    if text.chars().any(words::is_hidden) {
        return Err(invalid(name, &format!("holds control characters: '{}'", words::plain(text))));
    }
    Ok(Some(text.trim()))
}

/// A column that holds milliseconds.
fn time(name: &str, text: Option<&str>) -> Result<Option<i64>, Verdict> {
    let Some(text) = column(name, text)? else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(ms) if (1..=TIME_MS_MAX).contains(&ms) => Ok(Some(ms)),
        _ => Err(invalid(name, &format!("'{}' is no number of milliseconds above zero", words::plain(text)))),
    }
}

fn invalid(column: &str, reason: &str) -> Verdict {
    Verdict::Invalid(format!("{column}: {reason}"))
}
