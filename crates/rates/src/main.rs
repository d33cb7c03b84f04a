//! The one binary: reads the command line, does what it says, ends with the code that says how it went.
//! It must not know how anything is done.

mod args;
mod ask;
mod client;
mod config;
mod config_command;
mod exit;
mod layers;
mod near;
mod opening;
mod output;
mod roles;
mod secret;
mod span;
mod telemetry;
mod venue_files;

use args::{Cli, Command};
use clap::Parser;
use exit::{Exit, Outcome};
use std::{future::Future, process::ExitCode};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(&cli.command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if failure.exit != Exit::Ok {
                output::say(&format!("rates: {failure}"));
            }
            failure.exit.into()
        }
    }
}

fn dispatch(command: &Command) -> Outcome {
    match command {
        Command::Get(args) => one_thread(ask::get(args)),
        Command::Convert(args) => one_thread(ask::convert(args)),
        Command::Healthcheck(args) => one_thread(ask::healthcheck(args)),
        Command::Config(args) => config_command::config(args),
        _ => Ok(Exit::Usage),
    }
}

/// Runs a short command: no worker threads, so that it starts at once.
fn one_thread(task: impl Future<Output = Outcome>) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(anyhow::Error::new)?;
    runtime.block_on(task)
}
