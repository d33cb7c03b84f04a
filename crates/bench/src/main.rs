//! `make bench`: the figures that the product promises, measured on this machine against the real binary, and one table at the end.
//! It must not know how any of them is measured.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::float_arithmetic,
    reason = "a benchmark prints, and divides times"
)]

mod alerts;
mod apart;
mod apart_feed;
mod apart_flow;
mod apart_latency;
mod apart_reads;
mod bare;
mod bare_amqp;
mod bot;
mod bot_alerts;
mod bot_broadcast;
mod bot_fill;
mod bot_world;
mod decode;
mod figures;
mod http;
mod latency;
mod load;
mod local_venue;
mod machine;
mod pairs;
mod process;
mod product;
mod read;
mod size;
mod sse;
mod venues;

use anyhow::Context;
use figures::Table;
use machine::Machine;
use std::process::ExitCode;

/// What can be named on the command line; without a name all run, in this order.
const ALL: [&str; 9] = ["size", "decode", "alerts", "read", "latency", "pairs", "venues", "apart", "bot"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bench: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        // Whatever runs is dropped when we are stopped, and with it every process that it started.
        tokio::select! {
            outcome = dispatch(&arguments) => outcome,
            stopped = stopped() => Err(stopped),
        }
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(arguments: &[String]) -> anyhow::Result<bool> {
    match arguments.first().map(String::as_str) {
        Some(bare::SERVER) => {
            bare::server(arguments.get(1).context("a file with the answers")?).await.map(|()| true)
        }
        Some(bare::RELAY) => bare::relay().await.map(|()| true),
        _ => measure(arguments).await,
    }
}

/// Runs what is named; whether every ratio that must hold did.
async fn measure(names: &[String]) -> anyhow::Result<bool> {
    if let Some(unknown) = names.iter().find(|name| !ALL.contains(&name.as_str())) {
        anyhow::bail!("there is no benchmark {unknown}; there are: {}", ALL.join(", "));
    }
    let machine = Machine::look();
    println!("{}", machine.describe());
    machine.pin_ourselves();
    let (mut table, mut failed) = (Table::default(), Vec::new());
    for name in ALL.into_iter().filter(|name| names.is_empty() || names.iter().any(|n| n == name)) {
        println!("\n== {name}  (load average {})", machine::load_average());
        let measured = match name {
            "size" => size::run(&machine, &mut table).await,
            "decode" => decode::run(&mut table).await,
            "alerts" => alerts::run(&mut table),
            "read" => read::run(&machine, &mut table).await,
            "latency" => latency::run(&machine, &mut table).await,
            "pairs" => pairs::run(&machine, &mut table).await,
            "bot" => Box::pin(bot::run(&machine, &mut table)).await,
            "apart" => Box::pin(apart::run(&machine, &mut table)).await,
            _ => venues::run(&machine, &mut table).await,
        };
        // What else can be measured still is.
        if let Err(error) = measured {
            eprintln!("bench: {name}: {error:#}");
            failed.push(name);
        }
    }
    println!("\nload average at the end {}\n\n{table}", machine::load_average());
    anyhow::ensure!(failed.is_empty(), "could not be measured: {}", failed.join(", "));
    Ok(table.every_ratio_holds())
}

/// Ctrl-C or a polite kill.
async fn stopped() -> anyhow::Error {
    use tokio::signal::unix::{SignalKind, signal};
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    anyhow::anyhow!("stopped before the end")
}
