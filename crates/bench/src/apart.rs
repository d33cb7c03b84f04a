//! The roles apart, on a RabbitMQ and a Redis of the benchmark's own: how late, how many, and what their absence costs.
//! It must not know how a message is made.

use crate::{apart_flow, apart_latency, apart_reads, figures::Table, machine::Machine};
use testkit::servers::{RabbitMq, Redis};

/// Measures all three.
pub async fn run(machine: &Machine, table: &mut Table) -> anyhow::Result<()> {
    // The servers run wherever there is room, like everybody here but a measured API: none has a core for itself.
    machine.unpin_ourselves();
    let outcome = measure(machine, table).await;
    machine.pin_ourselves();
    outcome
}

async fn measure(machine: &Machine, table: &mut Table) -> anyhow::Result<()> {
    let rabbitmq = RabbitMq::start()?;
    apart_latency::run(&rabbitmq.url(), table).await?;
    apart_flow::run(&rabbitmq.url(), table).await?;
    let redis = Redis::start()?;
    apart_reads::run(machine, &rabbitmq, &redis, table).await
}
