//! A private PostgreSQL: `initdb` and `postgres` of the newest installed version on a free port.
//! It must not know what the tables are for.

use crate::server::{self, Place, Port, Program, Server, ServerError};
use rustix::process::Signal;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const PACKAGE: &str = "postgresql";
/// The user and the password of every private server; local to this machine and gone with the test.
const USER: &str = "rates";
const PASSWORD: &str = "secret";

/// A PostgreSQL of our own; ended when the last clone is dropped. Calls block: starting takes a second or two.
#[derive(Clone)]
pub struct Postgres {
    server: Arc<Server>,
    port: Arc<Port>,
    password: Arc<str>,
    programs: Arc<PathBuf>,
    databases: Arc<AtomicU64>,
}

impl Postgres {
    /// Starts one.
    pub fn start() -> Result<Postgres, ServerError> {
        Postgres::start_with(&[])
    }

    /// Starts one with further settings: `&[("max_connections", "20")]`.
    pub fn start_with(settings: &[(&str, &str)]) -> Result<Postgres, ServerError> {
        Postgres::start_locked(PASSWORD, settings)
    }

    /// The same with another password.
    pub fn start_locked(password: &str, settings: &[(&str, &str)]) -> Result<Postgres, ServerError> {
        let programs = programs()?;
        let port = Port::free()?;
        let number = port.number;
        let place = Arc::new(Place::new("QUIT")?);
        let data = place.folder.join("data");
        let owner = server::is_root().then(server::nobody);
        let pwfile = place.folder.join("password");
        std::fs::write(&pwfile, password)?;
        if let Some(owner) = owner {
            server::give(&place.folder, owner)?;
            server::give(&pwfile, owner)?;
        }
        let folder = place.folder.clone();
        // It refuses to run as root.
        let command = move |program: PathBuf| {
            let mut command = Command::new(program);
            command.current_dir(&folder).env_remove("PGDATA").env("LC_ALL", "C.UTF-8");
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command
        };
        server::run(
            command(programs.join("initdb"))
                .args(["--username", USER, "--encoding", "UTF8", "--locale", "C.UTF-8"])
                // Plain passwords: the proof of a hashed one takes an unoptimised client a tenth of a second.
                .args(["--auth-local", "trust", "--auth-host", "password", "--no-sync", "--no-instructions"])
                .arg("--pwfile")
                .arg(&pwfile)
                .arg("--pgdata")
                .arg(&data),
        )?;
        let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
        let port_text = number.to_string();
        let sockets = place.folder.display().to_string();
        let own = [
            ("listen_addresses", "127.0.0.1"),
            ("port", &port_text),
            ("unix_socket_directories", &sockets),
            // A killed program loses nothing by this, only a machine that falls over.
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("shared_buffers", "16MB"),
            ("max_connections", "200"),
            ("jit", "off"),
        ];
        for (name, value) in own.iter().chain(settings) {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let postgres = programs.join("postgres");
        let is_ready = programs.join("pg_isready");
        let program = Program {
            name: "postgres",
            command: Box::new(move || {
                let mut command = command(postgres.clone());
                command.args(&arguments);
                command
            }),
            answers: Box::new(move || {
                let mut ask = Command::new(&is_ready);
                ask.args(["-q", "-t", "1", "-h", "127.0.0.1", "-p", &number.to_string()]);
                server::run(&mut ask).is_ok()
            }),
            patience: Duration::from_secs(60),
            last: Signal::QUIT,
        };
        let server = Arc::new(Server::start(place, program)?);
        let databases = Arc::new(AtomicU64::new(0));
        Ok(Postgres {
            server,
            port: Arc::new(port),
            password: password.into(),
            programs: Arc::new(programs),
            databases,
        })
    }

    /// A new, empty database; its address.
    pub fn database(&self) -> Result<String, ServerError> {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql(&self.url("postgres"), &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// The address of a database: `postgres://rates:secret@127.0.0.1:PORT/NAME`. `postgres` is always there.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{name}", self.password, self.port.number)
    }

    /// Its port, for a proxy in front.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// Runs statements by `psql`, the client that an operator has at hand; its rows, fields separated by `|`.
    pub fn sql(&self, url: &str, statements: &str) -> Result<String, ServerError> {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statements, url]);
        server::run(&mut command)
    }
}

/// The folder of the newest version.
fn programs() -> Result<PathBuf, ServerError> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .collect();
    folders.sort();
    folders.reverse();
    let folders: Vec<_> = folders.into_iter().map(|(_, folder)| folder).collect();
    let initdb = server::find("initdb", PACKAGE, &folders)?;
    Ok(initdb.parent().map(PathBuf::from).unwrap_or_default())
}

crate::servers::steer!(Postgres, Signal::INT);
