//! Reading a frame through the generic engine beside typed code: the benchmark of the crate `venue`, run from here so
//! that its figure stands in the table. It must not know a frame.

use crate::figures::{Table, Target};
use anyhow::Context;
use tokio::process::Command;

/// How the line begins that holds the figure.
const FIGURE: &str = "worst ratio ";

/// Measures.
pub async fn run(table: &mut Table) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = Command::new(cargo)
        .args(["bench", "--quiet", "-p", "venue", "--bench", "decode"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .kill_on_drop(true)
        .stderr(std::process::Stdio::inherit())
        .output()
        .await
        .context("cargo")?;
    anyhow::ensure!(ran.status.success(), "the benchmark of the crate venue failed");
    let said = String::from_utf8_lossy(&ran.stdout);
    print!("{said}");
    let figure = said.lines().find_map(|line| line.strip_prefix(FIGURE)?.split(' ').next()?.parse().ok());
    let figure = figure.context("it did not say its worst ratio")?;
    table.ratio("reading a frame: engine to typed code, worst", Target::AtMost(1.5), figure, String::new());
    Ok(())
}
