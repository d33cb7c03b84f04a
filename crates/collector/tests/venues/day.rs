//! A day of every venue's life in paused time, on its file as it ships: pings, silence limits, an outage of an hour, the
//! venue's notice, the planned end of connections, and hours of polling. Streams run over bytes in memory, on which
//! nothing takes time; requests run over real sockets, and while one is on its way time stands still. The whole day is
//! lived where `RATES_SOAK=1` (`make soak`); else the quiet part of it, and with it the life of a connection, is six
//! times shorter. It must not know one venue from another.

use crate::{
    harness::World,
    paused::{Memory, Names, settings},
    proof::{complete, judged},
    stage::{Cast, scripts, venue_files},
};
use market::ConnectionState;
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};
use testkit::{Script, Speed, duration};
use tokio::time::{Instant, sleep, sleep_until};

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);
/// How often a scripted venue looks at what is due. Nothing is late in paused time, so it is hardly patient.
const LOOK: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(1);
/// What is polled more often is polled so often here: so much happens then in five minutes as else in one.
const POLLED_EVERY: Duration = Duration::from_secs(300);

#[test]
fn every_venue_lives_through_a_day() {
    let files = venue_files();
    let all = scripts().into_iter().filter_map(|(id, script)| Some((files.get(&id)?.clone(), id, script)));
    let queue = Mutex::new(all.collect::<VecDeque<_>>());
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some((file, id, script)) = { queue.lock().unwrap().pop_front() } {
            let lived = catch_unwind(AssertUnwindSafe(|| lived(&id, &script, &file)));
            let problem = match lived {
                Ok(Ok(())) => continue,
                Ok(Err(problem)) => problem,
                Err(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned()),
            };
            failures.lock().unwrap().push(format!("{id}: {problem}"));
        }
    };
    std::thread::scope(|scope| {
        let hands = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8);
        (0..hands).for_each(|_| drop(scope.spawn(work)));
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// How many times shorter the quiet part is.
fn shorter() -> u32 {
    if std::env::var_os("RATES_SOAK").is_some_and(|value| value == "1") { 1 } else { 6 }
}

/// One venue's day, on a thread and a clock of its own.
fn lived(id: &str, script: &Script, file: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let mut table: toml::Table = file.parse().unwrap();
        let lifetime = text(&table, "ws", "lifetime").map(|lifetime| duration(lifetime) / shorter());
        if let (Some(lifetime), Some(ws)) =
            (lifetime, table.get_mut("ws").and_then(toml::Value::as_table_mut))
        {
            ws.insert("lifetime".to_owned(), format!("{}s", lifetime.as_secs()).into());
        }
        let file = &toml::to_string(&table).unwrap();
        let speed = Speed { times: 1, lifetimes: shorter(), round: round(&table), slack: SLACK, look: LOOK };
        let cast = Arc::new(Cast::new(id, script, file, speed).await);
        let names = Arc::new(Names::default());
        let served = names.clone();
        cast.server.on_served(move || served.is_over());
        let wire = Arc::new(Memory::new(cast.clone()));
        let settings = settings(names.clone(), wire.clone());
        let mut rows = cast.rows();
        for row in &mut rows {
            row.url = row.url.take().map(|url| url.replace("127.0.0.1", "venue.example"));
            row.interval_ms = polled_every(&table).map(|every| every.as_millis().to_string());
        }
        let world = World::start(vec![cast.venue.clone()], rows, settings).await;
        let day = match polled_every(&table) {
            Some(every) => polled(&cast, &world, every).await,
            None => streamed(&cast, &world, &|| wire.tries() + names.tries(), lifetime).await,
        };
        let violations = cast.server.violations();
        let ticks = world.ticks();
        world.stop().await;
        if !violations.is_empty() {
            return Err(violations.join("; "));
        }
        let (from, to) = day?;
        if !script.spot {
            return if ticks.is_empty() { Ok(()) } else { Err(format!("a spot price: {:?}", ticks[0])) };
        }
        let seen = judged(&cast, ticks.iter().map(|(_, tick)| tick))?;
        complete(&cast, &seen, from, to)
    })
}

fn text<'a>(table: &'a toml::Table, part: &str, key: &str) -> Option<&'a str> {
    table.get(part)?.get(key)?.as_str()
}

/// Often enough for every limit of the file.
fn round(table: &toml::Table) -> Duration {
    let stale = table.get("stale_after").and_then(toml::Value::as_str);
    let limits = [stale, text(table, "ws", "silence"), text(table, "ws", "first_data"), Some("30s")];
    limits.into_iter().flatten().map(duration).min().unwrap_or(MINUTE) / 2
}

fn polled_every(table: &toml::Table) -> Option<Duration> {
    let own = text(table, "http", "interval").filter(|_| !table.contains_key("ws"));
    own.map(|own| duration(own).max(POLLED_EVERY))
}

/// Half an hour, an outage of an hour, the venue's notice, and the life of a connection; the rounds that must all be there.
async fn streamed(
    cast: &Cast,
    world: &World,
    tries: &dyn Fn() -> usize,
    lifetime: Option<Duration>,
) -> Result<(u64, u64), String> {
    let (start, server) = (Instant::now(), &cast.server);
    let at = |minutes: u32| sleep_until(start + MINUTE * minutes);
    let end = start + MINUTE * 110 + lifetime.unwrap_or(DAY / shorter());
    at(30).await;
    is_well(cast, world)?;
    let (before, mut connects) = (tries(), server.connects().len());
    same("connections in the first half hour", connects, 1)?;
    server.set_down(true);
    at(90).await;
    let tried = tries() - before;
    if !(60..=130).contains(&tried) {
        return Err(format!("{tried} attempts to connect in an hour in which nobody listened"));
    }
    server.set_down(false);
    at(93).await;
    is_well(cast, world)?;
    connects += 1;
    same("connections after the outage", server.connects().len(), connects)?;
    let from = server.round() + 1;
    if cast.script.notice.is_some() {
        server.notice();
        connects += 1;
    }
    at(100).await;
    same("connections after the notice", server.connects().len(), connects)?;
    sleep_until(end).await;
    connects += usize::from(lifetime.is_some());
    same("connections after a day", server.connects().len(), connects)?;
    is_well(cast, world)?;
    let to = server.round();
    sleep(MINUTE * 2).await;
    Ok((from, to))
}

/// A day of requests with half an hour in which the venue asked to be left alone.
async fn polled(cast: &Cast, world: &World, every: Duration) -> Result<(u64, u64), String> {
    let (start, server) = (Instant::now(), &cast.server);
    sleep_until(start + MINUTE * 10).await;
    is_well(cast, world)?;
    server.throttle(MINUTE * 90);
    sleep_until(start + MINUTE * 99).await;
    let answered = server.answered();
    if server.throttled() > 1 {
        return Err(format!("{} requests within the time to be left alone", server.throttled()));
    }
    let symbols = u32::try_from(cast.script.symbols.len()).unwrap_or(1);
    let left = DAY / shorter();
    sleep(left).await;
    is_well(cast, world)?;
    let rounds = left.as_secs() / every.as_secs();
    let (least, most) = (rounds * 9 / 10, (rounds * 11 / 10 + 2) * u64::from(symbols));
    let more = (server.answered() - answered) as u64;
    if !(least..=most).contains(&more) {
        return Err(format!("{more} requests where about {rounds} times are asked"));
    }
    sleep(MINUTE).await;
    Ok((1, 0))
}

fn same(what: &str, are: usize, must_be: usize) -> Result<(), String> {
    if are == must_be { Ok(()) } else { Err(format!("{what}: {are}, and must be {must_be}")) }
}

/// Everything known is live, what is not known is said to be so, and nothing is wrong.
fn is_well(cast: &Cast, world: &World) -> Result<(), String> {
    let status = world.status(&cast.id).ok_or("no status")?;
    let states: Vec<_> = status.connections.iter().map(|one| one.state).collect();
    if states != [ConnectionState::Live] && cast.script.spot {
        return Err(format!("the connections are {:?}", status.connections));
    }
    for symbol in cast.script.symbols.iter().filter(|_| cast.script.spot) {
        if !crate::life::is(cast, world, &symbol.pair, "live") {
            return Err(format!("{} is {:?}", symbol.pair, world.pair_state(&cast.id, &symbol.pair)));
        }
    }
    let unknown = &cast.script.unknown;
    if cast.script.spot && !crate::life::is(cast, world, &unknown.pair, &unknown.state) {
        return Err(format!("{} is {:?}", unknown.pair, world.pair_state(&cast.id, &unknown.pair)));
    }
    Ok(())
}
