//! What several commands open before they do anything: the configuration, the store, the venue files.
//! It must not know which command asks.

use crate::{
    config::{Config, Flags},
    exit::{Exit, Failure},
    layers::{self, ConfigError, process_environment},
    venue_files::{self, VenueFiles},
};
use collector::Environment;
use guard::{Guard, SystemResolver};
use std::{sync::Arc, time::Duration};
use store::{Seed, Store};

/// How long the name service may take.
const NAMES_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a command waits for the store.
const STORE_MS: u64 = 10_000;

/// The configuration in force; mistakes end with 78, each with its place and key.
pub fn config(flags: &Flags) -> Result<Config, Failure> {
    Config::load(flags, &process_environment()).map_err(|errors| mistakes(&errors))
}

fn mistakes(errors: &[ConfigError]) -> Failure {
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failure::say(Exit::Config, said.join("\n"))
}

/// Built-in venue files, and those of `venues_dir` over them.
pub fn venue_files(config: &Config) -> Result<VenueFiles, Failure> {
    let files = VenueFiles::load(config.venues_dir.as_deref())?;
    files.check()?;
    Ok(files)
}

/// The first rows of a new store.
pub fn seed() -> Result<Seed, Failure> {
    Ok(Seed { rows: venue_files::seed_rows()?, venues: Vec::new() })
}

/// What judges addresses that are not ours.
pub fn guard(config: &Config) -> Guard {
    Guard::new(&config.allow_private, Arc::new(SystemResolver), NAMES_TIMEOUT)
}

/// The store of the configuration, made and seeded if it is missing.
pub async fn store(flags: &Flags) -> Result<Arc<dyn Store>, Failure> {
    open_store(&config(flags)?).await
}

/// What the configuration says about reaching a store.
pub fn store_options(config: &Config) -> store::Options {
    store::Options { trusted_roots: config.trusted_roots.as_ref().map(|roots| roots.pem.clone()) }
}

/// Opens the store once, within a time limit.
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    let told = store_options(config);
    let opening = store::open_with(config.store.reveal(), seed()?, &told);
    match tokio::time::timeout(Duration::from_millis(STORE_MS), opening).await {
        Ok(opened) => opened.map_err(Failure::store),
        Err(_) => Err(Failure::say(Exit::Unavailable, format!("{} does not answer", config.store))),
    }
}

/// The process's environment for venue files: a variable, or the file that `…_FILE` names.
pub fn environment() -> Environment {
    let environment = process_environment();
    Arc::new(move |name| match layers::variable(&environment, name) {
        Ok(found) => found.map(|(value, _)| value),
        Err(error) => {
            tracing::warn!("{error}");
            None
        }
    })
}
