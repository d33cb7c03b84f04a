//! Reading a frame through the generic engine beside typed code: the benchmark of the crate `venue`, run from here so
//! that its figure stands in the table. It must not know a frame.

use crate::figures::{Table, Target};
use anyhow::Context;
use tokio::process::Command;

/// How the line begins that holds the figure.
const FIGURE: &str = "worst ratio";

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
    let said = String::from_utf8_lossy(&ran.stdout);
    print!("{said}");
    let line = said.lines().find_map(|line| line.strip_prefix(FIGURE));
    let figure = line.and_then(|line| line.split(' ').find_map(|word| word.parse().ok()));
    // It fails by itself where the ratio is missed; the table says so, too.
    let figure =
        figure.with_context(|| format!("it did not say its worst ratio, and ended with {}", ran.status))?;
    table.ratio(
        "reading a ticker or trade: engine to typed code",
        Target::AtMost(1.5),
        figure,
        String::new(),
    );
    Ok(())
}
