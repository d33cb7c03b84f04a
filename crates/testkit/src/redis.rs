//! A private Redis: `redis-server` in memory on a free port.
//! It must not know what is kept in it.

use crate::server::{self, Place, Port, Program, Server, ServerError};
use rustix::process::Signal;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const PACKAGE: &str = "redis-server";

/// A Redis of our own; ended when the last clone is dropped. Calls block: none takes longer than about a second.
#[derive(Clone)]
pub struct Redis {
    server: Arc<Server>,
    port: Arc<Port>,
    password: Option<String>,
}

impl Redis {
    /// Starts one that keeps nothing over a restart, without a password.
    pub fn start() -> Result<Redis, ServerError> {
        Redis::start_with(&[])
    }

    /// Starts one with further arguments: `&["--requirepass", "secret"]`, `&["--appendonly", "yes"]`.
    pub fn start_with(arguments: &[&str]) -> Result<Redis, ServerError> {
        let program = server::find("redis-server", PACKAGE, &[])?;
        let port = Port::free()?;
        let number = port.number;
        let place = Arc::new(Place::new("KILL")?);
        let folder = place.folder.clone();
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        let password =
            arguments.iter().position(|a| a == "--requirepass").and_then(|at| arguments.get(at + 1)).cloned();
        let command = move || {
            let mut command = Command::new(&program);
            command
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"])
                .arg("--port")
                .arg(number.to_string())
                .arg("--dir")
                .arg(&folder)
                .args(&arguments);
            command
        };
        let answers = move || {
            server::exchange(number, b"PING\r\n")
                .is_ok_and(|said| said.starts_with(b"+PONG") || said.starts_with(b"-NOAUTH"))
        };
        let program = Program {
            name: "redis-server",
            command: Box::new(command),
            answers: Box::new(answers),
            patience: Duration::from_secs(20),
            last: Signal::KILL,
        };
        Ok(Redis { server: Arc::new(Server::start(place, program)?), port: Arc::new(port), password })
    }

    /// `redis://127.0.0.1:PORT/0`, with the password if it wants one.
    pub fn url(&self) -> String {
        let password = self.password.as_ref().map(|p| format!(":{p}@")).unwrap_or_default();
        format!("redis://{password}127.0.0.1:{}/0", self.port.number)
    }

    /// Its port, for a proxy in front.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// Runs `redis-cli`, the client that an operator has at hand; what it printed.
    pub fn cli(&self, arguments: &[&str]) -> Result<String, ServerError> {
        let program = server::find("redis-cli", "redis-tools", &[])?;
        let mut command = Command::new(program);
        command.args(["-p", &self.port.number.to_string()]).args(arguments);
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
        server::run(&mut command)
    }
}

crate::servers::steer!(Redis, Signal::TERM);
