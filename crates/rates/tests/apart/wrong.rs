//! Bad input from the operator: addresses that are none, passwords that are wrong, servers that are something else.
//! Each gets one clear line without the password, and the rest goes on. It must not know who checks what.

use crate::{
    harness::{PATIENCE, within},
    web,
};
use std::{
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};
use testkit::{
    Port, Process,
    servers::{Postgres, Redis},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Stands in every address below, and in nothing that is said.
const SECRET: &str = "hunter2";

/// A web server that knows only one answer.
async fn web_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // What was said is read first: unread, it would make the end of the line a reset.
                let _ = stream.read(&mut [0; 64]).await;
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
            });
        }
    });
    address
}

fn rates(folder: &std::path::Path, listen: SocketAddr, addresses: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rates"));
    command.arg("run").current_dir(folder).env_clear().env("RATES_LISTEN", listen.to_string());
    command.envs(addresses.iter().map(|(name, value)| (*name, value)));
    command
}

/// Runs on these addresses until it has said all of this; it serves, and ends well.
async fn goes_on(addresses: Vec<(&'static str, String)>, said: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let port = Port::free().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port.number));
    let inside = folder.path().to_owned();
    let command = move |_: &std::path::Path| rates(&inside, address, &addresses);
    let answers = move || TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok();
    let start = move || Process::start("rates", command, answers, PATIENCE).unwrap();
    let process = tokio::task::spawn_blocking(start).await.unwrap();
    for part in said {
        within(PATIENCE, &format!("{part:?} in\n{}", process.log()), async || {
            assert_eq!(process.exit_code(), None, "{}", process.log());
            process.log().contains(part).then_some(())
        })
        .await;
    }
    assert_eq!(web::get(address, "/livez").await.status, 200);
    let ready = web::get(address, "/readyz").await;
    assert_eq!(ready.status, 503, "{ready:?}");
    let metrics = web::get(address, "/metrics").await.body;
    let stopping = process.clone();
    tokio::task::spawn_blocking(move || stopping.stop()).await.unwrap();
    assert_eq!(process.exit_code(), Some(0), "{}", process.log());
    for text in [process.log(), metrics, ready.body] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn web_servers_on_the_ports_of_all_servers_are_told_and_the_rest_goes_on() {
    let web = web_server().await;
    let addresses = vec![
        ("AMQP_URL", format!("amqp://guest:{SECRET}@{web}/%2f")),
        ("REDIS_URL", format!("redis://:{SECRET}@{web}")),
        ("DATABASE_URL", format!("postgres://rates:{SECRET}@{web}/rates")),
    ];
    let said = ["does not speak AMQP", "does not speak Redis", "does not speak PostgreSQL"];
    goes_on(addresses, &said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_told_without_the_password() {
    let started = tokio::task::spawn_blocking(|| {
        let redis = Redis::start_with(&["--requirepass", "another"]).unwrap();
        (Postgres::start().unwrap(), redis)
    });
    let (postgres, redis) = started.await.unwrap();
    let addresses = vec![
        ("REDIS_URL", format!("redis://:{SECRET}@127.0.0.1:{}", redis.port())),
        ("DATABASE_URL", postgres.url("postgres").replace(":secret@", &format!(":{SECRET}@"))),
    ];
    goes_on(addresses, &["password authentication failed", "user or password refused"]).await;
}

#[test]
fn addresses_that_are_none_end_the_start_with_78_and_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let migrated = Command::new(env!("CARGO_BIN_EXE_rates"))
        .arg("migrate")
        .current_dir(folder.path())
        .env_clear()
        .output();
    assert!(migrated.unwrap().status.success());
    for (name, value) in [
        ("DATABASE_URL", "sqlite://rates.db?mode=ro".to_owned()),
        ("AMQP_URL", format!("http://u:{SECRET}@host")),
        ("AMQP_URL", format!("amqp:u:{SECRET}@host:port")),
        ("AMQP_URL", format!("{SECRET}@host")),
        ("REDIS_URL", format!("http://u:{SECRET}@host")),
        ("REDIS_URL", format!("redis://u:{SECRET}@host:port")),
        ("DATABASE_URL", format!("mysql://u:{SECRET}@host/x")),
        ("DATABASE_URL", format!("postgres://u:{SECRET}@host:port/x")),
        ("DATABASE_URL", format!("sqlite:///no/such/folder/{SECRET}.db").replace(SECRET, "x")),
        ("AMQP_URL_FILE", "/no/such/file".to_owned()),
    ] {
        let output = rates(folder.path(), listen, &[(name, value.clone())]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{name}={value}: {said}");
        assert!(!said.contains(SECRET), "{name}={value}: {said}");
        let clear = said.contains("://") || said.contains("/no/such");
        let is_read_only = value.contains("mode=ro");
        assert_eq!(
            said.contains("it can only be read, and the store must be written"),
            is_read_only,
            "{said}"
        );
        assert!(clear && !said.contains("panicked"), "{name}={value}: {said}");
    }
}
