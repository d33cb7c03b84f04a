//! From a frame that a venue writes to the event that a client of the stream reads, beside a bare relay between two
//! sockets in the same run. It must not know what happens on the way.

use crate::{
    bare,
    figures::{ROUNDS, Spread, Table, Target, percentile_us},
    local_venue::{LocalVenue, frame},
    machine::Machine,
    process::Folder,
    product::Product,
    sse::Prices,
};
use std::time::Duration;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, MissedTickBehavior},
};

/// How many pairs tick.
pub const PAIRS: usize = 20;
/// How often, all together.
pub const TICKS_PER_SECOND: u32 = 1_000;
/// How long one measurement takes.
pub const ROUND: Duration = Duration::from_secs(3);
/// What is not counted.
pub const WARM_UP: Duration = Duration::from_secs(1);
/// What is still on its way when the last frame is written.
pub const GRACE: Duration = Duration::from_millis(300);

/// Measures.
pub async fn run(machine: &Machine, table: &mut Table) -> anyhow::Result<()> {
    let venue = LocalVenue::start().await?;
    let pairs: Vec<String> = (0..PAIRS).map(|at| format!("COIN{at}-USDT")).collect();
    let product = Product::start(|program| machine.server(program), &venue.file("", 100), &pairs).await?;
    venue.until_subscribed(pairs.len(), Duration::from_secs(20)).await?;
    let mut number = 0;
    let mut prices = Prices::stream(product.address).await?;
    through(&venue, &pairs, &mut prices, &mut number, WARM_UP).await?;

    let dir = Folder::new()?;
    let mut relay = bare::start_relay(machine, dir.path())?;
    let address = relay.address().await?;
    let mut to = TcpStream::connect(address).await?;
    to.set_nodelay(true)?;
    let mut relayed = Prices::of(TcpStream::connect(address).await?);

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(relay_round(&mut to, &mut relayed, ROUND).await?);
        ours.push(through(&venue, &pairs, &mut prices, &mut number, ROUND).await?);
    }
    report(&theirs, &ours, table)
}

/// One round: how long each frame took, sorted, and how many never came as an event of their own.
pub struct Round {
    took_ns: Vec<u32>,
    missing: usize,
}

impl Round {
    /// Of what was sent after the first number, and what came of it.
    pub fn new(first: u64, sent: &[Instant], came: Vec<(u64, Instant)>) -> Round {
        let took = |(number, at): (u64, Instant)| {
            let sent = sent.get(usize::try_from(number.checked_sub(first + 1)?).ok()?)?;
            u32::try_from(at.duration_since(*sent).as_nanos()).ok()
        };
        let mut took_ns: Vec<u32> = came.into_iter().filter_map(took).collect();
        took_ns.sort_unstable();
        let missing = sent.len().saturating_sub(took_ns.len());
        Round { took_ns, missing }
    }

    /// How many came as an event of their own.
    pub fn samples(&self) -> usize {
        self.took_ns.len()
    }

    /// How many did not.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// In microseconds.
    pub fn percentile(&self, percent: f64) -> f64 {
        percentile_us(&self.took_ns, percent)
    }
}

/// One round through the product.
pub async fn through(
    venue: &LocalVenue,
    pairs: &[String],
    prices: &mut Prices,
    number: &mut u64,
    how_long: Duration,
) -> anyhow::Result<Round> {
    let first = *number;
    let mut sent = Vec::new();
    let sending = venue.flow(pairs, TICKS_PER_SECOND, how_long, number, |_| sent.push(Instant::now()));
    let (_, came) = tokio::join!(sending, prices.until(Instant::now() + how_long + GRACE));
    Ok(Round::new(first, &sent, came?))
}

async fn relay_round(to: &mut TcpStream, relayed: &mut Prices, how_long: Duration) -> anyhow::Result<Round> {
    let mut sent = Vec::new();
    let sending = async {
        let mut beat = tokio::time::interval(Duration::from_secs(1) / TICKS_PER_SECOND);
        beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let until = Instant::now() + how_long;
        while beat.tick().await < until {
            let frame = frame("COIN0-USDT", sent.len() as u64 + 1, 1_790_000_000_000);
            sent.push(Instant::now());
            to.write_all(frame.as_bytes()).await?;
        }
        anyhow::Ok(())
    };
    let (done, came) = tokio::join!(sending, relayed.until(Instant::now() + how_long + GRACE));
    done?;
    Ok(Round::new(0, &sent, came?))
}

fn report(theirs: &[Round], ours: &[Round], table: &mut Table) -> anyhow::Result<()> {
    println!(
        "{:<12} {:>20} {:>20} {:>24} {:>9} {:>9}",
        "", "p50 µs", "p99 µs", "max µs", "samples", "missing"
    );
    let spread = |all: &[Round], percent: f64| Spread::of(all.iter().map(|round| round.percentile(percent)));
    for (who, all) in [("bare relay", theirs), ("rates", ours)] {
        let samples: usize = all.iter().map(|round| round.took_ns.len()).sum();
        let missing: usize = all.iter().map(|round| round.missing).sum();
        println!(
            "{who:<12} {:>20} {:>20} {:>24} {samples:>9} {missing:>9}",
            spread(all, 50.0).to_string(),
            spread(all, 99.0).to_string(),
            spread(all, 100.0).to_string(),
        );
    }
    let samples: usize = ours.iter().map(|round| round.took_ns.len()).sum();
    anyhow::ensure!(samples >= 10_000, "only {samples} events came");
    for (what, percent, most) in [("p50", 50.0, 200.0), ("p99", 99.0, 1_000.0)] {
        let (all, bare) = (spread(ours, percent), spread(theirs, percent));
        let beside = format!("per round {all}; bare relay {bare}; {samples} samples");
        table.aim(
            &format!("venue's frame to SSE event, {what}"),
            Target::AtMost(most),
            "µs",
            all.median,
            beside,
        );
    }
    Ok(())
}
