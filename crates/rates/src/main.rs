//! The one binary: reads the command line, does what it says, ends with the code that says how it went.
//! It must not know how anything is done.

mod alerts_command;
mod args;
mod args_alerts;
mod ask;
mod bot_role;
mod client;
mod config;
mod config_command;
mod demo;
mod division;
mod exit;
mod fatal;
mod health;
mod history;
mod init;
mod keys;
mod known;
mod late_alerts;
mod late_chats;
mod late_orders;
mod late_store;
mod layers;
mod near;
mod notify;
mod opening;
mod output;
mod pairs;
mod pairs_everywhere;
mod pairs_search;
mod policies;
mod random;
mod reach;
mod replay_command;
mod reread;
mod roles;
mod run;
mod screen;
mod secret;
mod service;
mod span;
mod sse;
mod states;
mod stop;
mod telemetry;
mod values;
mod venue_files;
mod venue_trial;
mod venues_command;
mod watch;

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
        Command::Run(args) => run::run(args),
        Command::Demo(args) => demo::demo(args),
        Command::Get(args) => one_thread(ask::get(args)),
        Command::History(args) => one_thread(history::history(args)),
        Command::Convert(args) => one_thread(ask::convert(args)),
        Command::Healthcheck(args) => one_thread(ask::healthcheck(args)),
        Command::Watch(args) => one_thread(watch::watch(args)),
        Command::Pairs(command) => one_thread(pairs::pairs(command)),
        Command::Venues(command) => one_thread(venues_command::venues(command)),
        Command::Alerts(command) => one_thread(alerts_command::alerts(command)),
        Command::Keys(command) => one_thread(keys::keys(command)),
        Command::Init(args) => init::init(args),
        Command::Migrate(args) => one_thread(migrate(args)),
        Command::Config(args) => config_command::config(args),
        Command::Replay(args) => replay_command::replay(args),
        Command::Openapi => output::write(&(api::openapi().trim_end().to_owned() + "\n")).map(|()| Exit::Ok),
    }
}

/// Opening a store makes, upgrades and seeds it.
async fn migrate(args: &args::StoreArgs) -> Outcome {
    let config = opening::config(&args.flags())?;
    opening::open_store(&config).await?.close().await;
    output::say(&format!("{} is up to date", config.store));
    Ok(Exit::Ok)
}

/// Runs a short command: no worker threads, so that it starts at once.
fn one_thread(task: impl Future<Output = Outcome>) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(anyhow::Error::new)?;
    runtime.block_on(task)
}
