//! One installed server program as a private child: free port, own folder, killed, frozen and started again at will.
//! It must not know which program it is: `postgres.rs`, `redis.rs` and `rabbitmq.rs` say that.

use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why a private server is not there.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The program is not installed.
    #[error("{program} is not installed: apt-get install {package}")]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// It ended, or did not answer in time.
    #[error("{program} did not start: {why}\n{log}")]
    Start {
        /// The program.
        program: &'static str,
        /// What was seen.
        why: String,
        /// The last lines it wrote.
        log: String,
    },
    /// A command given to it failed.
    #[error("{command}: {said}")]
    Command {
        /// What was run.
        command: String,
        /// What it said.
        said: String,
    },
    /// The system refused a folder, a port or a process.
    #[error("no room for a private server")]
    System(#[from] std::io::Error),
}

/// How often a server is asked whether it answers.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a server may take to end by itself before it is killed.
const END_MAX: Duration = Duration::from_secs(12);
const LOG_LINES: usize = 25;
/// Below the range from which the kernel gives ports to outgoing connections: a port stays free while its server is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Reads the ids of what runs, line by line, until the test process is gone, however it went; then cleans up.
/// A program's group is told apart from it: some begin as a script, which dies without its child. (No `--` before a
/// group: not every shell's own `kill` knows it.)
const KEEPER: &str = r#"
now=
while read -r pids; do now=$pids; done
any() { for p in $now; do kill -0 "-$p" 2>/dev/null && return 0; done; return 1; }
for p in $now; do kill -CONT "$p"; kill -"$2" "$p"; done 2>/dev/null
[ "$2" = KILL ] && for p in $now; do kill -KILL "-$p"; done 2>/dev/null
i=0
while any && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
for p in $now; do kill -KILL "-$p"; done 2>/dev/null
i=0
while any && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
rm -rf -- "$1"
"#;

/// A port that no other test takes, also while nothing listens there: the UDP port of the same number is the sign.
pub struct Port {
    /// It.
    pub number: u16,
    _sign: UdpSocket,
}

impl Port {
    /// One on which nothing listens; others keep off it for as long as this value lives.
    pub fn free() -> Result<Port, ServerError> {
        for _ in 0..1_000 {
            let number = fastrand::u16(PORTS);
            let Ok(sign) = UdpSocket::bind(("127.0.0.1", number)) else { continue };
            if TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Ok(Port { number, _sign: sign });
            }
        }
        Err(std::io::Error::from(std::io::ErrorKind::AddrInUse).into())
    }
}

/// A folder of one server, and whoever removes it should we be killed.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    keeper: Mutex<Child>,
}

impl Place {
    /// A new folder; `last` is the signal that ends the server gently enough to clean up after itself.
    pub(crate) fn new(last: &str) -> Result<Place, ServerError> {
        let folder = tempfile::Builder::new().prefix("rates-test-").tempdir()?.keep();
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&folder)
            .arg(last)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // an interrupt from the terminal must not take the keeper along
            .spawn()?;
        Ok(Place { folder, keeper: Mutex::new(keeper) })
    }

    fn keep(&self, pids: &[u32]) {
        let line = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        if let Some(stdin) = &mut lock(&self.keeper).stdin {
            // A keeper that is gone cannot be helped: what it would do, `Drop` does too.
            let _ = writeln!(stdin, "{line}");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(keeper.stdin.take());
        let _ = keeper.wait();
    }
}

/// What a program needs to be started, again and again.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// The command that runs it in the foreground.
    pub(crate) command: Box<dyn Fn() -> Command + Send + Sync>,
    /// Whether it answers, at once.
    pub(crate) answers: Box<dyn Fn() -> bool + Send + Sync>,
    /// How long it may take until it answers.
    pub(crate) patience: Duration,
    /// What ends it so that it leaves nothing in the system.
    pub(crate) last: Signal,
}

/// A running program; ended when dropped.
pub(crate) struct Server {
    program: Program,
    child: Mutex<Option<Child>>,
    /// The last one's code, once it has ended.
    ended: Mutex<Option<i32>>,
    pub(crate) place: std::sync::Arc<Place>,
}

impl Server {
    /// Starts it and waits until it answers.
    pub(crate) fn start(place: std::sync::Arc<Place>, program: Program) -> Result<Server, ServerError> {
        let server = Server { program, child: Mutex::new(None), ended: Mutex::new(None), place };
        server.run()?;
        Ok(server)
    }

    fn run(&self) -> Result<(), ServerError> {
        let log = std::fs::File::options().create(true).append(true).open(self.log())?;
        let mut child = lock(&self.child);
        let mut started = (self.program.command)()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        self.place.keep(&[started.id()]);
        let looks = self.program.patience.as_millis() / LOOK_EVERY.as_millis();
        for _ in 0..looks {
            if (self.program.answers)() {
                *child = Some(started);
                return Ok(());
            }
            if let Some(status) = started.try_wait()? {
                self.place.keep(&[]);
                return Err(self.failed(format!("it ended with {status}")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        *child = Some(started);
        drop(child);
        self.end(Signal::KILL);
        Err(self.failed(format!("no answer within {:?}", self.program.patience)))
    }

    fn failed(&self, why: String) -> ServerError {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        let log = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        ServerError::Start { program: self.program.name, why, log }
    }

    /// What it wrote.
    pub(crate) fn log(&self) -> PathBuf {
        self.place.folder.join(format!("{}.log", self.program.name))
    }

    /// SIGKILL for the program and all its children, and waits until none is left.
    pub(crate) fn kill(&self) {
        self.end(Signal::KILL);
    }

    /// Ends it in its own way.
    pub(crate) fn stop(&self, signal: Signal) {
        self.end(signal);
    }

    /// SIGSTOP for all of it: connections stay open, and nothing answers.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT for all of it.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// The same program on the same port and folder, after it was ended or still runs.
    pub(crate) fn restart(&self) -> Result<(), ServerError> {
        self.end(self.program.last);
        self.run()
    }

    /// With which code it ended; `None` while it runs.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        match &mut *lock(&self.child) {
            Some(child) => child.try_wait().ok().flatten().map(|status| status.code().unwrap_or(-1)),
            None => *lock(&self.ended),
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        lock(&self.child).as_ref().map(Child::id)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(child) = &*lock(&self.child) {
            for pid in family(child.id()) {
                send(pid, signal);
            }
        }
    }

    fn end(&self, signal: Signal) {
        let Some(mut child) = lock(&self.child).take() else { return };
        // The children first, while they can still be told by their parent: a backend that outlives its server
        // keeps the folder locked.
        let all = family(child.id());
        if signal == Signal::KILL {
            all.iter().for_each(|pid| send(*pid, signal));
        } else {
            all.iter().for_each(|pid| send(*pid, Signal::CONT));
            send(child.id(), signal);
        }
        let mut looks = END_MAX.as_millis() / LOOK_EVERY.as_millis();
        while all.iter().any(|pid| runs(*pid)) {
            looks = looks.saturating_sub(1);
            if looks == 0 {
                all.iter().for_each(|pid| send(*pid, Signal::KILL));
            }
            let _ = child.try_wait();
            std::thread::sleep(LOOK_EVERY);
        }
        *lock(&self.ended) = child.wait().ok().map(|status| status.code().unwrap_or(-1));
        self.place.keep(&[]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(self.program.last);
    }
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything.
    let mut rest = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    Some((rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}

/// A zombie runs no more, whoever forgot to fetch it; but its threads may be at their end later than it is, and hold
/// its ports until then.
fn runs(pid: u32) -> bool {
    let threads = || std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    stat(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X') || threads() > 1)
}

/// A process and all its descendants, also those in sessions of their own, parents first.
fn family(root: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all: Vec<(u32, u32)> = pids
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?.1)))
        .collect();
    let mut family = vec![root];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(all.iter().filter(|(pid, of)| *of == parent && *pid != root).map(|(pid, _)| *pid));
        at += 1;
    }
    family
}

/// The program of that name: on the path, or in one of the folders where Debian keeps it.
pub(crate) fn find(
    program: &'static str,
    package: &'static str,
    folders: &[PathBuf],
) -> Result<PathBuf, ServerError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders
        .iter()
        .cloned()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .ok_or(ServerError::Missing { program, package })
}

/// Runs a command to its end; what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String, ServerError> {
    let output = command.stdin(Stdio::null()).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let said = format!("{}{}", text(&output.stderr), text(&output.stdout));
    Err(ServerError::Command { command: format!("{command:?}"), said })
}

/// Sends bytes to a local port and reads the first that come back, within a moment.
pub(crate) fn exchange(port: u16, say: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let moment = Duration::from_millis(500);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = std::net::TcpStream::connect_timeout(&address, moment)?;
    stream.set_read_timeout(Some(moment))?;
    stream.write_all(say)?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer)?;
    Ok(answer[..length].to_vec())
}

/// Whether we may do anything, and so must not: some servers refuse to run like this.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Numbers of the user that has nothing.
pub(crate) fn nobody() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let fields = users.lines().find_map(|line| line.strip_prefix("nobody:"));
    let mut numbers = fields.into_iter().flat_map(|f| f.split(':').skip(1)).map_while(|n| n.parse().ok());
    (numbers.next().unwrap_or(65_534), numbers.next().unwrap_or(65_534))
}

/// Gives a file or folder to a user.
pub(crate) fn give(path: &Path, (user, group): (u32, u32)) -> Result<(), ServerError> {
    Ok(std::os::unix::fs::chown(path, Some(user), Some(group))?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
