//! The unit for systemd: how closed it is, and that the program says what `Type=notify` waits for.
//! It must not need systemd to run.

use crate::compose::{root, skipped, text};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

const UNIT: &str = "deploy/systemd/rates.service";
/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_secs(60);

fn settings(key: &str) -> Vec<String> {
    let text = text(UNIT);
    let value = |line: &str| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned);
    text.lines().filter_map(value).collect()
}

#[test]
fn the_unit_is_closed_and_its_words_exist() {
    let unit = root().join(UNIT);
    let analyze = |arguments: &[&str]| {
        Command::new("systemd-analyze").args(arguments).arg(&unit).stdin(Stdio::null()).output()
    };
    // The threshold is ten times the figure that it prints.
    match analyze(&["security", "--offline=yes", "--no-pager", "--threshold=30"]) {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && said.contains("exposure level"), "{said}{output:?}");
        }
        Err(_) => skipped("systemd-analyze is not installed"),
    }
    let command = settings("ExecStart").remove(0);
    let (program, arguments) = command.split_once(' ').unwrap();
    assert_eq!(program, "/usr/local/bin/rates");
    let mut checked = vec!["config", "check"];
    checked.extend(arguments.split(' ').skip(1));
    let output = Command::new(env!("CARGO_BIN_EXE_rates"))
        .args(checked)
        .env_clear()
        .envs(settings("Environment").iter().filter_map(|set| set.split_once('=')))
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("RATES_"), "{said}");
}

/// What a service manager hears, and when: never ready before it answers, alive again and again, then stopping.
#[test]
fn the_program_tells_that_it_is_ready_alive_and_stopping() {
    assert_eq!(settings("Type"), ["notify"]);
    assert!(!settings("WatchdogSec").is_empty());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rates"))
        .args(["run", "--listen", "127.0.0.1:0"])
        .env_clear()
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "300000")
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let hear = || {
        let mut bytes = [0; 256];
        let length = manager.recv(&mut bytes).unwrap_or_else(|error| panic!("nothing was said: {error}"));
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    };
    let mut heard = vec![hear()];
    while heard.iter().filter(|word| *word == "WATCHDOG=1").count() < 3 {
        heard.push(hear());
    }
    assert_eq!(heard[0], "READY=1", "{heard:?}");
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    while heard.last().is_some_and(|word| word == "WATCHDOG=1") {
        heard.push(hear());
    }
    assert_eq!(heard.last().unwrap(), "STOPPING=1", "{heard:?}");
    assert!(child.wait().unwrap().success());
}
