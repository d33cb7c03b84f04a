//! The size of the binary, how soon it serves, and what it takes when nothing happens; not pinned to a core, as a
//! user starts it. It must not know what takes the room.

use crate::{
    figures::{ROUNDS, Spread, Table, Target},
    local_venue::{LocalVenue, frame},
    machine::Machine,
    product::{self, Product},
};
use std::time::Duration;

const PAIRS: [&str; 2] = ["BTC-USDT", "ETH-USDT"];
/// So long nothing happens before memory is looked at.
const REST: Duration = Duration::from_secs(2);

/// Measures.
pub async fn run(machine: &Machine, table: &mut Table) -> anyhow::Result<()> {
    machine.unpin_ourselves();
    let measured = measure(table).await;
    machine.pin_ourselves();
    measured
}

async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let megabytes = std::fs::metadata(product::binary()?)?.len() as f64 / 1e6;
    let (mut serving, mut idle, mut peak) = (Vec::new(), Vec::new(), Vec::new());
    let pairs: Vec<String> = PAIRS.map(str::to_owned).into();
    for _ in 0..ROUNDS {
        let venue = LocalVenue::start().await?;
        let product =
            Product::start(|program| vec![program.to_owned()], &venue.file("", 100), &pairs).await?;
        serving.push(product.serving_after.as_secs_f64() * 1e3);
        venue.until_subscribed(pairs.len(), Duration::from_secs(20)).await?;
        let now_ms = clock::Clock::system().now().millis();
        for pair in &pairs {
            venue.send(pair, frame(pair, 1, now_ms)).await;
            product.until_answers(&format!("/api/v1/rates/{pair}")).await?;
        }
        tokio::time::sleep(REST).await;
        let (now, most) = product.process.memory_mb();
        idle.push(now);
        peak.push(most);
    }
    let (serving, idle, peak) = (Spread::of(serving), Spread::of(idle), Spread::of(peak));
    println!(
        "binary {megabytes:.1} MB; start to /livez {serving} ms; idle {idle:.1} MB of memory, at most {peak:.1} MB"
    );
    table.aim("release binary", Target::AtMost(30.0), "MB", megabytes, String::new());
    table.aim(
        "idle `rates run`, memory",
        Target::AtMost(45.0),
        "MB",
        idle.median,
        format!("{idle:.1} MB; at most {peak:.1} MB"),
    );
    table.aim(
        "start to serving /livez",
        Target::AtMost(300.0),
        "ms",
        serving.median,
        format!("{serving} ms, store on disk, two pairs"),
    );
    Ok(())
}
