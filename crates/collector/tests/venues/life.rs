//! A venue's life in short: subscribed, broken, told to go, grown old; then what came is judged (F18 among it).
//! It must not know one venue from another.

use crate::{
    harness::{World, settings},
    proof::{complete, judged},
    stage::{Cast, FAST, scripts, venue_files},
};
use collector::Settings;
use market::{PairState, Tick};
use std::{sync::Arc, time::Duration};
use testkit::until;

/// How long anything may take while all venues live at once.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_venue_file_has_a_script() {
    if std::env::var("RATES_VENUES").is_ok() {
        return;
    }
    let scripts = scripts();
    let lacking: Vec<_> = venue_files().into_keys().filter(|id| !scripts.contains_key(id)).collect();
    assert!(lacking.is_empty(), "no script in tests/scripts for {lacking:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_venue_file_lives_with_its_scripted_venue() {
    let files = venue_files();
    let mut lives = Vec::new();
    for (id, script) in scripts() {
        let Some(file) = files.get(&id) else { continue };
        let cast = Arc::new(Cast::new(&id, &script, file, FAST).await);
        lives.push((id, watched(cast.clone(), live(cast))));
    }
    all_live(lives).await;
}

/// A life in a task of its own.
pub type Life = tokio::task::JoinHandle<Result<(), String>>;

/// Waits for all lives, and tells every one that went wrong.
pub async fn all_live(lives: Vec<(String, Life)>) {
    let (count, mut failures) = (lives.len(), Vec::new());
    for (id, life) in lives {
        if let Err(problem) = ended(life).await {
            failures.push(format!("{id}: {problem}"));
        }
    }
    assert!(failures.is_empty(), "{} of {count} venues fail:\n{}", failures.len(), failures.join("\n"));
}

/// How a life ended; a panic in it is told like any other problem.
pub async fn ended(life: Life) -> Result<(), String> {
    life.await.unwrap_or_else(|error| {
        let panic = error.into_panic();
        Err(panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned()))
    })
}

/// A life that ends at the first violation.
pub fn watched(cast: Arc<Cast>, life: impl Future<Output = Result<(), String>> + Send + 'static) -> Life {
    tokio::spawn(async move {
        let violated = async {
            while cast.server.violations().is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let ended = tokio::select! {
            ended = life => ended,
            () = violated => Ok(()),
        };
        match cast.server.violations() {
            none if none.is_empty() => ended,
            some => Err(some.join("; ")),
        }
    })
}

pub async fn live(cast: Arc<Cast>) -> Result<(), String> {
    let world = World::start(vec![cast.venue.clone()], cast.rows(), quick()).await;
    if !cast.script.spot {
        return nothing_spot(&cast, &world).await;
    }
    for symbol in &cast.script.symbols {
        until(&format!("{} is live", symbol.pair), PATIENCE, || is(&cast, &world, &symbol.pair, "live"))
            .await;
    }
    let unknown = &cast.script.unknown;
    let what = format!("{} is {}", unknown.pair, unknown.state);
    until(&what, PATIENCE, || is(&cast, &world, &unknown.pair, &unknown.state)).await;
    for symbol in &cast.script.symbols {
        assert!(is(&cast, &world, &symbol.pair, "live"), "only {} is off, not {}", unknown.pair, symbol.pair);
    }
    judged(&cast, world.ticks().iter().map(|(_, tick)| tick))?;
    let (from, to) = match cast.is_polled() {
        true => poll(&cast).await,
        false => stream(&cast, &world).await,
    };
    let ticks = world.ticks();
    world.stop().await;
    let seen = judged(&cast, ticks.iter().map(|(_, tick)| tick))?;
    complete(&cast, &seen, from, to)
}

/// Settings whose waits are as short as the venues' lives.
pub fn quick() -> Settings {
    let mut settings = settings();
    settings.timing.backoff.base = Duration::from_millis(200);
    settings.timing.backoff.max = Duration::from_secs(1);
    settings.timing.backoff.reset_after = Duration::from_millis(300);
    settings
}

pub fn is(cast: &Cast, world: &World, pair: &str, states: &str) -> bool {
    let name = match world.pair_state(&cast.id, pair) {
        Some(PairState::Live) => "live",
        Some(PairState::NoData) => "no_data",
        Some(PairState::Delisted) => "delisted",
        _ => return false,
    };
    states.split('|').any(|state| state == name)
}

/// Derivatives are subscribed in the documented form, and no tick comes out.
async fn nothing_spot(cast: &Cast, world: &World) -> Result<(), String> {
    until("everything is subscribed", PATIENCE, || cast.server.open().1 > 0).await;
    let round = cast.server.round();
    until("it goes on", PATIENCE, || cast.server.round() > round + 40).await;
    assert_eq!(cast.server.connects().len(), 1, "what is not spot is no silence");
    let ticks = world.ticks();
    if ticks.is_empty() { Ok(()) } else { Err(format!("a spot price out of nothing: {:?}", ticks[0])) }
}

/// Polls a few times, and once is told to wait.
async fn poll(cast: &Cast) -> (u64, u64) {
    let server = &cast.server;
    until("three answers", PATIENCE, || server.answered() >= 3).await;
    server.throttle(Duration::from_millis(2_500));
    until("a request is told to wait", PATIENCE, || server.throttled() > 0).await;
    let answered = server.answered();
    until("it asks again", PATIENCE, || server.answered() > answered).await;
    assert_eq!(server.throttled(), 1, "no request comes before the time that was told");
    (1, 0)
}

/// Broken once, told to go if the venue does that, replaced twice where connections have an age; the rounds
/// after the break that must all be there.
async fn stream(cast: &Cast, world: &World) -> (u64, u64) {
    let server = &cast.server;
    let all_say = |round: u64| {
        let is_after = |tick: &Tick| server.time_of(round).is_some_and(|at| tick.received_at.micros() >= at);
        let ticks = world.ticks();
        let of_pair =
            |pair: &str| ticks.iter().rev().any(|(_, tick)| tick.pair.to_string() == pair && is_after(tick));
        cast.script.symbols.iter().all(|symbol| of_pair(&symbol.pair))
    };
    let more_connects = async |what: &str, more: usize| {
        let wanted = server.connects().len() + more;
        until(what, PATIENCE * 2, || server.connects().len() >= wanted && server.open().1 > 0).await;
    };
    let broken_at = server.round();
    server.close_all();
    more_connects("everything is subscribed again after a break", 1).await;
    until("ticks come again after a break", PATIENCE, || all_say(broken_at + 2)).await;
    let from = server.round() + 1;
    if cast.script.notice.is_some() {
        let connects = server.connects().len();
        server.notice();
        let is_replaced = || server.connects().len() > connects && server.open() == (1, 1);
        until("the connection was replaced as the venue wished", PATIENCE, is_replaced).await;
    }
    if cast.script.lifetime.is_some() {
        more_connects("two lifetimes", 2).await;
    }
    let (pings, pongs) = server.pings();
    let ping = &cast.script.ping;
    let must_ping = ping.as_ref().is_some_and(|ping| ping.within.is_some() && !ping.any);
    let must_answer = cast.script.server_ping.as_ref().is_some_and(|ping| !ping.on_demand);
    let enough = || {
        let now = server.pings();
        (!must_ping || now.0 >= pings + 3) && (!must_answer || now.1 >= pongs + 3)
    };
    until("pings come and are answered", PATIENCE * 2, enough).await;
    let idle_from = server.round();
    until("another while of life", PATIENCE, || server.round() > idle_from + 30).await;
    let to = server.round();
    until("the last round arrives", PATIENCE, || all_say(to + 1)).await;
    (from + 5, to)
}
