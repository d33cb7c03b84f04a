//! The product as its user runs it: the release binary, its own folder, store and venue file.
//! It must not know what is measured.

use crate::{
    http,
    process::{Folder, Process},
};
use anyhow::Context;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use store::{NewTradeRow, Seed};
use tokio::time::Instant;

/// The name of the venue on this machine.
const VENUE: &str = "local-venue";

/// A running product.
#[derive(Debug)]
pub struct Product {
    /// Its process.
    pub process: Process,
    /// Where it serves.
    pub address: SocketAddr,
    /// From the start of the process to the first answer of `/livez`.
    pub serving_after: Duration,
    /// When the process was started.
    pub started: Instant,
    store: String,
    _dir: Folder,
}

impl Product {
    /// Starts `rates run`; `words` are what starts a program where servers run. `pairs` are its rows, one each.
    pub async fn start(
        words: impl Fn(&str) -> Vec<String>,
        venue_file: &str,
        pairs: &[String],
    ) -> anyhow::Result<Product> {
        Product::start_with(words, &[(VENUE.to_owned(), venue_file.to_owned())], pairs).await
    }

    /// Starts it with venue files of these names and texts; each venue has a row for every pair.
    pub async fn start_with(
        words: impl Fn(&str) -> Vec<String>,
        files: &[(String, String)],
        pairs: &[String],
    ) -> anyhow::Result<Product> {
        Product::start_on(words, files, pairs, &[]).await
    }

    /// The same with further arguments: roles, and servers.
    pub async fn start_on(
        words: impl Fn(&str) -> Vec<String>,
        files: &[(String, String)],
        pairs: &[String],
        more: &[&str],
    ) -> anyhow::Result<Product> {
        Box::pin(Product::start_filled(words, files, pairs, more, async |_| Ok(()))).await
    }

    /// The same on a store that is filled before: `fill` is given its URL while nobody has it open.
    pub async fn start_filled(
        words: impl Fn(&str) -> Vec<String>,
        files: &[(String, String)],
        pairs: &[String],
        more: &[&str],
        fill: impl AsyncFnOnce(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Product> {
        let dir = Folder::new()?;
        let venues = dir.path().join("venues");
        std::fs::create_dir(&venues)?;
        for (name, text) in files {
            std::fs::write(venues.join(format!("{name}.toml")), text)?;
        }
        let store = store_with(dir.path(), files, pairs).await?;
        fill(&store).await?;
        let venues = venues.to_string_lossy().into_owned();
        Product::run(words, dir, store, &[&["--venues-dir", &venues][..], more].concat()).await
    }

    /// Another process on the same store.
    pub async fn beside(
        &self,
        words: impl Fn(&str) -> Vec<String>,
        more: &[&str],
    ) -> anyhow::Result<Product> {
        Product::run(words, Folder::new()?, self.store.clone(), more).await
    }

    async fn run(
        words: impl Fn(&str) -> Vec<String>,
        dir: Folder,
        store: String,
        more: &[&str],
    ) -> anyhow::Result<Product> {
        let mut words = words(&binary()?.to_string_lossy());
        let ours = ["run", "--listen", "127.0.0.1:0", "--store", &store, "--allow-private", "127.0.0.0/8"];
        words.extend(ours.iter().chain(more).map(|word| (*word).to_owned()));
        let started = Instant::now();
        let mut process = Process::start(&words, dir.path())?;
        let address = process.address().await?;
        http::get_until_ok(address, "/livez", Duration::from_secs(20)).await?;
        Ok(Product { process, address, serving_after: started.elapsed(), started, store, _dir: dir })
    }

    /// Where its store is.
    pub fn store_url(&self) -> &str {
        &self.store
    }

    /// Waits until it answers for that target.
    pub async fn until_answers(&self, target: &str) -> anyhow::Result<http::Answer> {
        let answer = http::get_until_ok(self.address, target, Duration::from_secs(20)).await;
        answer.with_context(|| format!("the product said: {}", self.process.said()))
    }
}

/// A store whose only rows are these, so that nothing but this machine is asked.
async fn store_with(dir: &Path, files: &[(String, String)], pairs: &[String]) -> anyhow::Result<String> {
    let url = format!("sqlite://{}", dir.join("rates.db").display());
    let row = |venue: &str, pair: &str| NewTradeRow {
        venue: venue.to_owned(),
        currency_pair: pair.to_owned(),
        ..NewTradeRow::default()
    };
    let rows = files.iter().flat_map(|(venue, _)| pairs.iter().map(move |pair| row(venue, pair)));
    let seed = Seed { rows: rows.collect(), venues: Vec::new() };
    let store = Box::pin(store::open(&url, seed)).await?;
    store.close().await;
    Ok(url)
}

/// The release binary, built beside this one.
pub fn binary() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("rates");
    anyhow::ensure!(path.exists(), "{} is missing: cargo build --release -p rates -p bench", path.display());
    Ok(path)
}
