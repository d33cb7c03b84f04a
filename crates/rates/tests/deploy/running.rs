//! Everything that the compose file starts, running: a tick of a venue comes out of the proxy, whichever process dies.
//! It must not know how; that is for the tests of the rooms.

use crate::compose::{text, words, yaml};
use crate::files::{TOKEN, TOKEN_FILE};
use crate::stack::{Role, Stack, get, inside, request};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;
use testkit::{Behaviour, FakeTelegram, FakeVenue, Port, until, venue_file};

const PATIENCE: Duration = Duration::from_secs(60);

/// Not in a venue's files, so that nothing else is asked for it.
const PAIR: &str = "AAA-BBB";

/// There only once a message was to be sent.
const OF_MESSAGES: [&str; 2] = ["rates_outbox_messages", "rates_outbox_oldest_ms"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_compose_file_starts_serves_and_survives() {
    let venue = FakeVenue::start(Behaviour::default()).await;
    let stack = Stack::start();
    let telegram = FakeTelegram::start(TOKEN).await;
    std::fs::write(inside(&stack.secrets, TOKEN_FILE), TOKEN).unwrap();
    let (port, others) = (Port::free().unwrap(), [(); 4].map(|()| Port::free().unwrap()));
    let [first, second, third, fourth] = &others;
    let local = |port: &Port| SocketAddr::from(([127, 0, 0, 1], port.number));
    // Like two containers: the same port at two addresses.
    let hosts = [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];
    let private = [("RATES_ALLOW_PRIVATE", "127.0.0.0/8")];
    let telegram_url = telegram.url();
    let mut roles = vec![
        ("bot", stack.role("bot", local(fourth), &[("TELEGRAM_API_URL", &*telegram_url)])),
        ("collector", stack.role("collector", local(first), &private)),
        ("collector", stack.role("collector", local(second), &private)),
        ("recorder", stack.role("recorder", local(third), &[])),
    ];
    for host in hosts {
        // The last two.
        roles.push(("api", stack.role("api", SocketAddr::from((host, port.number)), &[])));
    }
    let proxy = stack.proxy(port.number);

    add_venue(&stack, &venue);
    stack.names.api.lock().unwrap().extend(hosts);
    let rate = || get(proxy.address, &format!("/api/v1/rates/{PAIR}"));
    until("a fresh rate comes out of the proxy", PATIENCE, || is_fresh(&rate())).await;

    for (name, role) in &roles {
        until(&format!("{name} is ready"), PATIENCE, || health_of(&stack, name, role)).await;
    }
    the_servers_healthchecks_pass(&stack);
    the_metrics_of_alerts_and_dashboard_exist(&roles);
    let (status, _) = get(proxy.address, "/metrics");
    assert_eq!(status, 404, "metrics are for the inside");
    a_key_opens_what_writes(&stack, proxy.address);

    // One API after the other dies without a word: nobody who asks notices.
    for (count, dead) in [(1, roles.len() - 1), (2, roles.len() - 2)] {
        let (_, api) = &roles[dead];
        api.process.kill();
        for _ in 0..50 {
            let answer = rate();
            assert!(is_fresh(&answer), "{answer:?}\n{}", proxy.process.log());
        }
        api.process.restart().unwrap();
        until("the restarted process is ready", PATIENCE, || get(api.address, "/readyz").0 == 200).await;
        until("both are behind the proxy again", PATIENCE, || {
            proxy.process.log().matches("is UP").count() >= count
        })
        .await;
    }

    every_server_by_tls(&stack).await;

    let logs: String = roles.iter().map(|(_, role)| role.process.log()).collect();
    assert!(logs.contains("connected to the broker"), "{logs}");
    for password in stack.passwords().iter().map(String::as_str).chain([TOKEN]) {
        assert!(!logs.contains(password), "a password is in a log");
    }
}

fn is_fresh((status, body): &(u16, String)) -> bool {
    *status == 200 && serde_json::from_str::<Value>(body).is_ok_and(|rate| rate["state"] == "fresh")
}

/// The operator's own authority in `tls.ca_file`: all three are reached; without it none is, and it is said why.
async fn every_server_by_tls(stack: &Stack) {
    let secret = |name: &str| {
        let url = std::fs::read_to_string(stack.secrets.path().join("rates").join(name)).unwrap();
        url.trim().to_owned()
    };
    let port = |port: u16| format!("@127.0.0.1:{port}");
    let at = |port: &Port| format!("@localhost:{}", port.number);
    let here = format!("@localhost:{}", stack.postgres.port());
    let database =
        secret("database_url").replace(&port(stack.postgres.port()), &here) + "?sslmode=verify-full";
    let amqp = secret("amqp_url").replace("amqp:", "amqps:");
    let amqp = amqp.replace(&port(stack.rabbitmq.port()), &at(&stack.rabbitmq_tls));
    let redis = secret("redis_url").replace("redis:", "rediss:");
    let redis = redis.replace(&port(stack.redis_port.number), &at(&stack.redis_tls));
    let file = stack.ca.ca_file().display().to_string();
    let by_tls = [("DATABASE_URL", &*database), ("AMQP_URL", &*amqp), ("REDIS_URL", &*redis)];

    let checks = |role: &Role| -> Value {
        serde_json::from_str::<Value>(&get(role.address, "/readyz").1).unwrap()["checks"].take()
    };
    let (one, other) = (Port::free().unwrap(), Port::free().unwrap());
    let local = |port: &Port| SocketAddr::from(([127, 0, 0, 1], port.number));
    let trusting = [&by_tls[..], &[("RATES_TLS__CA_FILE", &file)]].concat();
    let trusting = stack.role("api", local(&one), &trusting);
    let all_up = serde_json::json!({"store": "ok", "broker": "ok", "cache": "ok"});
    until("all three by TLS", PATIENCE, || checks(&trusting) == all_up).await;

    let strange = stack.role("api", local(&other), &by_tls);
    until("all three are refused", PATIENCE, || {
        strange.process.log().matches("invalid peer certificate").count() >= 3
    })
    .await;
    assert_eq!(checks(&strange), serde_json::json!({"store": "down", "broker": "down", "cache": "down"}));
    let logs = trusting.process.log() + &strange.process.log();
    assert!(stack.passwords().iter().all(|password| !logs.contains(password)), "{logs}");
}

/// What an operator does: `docker compose exec api /rates …`.
fn add_venue(stack: &Stack, venue: &FakeVenue) {
    let file = stack.secrets.path().join("fake.toml");
    std::fs::write(&file, venue_file("url = \"ws://fake.example\"", "")).unwrap();
    let url = format!("ws://{}", venue.address());
    for command in [
        vec!["venues", "add", file.to_str().unwrap()],
        vec!["pairs", "add", PAIR, "--venue", "fake", "--url", &url],
    ] {
        let output = stack.exec("api", &command);
        assert!(output.status.success(), "{output:?}");
    }
}

fn a_key_opens_what_writes(stack: &Stack, proxy: SocketAddr) {
    let output = stack.exec("api", &["keys", "add", "test"]);
    let key = String::from_utf8(output.stdout).unwrap();
    let row = r#"{"venue":"fake","currency_pair":"CCC-DDD"}"#;
    let headers = "content-type: application/json\r\n";
    assert_eq!(request("POST", proxy, "/api/v1/trade-info", headers, row).0, 401);
    let headers = format!("{headers}authorization: Bearer {}\r\n", key.trim());
    let answer = request("POST", proxy, "/api/v1/trade-info", &headers, row);
    assert_eq!(answer.0, 201, "{answer:?}");
}

/// The image's own check, against this process.
fn health_of(stack: &Stack, name: &str, role: &Role) -> bool {
    let test = words(&stack.compose["services"][name]["healthcheck"]["test"]);
    assert_eq!(test[..2], ["CMD", "/rates"]);
    let url = format!("http://{}", role.address);
    let mut command: Vec<_> = test[2..].iter().map(String::as_str).collect();
    command.extend(["--url", &url]);
    stack.exec(name, &command).status.success()
}

fn the_servers_healthchecks_pass(stack: &Stack) {
    let test = |name: &str| words(&stack.compose["services"][name]["healthcheck"]["test"]);
    let redis = test("redis");
    assert_eq!(redis[0], "CMD-SHELL");
    let port = stack.redis_port.number;
    let shell = |command: &str| {
        let asked = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output().unwrap();
        (asked.status.success(), String::from_utf8_lossy(&asked.stdout).into_owned())
    };
    let check = inside(&stack.secrets, &redis[1]).replace("redis-cli", &format!("redis-cli -p {port}"));
    assert!(shell(&check).0, "{check}");
    let wrong = check.replace("/password", "/redis.conf");
    assert!(!shell(&wrong).0, "without the password it fails");
    // The recorder's work, seen with the same rights; they open nothing else.
    let with = |command: &str| {
        let login = check.split("redis-cli").next().unwrap();
        shell(&format!("{login} redis-cli -p {port} --no-auth-warning --user rates {command}")).1
    };
    assert!(with("HKEYS rates:v1:last:fake").contains(PAIR));
    assert!(with("CONFIG GET maxmemory").contains("NOPERM"));
    assert!(shell(&format!("redis-cli -p {port} HKEYS rates:v1:last:fake")).1.contains("NOAUTH"));

    let postgres = test("postgres");
    let asked = Command::new(&postgres[1])
        .args(&postgres[2..])
        .args(["-p", &stack.postgres.port().to_string()])
        .status()
        .unwrap();
    assert!(asked.success());

    let rabbitmq = test("rabbitmq");
    assert_eq!(rabbitmq[1], "rabbitmq-diagnostics");
    let users = stack.rabbitmq.ctl(&["list_users"]).unwrap();
    assert!(users.contains("rates") && !users.contains("guest"), "{users}");
}

/// Whoever looks at an alert or a panel looks at something.
fn the_metrics_of_alerts_and_dashboard_exist(roles: &[(&str, Role)]) {
    let mut there = BTreeSet::from(["up".to_owned()]);
    for (_, role) in roles {
        let (status, body) = get(role.address, "/metrics");
        assert_eq!(status, 200);
        let name = |line: &str| line.split(['{', ' ']).next().map(str::to_owned);
        there.extend(body.lines().filter(|line| !line.starts_with('#')).filter_map(name));
    }
    let mut asked = Vec::new();
    for rule in yaml("deploy/prometheus/alerts.yml")["groups"][0]["rules"].as_array().unwrap() {
        asked.push(rule["expr"].as_str().unwrap().to_owned());
    }
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/dashboards/rates.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            asked.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    assert!(asked.len() > 15);
    for expression in asked {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names: Vec<_> = words.filter(|word| word.starts_with("rates_") || *word == "up").collect();
        assert!(!names.is_empty(), "{expression} is about nothing");
        for name in names {
            let is_later = OF_MESSAGES.contains(&name);
            assert!(is_later || there.contains(name), "there is no {name}, in {expression}: {there:?}");
        }
    }
}
