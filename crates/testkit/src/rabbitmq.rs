//! A private RabbitMQ: a node of its own, with an own port mapper, on free ports.
//! It must not know what is carried.

use crate::server::{self, Place, Port, Program, Server, ServerError};
use rustix::process::Signal;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const PACKAGE: &str = "rabbitmq-server";
/// Debian's own programs there change to another user; these run as whoever starts them.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

/// A RabbitMQ of our own; ended when the last clone is dropped. It takes 5 to 10 s to start: share one where you can,
/// and let every test have its own prefix, or its own [`RabbitMq::vhost`].
#[derive(Clone)]
pub struct RabbitMq {
    // Dropped in this order: the node first, then the mapper of its name.
    server: Arc<Server>,
    _epmd: Arc<Server>,
    ports: Arc<Ports>,
    node: Arc<Node>,
}

struct Ports {
    amqp: Port,
    dist: Port,
    epmd: Port,
}

struct Node {
    environment: Vec<(&'static str, String)>,
    ctl: PathBuf,
    vhosts: AtomicU64,
}

impl RabbitMq {
    /// Starts one; user and password are `guest`.
    pub fn start() -> Result<RabbitMq, ServerError> {
        RabbitMq::start_with(&[])
    }

    /// Starts one with further lines of `rabbitmq.conf`: `&["heartbeat = 5"]`.
    pub fn start_with(lines: &[&str]) -> Result<RabbitMq, ServerError> {
        let folders = [PathBuf::from(PROGRAMS)];
        let program = server::find("rabbitmq-server", PACKAGE, &folders)?;
        let ctl = server::find("rabbitmqctl", PACKAGE, &folders)?;
        let epmd = server::find("epmd", "erlang-base", &[])?;
        let ports = Ports { amqp: Port::free()?, dist: Port::free()?, epmd: Port::free()? };
        let (amqp, mapper) = (ports.amqp.number, ports.epmd.number);

        let command = move || {
            let mut command = Command::new(&epmd);
            command.args(["-address", "127.0.0.1", "-port", &mapper.to_string()]);
            command
        };
        let epmd = Program {
            name: "epmd",
            command: Box::new(command),
            answers: Box::new(move || server::exchange(mapper, b"\0\x01n").is_ok()),
            patience: Duration::from_secs(10),
            last: Signal::KILL,
        };
        let epmd = Server::start(Arc::new(Place::new("KILL")?), epmd)?;

        let place = Arc::new(Place::new("KILL")?);
        let path = |name: &str| place.folder.join(name).display().to_string();
        std::fs::write(path("enabled_plugins"), "[].")?;
        let own = format!(
            "listeners.tcp.1 = 127.0.0.1:{amqp}\ndisk_free_limit.absolute = 1MB\nlog.console = true\nlog.file = false\n"
        );
        std::fs::write(path("rabbitmq.conf"), own + &lines.join("\n") + "\n")?;
        let environment = vec![
            ("HOME", place.folder.display().to_string()),
            ("RABBITMQ_NODENAME", format!("rates{amqp}@localhost")),
            ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
            ("RABBITMQ_CONF_ENV_FILE", path("no-environment")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", path("no-advanced")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
            ("RABBITMQ_MNESIA_BASE", path("mnesia")),
            ("RABBITMQ_LOG_BASE", path("log")),
            ("RABBITMQ_PID_FILE", path("pid")),
            ("RABBITMQ_DIST_PORT", ports.dist.number.to_string()),
            ("ERL_EPMD_PORT", mapper.to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            // Threads that wait by turning in circles take the machine from the tests.
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
                    .to_owned(),
            ),
        ];
        let node = Arc::new(Node { environment: environment.clone(), ctl, vhosts: AtomicU64::new(0) });
        let server = Program {
            name: "rabbitmq-server",
            command: Box::new(move || {
                let mut command = Command::new(&program);
                command.envs(environment.iter().cloned());
                command
            }),
            // It greets once the client has said which protocol it speaks.
            answers: Box::new(move || {
                server::exchange(amqp, b"AMQP\x00\x00\x09\x01").is_ok_and(|said| said.first() == Some(&1))
            }),
            patience: Duration::from_secs(120),
            last: Signal::KILL,
        };
        let server = Arc::new(Server::start(place, server)?);
        Ok(RabbitMq { server, _epmd: Arc::new(epmd), ports: Arc::new(ports), node })
    }

    /// The address of the vhost `/`: `amqp://guest:guest@127.0.0.1:PORT/%2f`.
    pub fn url(&self) -> String {
        self.url_of("%2f")
    }

    /// The address of a new, empty vhost. Making one takes about a second.
    pub fn vhost(&self) -> Result<String, ServerError> {
        let name = format!("test{}", self.node.vhosts.fetch_add(1, Ordering::Relaxed));
        self.ctl(&["add_vhost", &name])?;
        self.ctl(&["set_permissions", "-p", &name, "guest", ".*", ".*", ".*"])?;
        Ok(self.url_of(&name))
    }

    fn url_of(&self, vhost: &str) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/{vhost}", self.ports.amqp.number)
    }

    /// Its AMQP port, for a proxy in front.
    pub fn port(&self) -> u16 {
        self.ports.amqp.number
    }

    /// Runs `rabbitmqctl`, the tool that an operator has at hand; what it printed. Takes about a second.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String, ServerError> {
        let mut command = Command::new(&self.node.ctl);
        command.arg("-q").args(arguments).envs(self.node.environment.iter().cloned());
        // The tool is no server: it must not take the port over which nodes speak.
        command.env_remove("RABBITMQ_DIST_PORT").env_remove("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS");
        server::run(&mut command)
    }
}

crate::servers::steer!(RabbitMq, Signal::TERM);
