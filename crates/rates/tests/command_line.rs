//! The real binary on the command line: exit codes, mistakes that name their place, secrets that stay secret.
//! It must not start a service; that is `product.rs`.

use std::{
    path::Path,
    process::{Command, Output},
};

/// Runs the binary in a folder of its own, with nothing of this machine's environment.
fn rates(dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rates"));
    command.args(arguments).current_dir(dir).env_clear().envs(environment.iter().copied());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An address where nobody listens: bound once, and let go.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn exit_codes_are_the_contract_s() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("broken.toml"), "title = ").unwrap();
    std::fs::write(dir.path().join("text.toml"), "[log]\nformat = \"xml\"\n").unwrap();
    let server = nobody();
    let nobody_ws = nobody().replace("http", "ws");
    let kraken = concat!(env!("CARGO_MANIFEST_DIR"), "/../../venues/kraken.toml");
    for (arguments, code, said) in [
        (vec!["--version"], 0, ""),
        (vec!["config", "check"], 0, "the configuration is good"),
        (vec!["migrate"], 0, "sqlite://rates.db is up to date"),
        (vec!["pairs", "list"], 0, "tells how feeds are doing"),
        (vec!["pairs", "disable", "1"], 0, "row 1 is disabled"),
        (vec!["pairs", "enable", "1"], 0, "row 1 is enabled"),
        (vec!["pairs", "remove", "1"], 0, "row 1 is removed"),
        (vec!["openapi"], 0, ""),
        (vec![], 2, "Usage"),
        (vec!["run", "--lisen", "x"], 2, "--lisen"),
        (vec!["wacth"], 2, "'watch'"),
        (vec!["get", "BTC-USDT", "--url", "ftp://x"], 2, "--url"),
        (vec!["pairs", "add", "BTC", "--venue", "kraken"], 2, "BASE-QUOTE"),
        (vec!["pairs", "add", "BTC-EUR", "--venue", "kraken", "--interval", "soon"], 2, "--interval"),
        (vec!["pairs", "add", "BTC-EUR", "--venue", "kraken", "--url", "file:///etc/passwd"], 2, "--url"),
        (vec!["keys", "add", " "], 2, "1 to 64 characters"),
        (vec!["pairs", "add", "BTC-EUR", "--venue", "karken"], 4, "did you mean kraken?"),
        (vec!["pairs", "remove", "999"], 4, "no row 999"),
        (vec!["keys", "revoke", "999"], 4, "no key 999"),
        (vec!["venues", "show", "krakn"], 4, "did you mean kraken?"),
        (vec!["venues", "remove", "kraken"], 4, "built-in:kraken"),
        (vec!["get", "BTC-USDT", "--url", &server], 69, "does not answer"),
        (vec!["watch", "--url", &server], 69, "does not answer"),
        (vec!["convert", "1", "BTC", "USD", "--url", &server], 69, "does not answer"),
        (vec!["healthcheck", "--url", &server], 69, "does not answer"),
        (vec!["venues", "check", "broken.toml"], 78, "broken.toml:1: "),
        (vec!["venues", "check", "nowhere.toml"], 78, "nowhere.toml: cannot be read"),
        (vec!["venues", "test", "broken.toml", "BTC-USD"], 78, "broken.toml:1: "),
        (vec!["venues", "test", kraken, "BTCUSD"], 78, "currency_pair"),
        (
            vec!["venues", "test", kraken, "BTC-USD", "--url", &nobody_ws],
            78,
            "refused address: url: 127.0.0.1 is loopback",
        ),
        (
            vec!["venues", "test", kraken, "BTC-USD", "--url", &nobody_ws, "--allow-private", "here"],
            78,
            "network",
        ),
        (
            vec!["venues", "test", kraken, "BTC-USD", "--url", &nobody_ws, "--allow-private", "127.0.0.0/8"],
            69,
            "no connection: ",
        ),
        (vec!["config", "check", "--config", "text.toml"], 78, "text.toml:2: log.format: \"xml\""),
        (vec!["config", "check", "--config", "nowhere.toml"], 78, "nowhere.toml: file: cannot be read"),
        (vec!["migrate", "--store", "mysql://h/d"], 78, "mysql"),
        (vec!["run", "--roles", "api"], 78, "amqp://"),
        (vec!["run", "--roles", "collector"], 78, "--roles all"),
        (vec!["run", "--listen", "8000"], 78, "--listen: listen: \"8000\": write ADDRESS:PORT"),
        (vec!["run", "--venues-dir", "nowhere"], 78, "nowhere: cannot be read"),
        (vec!["run", "--listen", "127.0.0.1:0", "--broker", "kafka://u:hunter2@h"], 78, "kafka"),
        (
            vec!["run", "--listen", "127.0.0.1:0", "--store", "sqlite:///no/such/folder/x.db"],
            78,
            "no/such/folder",
        ),
    ] {
        // Lists ask the default server, which may be running on this machine.
        let output = rates(dir.path(), &arguments, &[("RATES_URL", &server)]);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
        assert!(err.contains(said), "{arguments:?} should say {said:?}:\n{err}");
        assert!(!err.contains("hunter2") && !err.contains("panicked"), "{arguments:?}\n{err}");
    }
}

#[test]
fn a_key_is_shown_once_and_kept_as_a_hash() {
    let dir = tempfile::tempdir().unwrap();
    let added = rates(dir.path(), &["keys", "add", "grafana"], &[]);
    let key = text(&added.stdout).trim().to_owned();
    assert!(key.starts_with("rk_") && key.len() > 40, "{key}");
    assert!(!text(&added.stderr).contains(&key));
    let listed = rates(dir.path(), &["keys", "list"], &[]);
    assert!(text(&listed.stdout).starts_with("1\tgrafana\tgood\t"), "{}", text(&listed.stdout));
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!text(&bytes).contains(&key[3..]), "the key itself is in the store");
    }
    assert_eq!(rates(dir.path(), &["keys", "revoke", "1"], &[]).status.code(), Some(0));
    assert_eq!(rates(dir.path(), &["keys", "revoke", "1"], &[]).status.code(), Some(4));
    let listed = rates(dir.path(), &["keys", "list", "--json"], &[]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert!(
        listed["keys"][0]["revoked_at"].is_number() && listed["keys"][0].get("hash").is_none(),
        "{listed}"
    );
}

#[test]
fn the_configuration_says_where_each_value_was_written_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rates.toml"), "listen = \"127.0.0.1:1\"\nstale_after = \"5s\"\n")
        .unwrap();
    std::fs::write(dir.path().join("url"), "postgres://u:hunter2@h/d?password=hunter2\n").unwrap();
    let environment = [
        ("DATABASE_URL_FILE", "url"),
        ("AMQP_URL", "amqp://u:hunter2@h"),
        ("RATES_BOT__WEBHOOK_SECRET", "hunter2"),
        ("RATES_LISTEN", "127.0.0.1:2"),
        ("RATES_LISTNE", "x"),
    ];
    let output = rates(dir.path(), &["config", "print", "--listen", "127.0.0.1:3"], &environment);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    for line in [
        "listen\t127.0.0.1:3\t--listen",
        "stale_after\t5s\trates.toml:2",
        "expire_after\t50s\tdefault",
        "store\tpostgres://u:***@h/d?password=***\tDATABASE_URL_FILE",
        "broker\tamqp://u:***@h\tAMQP_URL",
        "bot.webhook_secret\t***\tRATES_BOT__WEBHOOK_SECRET",
    ] {
        assert!(out.lines().any(|said| said == line), "{line} is missing:\n{out}");
    }
    assert!(err.contains("RATES_LISTNE") && err.contains("did you mean RATES_LISTEN?"), "{err}");
    assert!(!out.contains("hunter2") && !err.contains("hunter2"), "{out}{err}");
}

#[test]
fn every_mistake_of_a_file_is_said_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rates.toml"), "lisen = 1\n\n[log]\nlevel = \"info\"\n").unwrap();
    for arguments in [["config", "check"].as_slice(), &["run"], &["pairs", "list"], &["config", "print"]] {
        let output = rates(dir.path(), arguments, &[]);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {err}");
        assert!(err.contains("rates.toml:1: lisen: no such key; did you mean listen?"), "{err}");
        assert!(err.contains("rates.toml:4: log.level: no such key"), "{err}");
    }
}

#[test]
fn a_venue_of_the_directory_or_the_store_replaces_a_built_in_one() {
    let dir = tempfile::tempdir().unwrap();
    let shown = text(&rates(dir.path(), &["venues", "show", "kraken"], &[]).stdout);
    let mine = shown.clone() + "\n# mine\n";
    std::fs::create_dir(dir.path().join("more")).unwrap();
    std::fs::write(dir.path().join("more/kraken.toml"), &mine).unwrap();
    let show =
        |more: &[&str]| text(&rates(dir.path(), &[&["venues", "show", "kraken"], more].concat(), &[]).stdout);
    assert_eq!(show(&["--venues-dir", "more"]), mine);
    assert_eq!(show(&[]), shown);
    let added = rates(dir.path(), &["venues", "add", "more/kraken.toml"], &[]);
    assert_eq!(added.status.code(), Some(0), "{}", text(&added.stderr));
    assert_eq!(show(&[]), mine);
    let removed = rates(dir.path(), &["venues", "remove", "kraken"], &[]);
    assert!(text(&removed.stderr).contains("built-in:kraken is in force now"), "{}", text(&removed.stderr));
    assert_eq!(show(&[]), shown);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rates"))
        .args(["openapi"])
        .current_dir(dir.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn a_recording_is_decoded_to_one_line_per_price() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../venues/kraken.toml");
    let frame = |last: &str| {
        let data = format!(
            r#"{{"channel":"ticker","type":"update","data":[{{"symbol":"BTC/USD","bid":64400.1,"ask":64400.2,"last":{last},"timestamp":"2026-09-21T14:13:20.123456Z"}}]}}"#
        );
        serde_json::json!({"dir": "in", "transport": "ws", "url": "wss://example.org/v2", "t": null, "data": data})
    };
    std::fs::write(dir.path().join("good.jsonl"), format!("{}\n{}\n", frame("64400.10"), frame("9.2E-7")))
        .unwrap();
    std::fs::write(dir.path().join("bad.jsonl"), format!("{}\nno json\n", frame("1"))).unwrap();
    let file = file.to_str().unwrap();
    let decoded = rates(dir.path(), &["venues", "decode", file, "good.jsonl"], &[]);
    assert_eq!(decoded.status.code(), Some(0), "{}", text(&decoded.stderr));
    let line = r#"{"line":1,"symbol":"BTC/USD","pair":"BTC-USD","last":"64400.10","bid":"64400.1","ask":"64400.2","venue_time":1790000000123,"history":false,"duplicate":false}"#;
    let out = text(&decoded.stdout);
    assert_eq!(out.lines().next(), Some(line));
    assert!(out.lines().nth(1).is_some_and(|line| line.contains(r#""last":"0.00000092""#)), "{out}");
    let decoded = rates(dir.path(), &["venues", "decode", file, "bad.jsonl"], &[]);
    assert_eq!(decoded.status.code(), Some(1));
    assert!(text(&decoded.stderr).contains("bad.jsonl:2: "), "{}", text(&decoded.stderr));
}

/// Alerts in the store itself: kept, shown without secrets, removed; a webhook inwards is refused.
#[test]
fn alerts_are_added_listed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "canary-of-a-webhook\n").unwrap();
    let server = nobody();
    let environment = [("RATES_URL", server.as_str())];
    let run = |arguments: &[&str]| {
        let all: Vec<&str> = ["alerts"].iter().chain(arguments).copied().collect();
        let done = rates(dir.path(), &all, &environment);
        (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
    };
    let hook = "https://hooks.example/in?token=canary";
    let (code, out, said) = run(&["add", "BTC-USDT -5% in 1h repeat", "--webhook", hook, "--json"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("alert 1: BTC-USDT -5% in 1h repeat"), "{said}");
    // The store is empty: that it would never have fired is more than anybody knows.
    assert!(said.contains("candles do not tell how often it would have fired"), "{said}");
    let added: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(added["webhook"]["secret"].as_str().unwrap().starts_with("whsec_"));
    let own = ["add", "BTC-USDT above 70000", "--webhook", "https://b.example/", "--secret-file", "secret"];
    let (code, out, said) = run(&own);
    assert_eq!((code, out.as_str()), (0, ""), "a given secret is not said: {said}");
    let (code, _, said) = run(&["add", "BTC-USDT", "below", "1", "--chat", "-100123/7"]);
    assert_eq!(code, 0, "{said}");

    let (_, out, _) = run(&["list"]);
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split('\t').collect()).collect();
    let expect = [
        ["1", "operator", "open", "0", "webhook:1 hooks.example", "BTC-USDT -5% in 1h repeat"],
        ["2", "operator", "open", "0", "webhook:2 b.example", "BTC-USDT above 70000"],
        ["3", "operator", "open", "0", "chat:-100123/7", "BTC-USDT below 1"],
    ];
    assert_eq!(lines, expect);
    let (_, out, _) = run(&["list", "--owner", "operator", "--json"]);
    assert!(!out.contains("whsec_") && !out.contains("canary-of"), "{out}");
    for (arguments, expect, needle) in [
        (&["remove", "1"][..], 0, "alert 1 is removed"),
        (&["remove", "1"], 4, "no alert 1"),
        (&["add", "BTC-USDT", "above", "1", "--dry-run"], 0, "understood, not kept"),
        (&["add", "BTC-USDT", "above", "1"], 2, "--webhook"),
        (&["add", "BTC-USDT", "somehow", "--webhook", hook], 2, "after the pair"),
        (&["add", "BTC-USDT", "above", "1", "--webhook", "http://127.0.0.1/"], 2, "loopback"),
        (&["add", "BTC-USDT", "above", "1", "--webhook", "http://0x7f.1/"], 2, "loopback"),
        (&["add", "BTC-USDT", "above", "1", "--chat", "me"], 2, "--chat"),
        (&["add", "venue", "typo", "down", "5m", "--chat", "1"], 2, "names the venue typo"),
    ] {
        let (code, _, said) = run(arguments);
        assert_eq!(code, expect, "{arguments:?}: {said}");
        assert!(said.contains(needle), "{arguments:?}: {said}");
    }
    let (_, out, _) = run(&["list"]);
    assert_eq!(out.lines().count(), 2);
}
