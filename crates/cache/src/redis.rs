//! `redis://` and `rediss://`: the cache that many processes share, readable by anyone with `redis-cli`.
//! It must not trust what it reads there: others may have written it.

use crate::redis_line::Line;
use crate::{Cache, CacheError, Options};
use async_trait::async_trait;
use market::{Newest, Pair, Tick, VenueId};
use redis::Script;
use serde::Deserialize;
use std::collections::HashMap;

/// Most ticks in one call, so that no call holds up the others for long.
const CALL_MAX: usize = 256;
/// How many keys or fields one page of a scan looks at.
const PAGE: usize = 500;

/// One hash per venue, one field per pair.
pub(crate) struct RedisCache {
    line: Line,
    /// `<prefix>:v1:last:`
    key: String,
    newer: Script,
}

impl RedisCache {
    pub(crate) async fn new(line: Line, options: &Options) -> RedisCache {
        line.tried().await;
        let key = format!("{}:v1:last:", options.prefix);
        RedisCache { line, key, newer: Script::new(include_str!("newer.lua")) }
    }

    /// All keys, or all fields of one: `first` is the command up to the cursor.
    async fn pages<T: redis::FromRedisValue>(
        &self,
        first: &[&str],
        rest: &[&str],
        mut take: impl FnMut(Vec<T>),
    ) -> Result<(), CacheError> {
        let mut cursor = 0u64;
        loop {
            let mut command = redis::cmd(first[0]);
            command.arg(&first[1..]).arg(cursor).arg(rest).arg("COUNT").arg(PAGE);
            let (next, page): (u64, Vec<T>) =
                self.line.call(async |mut c| command.query_async(&mut c).await).await?;
            take(page);
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    async fn venue(&self, venue: &VenueId, all: &mut Vec<(VenueId, Tick)>) -> Result<(), CacheError> {
        let (key, mut flat) = (format!("{}{venue}", self.key), Vec::new());
        self.pages::<Vec<u8>>(&["HSCAN", &key], &[], |page| flat.extend(page)).await?;
        for field in flat.chunks_exact(2) {
            match read(&field[0], &field[1]) {
                Some(ticks) => all.extend(ticks.into_iter().map(|tick| (venue.clone(), tick))),
                None => unreadable(),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn put(&self, venue: &VenueId, ticks: &[Tick]) -> Result<(), CacheError> {
        let mut pairs = HashMap::<&Pair, Newest>::new();
        for tick in ticks {
            pairs.entry(&tick.pair).or_default().apply(tick);
        }
        let newest: Vec<&Tick> = pairs.values().flat_map(Newest::ticks).collect();
        for ticks in newest.chunks(CALL_MAX) {
            let mut call = self.newer.key(format!("{}{venue}", self.key));
            for tick in ticks {
                // Our own type always becomes JSON.
                let Ok(value) = serde_json::to_string(tick) else { continue };
                call.arg(tick.pair.to_string()).arg(value);
            }
            let (_, mended): (u64, u64) =
                self.line.call(async |mut c| call.invoke_async(&mut c).await).await?;
            if mended > 0 {
                tracing::warn!(%venue, "something else lay under the venue's key in the cache; it was replaced");
                metrics::counter!("rates_cache_errors_total", "kind" => "wrong_type").increment(1);
            }
        }
        Ok(())
    }

    async fn all(&self) -> Result<Vec<(VenueId, Tick)>, CacheError> {
        let mut venues = Vec::new();
        let pattern = format!("{}*", escape(&self.key));
        self.pages::<Vec<u8>>(&["SCAN"], &["MATCH", &pattern], |page| venues.extend(page)).await?;
        // A scan may name a key more than once.
        venues.sort_unstable();
        venues.dedup();
        let mut all = Vec::new();
        for key in venues {
            let name = std::str::from_utf8(&key).ok().and_then(|key| key.strip_prefix(&self.key));
            let Some(venue) = name.and_then(|name| VenueId::parse(name).ok()) else {
                unreadable();
                continue;
            };
            match self.venue(&venue, &mut all).await {
                Ok(()) => {}
                // Of a wrong type, for one: the others can still be read.
                Err(CacheError::Refused { reason }) => {
                    tracing::warn!(%venue, reason, "a venue's ticks in the cache cannot be read");
                    unreadable();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn is_up(&self) -> bool {
        self.line.is_up()
    }
}

fn unreadable() {
    metrics::counter!("rates_cache_errors_total", "kind" => "unreadable").increment(1);
}

/// The members of a value that are not a tick's: what to apply where it was put together from several.
#[derive(Deserialize)]
struct Sides {
    #[serde(default)]
    sides: Vec<Tick>,
}

/// The ticks in a value; `None` if it is none, or not of the pair it lies under.
fn read(field: &[u8], value: &[u8]) -> Option<Vec<Tick>> {
    let pair = Pair::parse(std::str::from_utf8(field).ok()?).ok()?;
    let Sides { sides } = serde_json::from_slice(value).ok()?;
    let ticks = if sides.is_empty() { vec![serde_json::from_slice(value).ok()?] } else { sides };
    ticks.iter().all(|tick| tick.pair == pair).then_some(ticks)
}

/// A key as a pattern that matches nothing else.
fn escape(key: &str) -> String {
    let mut escaped = String::with_capacity(key.len());
    for c in key.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '^' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
