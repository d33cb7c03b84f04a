//! A connection to RabbitMQ: the names on it, how it is made, and why it was not, in words.
//! It must not know what is published or read.

use crate::Options;
use again::Waits;
use lapin::options::ExchangeDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPHardError};
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::types::{FieldTable, ShortString};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind, ExchangeKind};
use parking_lot::Mutex;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

/// A dead server is noticed after twice this.
const HEARTBEAT_S: u16 = 5;
/// How long one connection may take, with everything that is declared on it.
pub(crate) const CONNECT_WAIT: Duration = Duration::from_secs(5);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Short, so that little is missed once the server is back: what comes out at the other end waits for three such pauses in a
/// row, of a collector, of a recorder, and of who reads.
const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// The waits between attempts to connect.
pub(crate) fn waits() -> Waits {
    Waits::new(BACKOFF_MIN, BACKOFF_MAX)
}

/// Where the server is, and what things are called there.
pub(crate) struct Link {
    uri: AMQPUri,
    prefix: String,
    trusted_roots: Option<String>,
}

/// The exchanges, by what they carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    Ticks,
    Status,
    Rates,
    Dead,
}

impl Carries {
    const ALL: [Carries; 4] = [Carries::Ticks, Carries::Status, Carries::Rates, Carries::Dead];

    const fn suffix(self) -> &'static str {
        match self {
            Carries::Ticks => "ticks",
            Carries::Status => "status",
            Carries::Rates => "rates",
            Carries::Dead => "dead",
        }
    }
}

/// Why a connection was not made, or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{}", words(.0))]
    Amqp(#[from] lapin::Error),
    #[error("no answer within {} s to {what}", CONNECT_WAIT.as_secs())]
    Timeout { what: &'static str },
    #[error("the server ended the consumer: its queue was deleted")]
    ConsumerEnded,
    #[error("the connection has ended")]
    ConnectionEnded,
}

impl Link {
    /// Reads the address; `None` if it is none.
    pub(crate) fn new(url: &str, options: &Options) -> Option<Link> {
        let mut uri: AMQPUri = url.parse().ok()?;
        if uri.authority.host.is_empty() {
            return None;
        }
        let wanted = uri.query.heartbeat.filter(|s| (1..=10).contains(s));
        uri.query.heartbeat = Some(wanted.unwrap_or(HEARTBEAT_S));
        uri.query.connection_timeout = Some(CONNECT_WAIT.as_millis() as u64);
        // amqp://host/ is, to the letter, the vhost with the empty name; people mean the default one.
        if uri.vhost.is_empty() {
            uri.vhost = "/".to_owned();
        }
        Some(Link { uri, prefix: options.prefix.clone(), trusted_roots: options.trusted_roots.clone() })
    }

    /// Where it is, for people: never with the password.
    pub(crate) fn server(&self) -> String {
        format!("{}:{}", self.uri.authority.host, self.uri.authority.port)
    }

    /// The name of an exchange.
    pub(crate) fn exchange(&self, carries: Carries) -> ShortString {
        format!("{}.{}", self.prefix, carries.suffix()).into()
    }

    /// The name of a new reader's queue. The client names it: a name that the server gave could not be declared
    /// again after a restart.
    pub(crate) fn queue(&self) -> String {
        format!("{}.reader.{:016x}", self.prefix, fastrand::u64(..))
    }

    /// Connects, with every exchange there: whoever comes first makes them.
    pub(crate) async fn connect(&self, role: &str) -> Result<(Connection, Channel), Trouble> {
        let name = format!("{} {role}", self.prefix);
        // No recovery by the library: its pending confirms would resolve only after it. Whoever uses a
        // connection makes a new one, and says everything again.
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let tls = OwnedTLSConfig { identity: None, cert_chain: self.trusted_roots.clone() };
        let runtime = lapin::runtime::default_runtime()?;
        let trying = Trying::default();
        let (attempt, reactor) = (trying.0.clone(), runtime.clone());
        let dial = async move |uri: AMQPUri, _| {
            if matches!(*attempt.lock(), Attempt::Over) {
                return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into());
            }
            let host = uri.authority.host.as_str();
            let dialling = async {
                let address = tokio::net::lookup_host((host, uri.authority.port)).await?.collect::<Vec<_>>();
                let stream = AsyncTcpStream::connect(&reactor, &address[..]).await?;
                if let AsyncTcpStream::Plain(stream) = &stream {
                    attempt.lock().greet(stream.get_ref().as_fd().try_clone_to_owned()?.into());
                }
                match uri.scheme {
                    AMQPScheme::AMQP => Ok(stream),
                    AMQPScheme::AMQPS => stream.into_tls(host, tls.as_ref()).await,
                }
            };
            let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut));
            Ok(tokio::time::timeout(CONNECT_WAIT, dialling).await.unwrap_or_else(late)?)
        };
        let connecting = Connection::connector(self.uri.clone(), runtime, dial, properties);
        let made = within("connecting", connecting).await.map(Made)?;
        *trying.0.lock() = Attempt::Over;
        made.open(self).await
    }

    async fn declare(&self, channel: &Channel) -> Result<(), lapin::Error> {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        for carries in Carries::ALL {
            let name = self.exchange(carries);
            channel.exchange_declare(name, ExchangeKind::Topic, durable, FieldTable::default()).await?;
        }
        Ok(())
    }
}

/// How far an attempt to connect is.
#[derive(Default)]
enum Attempt {
    #[default]
    Dialling,
    /// The server has not said yet that it takes us.
    Greeting(TcpStream),
    /// It was given up, or has succeeded: nothing more is dialled for it.
    Over,
}

impl Attempt {
    fn greet(&mut self, socket: TcpStream) {
        match self {
            Attempt::Over => drop(socket.shutdown(Shutdown::Both)),
            _ => *self = Attempt::Greeting(socket),
        }
    }
}

/// Gives the attempt up when it is dropped. The library waits for a server's greeting without a limit, with a thread and
/// a socket for each attempt: a server that hangs for an hour would cost hundreds of both, and answer them all when it wakes.
#[derive(Default)]
struct Trying(Arc<Mutex<Attempt>>);

impl Drop for Trying {
    fn drop(&mut self) {
        if let Attempt::Greeting(socket) = std::mem::replace(&mut *self.0.lock(), Attempt::Over) {
            // What is closed already need not be.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// A connection on which nothing was done yet.
struct Made(Connection);

impl Made {
    async fn open(self, link: &Link) -> Result<(Connection, Channel), Trouble> {
        let channel = within("opening a channel", self.0.create_channel()).await?;
        within("declaring the exchanges", link.declare(&channel)).await?;
        Ok((self.0, channel))
    }
}

/// Waits for the server, but not for ever.
pub(crate) async fn within<T>(
    what: &'static str,
    answer: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(CONNECT_WAIT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Trouble::Timeout { what }),
    }
}

/// What a person can do something with.
fn words(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(said) => match said.kind() {
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                format!("the virtual host is missing, or closed to this user ({})", said.get_message())
            }
            AMQPErrorKind::Soft(lapin::protocol::AMQPSoftError::ACCESSREFUSED) => {
                format!("user or password refused ({})", said.get_message())
            }
            _ => format!("the server said: {}", said.get_message()),
        },
        ErrorKind::ParsingError(_) | ErrorKind::InvalidProtocolVersion(_) => {
            "what answers there does not speak AMQP 0-9-1".to_owned()
        }
        ErrorKind::IOError(error) => error.to_string(),
        ErrorKind::MissingHeartbeatError => "the server has stopped answering".to_owned(),
        _ => error.to_string(),
    }
}

/// Says what is wrong once per change, and when it is right again.
pub(crate) struct Said {
    role: &'static str,
    server: String,
    last: LastSaid,
    times: u64,
}

/// What was wrong last, known to all readers of a process: what troubles all of them is said once.
pub(crate) type LastSaid = Arc<Mutex<Option<String>>>;

impl Said {
    pub(crate) fn new(role: &'static str, link: &Link, last: LastSaid) -> Said {
        // There from the start: a counter that appears with its first count shows no increase.
        metrics::counter!("rates_broker_disconnects_total", "role" => role).increment(0);
        Said { role, server: link.server(), last, times: 0 }
    }

    pub(crate) fn trouble(&mut self, trouble: &Trouble) {
        metrics::counter!("rates_broker_disconnects_total", "role" => self.role).increment(1);
        self.times += 1;
        let text = trouble.to_string();
        let before = self.last.lock().replace(text.clone());
        if before.as_ref() != Some(&text) {
            tracing::warn!(
                role = self.role,
                server = self.server,
                error = text,
                "not connected to the broker; trying again for ever"
            );
        }
    }

    pub(crate) fn connected(&mut self) {
        let attempts = std::mem::take(&mut self.times);
        *self.last.lock() = None;
        tracing::info!(
            role = self.role,
            server = self.server,
            failed_attempts = attempts,
            "connected to the broker"
        );
    }
}
