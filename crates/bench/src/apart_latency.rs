//! From a frame that a venue writes, through a collector, RabbitMQ and an API in processes of their own, to the event that
//! a client of the stream reads; beside bare publish-to-consume on the same server in the same run.
//! It must not know what happens on the way.

use crate::{
    bare_amqp::{self, Publisher},
    figures::{ROUNDS, Spread, Table, Target},
    latency::{GRACE, PAIRS, ROUND, Round, TICKS_PER_SECOND, WARM_UP, through},
    local_venue::{LocalVenue, frame},
    product::Product,
    sse::{self, Prices},
};
use futures_util::StreamExt;
use lapin::{Consumer, options::BasicAckOptions};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// Measures on this server.
pub async fn run(url: &str, table: &mut Table) -> anyhow::Result<()> {
    let venue = LocalVenue::start().await?;
    let pairs: Vec<String> = (0..PAIRS).map(|at| format!("COIN{at}-USDT")).collect();
    let anywhere = |program: &str| vec![program.to_owned()];
    let broker = ["--broker", url];
    let roles = |role: &'static str| [&["--roles", role][..], &broker[..]].concat();
    let files = [("local-venue".to_owned(), venue.file("", 100))];
    let collector = Product::start_on(anywhere, &files, &pairs, &roles("collector")).await?;
    let api = collector.beside(anywhere, &roles("api")).await?;
    venue.until_subscribed(pairs.len(), Duration::from_secs(20)).await?;
    let mut number = 0;
    let mut prices = Prices::stream(api.address).await?;
    through(&venue, &pairs, &mut prices, &mut number, WARM_UP).await?;

    let publisher = Publisher::connect(url, false).await?;
    let (_connection, mut consumer) = bare_amqp::consume(url).await?;
    bare(&publisher, &mut consumer, WARM_UP).await?;

    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // In turns, and in the other order next time.
        if round % 2 == 0 {
            theirs.push(bare(&publisher, &mut consumer, ROUND).await?);
        }
        ours.push(through(&venue, &pairs, &mut prices, &mut number, ROUND).await?);
        if round % 2 == 1 {
            theirs.push(bare(&publisher, &mut consumer, ROUND).await?);
        }
    }
    report(&theirs, &ours, table)
}

/// The same number of messages a second, published and consumed by one program on two connections.
async fn bare(publisher: &Publisher, consumer: &mut Consumer, how_long: Duration) -> anyhow::Result<Round> {
    let mut sent = Vec::new();
    let until = Instant::now() + how_long;
    let sending = async {
        let mut beat = tokio::time::interval(Duration::from_secs(1) / TICKS_PER_SECOND);
        beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while beat.tick().await < until {
            let frame = frame("COIN0-USDT", sent.len() as u64 + 1, 1_790_000_000_000);
            sent.push(Instant::now());
            // Nobody waits for an answer: there will be none without confirms.
            drop(publisher.publish(frame.as_bytes()).await?);
        }
        anyhow::Ok(())
    };
    let reading = async {
        let mut came = Vec::new();
        while let Ok(Some(delivery)) = tokio::time::timeout_at(until + GRACE, consumer.next()).await {
            let (delivery, now) = (delivery?, Instant::now());
            came.extend(sse::numbers(&delivery.data).map(|number| (number, now)));
            delivery.ack(BasicAckOptions::default()).await?;
        }
        anyhow::Ok(came)
    };
    let (done, came) = tokio::join!(sending, reading);
    done?;
    Ok(Round::new(0, &sent, came?))
}

fn report(theirs: &[Round], ours: &[Round], table: &mut Table) -> anyhow::Result<()> {
    let spread = |all: &[Round], percent: f64| Spread::of(all.iter().map(|round| round.percentile(percent)));
    println!(
        "{:<22} {:>24} {:>24} {:>9} {:>9}",
        "through RabbitMQ", "p50 µs", "p99 µs", "samples", "missing"
    );
    for (who, all) in [("bare, one message each", theirs), ("rates, venue to event", ours)] {
        let samples: usize = all.iter().map(Round::samples).sum();
        let missing: usize = all.iter().map(Round::missing).sum();
        let (half, most) = (spread(all, 50.0), spread(all, 99.0));
        println!("{who:<22} {:>24} {:>24} {samples:>9} {missing:>9}", half.to_string(), most.to_string());
    }
    let samples: usize = ours.iter().map(Round::samples).sum();
    anyhow::ensure!(samples >= 10_000, "only {samples} events came");
    for (what, percent, most) in [("p99", 99.0, 3.0), ("p50", 50.0, 3.0)] {
        let each = ours.iter().zip(theirs).map(|(o, t)| o.percentile(percent) / t.percentile(percent));
        let each = Spread::of(each);
        let beside =
            format!("per round {each:.2}; {} µs to {} µs", spread(ours, percent), spread(theirs, percent));
        let what = format!("venue to event through RabbitMQ, {what} to bare");
        table.ratio(&what, Target::AtMost(most), each.median, beside);
    }
    Ok(())
}
