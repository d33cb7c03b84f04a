//! A process that is ended with its guard, what it says, and what the kernel knows of it.
//! It must not know what runs in it.

use anyhow::Context;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// How long a process may take to say where it listens.
const PATIENCE: Duration = Duration::from_secs(20);

/// A new folder, removed with its guard.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one among the temporary files.
    pub fn new() -> anyhow::Result<Folder> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rates-bench-{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Folder(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process of ours.
#[derive(Debug)]
pub struct Process {
    child: std::process::Child,
    said: PathBuf,
    /// Open for as long as we live: a bare server ends when it closes, however we ended.
    _stdin: Option<ChildStdin>,
}

impl Process {
    /// Starts it in an own folder and without any environment; `words` begin with the program.
    pub fn start(words: &[String], dir: &Path) -> anyhow::Result<Process> {
        let (program, arguments) = words.split_first().context("a program")?;
        let said = dir.join("said.log");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(dir)
            .env_clear()
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::from(fs::File::create(&said)?))
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let stdin = child.stdin.take();
        Ok(Process { child, said, _stdin: stdin })
    }

    /// Waits until it says where it listens.
    pub async fn address(&mut self) -> anyhow::Result<SocketAddr> {
        let until = Instant::now() + PATIENCE;
        loop {
            let said = fs::read_to_string(&self.said).unwrap_or_default();
            if let Some(address) = address_in(&said) {
                return Ok(address);
            }
            if !matches!(self.child.try_wait(), Ok(None)) || Instant::now() > until {
                anyhow::bail!("a process did not say where it listens; it said: {said}");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// The processor time it has used so far, all its threads together.
    pub fn cpu(&self) -> Duration {
        cpu(&self.child.id().to_string())
    }

    /// Memory in use and the most that ever was, in MB (of 1,000,000 bytes).
    pub fn memory_mb(&self) -> (f64, f64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
            kib.unwrap_or(f64::NAN) * 1_024.0 / 1_000_000.0
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `http://127.0.0.1:PORT` within whole lines.
fn address_in(said: &str) -> Option<SocketAddr> {
    let whole = &said[..said.rfind('\n')?];
    let rest = &whole[whole.find("http://127.0.0.1:")? + "http://".len()..];
    rest.split(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').next()?.parse().ok()
}

/// The processor time this process has used so far.
pub fn our_cpu() -> Duration {
    cpu("self")
}

/// Nanoseconds of each thread that lives. Threads that ended are not counted: these processes keep theirs.
fn cpu(process: &str) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Duration::ZERO };
    let of = |path: PathBuf| -> Option<u64> {
        fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    Duration::from_nanos(threads.flatten().filter_map(|thread| of(thread.path())).sum())
}
