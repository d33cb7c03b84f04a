//! Reading one rate over HTTP, beside a bare hyper server that returns the same bytes, in turns on the same core,
//! while ticks flow into the product. It must not know how an answer is made.

use crate::{
    bare,
    figures::{ROUNDS, Spread, Table, Target},
    load::{self, Outcome},
    local_venue::LocalVenue,
    machine::Machine,
    process::{Folder, Process},
    product::Product,
};
use std::{net::SocketAddr, time::Duration};

/// What is read.
const TARGETS: [(&str, &str); 2] = [
    ("rates/BTC-USDT", "/api/v1/rates/BTC-USDT"),
    ("currency_pair=bitcoin-usd", "/api/v1/currency_pair/?currency_pair=bitcoin-usd"),
];
const PAIRS: [&str; 8] =
    ["BTC-USDT", "BTC-USD", "ETH-USDT", "ETH-USD", "SOL-USDT", "XRP-USDT", "TRX-USDT", "ADA-USDT"];
const TICKS_PER_SECOND: u32 = 1_000;
/// A round is so many slices for each server, in turns: what else the machine does hits both.
const SLICES: usize = 8;
const SLICE: Duration = Duration::from_millis(250);
const WARM_UP: Duration = Duration::from_millis(500);

/// Measures both targets.
pub async fn run(machine: &Machine, table: &mut Table) -> anyhow::Result<()> {
    let venue = LocalVenue::start().await?;
    let pairs: Vec<String> = PAIRS.map(str::to_owned).into();
    let product = Product::start(|program| machine.server(program), &venue.file("", 100), &pairs).await?;
    venue.until_subscribed(pairs.len(), Duration::from_secs(20)).await?;
    let mut flow = Flow { venue, pairs, number: 0 };
    for (name, target) in TARGETS {
        flow.run(WARM_UP).await;
        let answer = product.until_answers(target).await?;
        println!("\n{name}, {} bytes: {}", answer.body.len(), String::from_utf8_lossy(&answer.body));
        let dir = Folder::new()?;
        let mut bare = bare::start_server(machine, dir.path(), &answer)?;
        let bare_address = bare.address().await?;
        load::run(bare_address, target, WARM_UP).await?;
        load::run(product.address, target, WARM_UP).await?;
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (mut bare_round, mut our_round) = (Round::default(), Round::default());
            for slice in 0..SLICES * 2 {
                // Bare, ours, ours, bare: whoever comes first has no advantage in the end.
                if matches!(slice % 4, 0 | 3) {
                    bare_round.slice(&bare, bare_address, target, None).await?;
                } else {
                    our_round.slice(&product.process, product.address, target, Some(&mut flow)).await?;
                }
            }
            theirs.push(bare_round.measured());
            ours.push(our_round.measured());
        }
        let later = product.until_answers(target).await?;
        anyhow::ensure!(later.body != answer.body, "no tick reached the answer");
        report(name, &theirs, &ours, table);
    }
    Ok(())
}

/// Ticks for the product. None flow while the bare server is measured: it shall have its core for itself.
struct Flow {
    venue: LocalVenue,
    pairs: Vec<String>,
    number: u64,
}

impl Flow {
    async fn run(&mut self, how_long: Duration) {
        self.venue.flow(&self.pairs, TICKS_PER_SECOND, how_long, &mut self.number, |_| {}).await;
    }
}

/// What one server did in its slices of a round.
#[derive(Default)]
struct Round {
    outcome: Outcome,
    server_used: Duration,
}

impl Round {
    async fn slice(
        &mut self,
        server: &Process,
        address: SocketAddr,
        target: &str,
        flow: Option<&mut Flow>,
    ) -> anyhow::Result<()> {
        let before = server.cpu();
        let flowing = async {
            if let Some(flow) = flow {
                flow.run(SLICE).await;
            }
        };
        let (outcome, ()) = tokio::join!(load::run(address, target, SLICE), flowing);
        self.outcome.add(outcome?);
        self.server_used += server.cpu().saturating_sub(before);
        Ok(())
    }

    fn measured(mut self) -> Measured {
        let (p50_us, p99_us) = self.outcome.p50_and_p99_us();
        Measured {
            per_second: self.outcome.per_second(),
            p50_us,
            p99_us,
            our_percent: self.outcome.our_share() * 100.0,
            server_us: self.server_used.as_secs_f64() * 1e6 / self.outcome.count().max(1) as f64,
        }
    }
}

/// A round in figures.
struct Measured {
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// Of the load generator's core.
    our_percent: f64,
    /// The server's processor time for each answer.
    server_us: f64,
}

fn report(name: &str, theirs: &[Measured], ours: &[Measured], table: &mut Table) {
    let spread = |all: &[Measured], what: fn(&Measured) -> f64| Spread::of(all.iter().map(what));
    let per_second: fn(&Measured) -> f64 = |m| m.per_second;
    let p50: fn(&Measured) -> f64 = |m| m.p50_us;
    let p99: fn(&Measured) -> f64 = |m| m.p99_us;
    let share: fn(&Measured) -> f64 = |m| m.our_percent;
    let cost: fn(&Measured) -> f64 = |m| m.server_us;
    println!(
        "{:<12} {:>26} {:>18} {:>20} {:>16} {:>18}",
        "server", "answers/s", "p50 µs", "p99 µs", "generator's CPU %", "server's µs each"
    );
    for (who, all) in [("bare hyper", theirs), ("rates", ours)] {
        println!(
            "{who:<12} {:>26} {:>18} {:>20} {:>16} {:>18.1}",
            spread(all, per_second).to_string(),
            spread(all, p50).to_string(),
            spread(all, p99).to_string(),
            spread(all, share).to_string(),
            spread(all, cost),
        );
    }
    // Each pair of neighbours in time is a ratio of its own: what else the machine did in that second hit both.
    let each =
        |what: fn(&Measured) -> f64| Spread::of(ours.iter().zip(theirs).map(move |(o, t)| what(o) / what(t)));
    let medians = spread(ours, per_second).median / spread(theirs, per_second).median;
    let rate = each(per_second);
    let by_cpu = spread(theirs, cost).median / spread(ours, cost).median;
    let beside = format!(
        "per round {rate:.2}, of medians {medians:.2}, by server's CPU {by_cpu:.2} (aim 0.90); {:.0}/s, generator at {:.0}% of its core",
        spread(ours, per_second).median,
        spread(ours, share).median
    );
    table.ratio(&format!("read {name}: of bare hyper"), Target::AtLeast(0.80), rate.median, beside);
    let slow = each(p99);
    let beside = format!(
        "per round {slow:.2}; p99 {:.0} µs to {:.0} µs",
        spread(ours, p99).median,
        spread(theirs, p99).median
    );
    table.ratio(&format!("read {name}: p99 to bare hyper's"), Target::AtMost(2.0), slow.median, beside);
}
