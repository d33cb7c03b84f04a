//! What the compose file starts, started as processes: its own commands with its own environment, on private servers
//! that have the passwords `rates init` made. Only places differ: ports, folders, and the names of hosts.
//! It must not judge what runs.

use crate::compose::{compose, environment, text, words};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::servers::{Postgres, RabbitMq, TestCa};
use testkit::{Port, Process};

/// No answer may take longer.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// No program may take longer to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// The servers, and the secrets that everybody was given.
pub struct Stack {
    pub compose: Value,
    pub secrets: Arc<tempfile::TempDir>,
    pub postgres: Postgres,
    pub rabbitmq: RabbitMq,
    _redis: Process,
    pub redis_port: Port,
    /// All three speak TLS too, with its certificate.
    pub ca: TestCa,
    pub rabbitmq_tls: Port,
    pub redis_tls: Port,
    /// Who asks for the name `api` is told these.
    pub names: Names,
}

/// One process of a role.
pub struct Role {
    pub process: Process,
    pub address: SocketAddr,
}

impl Stack {
    pub fn start() -> Stack {
        let compose = compose();
        let secrets = Arc::new(tempfile::tempdir().unwrap());
        // The passwords first, as in the compose file; where the servers are is known only once they run.
        let init = words(&compose["services"]["init"]["command"]);
        assert!(rates(&secrets, &init, &[]).status.success());
        let secret = |name: &str| std::fs::read_to_string(secrets.path().join(name)).unwrap();
        let ca = TestCa::new().unwrap();
        let [certificate, key, authority] =
            [ca.certificate_file(), ca.key_file(), ca.ca_file()].map(|file| file.display().to_string());
        let (rabbitmq_tls, redis_tls) = (Port::free().unwrap(), Port::free().unwrap());
        let password = secret("postgres/password");
        let ssl =
            [("ssl", "on".to_owned()), ("ssl_cert_file", certificate.clone()), ("ssl_key_file", key.clone())];
        let postgres = std::thread::spawn(move || {
            let ssl = ssl.each_ref().map(|(name, value)| (*name, value.as_str()));
            let postgres = Postgres::start_locked(&password, &ssl).unwrap();
            postgres.sql(&postgres.url("postgres"), "CREATE DATABASE rates").unwrap();
            postgres
        });
        let conf = format!(
            "{}\nlisteners.ssl.1 = 127.0.0.1:{}\nssl_options.cacertfile = {authority}\nssl_options.certfile = {certificate}\nssl_options.keyfile = {key}\n",
            secret("rabbitmq/rabbitmq.conf"),
            rabbitmq_tls.number,
        );
        let rabbitmq =
            std::thread::spawn(move || RabbitMq::start_with(&conf.lines().collect::<Vec<_>>()).unwrap());
        let redis_port = Port::free().unwrap();
        let number = redis_tls.number.to_string();
        let tls = [
            ["--tls-port", &number],
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &authority],
            ["--tls-auth-clients", "no"],
        ];
        let redis = redis(&compose, &secrets, redis_port.number, &tls.concat());
        let (postgres, rabbitmq) = (postgres.join().unwrap(), rabbitmq.join().unwrap());

        let mut again = init;
        for (host, port) in [
            ("postgres:5432", postgres.port()),
            ("rabbitmq:5672", rabbitmq.port()),
            ("redis:6379", redis_port.number),
        ] {
            let place = again.iter_mut().find(|word| *word == host).unwrap();
            *place = format!("127.0.0.1:{port}");
        }
        assert!(rates(&secrets, &again, &[]).status.success());
        Stack {
            compose,
            secrets,
            postgres,
            rabbitmq,
            _redis: redis,
            redis_port,
            ca,
            rabbitmq_tls,
            redis_tls,
            names: Names::start(),
        }
    }

    /// A process of a role, at this address; `more` is what only the test needs.
    pub fn role(&self, name: &str, address: SocketAddr, more: &[(&str, &str)]) -> Role {
        let service = &self.compose["services"][name];
        let (command, mut set) = (words(&service["command"]), environment(service));
        set.insert("RATES_LISTEN".to_owned(), address.to_string());
        set.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let secrets = self.secrets.clone();
        let make = move |folder: &Path| {
            let mut role = Command::new(env!("CARGO_BIN_EXE_rates"));
            role.args(&command).env_clear().current_dir(folder);
            role.envs(set.iter().map(|(name, value)| (name, inside(&secrets, value))));
            role
        };
        let process =
            Process::start("rates", make, move || get(address, "/livez").0 == 200, PATIENCE).unwrap();
        Role { process, address }
    }

    /// The proxy on a port, with the shipped file: only its port and where it asks for names are another.
    pub fn proxy(&self, api_port: u16) -> Role {
        let port = Port::free().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port.number));
        let mut file = text("deploy/haproxy.cfg");
        for (theirs, ours) in [
            ("bind :8080", format!("bind {address}")),
            ("parse-resolv-conf", format!("nameserver test {}", self.names.address)),
            (" api:8000\n", format!(" api:{api_port}\n")),
        ] {
            assert_eq!(file.matches(theirs).count(), 1, "{theirs}");
            file = file.replace(theirs, &ours);
        }
        let command = words(&self.compose["services"]["proxy"]["command"]);
        let make = move |folder: &Path| {
            let place = folder.join("haproxy.cfg");
            std::fs::write(&place, &file).unwrap();
            // Debian keeps it where only root looks.
            let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
            let mut proxy = Command::new(&command[0]);
            proxy.env("PATH", path).arg(&command[1]).arg(place);
            proxy
        };
        let process =
            Process::start("haproxy", make, move || TcpStream::connect(address).is_ok(), PATIENCE).unwrap();
        Role { process, address }
    }

    /// A command of our program, as `docker compose exec` would run it in a service.
    pub fn exec(&self, service: &str, command: &[&str]) -> Output {
        let command: Vec<_> = command.iter().map(|&word| word.to_owned()).collect();
        let set = environment(&self.compose["services"][service]);
        let set: Vec<_> = set.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        rates(&self.secrets, &command, &set)
    }

    /// Every password there is.
    pub fn passwords(&self) -> Vec<String> {
        let one = |server: &str| {
            std::fs::read_to_string(self.secrets.path().join(server).join("password")).unwrap()
        };
        ["postgres", "rabbitmq", "redis", "grafana"].map(one).to_vec()
    }
}

/// `redis-server` with the command of the compose file, elsewhere.
fn redis(compose: &Value, secrets: &Arc<tempfile::TempDir>, port: u16, more: &[&str]) -> Process {
    let (command, secrets) = (words(&compose["services"]["redis"]["command"]), secrets.clone());
    let more: Vec<_> = more.iter().map(|&word| word.to_owned()).collect();
    let make = move |folder: &Path| {
        let mut redis = Command::new(&command[0]);
        redis.args(command[1..].iter().map(|word| inside(&secrets, word)));
        redis.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(folder).args(&more);
        redis
    };
    let answers = move || TcpStream::connect(("127.0.0.1", port)).is_ok();
    Process::start("redis-server", make, answers, PATIENCE).unwrap()
}

/// A path in a container, here.
pub fn inside(secrets: &tempfile::TempDir, text: &str) -> String {
    text.replace("/run/secrets", "/secrets").replace("/secrets", secrets.path().to_str().unwrap())
}

fn rates(secrets: &tempfile::TempDir, command: &[String], set: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rates"))
        .args(command.iter().map(|word| inside(secrets, word)))
        .env_clear()
        .envs(set.iter().map(|(name, value)| (name, inside(secrets, value))))
        .current_dir(secrets.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// One request without a body: status and body of the answer; 0 if there was none.
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    request("GET", address, path, "", "")
}

/// One request, spoken by hand; `headers` end with a line break each.
pub fn request(method: &str, address: SocketAddr, path: &str, headers: &str, body: &str) -> (u16, String) {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_WAIT)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: rates\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let Ok(answer) = ask() else { return (0, String::new()) };
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

/// Answers who asks for the addresses of `api`, as the network between the containers does.
pub struct Names {
    pub address: SocketAddr,
    pub api: Arc<Mutex<Vec<Ipv4Addr>>>,
}

impl Names {
    fn start() -> Names {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (address, api) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let told = api.clone();
        // It ends with the process.
        std::thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                if let Some(answer) = answer(&packet[..length], &told.lock().unwrap()) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Names { address, api }
    }
}

/// The answer of RFC 1035 to one question: what is known of `api`, else that there is no such name.
fn answer(question: &[u8], api: &[Ipv4Addr]) -> Option<Vec<u8>> {
    let name_end = 12 + question.get(12..)?.iter().position(|byte| *byte == 0)? + 1;
    let asked = question.get(12..name_end + 4)?;
    let is_api = asked.starts_with(b"\x03api\x00");
    let addresses = if is_api && asked.ends_with(&[0, 1, 0, 1]) { api } else { &[] };
    let mut answer = question[..2].to_vec();
    let code = if is_api { 0x80 } else { 0x83 };
    answer.extend([0x85, code, 0, 1, 0, u8::try_from(addresses.len()).ok()?, 0, 0, 0, 0]);
    answer.extend(asked);
    for address in addresses {
        // The name as in the question, type A, class IN, one second, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
