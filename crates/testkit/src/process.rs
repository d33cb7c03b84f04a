//! Any program as a private child of a test: a proxy, or a role of the product. Killed, frozen, ended and started again
//! like a server, and gone when the test is. It must not know which program it is.

use crate::server::{Place, Program, Server, ServerError};
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// A running program; killed when the last clone is dropped, and also if the test itself is killed.
#[derive(Clone)]
pub struct Process {
    server: Arc<Server>,
}

impl Process {
    /// Starts what `command` makes for a folder of its own, and waits until it `answers`; `command` is asked again at
    /// every restart. What the program writes is in [`Process::log`].
    pub fn start(
        name: &'static str,
        command: impl Fn(&Path) -> Command + Send + Sync + 'static,
        answers: impl Fn() -> bool + Send + Sync + 'static,
        patience: Duration,
    ) -> Result<Process, ServerError> {
        let place = Arc::new(Place::new("KILL")?);
        let folder = place.folder.clone();
        let program = Program {
            name,
            command: Box::new(move || command(&folder)),
            answers: Box::new(answers),
            patience,
            last: Signal::KILL,
        };
        Ok(Process { server: Arc::new(Server::start(place, program)?) })
    }

    /// With which code it ended, by itself or by [`Process::stop`]; `None` while it runs, and -1 after a signal.
    pub fn exit_code(&self) -> Option<i32> {
        self.server.exit_code()
    }

    /// Its number while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Memory that it holds, in KiB; 0 once it has ended.
    pub fn resident_kib(&self) -> u64 {
        let status = self.pid().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
        let resident = status.as_deref().unwrap_or_default().lines().find_map(|l| l.strip_prefix("VmRSS:"));
        resident.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    }

    /// SIGTERM alone: returns at once, and the program goes on until it has ended by itself.
    pub fn ask_to_stop(&self) {
        self.server.signal(Signal::TERM);
    }
}

crate::servers::steer!(Process, Signal::TERM);
