//! The proof can fail: a venue file with one mistake in it is found out by its scripted venue.
//! It must not know more of a file than the line that it spoils.

use crate::{
    crowd::{LIFELIKE, come},
    life::{ended, live, watched},
    stage::{Cast, FAST, crowded, scripts, venue_files},
};
use std::sync::Arc;

/// The venue, what is replaced by what, whether many pairs are needed, and what is said then.
const MISTAKES: &[(&str, &str, &str, bool, &str)] = &[
    ("binance", "{base}{quote}@ticker", "{BASE}{QUOTE}@ticker", false, "is no symbol of this venue"),
    ("binance", "@ticker\"", "@tickers\"", false, "has no documented form"),
    ("htx", "messages = \"40/1s\"", "", true, "more than 40/1s messages"),
    ("bybit", "items_max = 10", "items_max = 50", true, "items in one message"),
    ("bybit", "every = \"20s\"", "every = \"40s\"", false, "no ping within"),
    ("kraken", "bid = \"bid\"", "bid = \"ask\"", false, "nobody said"),
    ("kraken", "unit = \"iso\"", "unit = \"date\"", false, "the time of"),
    ("htx", "reply = '{\"pong\":{ping}}'", "reply = '{\"pong\":1}'", false, "has no documented form"),
    ("kucoin", "wait_for_welcome = true", "wait_for_welcome = false", false, "before the welcome"),
    ("bitfinex", "symbols_per_connection = 25", "symbols_per_connection = 60", true, "subscriptions on one"),
    ("cryptocom", "settle = \"1s\"", "settle = \"10ms\"", false, "too soon after connecting"),
    ("okx", "\"op\":\"subscribe\",", "\"op\":\"subscribe\",\"x\":1,", false, "x is not documented"),
    ("coingecko", "vs_currencies=", "currencies=", false, "vs_currencies is missing"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistaken_venue_file_is_found_out() {
    let (files, scripts) = (venue_files(), scripts());
    let mut lives = Vec::new();
    for (id, right, wrong, crowd, want) in MISTAKES {
        let (Some(script), Some(file)) = (scripts.get(*id), files.get(*id)) else { continue };
        assert!(file.contains(right), "{id} has no longer: {right}");
        let file = file.replace(right, wrong);
        let life = if *crowd {
            let cast = Arc::new(Cast::new(id, &crowded(script, 64), &file, LIFELIKE).await);
            watched(cast.clone(), come(cast))
        } else {
            let cast = Arc::new(Cast::new(id, script, &file, FAST).await);
            watched(cast.clone(), live(cast))
        };
        lives.push((id, wrong, want, life));
    }
    for (id, wrong, want, life) in lives {
        let said = ended(life).await.expect_err(&format!("{id} with {wrong} was not found out"));
        assert!(said.contains(want), "{id} with {wrong}: {said}");
    }
}
