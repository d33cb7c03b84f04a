//! Ten thousand pairs: how fast they are subscribed, what they take of memory, and whether a tick costs more than
//! with ten. It must not know how pairs are kept.

use crate::{
    figures::{ROUNDS, Spread, Table, Target},
    local_venue::LocalVenue,
    machine::Machine,
    product::Product,
};
use std::time::Duration;

const MANY: usize = 10_000;
const FEW: usize = 10;
const QUOTES: [&str; 4] = ["USDT", "USD", "EUR", "BTC"];
const TICKS_PER_SECOND: u32 = 1_000;
/// Once, so that every pair has a rate.
const FILL_PER_SECOND: u32 = 5_000;
/// As long as it takes until a status is published again: each round has one of those.
const ROUND: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// Limits such as large venues have; and limits that hardly limit.
const STRICT: (&str, usize) =
    ("symbols_per_connection = 1000\nmessages = \"5/1s\"\nconnects = \"300/5m\"", 200);
const GENEROUS: (&str, usize) = ("symbols_per_connection = 10000", 1_000);

/// Measures.
pub async fn run(machine: &Machine, table: &mut Table) -> anyhow::Result<()> {
    let many: Vec<String> =
        (0..MANY).map(|at| format!("COIN{}-{}", at / QUOTES.len(), QUOTES[at % QUOTES.len()])).collect();
    let (mut subscribed, mut memory, mut read_all) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 1..ROUNDS {
        let house = start(machine, STRICT, &many).await?;
        subscribed.push(house.subscribed_after.as_secs_f64());
        let (rates, all) = house.memory().await?;
        memory.push(rates);
        read_all.push(all);
    }
    let generous = start(machine, GENEROUS, &many).await?.subscribed_after.as_secs_f64();
    let mut house = start(machine, STRICT, &many).await?;
    subscribed.push(house.subscribed_after.as_secs_f64());
    let mut few = start(machine, STRICT, &many[..FEW]).await?;
    let (mut cost_many, mut cost_few) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        cost_few.push(few.cost_us(&many[..FEW]).await);
        cost_many.push(house.cost_us(&many).await);
    }
    let idle = few.idle_us_per_second().await;
    let idle_many = house.idle_us_per_second().await;
    let (rates, all) = house.memory().await?;
    memory.push(rates);
    read_all.push(all);

    let subscribed = Spread::of(subscribed);
    println!(
        "start to {MANY} subscribed: {subscribed:.1} s at 1,000 a connection and 5 messages/s; {generous:.1} s without limits"
    );
    let (memory, read_all) = (Spread::of(memory), Spread::of(read_all));
    println!(
        "memory with {MANY} pairs subscribed {:.1} MB, with a rate for each {memory:.1} MB, after one reading of all {read_all:.1} MB",
        house.unfilled_mb
    );
    let (few, many) = (Spread::of(cost_few.iter().copied()), Spread::of(cost_many.iter().copied()));
    println!(
        "processor time a tick at {TICKS_PER_SECOND}/s: {few:.1} µs with {FEW} pairs, {many:.1} µs with {MANY}"
    );
    println!("processor time without any tick: {:.1} and {:.1} ms/s", idle / 1e3, idle_many / 1e3);
    table.aim(
        &format!("{MANY} pairs: start to all subscribed"),
        Target::AtMost(10.0),
        "s",
        subscribed.median,
        format!("{subscribed:.1}; {generous:.1} s without limits"),
    );
    table.aim(
        &format!("{MANY} pairs: memory"),
        Target::AtMost(100.0),
        "MB",
        read_all.median,
        format!("{memory:.1} MB before all were read at once, {read_all:.1} MB after"),
    );
    let ratio = Spread::of(cost_many.iter().zip(&cost_few).map(|(many, few)| many / few));
    table.ratio(
        &format!("{MANY} pairs: cost of a tick, to {FEW} pairs"),
        Target::AtMost(1.3),
        ratio.median,
        format!("per round {ratio:.2}; {many:.1} µs to {few:.1} µs"),
    );
    Ok(())
}

/// A product, its venue, and where its prices stand.
struct House {
    product: Product,
    venue: LocalVenue,
    number: u64,
    subscribed_after: Duration,
    /// Memory before the first tick.
    unfilled_mb: f64,
}

/// Starts and waits until every pair is subscribed and has a rate.
async fn start(
    machine: &Machine,
    (limits, items_max): (&str, usize),
    pairs: &[String],
) -> anyhow::Result<House> {
    let venue = LocalVenue::start().await?;
    let product =
        Product::start(|program| machine.server(program), &venue.file(limits, items_max), pairs).await?;
    venue.until_subscribed(pairs.len(), PATIENCE).await?;
    let subscribed_after = product.started.elapsed();
    let unfilled_mb = product.process.memory_mb().0;
    let mut house = House { product, venue, number: 0, subscribed_after, unfilled_mb };
    let count = u32::try_from(pairs.len())?;
    let for_all = Duration::from_secs(1) * (count + 100) / FILL_PER_SECOND;
    house.venue.flow(pairs, FILL_PER_SECOND, for_all, &mut house.number, |_| {}).await;
    for pair in pairs.iter().step_by(997).chain(pairs.last()) {
        house.product.until_answers(&format!("/api/v1/rates/{pair}")).await?;
    }
    Ok(house)
}

impl House {
    /// In use now, and after every rate was read in one answer.
    async fn memory(&self) -> anyhow::Result<(f64, f64)> {
        let (now, _) = self.product.process.memory_mb();
        let all = self.product.until_answers("/api/v1/rates").await?;
        let count =
            serde_json::from_slice::<serde_json::Value>(&all.body)?["rates"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(count == MANY, "{count} rates of {MANY}");
        Ok((now, self.product.process.memory_mb().0))
    }

    /// Microseconds of processor time for each tick of a round, everything the process does counted in.
    async fn cost_us(&mut self, pairs: &[String]) -> f64 {
        let before = self.product.process.cpu();
        let sent = self.venue.flow(pairs, TICKS_PER_SECOND, ROUND, &mut self.number, |_| {}).await;
        let used = self.product.process.cpu().saturating_sub(before);
        used.as_secs_f64() * 1e6 / sent.max(1) as f64
    }

    async fn idle_us_per_second(&self) -> f64 {
        let before = self.product.process.cpu();
        tokio::time::sleep(ROUND).await;
        let used = self.product.process.cpu().saturating_sub(before);
        used.as_secs_f64() * 1e6 / ROUND.as_secs_f64()
    }
}
