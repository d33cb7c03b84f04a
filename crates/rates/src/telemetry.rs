//! What is seen from outside: log lines on standard error, metrics for Prometheus, panics in one line each.
//! It must not know what is logged or counted.

use crate::{output, values::LogFormat};
use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    io::{IsTerminal, Write},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Log lines that may wait for a slow terminal or disk; more are dropped and counted.
const LINES_MAX: usize = 8_192;

/// How long the end of the program waits for the last lines to be written.
const FLUSH_MS: u64 = 500;

/// Upper bounds of durations in seconds: from the 20 µs of a read in memory to the 10 s of a timeout.
const SECONDS: &[f64] = &[
    0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
    2.0, 5.0, 10.0,
];

/// So many of the newest lines can be shown.
const RECENT_MAX: usize = 200;

/// Set up: keep it until the end, so that the last lines are written.
#[derive(Debug)]
pub struct Telemetry {
    /// Renders `/metrics`.
    pub metrics: PrometheusHandle,
    lines: Lines,
}

/// Starts logging and counting, and has panics logged.
pub fn start(filter: &str, format: LogFormat) -> anyhow::Result<Telemetry> {
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
        .context("the buckets of the histograms")?
        .install_recorder()
        .context("the recorder of metrics")?;
    describe();
    let lines = Lines::start(std::io::stderr()).context("the thread that writes log lines")?;
    // The AMQP library logs every failed attempt as an error; the broker says the same once per change.
    let quiet = if filter.contains("lapin") { filter.to_owned() } else { format!("{filter},lapin=off") };
    let filter = EnvFilter::builder().parse(quiet).context("the log filter")?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines.clone());
    let colour = output::has_colour(std::io::stderr().is_terminal());
    let set = match format {
        LogFormat::Human => tracing::subscriber::set_global_default(subscriber.with_ansi(colour).finish()),
        LogFormat::Json => {
            tracing::subscriber::set_global_default(subscriber.json().flatten_event(true).finish())
        }
    };
    set.context("the log")?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("(no words)");
        metrics::counter!("rates_panics_total").increment(1);
        tracing::error!(place, "a task panicked: {text}");
    }));
    Ok(Telemetry { metrics, lines })
}

impl Telemetry {
    /// Gives the newest lines, the oldest first, without colours.
    pub fn log_lines(&self) -> Arc<dyn Fn(usize) -> Vec<String> + Send + Sync> {
        let recent = self.lines.recent.clone();
        Arc::new(move |count| {
            let recent = recent.lock();
            let lines = recent.iter().skip(recent.len().saturating_sub(count));
            lines.map(|line| without_colours(&String::from_utf8_lossy(line))).collect()
        })
    }

    /// Waits a moment for the last lines to be written.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.lines.out.try_send(Line::Flush(done)).is_ok() {
            let _ = written.recv_timeout(Duration::from_millis(FLUSH_MS));
        }
    }
}

fn describe() {
    metrics::describe_counter!("rates_log_lines_dropped_total", "Log lines that nobody took in time");
    metrics::describe_counter!("rates_panics_total", "Panics that were caught; each one is a defect");
    metrics::describe_gauge!("rates_build_info", "1, labelled with the version");
    metrics::counter!("rates_log_lines_dropped_total").absolute(0);
    metrics::counter!("rates_panics_total").absolute(0);
    metrics::gauge!("rates_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
}

#[derive(Debug)]
enum Line {
    Text(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Hands log lines to a thread of its own, so that a blocked terminal or a full disk never stops the service.
#[derive(Debug, Clone)]
struct Lines {
    out: SyncSender<Line>,
    recent: Arc<Mutex<VecDeque<Vec<u8>>>>,
}

impl Lines {
    fn start(out: impl Write + Send + 'static) -> std::io::Result<Lines> {
        let (lines, waiting) = sync_channel(LINES_MAX);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write_lines(&waiting, out))?;
        Ok(Lines { out: lines, recent: Arc::default() })
    }
}

fn write_lines(waiting: &Receiver<Line>, mut out: impl Write) {
    while let Ok(line) = waiting.recv() {
        match line {
            Line::Text(text) => {
                if out.write_all(&text).is_err() {
                    metrics::counter!("rates_log_lines_dropped_total").increment(1);
                }
            }
            Line::Flush(done) => {
                let _ = out.flush();
                let _ = done.try_send(());
            }
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if self.out.try_send(Line::Text(line.to_vec())).is_err() {
            metrics::counter!("rates_log_lines_dropped_total").increment(1);
        }
        let mut recent = self.recent.lock();
        recent.push_back(line.to_vec());
        if recent.len() > RECENT_MAX {
            recent.pop_front();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

/// The text without the sequences that colour a terminal.
fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest));
    (first + &rest.collect::<String>()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Condvar, Mutex};

    /// A disk that takes nothing until it is opened.
    #[derive(Clone, Default)]
    struct Stuck(Arc<(Mutex<Taken>, Condvar)>);

    /// Whether it is open, and what it took.
    type Taken = (bool, Vec<u8>);

    impl Write for Stuck {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            let (state, opened) = &*self.0;
            let mut state = opened.wait_while(state.lock().unwrap(), |state| !state.0).unwrap();
            state.1.extend_from_slice(text);
            Ok(text.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_output_never_blocks_and_keeps_a_bounded_number_of_lines() {
        let out = Stuck::default();
        let mut lines = Lines::start(out.clone()).unwrap();
        for _ in 0..LINES_MAX * 2 {
            lines.write_all(b"x").unwrap();
        }
        out.0.0.lock().unwrap().0 = true;
        out.0.1.notify_all();
        let (done, written) = sync_channel(1);
        // The queue may still be full for a moment: wait for room.
        lines.out.send(Line::Flush(done)).unwrap();
        written.recv_timeout(Duration::from_secs(10)).unwrap();
        let kept = out.0.0.lock().unwrap().1.len();
        assert!((LINES_MAX..=LINES_MAX + 1).contains(&kept), "{kept}");
    }
}
