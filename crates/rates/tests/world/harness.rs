//! A running service, HTTP by hand, and waiting with a deadline.
//! It must not know what a test is about.

use serde_json::Value;
use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

/// Nothing here may take longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The command of that name and arguments, in a folder, with nothing of this machine's environment.
pub fn rates(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rates"));
    command.args(arguments).current_dir(dir).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs it: exit code, standard output, standard error.
pub async fn run(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = tokio::time::timeout(PATIENCE, rates(dir, arguments).output()).await.unwrap().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A running service; ended with the test.
pub struct Service {
    pub address: SocketAddr,
    _child: Child,
}

impl Service {
    /// `rates run` in a folder, on any free port.
    pub async fn start(dir: &Path) -> Service {
        Service::start_with(dir, &[]).await
    }

    /// The same with these variables in its environment.
    pub async fn start_with(dir: &Path, variables: &[(&str, &str)]) -> Service {
        let arguments = ["run", "--listen", "127.0.0.1:0", "--allow-private", "127.0.0.0/8"];
        let mut command = rates(dir, &arguments);
        command.envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = async {
            let mut seen = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, rest)) = line.split_once("listening on http://") {
                    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
                    return rest[..end.unwrap_or(rest.len())].parse().unwrap();
                }
                seen.push(line);
            }
            panic!("it ended: {seen:?}");
        };
        let address = tokio::time::timeout(PATIENCE, listening).await.expect("it listens in time");
        // Read on, so that it is not blocked by its own words.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Service { address, _child: child }
    }

    /// Status and body of an answer.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        let ask = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, ask).await.expect("an answer in time");
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let json = serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"));
        (status, json)
    }
}

/// Looks until there is something, or the time is over.
pub async fn within<T>(time: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(time, looking).await.unwrap_or_else(|_| panic!("{what}: not within {time:?}"))
}
