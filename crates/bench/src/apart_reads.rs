//! What reading a rate costs while RabbitMQ and Redis are alive, frozen and dead, beside the same program on none of them,
//! in turns. It must not know how an answer is made.

use crate::{
    figures::{ROUNDS, Spread, Table, Target},
    load::{self, Outcome},
    local_venue::LocalVenue,
    machine::Machine,
    product::Product,
};
use std::time::Duration;
use testkit::servers::{RabbitMq, Redis};

const TARGET: &str = "/api/v1/rates/BTC-USDT";
const PAIRS: [&str; 4] = ["BTC-USDT", "BTC-USD", "ETH-USDT", "ETH-USD"];
/// Few: it is reading that is measured, and the server shares the machine.
const TICKS_PER_SECOND: u32 = 100;
const SLICES: usize = 8;
const SLICE: Duration = Duration::from_millis(250);
const WARM_UP: Duration = Duration::from_millis(500);

/// Measures; the servers are left dead.
pub async fn run(
    machine: &Machine,
    rabbitmq: &RabbitMq,
    redis: &Redis,
    table: &mut Table,
) -> anyhow::Result<()> {
    let (rabbitmq_url, redis_url) = (rabbitmq.url(), redis.url());
    let mut on_servers = Side::start(machine, &["--broker", &rabbitmq_url, "--cache", &redis_url]).await?;
    let mut alone = Side::start(machine, &[]).await?;
    machine.pin_ourselves();
    let mut states = Vec::new();
    for state in ["alive", "frozen", "dead"] {
        match state {
            "frozen" => {
                rabbitmq.freeze();
                redis.freeze();
            }
            "dead" => {
                rabbitmq.kill();
                redis.kill();
            }
            _ => {}
        }
        states.push((state, compare(&mut on_servers, &mut alone).await?));
    }
    println!("{:<20} {:>26} {:>26}", "reading beside them", "answers/s", "alone, in turns");
    for (state, rounds) in states {
        let ours = Spread::of(rounds.iter().map(|(ours, _)| *ours));
        let alone = Spread::of(rounds.iter().map(|(_, alone)| *alone));
        println!("{state:<20} {:>26} {:>26}", ours.to_string(), alone.to_string());
        let each = Spread::of(rounds.iter().map(|(ours, alone)| ours / alone));
        let beside = format!("per round {each:.2}; {:.0}/s to {:.0}/s", ours.median, alone.median);
        let what = format!("reads while RabbitMQ and Redis are {state}, to none");
        table.ratio(&what, Target::AtLeast(0.90), each.median, beside);
    }
    Ok(())
}

/// Answers a second of either, by rounds.
async fn compare(on_servers: &mut Side, alone: &mut Side) -> anyhow::Result<Vec<(f64, f64)>> {
    on_servers.slice(WARM_UP).await?;
    alone.slice(WARM_UP).await?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (mut ours, mut theirs) = (Outcome::default(), Outcome::default());
        for slice in 0..SLICES * 2 {
            // One, other, other, one: whoever comes first has no advantage in the end.
            if matches!(slice % 4, 0 | 3) {
                theirs.add(alone.slice(SLICE).await?);
            } else {
                ours.add(on_servers.slice(SLICE).await?);
            }
        }
        rounds.push((ours.per_second(), theirs.per_second()));
    }
    Ok(rounds)
}

/// A product with a venue of its own.
struct Side {
    product: Product,
    venue: LocalVenue,
    pairs: Vec<String>,
    number: u64,
}

impl Side {
    async fn start(machine: &Machine, more: &[&str]) -> anyhow::Result<Side> {
        let venue = LocalVenue::start().await?;
        let pairs: Vec<String> = PAIRS.map(str::to_owned).into();
        let files = [("local-venue".to_owned(), venue.file("", 100))];
        let server = |program: &str| machine.server(program);
        let product = Product::start_on(server, &files, &pairs, more).await?;
        venue.until_subscribed(pairs.len(), Duration::from_secs(20)).await?;
        let mut side = Side { product, venue, pairs, number: 0 };
        side.flow(WARM_UP).await;
        side.product.until_answers(TARGET).await?;
        Ok(side)
    }

    async fn flow(&mut self, how_long: Duration) {
        self.venue.flow(&self.pairs, TICKS_PER_SECOND, how_long, &mut self.number, |_| {}).await;
    }

    /// Reads while ticks flow in.
    async fn slice(&mut self, how_long: Duration) -> anyhow::Result<Outcome> {
        let address = self.product.address;
        let (outcome, ()) = tokio::join!(load::run(address, TARGET, how_long), self.flow(how_long));
        outcome
    }
}
