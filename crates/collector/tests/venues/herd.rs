//! All venues go away and come back at once (F21): whoever waits has its own wait.
//! It must not know one venue from another.

use crate::{
    harness::{World, settings},
    stage::{Cast, LOOK, scripts, venue_files},
};
use std::time::Duration;
use testkit::{Speed, until};
use tokio::time::Instant;

const OUTAGE: Duration = Duration::from_secs(12);
/// The longest wait that can begin before the end of the outage, and room for a machine under load.
const RETURN: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn venues_that_return_at_once_are_not_met_at_once() {
    let files = venue_files();
    let speed = Speed {
        times: 1,
        lifetimes: 1,
        round: Duration::from_secs(1),
        slack: Duration::from_secs(1),
        look: LOOK,
    };
    let mut casts = Vec::new();
    for (id, script) in scripts().into_iter().filter(|(_, script)| !script.paths.is_empty()) {
        if let Some(file) = files.get(&id) {
            casts.push(Cast::new(&id, &script, file, speed).await);
        }
    }
    if casts.len() < 10 {
        println_skip(casts.len());
        return;
    }
    let mut rows: Vec<_> = casts.iter().flat_map(Cast::rows).collect();
    for (at, row) in rows.iter_mut().enumerate() {
        row.id = i64::try_from(at).unwrap() + 1;
    }
    let venues = casts.iter().map(|cast| cast.venue.clone()).collect();
    let world = World::start(venues, rows, settings()).await;
    let all_open = || casts.iter().all(|cast| cast.server.open().0 > 0);
    until("every venue is met", RETURN, all_open).await;
    casts.iter().for_each(|cast| cast.server.set_down(true));
    tokio::time::sleep(OUTAGE).await;
    let back = Instant::now();
    casts.iter().for_each(|cast| cast.server.set_down(false));
    let returned = |cast: &Cast| cast.server.connects().into_iter().find(|at| *at >= back);
    until("every venue is met again", RETURN, || casts.iter().all(|cast| returned(cast).is_some())).await;
    let mut waits: Vec<Duration> = casts.iter().filter_map(returned).map(|at| at - back).collect();
    waits.sort();
    let spread = waits[waits.len() - 1] - waits[0];
    assert!(spread >= Duration::from_secs(5), "all within {spread:?}: {waits:?}");
    let crowd = waits.iter().map(|from| {
        waits.iter().filter(|at| *at >= from && **at - *from < Duration::from_millis(500)).count()
    });
    let most = crowd.max().unwrap_or(0);
    assert!(most * 3 <= waits.len(), "{most} of {} within half a second: {waits:?}", waits.len());
    world.stop().await;
}

#[expect(clippy::print_stderr, reason = "a skipped test says so aloud")]
fn println_skip(count: usize) {
    eprintln!("skipped: {count} venues are no herd");
}
