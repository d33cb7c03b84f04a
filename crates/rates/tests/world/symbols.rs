//! `rates pairs search` over local copies of venues' lists, and a row at every venue that can spell a pair.
//! It must not know how a list is read.

use crate::harness::{run, within};
use serde_json::Value;
use std::{net::SocketAddr, path::Path, time::Duration};
use testkit::{Behaviour, FakeVenue, Happened, HttpAnswer};

const LIST: &str = r#"{"symbols":[{"id":"SOLUSDT","b":"SOL","q":"USDT","on":true},
    {"id":"XBTUSD","b":"XBT","q":"USD","on":true},{"id":"OLDUSD","b":"OLD","q":"USD","on":false}]}"#;

fn file(list_at: Option<SocketAddr>, symbols: &str) -> String {
    let listing = list_at.map_or(String::new(), |address| {
        format!(
            "[listing]\nurl = \"http://{address}/list?all=1\"\nrows = \"symbols[*]\"\nsymbol = \"id\"\n\
             base = \"b\"\nquote = \"q\"\nwhere = {{ on = true }}\n"
        )
    });
    testkit::venue_file("url = \"ws://127.0.0.1:1/\"", "")
        .replace("form = \"{BASE}-{QUOTE}\"\n", &format!("{symbols}\n"))
        .replacen("[ws]\n", &format!("{listing}[ws]\n"), 1)
}

async fn fake(body: &str) -> FakeVenue {
    let http = HttpAnswer { body: body.to_owned(), ..Behaviour::default().http };
    FakeVenue::start(Behaviour { http, ..Behaviour::default() }).await
}

fn put(dir: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(dir.join("venues")).unwrap();
    std::fs::write(dir.join("venues").join(format!("{name}.toml")), text).unwrap();
}

const HERE: [&str; 4] = ["--venues-dir", "venues", "--allow-private", "127.0.0.0/8"];
const PLAIN: &str = "form = \"{BASE}-{QUOTE}\"";

/// Searches one venue, or all of them with their lists replaced by one address: no real venue is ever asked.
async fn search(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    run(dir, &[&["pairs", "search"], arguments, &HERE].concat()).await
}

#[tokio::test]
async fn symbols_are_found_and_what_could_not_be_asked_is_said() {
    let (dir, lists, broken) = (tempfile::tempdir().unwrap(), fake(LIST).await, fake("{\"code\":-1}").await);
    let dir = dir.path();
    put(dir, "lists", &file(Some(lists.address()), PLAIN));
    put(dir, "broken", &file(Some(broken.address()), PLAIN));
    put(dir, "listless", &file(None, PLAIN));
    for (arguments, code, out, err) in [
        (vec!["sol", "--venue", "lists"], 0, "lists\tSOLUSDT\tSOL-USDT\n", ""),
        (vec!["btc/usd", "--venue", "lists"], 0, "lists\tXBTUSD\tBTC-USD\n", ""),
        (vec!["old", "--venue", "lists"], 4, "", "nobody lists \"old\""),
        (vec!["SOLUSDC", "--venue", "lists"], 4, "", "did you mean SOLUSDT?"),
        (vec!["sol", "--venue", "broken"], 69, "", "broken was not asked or did not answer"),
        (vec!["sol", "--venue", "listless"], 69, "", "knows no list of symbols"),
        (vec!["sol", "--venue", "nowhere"], 4, "", "there is no venue"),
        (vec!["sol", "--venue", "lists", "--url-base", "ftp://x"], 2, "", "--url-base"),
    ] {
        let (ended, said, talked) = search(dir, &arguments).await;
        assert_eq!((ended, said.as_str()), (code, out), "{arguments:?}: {talked}");
        assert!(talked.contains(err), "{arguments:?}: {talked}");
    }
    // Without leave no address of this machine is asked.
    let arguments = ["pairs", "search", "sol", "--venue", "lists", "--venues-dir", "venues"];
    let before = lists.count(|what| *what == Happened::Accepted);
    let (ended, _, talked) = run(dir, &arguments).await;
    assert_eq!(ended, 69, "{talked}");
    assert_eq!(lists.count(|what| *what == Happened::Accepted), before, "{talked}");

    // Every venue with a list, each at this address: those whose form it is not say so, the others answer.
    let base = format!("http://{}", lists.address());
    let (ended, out, talked) = search(dir, &["sol", "--json", "--url-base", &base]).await;
    assert_eq!(ended, 0, "{talked}");
    let json: Value = serde_json::from_str(&out).unwrap();
    let found: Vec<_> = json["symbols"].as_array().unwrap().iter().map(|s| s["venue"].clone()).collect();
    assert_eq!(found, ["broken", "lists"], "both read that form: {json}");
    assert_eq!(json["symbols"][0]["pair"], "SOL-USDT");
    let silent = json["unanswered"].as_array().unwrap();
    assert!(silent.iter().any(|s| s["venue"] == "kraken"), "{json}");
    assert!(silent.iter().all(|s| s["venue"] != "listless"), "{json}");
    let asked = |path: &'static str| {
        lists.count(|what| matches!(what, Happened::Request(head) if head.starts_with(path)))
    };
    assert!(asked("GET /list?all=1 ") > 0 && asked("GET /0/public/AssetPairs ") == 1);
}

#[tokio::test]
async fn a_list_that_never_comes_costs_ten_seconds_and_no_more() {
    let (dir, lists) = (tempfile::tempdir().unwrap(), fake(LIST).await);
    lists.set(|behaviour| behaviour.http.hangs = true);
    put(dir.path(), "lists", &file(Some(lists.address()), PLAIN));
    within(Duration::from_secs(20), "it ends", async || {
        let (ended, _, talked) = search(dir.path(), &["sol", "--venue", "lists"]).await;
        assert_eq!(ended, 69, "{talked}");
        assert!(talked.contains("10s"), "{talked}");
        Some(())
    })
    .await;
}

#[tokio::test]
async fn a_row_at_every_venue_that_can_spell_the_pair() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    put(dir, "roubles", &file(None, "form = \"{BASE}\"\nquote = \"RUB\""));
    put(dir, "swaps", &format!("spot = false\n{}", file(None, PLAIN)));
    put(dir, "plain", &file(None, PLAIN));
    let add = ["pairs", "add", "LTC-USDT", "--venue", "all", "--venues-dir", "venues"];
    let (ended, out, talked) = run(dir, &add).await;
    assert_eq!(ended, 0, "{talked}");
    let line =
        |name: &str| out.lines().find(|line| line.split('\t').nth(1) == Some(name)).unwrap().to_owned();
    assert!(line("plain").ends_with("\tplain\tLTC-USDT\tadded\t"), "{out}");
    assert!(line("roubles").contains("\tleft out\tLTC-USDT: "), "{out}");
    assert!(line("swaps").contains("\tleft out\tits prices are not spot"), "{out}");
    assert!(line("kraken").contains("\tadded\t"), "{out}");
    let (_, again, _) = run(dir, &add).await;
    assert!(!again.contains("\tadded\t") && again.contains("already"), "{again}");
    let (_, list, _) = run(dir, &["pairs", "list", "--url", "http://127.0.0.1:1"]).await;
    assert_eq!(list.matches("LTC-USDT").count(), out.matches("\tadded\t").count(), "{list}");
    let (ended, _, talked) = run(dir, &[&add[..], &["--url", "ws://127.0.0.1:1/"]].concat()).await;
    assert_eq!(ended, 2, "{talked}");
}
