//! The arguments of `rates alerts …`.
//! It must not know what a command does.

use crate::args::{ServerArgs, StoreArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `rates alerts …`
#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// Add an alert of the operator's; a running service takes it within a second.
    #[command(before_help = include_str!("../help/alerts-add.txt"))]
    Add(Box<AddArgs>),
    /// Every alert, whoever's it is.
    #[command(before_help = include_str!("../help/alerts-list.txt"))]
    List {
        /// Only these: operator, key:NUMBER or chat:NUMBER.
        #[arg(long)]
        owner: Option<String>,
        /// Closed ones too: fired for the last time, or ended.
        #[arg(long)]
        closed: bool,
        /// JSON.
        #[arg(long)]
        json: bool,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Remove an alert, whoever's it is.
    #[command(before_help = include_str!("../help/alerts-remove.txt"))]
    Remove {
        /// The alert's number, as `rates alerts list` shows it.
        id: i64,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// `rates alerts add`
#[derive(Debug, Args)]
pub struct AddArgs {
    /// What to wait for: BTC-USDT above 70000, "ETH-USDT -5% in 1h", BTC-USDT 24h +10%, venue NAME down 5m. A minus
    /// wants quotes around all of it.
    #[arg(required = true, value_name = "ALERT")]
    pub line: Vec<String>,
    /// Which address is told.
    #[arg(long, value_name = "URL", required_unless_present_any = ["chat", "dry_run"], conflicts_with = "chat")]
    pub webhook: Option<String>,
    /// A file with the secret that signs what the webhook is told; without it one is made, and shown once.
    #[arg(long, value_name = "FILE", requires = "webhook")]
    pub secret_file: Option<PathBuf>,
    /// Which Telegram chat is told: NUMBER or NUMBER/TOPIC.
    #[arg(long, value_name = "CHAT", allow_hyphen_values = true)]
    pub chat: Option<String>,
    /// Only say how it was understood, and how often it would have fired.
    #[arg(long)]
    pub dry_run: bool,
    /// JSON.
    #[arg(long)]
    pub json: bool,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Asked for the rate at this moment.
    #[command(flatten)]
    pub server: ServerArgs,
}
