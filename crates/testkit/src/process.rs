//! Any other program as a private child: a proxy, or a role of the product. Killed, frozen and started again like a server.
//! It must not know which program it is.

use crate::server::{Place, Program, Server, ServerError};
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

pub use crate::server::Port;

/// A program of the test's own; ended when the last clone is dropped.
#[derive(Clone)]
pub struct Process {
    server: Arc<Server>,
}

impl Process {
    /// Starts what `command` makes for a folder of its own, and waits until `answers`. What it writes is in
    /// [`Process::log`].
    pub fn start(
        name: &'static str,
        command: impl Fn(&Path) -> Command + Send + Sync + 'static,
        answers: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Process, ServerError> {
        let place = Arc::new(Place::new("TERM")?);
        let folder = place.folder.clone();
        let program = Program {
            name,
            command: Box::new(move || command(&folder)),
            answers: Box::new(answers),
            patience: Duration::from_secs(60),
            last: Signal::TERM,
        };
        Ok(Process { server: Arc::new(Server::start(place, program)?) })
    }
}

crate::servers::steer!(Process, Signal::TERM);
