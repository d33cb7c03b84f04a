//! The command line as a tree of types. Texts with examples live in `help/*.txt`.
//! It must not know what a command does.

use crate::{args_alerts::AlertsCommand, config::Flags, layers::Value};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Exchange rates that never lie: self-hosted, exact, with their age and who said so.
#[derive(Debug, Parser)]
#[command(name = "rates", version, propagate_version = true, arg_required_else_help = true)]
#[command(before_help = include_str!("../help/rates.txt"))]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service: feeds, rates, HTTP.
    #[command(before_help = include_str!("../help/run.txt"))]
    Run(RunArgs),
    /// Run everything on simulated venues: no network, no traces.
    #[command(before_help = include_str!("../help/demo.txt"))]
    Demo(DemoArgs),
    /// Ask for one rate.
    #[command(before_help = include_str!("../help/get.txt"))]
    Get(GetArgs),
    /// Watch rates change.
    #[command(before_help = include_str!("../help/watch.txt"))]
    Watch(WatchArgs),
    /// Convert an amount.
    #[command(before_help = include_str!("../help/convert.txt"))]
    Convert(ConvertArgs),
    /// Candles of a pair.
    #[command(before_help = include_str!("../help/history.txt"))]
    History(HistoryArgs),
    /// What is tracked: the rows of `trade_info`.
    #[command(before_help = include_str!("../help/pairs.txt"), subcommand)]
    Pairs(PairsCommand),
    /// Venues and their files.
    #[command(before_help = include_str!("../help/venues.txt"), subcommand)]
    Venues(VenuesCommand),
    /// Play recorded venue traffic back as a real local venue.
    #[command(before_help = include_str!("../help/replay.txt"))]
    Replay(ReplayArgs),
    /// What is waited for, and who is told.
    #[command(before_help = include_str!("../help/alerts.txt"), subcommand)]
    Alerts(AlertsCommand),
    /// Keys to the parts of the HTTP interface that write.
    #[command(before_help = include_str!("../help/keys.txt"), subcommand)]
    Keys(KeysCommand),
    /// The configuration in force.
    #[command(before_help = include_str!("../help/config.txt"), subcommand)]
    Config(ConfigCommand),
    /// Ask a server whether it is ready; for containers.
    #[command(before_help = include_str!("../help/healthcheck.txt"))]
    Healthcheck(ServerArgs),
    /// Print the description of the HTTP interface (OpenAPI 3.1).
    #[command(before_help = include_str!("../help/openapi.txt"))]
    Openapi,
    /// Create or upgrade the store, and end.
    #[command(before_help = include_str!("../help/migrate.txt"))]
    Migrate(StoreArgs),
    /// Make the passwords of a deployment on servers, and the files that need them.
    #[command(before_help = include_str!("../help/init.txt"))]
    Init(InitArgs),
}

/// `rates init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where the secrets lie; what is there is kept.
    #[arg(long, value_name = "DIR")]
    pub secrets: PathBuf,
    /// Where PostgreSQL will be found.
    #[arg(long, value_name = "HOST:PORT", default_value = "postgres:5432")]
    pub postgres: String,
    /// Where RabbitMQ will be found.
    #[arg(long, value_name = "HOST:PORT", default_value = "rabbitmq:5672")]
    pub rabbitmq: String,
    /// Where Redis will be found.
    #[arg(long, value_name = "HOST:PORT", default_value = "redis:6379")]
    pub redis: String,
}

/// The server to ask.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// The address of the server.
    #[arg(long, env = "RATES_URL", default_value = "http://127.0.0.1:8000", hide_env_values = true)]
    pub url: String,
}

/// `rates history`
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The pair, in any usual spelling: BTC-USDT, or BTC USDT.
    #[arg(required = true, num_args = 1..=2, value_name = "PAIR")]
    pub pair: Vec<String>,
    /// How long a candle is.
    #[arg(long, default_value = "1h", value_parser = ["1m", "1h", "1d"])]
    pub interval: String,
    /// Milliseconds since the epoch: the first candle that may begin.
    #[arg(long, value_name = "MS")]
    pub from: Option<i64>,
    /// Milliseconds since the epoch: candles that begin here or later are left out.
    #[arg(long, value_name = "MS")]
    pub to: Option<i64>,
    /// One venue's candles, instead of those of our own rate.
    #[arg(long)]
    pub venue: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// The configuration, as far as a command on the store needs it.
#[derive(Debug, Args, Default)]
pub struct StoreArgs {
    /// The configuration file; without it ./rates.toml, if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The store. Passwords belong in DATABASE_URL or DATABASE_URL_FILE, not here.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// More venue files; one replaces a built-in one of the same name.
    #[arg(long, value_name = "DIR")]
    pub venues_dir: Option<PathBuf>,
}

impl StoreArgs {
    /// What they say about the configuration.
    pub fn flags(&self) -> Flags {
        let mut flags = Flags { config: self.config.clone(), values: Vec::new() };
        if let Some(store) = &self.store {
            flags.values.push(("store", "--store", Value::Text(store.clone())));
        }
        if let Some(dir) = &self.venues_dir {
            flags.values.push(("venues_dir", "--venues-dir", Value::Text(dir.display().to_string())));
        }
        flags
    }
}

/// `rates run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Where to serve HTTP.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// What this process runs: all, or some of collector,recorder,api,bot.
    #[arg(long, value_name = "ROLES")]
    pub roles: Option<String>,
    /// What carries ticks between roles.
    #[arg(long, value_name = "URL")]
    pub broker: Option<String>,
    /// What keeps the last ticks outside the process.
    #[arg(long, value_name = "URL")]
    pub cache: Option<String>,
    /// A network that is not public and may be connected to all the same; may be repeated.
    #[arg(long, value_name = "CIDR")]
    pub allow_private: Vec<String>,
    /// Which log lines to write, such as `warn` or `info,collector=debug`.
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// How to write log lines.
    #[arg(long, value_name = "FORMAT", value_parser = ["human", "json"])]
    pub log_format: Option<String>,
}

impl RunArgs {
    /// What they say about the configuration.
    pub fn flags(&self) -> Flags {
        let mut flags = self.store.flags();
        for (key, flag, value) in [
            ("listen", "--listen", &self.listen),
            ("roles", "--roles", &self.roles),
            ("broker", "--broker", &self.broker),
            ("cache", "--cache", &self.cache),
            ("log.filter", "--log", &self.log),
            ("log.format", "--log-format", &self.log_format),
        ] {
            flags.values.extend(value.iter().map(|value| (key, flag, Value::Text(value.clone()))));
        }
        if !self.allow_private.is_empty() {
            flags.values.push(("allow_private", "--allow-private", Value::List(self.allow_private.clone())));
        }
        flags
    }
}

/// `rates demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where to serve HTTP; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8000")]
    pub listen: std::net::SocketAddr,
    /// The seed of the invented prices: the same seed, the same walk.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Which log lines to write.
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    pub log: String,
}

/// `rates get`
#[derive(Debug, Args)]
pub struct GetArgs {
    /// The pair, in any usual spelling: `BTC USDT`, `BTC-USDT`, `btcusdt`.
    #[arg(required = true, num_args = 1..=2, value_name = "PAIR")]
    pub pair: Vec<String>,
    /// Only what this venue says.
    #[arg(long, value_name = "NAME")]
    pub venue: Option<String>,
    /// Refuse what is older: `500ms`, `5s`, or seconds. Ends with 3 then.
    #[arg(long, value_name = "AGE")]
    pub max_age: Option<String>,
    /// Show every venue's tick, and why one was not used.
    #[arg(long)]
    pub explain: bool,
    /// The server's answer as it is.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `rates watch`
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Only these pairs; without any, all.
    #[arg(value_name = "PAIR")]
    pub pairs: Vec<String>,
    /// One JSON object per change.
    #[arg(long)]
    pub json: bool,
    /// End after this many changes.
    #[arg(long, value_name = "COUNT")]
    pub changes: Option<u64>,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `rates convert`
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// How much.
    pub amount: String,
    /// Of what.
    pub from: String,
    /// Into what.
    pub to: String,
    /// The server's answer as it is.
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// A list from the store, with states from the server.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// JSON.
    #[arg(long)]
    pub json: bool,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// The server that knows the states.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `rates pairs …`
#[derive(Debug, Subcommand)]
pub enum PairsCommand {
    /// Every row, and how it is doing.
    #[command(before_help = include_str!("../help/pairs-list.txt"))]
    List(ListArgs),
    /// Track a pair, or lists of them: `bitcoin,ethereum-rub,usd`.
    #[command(before_help = include_str!("../help/pairs-add.txt"))]
    Add(PairsAddArgs),
    /// Find what which venue calls how, in the venues' own lists of symbols.
    #[command(before_help = include_str!("../help/pairs-search.txt"))]
    Search(PairsSearchArgs),
    /// Stop tracking a row for good.
    #[command(before_help = include_str!("../help/pairs-remove.txt"))]
    Remove(RowArgs),
    /// Switch a row on.
    #[command(before_help = include_str!("../help/pairs-enable.txt"))]
    Enable(RowArgs),
    /// Switch a row off; it stays in the table.
    #[command(before_help = include_str!("../help/pairs-disable.txt"))]
    Disable(RowArgs),
}

/// `rates pairs add`
#[derive(Debug, Args)]
pub struct PairsAddArgs {
    /// The pair, or lists of them.
    pub pair: String,
    /// The venue; `all` = a row at every venue whose file can spell the pair.
    #[arg(long, value_name = "NAME")]
    pub venue: String,
    /// Another address than the venue's own.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// How often to ask, where the venue is polled: `60s`.
    #[arg(long, value_name = "TIME")]
    pub interval: Option<String>,
    /// Past this age its prices are stale.
    #[arg(long, value_name = "TIME")]
    pub stale_after: Option<String>,
    /// Past this age they are refused.
    #[arg(long, value_name = "TIME")]
    pub expire_after: Option<String>,
    /// Believe prices below zero.
    #[arg(long)]
    pub allow_negative: bool,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `rates pairs search`
#[derive(Debug, Args)]
pub struct PairsSearchArgs {
    /// An asset, a pair, a symbol, or a part of one.
    pub text: String,
    /// Only this venue.
    #[arg(long, value_name = "NAME")]
    pub venue: Option<String>,
    /// Ask this address in place of the venues' own: a proxy, or a copy.
    #[arg(long, value_name = "URL")]
    pub url_base: Option<String>,
    /// A network that is not public and may be connected to all the same; may be repeated.
    #[arg(long, value_name = "CIDR")]
    pub allow_private: Vec<String>,
    /// JSON.
    #[arg(long)]
    pub json: bool,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

impl PairsSearchArgs {
    /// What they say about the configuration.
    pub fn flags(&self) -> Flags {
        let mut flags = self.store.flags();
        if !self.allow_private.is_empty() {
            flags.values.push(("allow_private", "--allow-private", Value::List(self.allow_private.clone())));
        }
        flags
    }
}

/// A row by its number.
#[derive(Debug, Args)]
pub struct RowArgs {
    /// The row's number, as `rates pairs list` shows it.
    pub id: i64,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `rates venues …`
#[derive(Debug, Subcommand)]
pub enum VenuesCommand {
    /// Every venue, and how its feeds are doing.
    #[command(before_help = include_str!("../help/venues-list.txt"))]
    List(ListArgs),
    /// The file of a venue; and, beside it, what is wrong with its feeds, with the last frame that could not be read.
    #[command(before_help = include_str!("../help/venues-show.txt"))]
    Show(VenueShowArgs),
    /// Validate a venue file and run its examples, without starting anything.
    #[command(before_help = include_str!("../help/venues-check.txt"))]
    Check {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Connect once for real, and show what the venue sends and what is made of it.
    #[command(before_help = include_str!("../help/venues-test.txt"))]
    Test(TestArgs),
    /// Read recorded traffic of a venue: one JSON line per price.
    #[command(before_help = include_str!("../help/venues-decode.txt"))]
    Decode {
        /// The venue file.
        file: PathBuf,
        /// The recording: JSON lines.
        recording: PathBuf,
    },
    /// Keep a venue file in the store; a running service takes it within two seconds.
    #[command(before_help = include_str!("../help/venues-add.txt"))]
    Add {
        /// The file; its stem is the venue's name.
        file: PathBuf,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Remove a venue file from the store.
    #[command(before_help = include_str!("../help/venues-remove.txt"))]
    Remove(VenueArgs),
}

/// `rates venues test`
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The venue file.
    pub file: PathBuf,
    /// The pair: BASE-QUOTE.
    pub pair: String,
    /// Replaces the venue's address, as in a row.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// A network that is not public and may be connected to all the same; may be repeated.
    #[arg(long, value_name = "CIDR")]
    pub allow_private: Vec<String>,
    /// JSON.
    #[arg(long)]
    pub json: bool,
    /// The configuration file; without it ./rates.toml, if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl TestArgs {
    /// What they say about the configuration.
    pub fn flags(&self) -> Flags {
        let mut flags = Flags { config: self.config.clone(), values: Vec::new() };
        if !self.allow_private.is_empty() {
            flags.values.push(("allow_private", "--allow-private", Value::List(self.allow_private.clone())));
        }
        flags
    }
}

/// `rates venues show`
#[derive(Debug, Args)]
pub struct VenueShowArgs {
    /// The venue, and the store.
    #[command(flatten)]
    pub venue: VenueArgs,
    /// The server that knows how its feeds are doing.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// A venue by its name.
#[derive(Debug, Args)]
pub struct VenueArgs {
    /// The venue's name.
    pub name: String,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `rates replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Recordings: JSON lines.
    #[arg(required = true, value_name = "RECORDING")]
    pub recordings: Vec<PathBuf>,
    /// Where to serve.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9000")]
    pub listen: std::net::SocketAddr,
    /// How many times faster than recorded; 0 = without waiting.
    #[arg(long, default_value_t = 1)]
    pub speed: u32,
    /// At the end of a recording, begin again.
    #[arg(long)]
    pub repeat: bool,
}

/// `rates keys …`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key; it is shown this once.
    #[command(before_help = include_str!("../help/keys-add.txt"))]
    Add {
        /// What you call it: who will use it.
        name: String,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Every key, never the key itself.
    #[command(before_help = include_str!("../help/keys-list.txt"))]
    List {
        /// JSON.
        #[arg(long)]
        json: bool,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Make a key worthless.
    #[command(before_help = include_str!("../help/keys-revoke.txt"))]
    Revoke {
        /// The key's number, as `rates keys list` shows it.
        id: i64,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// `rates config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Every key, its value in force and where it was written; secrets starred.
    #[command(before_help = include_str!("../help/config-print.txt"))]
    Print {
        /// JSON.
        #[arg(long)]
        json: bool,
        /// What `run` would be given.
        #[command(flatten)]
        run: RunArgs,
    },
    /// Say whether `run` would start with it.
    #[command(before_help = include_str!("../help/config-check.txt"))]
    Check(RunArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Every command below this one, with its path.
    fn walk(path: &str, command: &clap::Command, all: &mut Vec<(String, clap::Command)>) {
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let path = format!("{path} {}", below.get_name());
            all.push((path.clone(), below.clone()));
            walk(&path, below, all);
        }
    }

    #[test]
    fn the_tree_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_begins_with_an_example_and_every_example_parses() {
        let mut all = vec![("rates".to_owned(), Cli::command())];
        walk("rates", &Cli::command(), &mut all);
        let mut examples = 0;
        for (path, mut command) in all {
            let help = command.render_long_help().to_string();
            let own = command.get_before_help().map(ToString::to_string);
            let text = own.unwrap_or_else(|| panic!("{path} has no example"));
            assert!(help.starts_with("Example"), "{path} --help begins with {help:.40}");
            for line in text.lines().map(str::trim).filter(|line| line.starts_with("rates ")) {
                let words = line.split("  #").next().unwrap_or(line).split(" | ").next().unwrap_or(line);
                let words = words.split(" > ").next().unwrap_or(words);
                // What stands between two quotes is one word, as a shell reads it.
                let words = words.split('"').enumerate().flat_map(|(at, part)| {
                    if at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() }
                });
                if let Err(error) = Cli::try_parse_from(words) {
                    panic!("{path}: {line}: {error}");
                }
                examples += 1;
            }
        }
        assert!(examples > 20, "{examples} examples");
    }
}
