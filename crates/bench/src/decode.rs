//! Reading a frame through the generic engine beside typed code: the benchmark of the crate `venue`, run from here so
//! that its figure stands in the table. It must not know a frame.

use crate::figures::{Table, Target};
use anyhow::Context;
use tokio::process::Command;

/// How the line begins that holds the figure.
const FIGURE: &str = "worst ratio";

/// And those with what a tick costs, in nanoseconds.
const COSTS: [&str; 2] = ["worst cost of a tick in examples", "worst cost of a tick in recordings"];

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
    let number = |what: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(what))?;
        line.split(' ').find_map(|word| word.parse::<f64>().ok())
    };
    let figure = number(FIGURE);
    // It fails by itself where the ratio is missed; the table says so, too.
    let figure =
        figure.with_context(|| format!("it did not say its worst ratio, and ended with {}", ran.status))?;
    table.ratio(
        "reading a ticker or trade: engine to typed code",
        Target::AtMost(1.5),
        figure,
        String::new(),
    );
    // Recordings may not be at hand; it says so.
    for (what, figure) in COSTS.into_iter().filter_map(|what| Some((what, number(what)?))) {
        table.aim(what, Target::AtMost(5.0), "µs", figure / 1_000.0, "engine only".to_owned());
    }
    Ok(())
}
