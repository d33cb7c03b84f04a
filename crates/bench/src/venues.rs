//! Thirty-two venues of three hundred pairs each: how many ticks a second reach the board in time, what they take of
//! memory, and whether every last price stands there at the end. It must not know how ticks get there.

use crate::{
    figures::{Spread, Table, Target},
    http,
    local_venue::{LocalVenue, WHOLE},
    machine::{self, Machine},
    product::Product,
    sse,
};
use futures_util::future::join_all;
use std::{cell::RefCell, time::Duration};
use tokio::time::{Instant, MissedTickBehavior};

const VENUES: usize = 32;
const PAIRS: usize = 300;
/// All venues together.
const TICKS_PER_SECOND: [u32; 3] = [10_000, 25_000, 50_000];
const STEP: Duration = Duration::from_secs(6);
/// The start of a step is not looked at.
const WARM_UP: Duration = Duration::from_secs(1);
/// How often one venue's ticks are read.
const LOOK: Duration = Duration::from_millis(20);
/// How long after its frame a tick may be missing from the board, for 99 of 100 looks.
const LATE_MS: f64 = 100.0;
/// So much of the rate must really have been sent.
const SENT_LEAST: f64 = 0.98;
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures; venues and product share all cores.
pub async fn run(machine: &Machine, table: &mut Table) -> anyhow::Result<()> {
    machine.unpin_ourselves();
    let measured = measure(table).await;
    machine.pin_ourselves();
    measured
}

/// A venue and what it has sent.
struct Sender {
    venue: LocalVenue,
    name: String,
    /// When each number was sent; the first is number 1.
    sent: RefCell<Vec<Instant>>,
    /// The last number of each pair.
    last: RefCell<Vec<u64>>,
}

struct Step {
    per_second: u32,
    sent_per_second: f64,
    /// Sorted, in milliseconds.
    late_ms: Vec<f64>,
    cpu_percent: f64,
    load: String,
}

async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let pairs: Vec<String> = (0..PAIRS).map(|at| format!("COIN{at}-USDT")).collect();
    let mut senders = Vec::new();
    for at in 0..VENUES {
        let (sent, last) = (RefCell::default(), RefCell::new(vec![0; PAIRS]));
        senders.push(Sender { venue: LocalVenue::start().await?, name: format!("local-{at}"), sent, last });
    }
    let files: Vec<(String, String)> =
        senders.iter().map(|one| (one.name.clone(), one.venue.file("", 100))).collect();
    let product = Product::start_with(|program| vec![program.to_owned()], &files, &pairs).await?;
    for sender in &senders {
        sender.venue.until_subscribed(PAIRS, PATIENCE).await?;
    }
    println!(
        "{VENUES} venues, {PAIRS} pairs each, subscribed {:.1} s after the start",
        product.started.elapsed().as_secs_f64()
    );
    let mut steps = Vec::new();
    for per_second in TICKS_PER_SECOND {
        steps.push(step(&product, &senders, &pairs, per_second).await?);
    }
    let (wrong, settled_after) = until_settled(&product, &senders, &pairs).await?;
    report(&product, &steps, wrong, settled_after, table);
    Ok(())
}

/// One rate, sent and looked at.
async fn step(
    product: &Product,
    senders: &[Sender],
    pairs: &[String],
    per_second: u32,
) -> anyhow::Result<Step> {
    let (load, cpu, started) = (machine::load_average(), product.process.cpu(), Instant::now());
    let each = per_second / u32::try_from(VENUES)?;
    let sending = join_all(senders.iter().map(|sender| sender.send(pairs, each)));
    let (sent, late_ms) = tokio::join!(sending, looks(product, senders, started));
    let (passed, used) = (started.elapsed(), product.process.cpu().saturating_sub(cpu));
    let mut late_ms = late_ms?;
    late_ms.sort_by(f64::total_cmp);
    Ok(Step {
        per_second,
        sent_per_second: sent.iter().sum::<u64>() as f64 / passed.as_secs_f64(),
        late_ms,
        cpu_percent: used.as_secs_f64() / passed.as_secs_f64() * 100.0,
        load,
    })
}

/// How late the board is, of one venue after the other.
async fn looks(product: &Product, senders: &[Sender], started: Instant) -> anyhow::Result<Vec<f64>> {
    let mut late_ms = Vec::new();
    let mut beat = tokio::time::interval_at(started + WARM_UP, LOOK);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for sender in senders.iter().cycle() {
        if beat.tick().await >= started + STEP {
            break;
        }
        let newest = shown(product, sender).await?.into_iter().max().unwrap_or(0);
        // A venue's frames come in order: the one after the newest shown is the oldest that is missing.
        let now = Instant::now();
        let missing = usize::try_from(newest).ok().and_then(|next| sender.sent.borrow().get(next).copied());
        late_ms.push(missing.map_or(0.0, |sent| now.duration_since(sent).as_secs_f64() * 1e3));
    }
    Ok(late_ms)
}

/// The numbers of a venue's prices as the product shows them.
async fn shown(product: &Product, sender: &Sender) -> anyhow::Result<Vec<u64>> {
    let answer = http::get(product.address, &format!("/api/v1/rates?venue={}", sender.name)).await?;
    anyhow::ensure!(answer.status == 200, "{}", String::from_utf8_lossy(&answer.body));
    Ok(sse::numbers(&answer.body).collect())
}

impl Sender {
    async fn send(&self, pairs: &[String], per_second: u32) -> u64 {
        let first = self.sent.borrow().len() as u64;
        let mut number = first;
        let note = |number: u64| {
            self.sent.borrow_mut().push(Instant::now());
            let at = usize::try_from(number - first - 1).unwrap_or(0) % PAIRS;
            self.last.borrow_mut()[at] = number;
        };
        self.venue.flow(pairs, per_second, STEP, &mut number, note).await
    }
}

/// Waits until every venue's every last price is shown; how many never were.
async fn until_settled(
    product: &Product,
    senders: &[Sender],
    pairs: &[String],
) -> anyhow::Result<(usize, Duration)> {
    let started = Instant::now();
    loop {
        let mut wrong = 0;
        for sender in senders {
            wrong += differing(product, sender, pairs).await?;
        }
        if wrong == 0 || started.elapsed() > PATIENCE / 4 {
            return Ok((wrong, started.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many pairs do not show what the venue sent last.
async fn differing(product: &Product, sender: &Sender, pairs: &[String]) -> anyhow::Result<usize> {
    let answer = http::get(product.address, &format!("/api/v1/rates?venue={}", sender.name)).await?;
    let answer: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let none = Vec::new();
    let rates = answer["rates"].as_array().unwrap_or(&none);
    let value = |pair: &str| rates.iter().find(|rate| rate["pair"] == pair)?["value"].as_str();
    let last = sender.last.borrow();
    let is_shown =
        |(pair, number): &(&String, &u64)| value(pair) == Some(format!("{WHOLE}{number:09}").as_str());
    Ok(pairs.iter().zip(last.iter()).filter(|one| !is_shown(one)).count())
}

impl Step {
    fn percentile(&self, percent: f64) -> f64 {
        let last = self.late_ms.len().saturating_sub(1);
        let index = (last as f64 * percent / 100.0).ceil() as usize;
        self.late_ms.get(index).copied().unwrap_or(f64::INFINITY)
    }

    fn holds(&self) -> bool {
        self.percentile(99.0) < LATE_MS && self.sent_per_second >= f64::from(self.per_second) * SENT_LEAST
    }
}

fn report(product: &Product, steps: &[Step], wrong: usize, settled_after: Duration, table: &mut Table) {
    println!(
        "{:>10} {:>12} {:>9} {:>9} {:>9} {:>7} {:>12}  load average",
        "ticks/s", "really sent", "p50 ms", "p99 ms", "max ms", "looks", "rates' CPU %"
    );
    for step in steps {
        println!(
            "{:>10} {:>12.0} {:>9.1} {:>9.1} {:>9.1} {:>7} {:>12.0}  {}",
            step.per_second,
            step.sent_per_second,
            step.percentile(50.0),
            step.percentile(99.0),
            step.percentile(100.0),
            step.late_ms.len(),
            step.cpu_percent,
            step.load
        );
    }
    let (memory, most) = product.process.memory_mb();
    println!(
        "{wrong} of {} last prices differ {:.2} s after the last frame; memory {memory:.1} MB, at most {most:.1} MB",
        VENUES * PAIRS,
        settled_after.as_secs_f64()
    );
    let what = format!("{VENUES} venues x {PAIRS} pairs");
    table.ratio(
        &format!("{what}: last prices that differ"),
        Target::AtMost(0.0),
        wrong as f64,
        String::new(),
    );
    table.aim(
        &format!("{what}: memory"),
        Target::AtMost(250.0),
        "MB",
        most,
        format!("{memory:.1} MB at the end"),
    );
    let best = steps.iter().filter(|step| step.holds()).map(|step| step.sent_per_second);
    let beside =
        steps.iter().map(|step| format!("{}/s: p99 {:.1} ms", step.per_second, step.percentile(99.0)));
    table.aim(
        &format!("{what}: ticks/s within {LATE_MS} ms"),
        Target::AtLeast(f64::from(TICKS_PER_SECOND[2]) * SENT_LEAST),
        "/s",
        Spread::of(best).most,
        beside.collect::<Vec<_>>().join(", "),
    );
}
