//! The whole product as a stranger meets it: the demo is started, asked, watched, broken and stopped.
//! It must not reach into any crate; all it uses is the binary and HTTP.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::Duration,
};

/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running process of ours; ended, if need be, when the test is over.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    /// Starts the binary and reads what it says on one of its outputs.
    fn start(arguments: &[&str], dir: &std::path::Path, of_stdout: bool) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rates"));
        command.args(arguments).current_dir(dir).env_clear().stdin(Stdio::null());
        let (out, err) =
            if of_stdout { (Stdio::piped(), Stdio::null()) } else { (Stdio::null(), Stdio::piped()) };
        let mut child = command.stdout(out).stderr(err).spawn().unwrap();
        let stream: Box<dyn Read + Send> = if of_stdout {
            Box::new(child.stdout.take().unwrap())
        } else {
            Box::new(child.stderr.take().unwrap())
        };
        let (said, lines) = sync_channel(10_000);
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                // Nobody listens any more: go on reading, so that the process is not blocked.
                let _ = said.try_send(line);
            }
        });
        Process { child, lines }
    }

    /// Waits for a line that holds this.
    fn line_with(&self, part: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("nothing was said with {part:?}; but\n{}", seen.join("\n")),
            }
        }
    }

    /// Sends it a signal, by its own number.
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Its exit code, once it has ended.
    fn code(&mut self) -> Option<i32> {
        wait_for("the end of the process", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until there is something, or patience ends.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let pause = Duration::from_millis(50);
    let mut left = PATIENCE.as_millis() / pause.as_millis();
    loop {
        match look() {
            Some(found) => return found,
            None if left == 0 => panic!("{what} did not come"),
            None => left -= 1,
        }
        thread::sleep(pause);
    }
}

/// One HTTP request without a body: status and body of the answer.
fn http(method: &str, base: &str, path: &str) -> (u16, String) {
    request(method, base, path, &[], "")
}

/// One HTTP request, spoken by hand.
fn request(method: &str, base: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let host = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += "content-type: application/json\r\n";
    }
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

fn json(base: &str, path: &str) -> Value {
    let (_, body) = http("GET", base, path);
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

fn ask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rates")).args(arguments).env_clear().output().unwrap()
}

/// `http://127.0.0.1:PORT` within a line.
fn address_in(line: &str) -> String {
    let rest = &line[line.find("http://").unwrap()..];
    let port = rest["http://127.0.0.1:".len()..].chars().take_while(char::is_ascii_digit).collect::<String>();
    format!("http://127.0.0.1:{port}")
}

#[test]
fn the_demo_serves_moves_breaks_honestly_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Process::start(&["demo", "--listen", "127.0.0.1:0"], dir.path(), false);
    let url = address_in(&demo.line_with("listening on http://127.0.0.1:"));
    let kill = demo.line_with("/kill");
    let switches = address_in(&kill);
    let first = kill.split("/demo/").nth(1).unwrap().split('/').next().unwrap().to_owned();

    let rate = wait_for("a fresh rate", || {
        let rate = json(&url, "/api/v1/rates/BTC-USDT");
        (rate["state"] == "fresh" && rate["sources_used"].as_u64() >= Some(3)).then_some(rate)
    });
    assert_eq!(rate["demo"], true, "{rate}");
    assert!(rate["value"].as_str().is_some_and(|value| value.parse::<f64>().is_ok()), "{rate}");
    let original = json(&url, "/api/v1/currency_pair/?currency_pair=bitcoin-usd");
    assert!(original["courses"][0]["value"].is_number(), "{original}");
    assert_eq!(http("GET", &url, "/readyz").0, 200);

    // Every simulated venue passes a trial by its own file.
    let venues = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../venues");
    let rows = json(&url, "/api/v1/trade-info");
    for row in rows["trade_info"].as_array().unwrap() {
        let (name, place) = (row["venue"].as_str().unwrap(), row["url"].as_str().unwrap());
        let file = venues.join(format!("{name}.toml")).display().to_string();
        let pair = if place.starts_with("ws") { "BTC-USDT" } else { "BTC-USD" };
        let own = ["--url", place, "--allow-private", "127.0.0.1/32", "--json"];
        let tried = ask(&[["venues", "test", file.as_str(), pair].as_slice(), &own].concat());
        let said = String::from_utf8_lossy(&tried.stdout).into_owned();
        assert_eq!(tried.status.code(), Some(0), "{name}: {said}{}", String::from_utf8_lossy(&tried.stderr));
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["outcome"], "ticks", "{said}");
        assert_eq!(said["frames"][0]["ticks"][0]["pair"], pair, "{said}");
    }

    for (arguments, code) in [
        (vec!["get", "BTC-USDT", "--url", &url], 0),
        (vec!["get", "btc", "usdt", "--explain", "--url", &url], 0),
        (vec!["get", "BTC-USDT", "--max-age", "0ms", "--url", &url], 3),
        (vec!["get", "BTC-NOSUCH", "--url", &url], 4),
        (vec!["get", "'", "--url", &url], 2),
        (vec!["convert", "2", "BTC", "USDT", "--url", &url], 0),
        (vec!["healthcheck", "--url", &url], 0),
    ] {
        let output = ask(&arguments);
        let said = [output.stdout, output.stderr].concat();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", String::from_utf8_lossy(&said));
    }

    // It moves: the first lines are the snapshot, then values change.
    let mut watch = Process::start(&["watch", "BTC-USDT", "--changes", "3", "--url", &url], dir.path(), true);
    let line = watch.line_with("BTC-USDT\t");
    let value = |line: &str| line.split('\t').nth(1).unwrap().to_owned();
    let begun = value(&line);
    wait_for("another value", || watch.lines.recv_timeout(PATIENCE).ok().filter(|line| value(line) != begun));
    assert_eq!(watch.code(), Some(0));
    let mut watch = Process::start(&["watch", "--url", &url], dir.path(), true);
    watch.line_with("BTC-USDT\t");
    watch.signal("-INT");
    assert_eq!(watch.code(), Some(130));

    // One venue dies: the rate goes on without it, and says so.
    assert_eq!(http("POST", &switches, &format!("/demo/{first}/kill")).0, 200);
    let degraded = format!("venue_down:{first}");
    wait_for("the missing venue in the answer", || {
        let rate = json(&url, "/api/v1/rates/BTC-USDT");
        let is_said = rate["degraded"].as_array().is_some_and(|all| all.iter().any(|word| *word == degraded));
        (is_said && rate["state"] == "fresh").then_some(())
    });

    demo.signal("-TERM");
    assert_eq!(demo.code(), Some(0));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the demo leaves no traces");
}

#[test]
fn a_run_without_a_reachable_venue_says_so_serves_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    // The seeded rows point to real venues: these tests reach nobody but themselves.
    let migrated =
        Command::new(env!("CARGO_BIN_EXE_rates")).arg("migrate").current_dir(dir.path()).env_clear().output();
    assert!(migrated.unwrap().status.success());
    for id in ["1", "2", "3"] {
        let removed = Command::new(env!("CARGO_BIN_EXE_rates"))
            .args(["pairs", "remove", id])
            .current_dir(dir.path())
            .env_clear()
            .output();
        assert!(removed.unwrap().status.success());
    }
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("ws://{gone}/ws");
    let added = Command::new(env!("CARGO_BIN_EXE_rates"))
        .args(["pairs", "add", "BTC-USD", "--venue", "kraken", "--url", &url])
        .current_dir(dir.path())
        .env_clear()
        .output();
    assert!(added.unwrap().status.success());
    let arguments = ["run", "--listen", "127.0.0.1:0", "--allow-private", "127.0.0.0/8"];
    let mut run = Process::start(&arguments, dir.path(), false);
    let url = address_in(&run.line_with("listening on http://127.0.0.1:"));
    assert!(run.line_with("no venue can be reached").contains("rates demo"));
    assert_eq!(http("GET", &url, "/livez").0, 200);
    assert_eq!(http("GET", &url, "/readyz").0, 503);
    assert!(http("GET", &url, "/metrics").1.contains("rates_build_info"));
    let health = ask(&["healthcheck", "--url", &url]);
    assert_eq!(health.status.code(), Some(1));

    // Rows take effect on the running service, whoever writes them, and their states are told.
    let here = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_rates"))
            .args(arguments)
            .current_dir(dir.path())
            .env_clear()
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let id =
        here(&["pairs", "add", "ETH-USD", "--venue", "kraken", "--url", "http://169.254.169.254/latest"]);
    let id: i64 = id.trim().parse().unwrap();
    let state = |id: i64| {
        let list: Value = serde_json::from_str(&here(&["pairs", "list", "--json", "--url", &url])).unwrap();
        list["pairs"].as_array().unwrap().iter().find(|row| row["id"] == id).map(|row| row["state"].clone())
    };
    wait_for("the state of the new row", || {
        state(id).filter(|state| state != "unknown" && state != "waiting")
    });
    assert_ne!(state(id).unwrap(), "live");
    here(&["pairs", "disable", &id.to_string()]);
    wait_for("the disabled row", || state(id).filter(|state| state == "disabled"));
    let key = here(&["keys", "add", "test"]);
    let row = r#"{"venue":"kraken","currency_pair":"SOL-USD"}"#;
    let write = |key: &str| {
        request("POST", &url, "/api/v1/trade-info", &[("authorization", &format!("Bearer {key}"))], row).0
    };
    assert_eq!(write("rk_wrong"), 401);
    assert_eq!(write(key.trim()), 201);

    // A venue file over HTTP: refused with its place, kept, used by rows, and removed again.
    let bearer = format!("Bearer {}", key.trim());
    let ask = |method: &str, path: &str, body: &str| {
        request(method, &url, path, &[("authorization", &bearer)], body)
    };
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../venues/kraken.toml");
    let file = std::fs::read_to_string(file).unwrap();
    let body = |text: &str| serde_json::json!({"name": "mine", "text": text}).to_string();
    let (status, said) = ask("POST", "/api/v1/venues", &body(&file.replace("wss://", "gopher://")));
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (status, &said["code"], &said["key"]),
        (400, &"bad_venue_file".into(), &"ws.url".into()),
        "{said}"
    );
    let line = file.lines().position(|line| line.contains("wss://")).unwrap() + 1;
    assert_eq!(said["line"], line, "{said}");
    assert_eq!(ask("POST", "/api/v1/venues", &body(&file)).0, 201);
    assert_eq!(ask("GET", "/api/v1/venues/mine", "").1, file);
    let row = format!(r#"{{"venue":"mine","currency_pair":"BTC-USD","url":"ws://{gone}/ws"}}"#);
    let added = wait_for("the new venue", || {
        let (status, said) = ask("POST", "/api/v1/trade-info", &row);
        (status == 201).then(|| serde_json::from_str::<Value>(&said).unwrap())
    });
    let id = added["id"].as_i64().unwrap();
    let invalid =
        |wanted: bool| state(id).filter(|state| state != "unknown" && (state == "invalid") == wanted);
    wait_for("a row of the new venue that runs", || invalid(false));
    assert_eq!(ask("DELETE", "/api/v1/venues/mine", "").0, 204);
    wait_for("a row without its venue", || invalid(true));
    assert_eq!(ask("DELETE", "/api/v1/venues/kraken", "").0, 404, "built in");
    run.signal("-INT");
    assert_eq!(run.code(), Some(0));
}
