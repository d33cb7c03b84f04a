//! The private servers do what tests rely on: they answer, die, freeze, come back, and leave nothing behind.
//! It must not know the product.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use testkit::{
    Process,
    servers::{Postgres, RabbitMq, Redis},
};

fn takes_connections(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// Whether anything comes back for a word of Redis.
fn answers(port: u16) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    stream.read(&mut [0; 16]).is_ok_and(|length| length > 0)
}

/// Processes whose command line or working folder names the folder.
fn left_in(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|n| n.parse::<u32>().is_ok()))
        .filter_map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            (line.contains(name) || cwd.starts_with(folder)).then_some(line)
        })
        .collect()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within 10 s: {what}");
}

#[test]
fn redis_dies_freezes_comes_back_and_is_gone() {
    let redis = Redis::start_with(&["--requirepass", "hunter2", "--appendonly", "yes"]).unwrap();
    assert_eq!(redis.cli(&["SET", "a", "1"]).unwrap().trim(), "OK");
    let port = redis.port();
    redis.kill();
    assert!(!takes_connections(port));
    redis.restart().unwrap();
    assert_eq!(redis.cli(&["GET", "a"]).unwrap().trim(), "1");
    redis.freeze();
    assert!(takes_connections(port) && !answers(port), "a frozen server takes connections and says nothing");
    redis.resume();
    assert!(answers(port));
    assert_eq!(redis.cli(&["GET", "a"]).unwrap().trim(), "1");
    redis.stop();
    assert!(!takes_connections(port));
    redis.restart().unwrap();
    redis.freeze();
    let folder = redis.folder().to_owned();
    drop(redis);
    assert!(!takes_connections(port) && !folder.exists());
    assert_eq!(left_in(&folder), Vec::<String>::new());
}

#[test]
fn postgres_keeps_what_was_committed_when_it_is_killed_and_is_gone() {
    let postgres = Postgres::start().unwrap();
    let (one, other) = (postgres.database().unwrap(), postgres.database().unwrap());
    postgres.sql(&one, "CREATE TABLE kept (a INTEGER); INSERT INTO kept VALUES (1)").unwrap();
    assert!(postgres.sql(&other, "SELECT * FROM kept").is_err(), "every database is alone");
    assert!(postgres.sql(&one.replace("secret", "wrong"), "SELECT 1").is_err(), "the password is looked at");
    let port = postgres.port();
    for end in [Postgres::kill, Postgres::stop] {
        end(&postgres);
        assert!(!takes_connections(port));
        postgres.restart().unwrap();
        assert_eq!(postgres.sql(&one, "SELECT a FROM kept").unwrap().trim(), "1");
    }
    postgres.freeze();
    postgres.resume();
    assert_eq!(postgres.sql(&one, "SELECT a FROM kept").unwrap().trim(), "1");
    postgres.freeze();
    let folder = postgres.folder().to_owned();
    drop(postgres);
    assert!(!takes_connections(port) && !folder.exists());
    assert_eq!(left_in(&folder), Vec::<String>::new());
}

#[test]
fn rabbitmq_dies_freezes_comes_back_and_is_gone() {
    let rabbit = RabbitMq::start().unwrap();
    let vhost = rabbit.vhost().unwrap();
    let name = vhost.rsplit('/').next().unwrap();
    assert!(rabbit.ctl(&["list_vhosts"]).unwrap().contains(name));
    let port = rabbit.port();
    rabbit.kill();
    assert!(!takes_connections(port));
    rabbit.restart().unwrap();
    assert!(rabbit.ctl(&["list_vhosts"]).unwrap().contains(name));
    rabbit.freeze();
    let folder = rabbit.folder().to_owned();
    drop(rabbit);
    assert!(!takes_connections(port) && !folder.exists());
    assert_eq!(left_in(&folder), Vec::<String>::new());
}

/// A test process that is killed cannot clean up; its keepers do.
#[test]
fn a_test_that_is_killed_leaves_nothing_behind() {
    const CHILD: &str = "RATES_TEST_KILLED";
    if std::env::var_os(CHILD).is_some() {
        let (postgres, redis) = (Postgres::start().unwrap(), Redis::start().unwrap());
        let rabbit = RabbitMq::start().unwrap();
        let folders = [postgres.folder(), redis.folder(), rabbit.folder()];
        let said: String = folders.iter().map(|folder| format!("{}\n", folder.display())).collect();
        std::fs::write(std::env::var_os(CHILD).unwrap(), said).unwrap();
        std::process::abort();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_test_that_is_killed_leaves_nothing_behind"])
        .env(CHILD, file.path())
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
    let said = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(said.lines().count(), 3);
    for folder in said.lines().map(Path::new) {
        wait_until("the folder is gone", || !folder.exists());
        wait_until("no process is left", || left_in(folder).is_empty());
    }
}

#[test]
fn any_program_is_killed_frozen_ended_and_its_code_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let shell = {
        let ready = ready.clone();
        move |_: &std::path::Path| {
            let _ = std::fs::remove_file(&ready);
            let mut command = Command::new("sh");
            command.args(["-c", "trap 'exit 7' TERM; : > \"$1\"; while :; do sleep 0.05; done", "shell"]);
            command.arg(&ready);
            command
        }
    };
    let answers = move || ready.exists();
    let process = Process::start("shell", shell, answers, Duration::from_secs(10)).unwrap();
    assert_eq!(process.exit_code(), None);
    process.kill();
    assert_eq!(process.exit_code(), Some(-1));
    process.restart().unwrap();
    process.freeze();
    process.ask_to_stop();
    assert_eq!(process.exit_code(), None, "a frozen program cannot end");
    process.resume();
    wait_until("it has ended", || process.exit_code() == Some(7));
    process.restart().unwrap();
    process.stop();
    assert_eq!(process.exit_code(), Some(7));
}
