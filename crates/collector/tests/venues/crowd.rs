//! Many pairs of every venue at once: no message, connection or second holds more than the venue allows.
//! It must not know one venue from another.

use crate::{
    harness::World,
    life::{all_live, quick, watched},
    proof::judged,
    stage::{Cast, LOOK, crowded, scripts, venue_files},
};
use market::PairState;
use std::{sync::Arc, time::Duration};
use testkit::{Speed, until};

/// More than any venue takes in one message, or the strictest on two connections.
const PAIRS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(40);
pub const LIFELIKE: Speed = Speed {
    times: 1,
    lifetimes: 1,
    round: Duration::from_secs(1),
    slack: Duration::from_secs(1),
    look: LOOK,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_pairs_stay_within_every_limit() {
    let files = venue_files();
    let mut lives = Vec::new();
    for (id, script) in scripts().into_iter().filter(|(_, script)| script.spot && !script.paths.is_empty()) {
        let Some(file) = files.get(&id) else { continue };
        let cast = Arc::new(Cast::new(&id, &crowded(&script, PAIRS), file, LIFELIKE).await);
        lives.push((id, watched(cast.clone(), come(cast))));
    }
    all_live(lives).await;
}

/// All pairs come, and what is said of them is right.
pub async fn come(cast: Arc<Cast>) -> Result<(), String> {
    let mut rows = cast.rows();
    rows.pop();
    let world = World::start(vec![cast.venue.clone()], rows, quick()).await;
    let live = || {
        let status = world.status(&cast.id);
        status.map_or(0, |status| status.pairs.iter().filter(|pair| pair.state == PairState::Live).count())
    };
    until("every pair is live", PATIENCE, || live() == PAIRS).await;
    assert_eq!(cast.server.subscribed(), PAIRS);
    judged(&cast, world.ticks().iter().map(|(_, tick)| tick))?;
    world.stop().await;
    Ok(())
}
