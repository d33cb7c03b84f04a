//! How feeds are doing, asked from a running server for the lists of the command line; `unknown` if none answers.
//! It must not know the store.

use crate::{client::Client, exit::Failure, output};
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};

/// A list must not hang on a server that does not answer.
const WAIT_MS: u64 = 3_000;

/// The most pairs that are named as being without data.
const PAIRS_MAX: usize = 20;

/// What every list says where nobody knows.
pub const UNKNOWN: &str = "unknown";

/// What the server says of its venues.
#[derive(Debug, Default)]
pub struct States {
    is_demo: bool,
    venues: BTreeMap<String, VenueState>,
}

/// What the server says of one venue.
#[derive(Debug, Deserialize)]
pub struct VenueState {
    venue: String,
    /// Who runs it; several by comma.
    #[serde(default)]
    pub collector: String,
    /// One word for all its connections.
    #[serde(default)]
    pub state: String,
    /// Its connections.
    #[serde(default)]
    pub connections: Vec<ConnectionState>,
    #[serde(default)]
    rows: Vec<RowState>,
    /// Its pairs.
    #[serde(default)]
    pub pairs: Vec<serde_json::Value>,
}

/// One connection.
#[derive(Debug, Deserialize)]
pub struct ConnectionState {
    /// Its name.
    #[serde(default)]
    pub id: String,
    /// What it is doing.
    #[serde(default)]
    pub state: String,
    /// What last went wrong.
    pub last_error: Option<String>,
    /// The last frame of which nothing could be made.
    pub unread: Option<UnreadFrame>,
}

/// A frame of which nothing could be made.
#[derive(Debug, Deserialize)]
pub struct UnreadFrame {
    /// Its start, on one line.
    pub frame: String,
    /// Its whole length.
    pub bytes: u64,
    /// When it came.
    pub at: market::Timestamp,
    /// Why nothing could be made of it.
    pub reason: String,
    /// How many there were.
    pub count: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct RowState {
    id: i64,
    state: String,
    reason: Option<String>,
    #[serde(default)]
    collector: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    demo: bool,
    venues: Vec<VenueState>,
}

impl States {
    /// Asks; a server that does not answer is said aloud and makes everything unknown.
    pub async fn ask(url: &str) -> Result<States, Failure> {
        let client = Client::new(url)?;
        match answer(&client).await {
            Some(answer) => {
                if answer.demo {
                    output::say(&format!(
                        "rates: the server at {} is a demo, with rows of its own",
                        client.place()
                    ));
                }
                Ok(States::of(answer))
            }
            None => {
                output::say(&format!("rates: no server at {} tells how feeds are doing", client.place()));
                Ok(States::default())
            }
        }
    }

    /// The same without a word where no server answers.
    pub async fn ask_quietly(url: &str) -> Result<States, Failure> {
        Ok(answer(&Client::new(url)?).await.map(States::of).unwrap_or_default())
    }

    fn of(answer: Answer) -> States {
        States {
            is_demo: answer.demo,
            venues: answer.venues.into_iter().map(|venue| (venue.venue.clone(), venue)).collect(),
        }
    }

    /// What is known of a venue.
    pub fn venue(&self, name: &str) -> Option<&VenueState> {
        self.venues.get(name)
    }

    /// State and reason of a row, by its id alone: a row whose venue is none is told under another name than it
    /// says itself. A demo has rows of its own, which are not those of a store.
    pub fn row(&self, id: i64) -> (String, Option<String>) {
        let found = self.find(id).cloned();
        found.map_or((UNKNOWN.to_owned(), None), |row| (row.state, row.reason))
    }

    /// The collector that runs a row, where that is known.
    pub fn collector(&self, id: i64) -> Option<&str> {
        self.find(id)?.collector.as_deref()
    }

    fn find(&self, id: i64) -> Option<&RowState> {
        let mut rows = self.venues.values().filter(|_| !self.is_demo).flat_map(|venue| &venue.rows);
        rows.find(|row| row.id == id)
    }
}

async fn answer(client: &Client) -> Option<Answer> {
    let asked = client.text(&["api", "v1", "venues"], &[]);
    let body = tokio::time::timeout(Duration::from_millis(WAIT_MS), asked).await.ok()?.ok()?;
    serde_json::from_str(&body).ok()
}

impl VenueState {
    /// What is wrong with it, a line each: connections that are not live, frames that could not be read, pairs without data.
    pub fn complaints(&self, now: market::Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        for one in &self.connections {
            if one.state != "live" {
                let why = one.last_error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
                lines.push(format!("{} is {}{why}", one.id, one.state));
            }
            if let Some(UnreadFrame { frame, bytes, at, reason, count }) = &one.unread {
                let ago = now.millis_since(*at).max(0) / 1_000;
                lines.push(format!(
                    "{}: nothing could be made of {count} frames; the last, {ago} s ago ({bytes} bytes): {reason}",
                    one.id
                ));
                lines.push(format!("  {frame}"));
            }
        }
        let word = |pair: &serde_json::Value, name: &str| pair[name].as_str().unwrap_or_default().to_owned();
        let bad = self.pairs.iter().filter(|pair| !["live", "waiting"].contains(&&*word(pair, "state")));
        lines.extend(
            bad.take(PAIRS_MAX).map(|pair| format!("{} is {}", word(pair, "pair"), word(pair, "state"))),
        );
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_venue_is_told_with_the_frame() {
        let body = r#"{"venue":"a","connections":[
            {"id":"ws-1","state":"cannot_read","last_error":"nothing readable for 30000 ms",
             "unread":{"frame":"<html>","bytes":900,"at":1000,"reason":"not_json: wrong at byte 0","count":7}},
            {"id":"ws-2","state":"live","last_error":"old news"}],
            "pairs":[{"pair":"BTC-USD","state":"no_data"},{"pair":"ETH-USD","state":"live"}]}"#;
        let state: VenueState = serde_json::from_str(body).unwrap();
        assert_eq!(
            state.complaints(market::Timestamp::from_millis(4_500)),
            [
                "ws-1 is cannot_read: nothing readable for 30000 ms",
                "ws-1: nothing could be made of 7 frames; the last, 3 s ago (900 bytes): not_json: wrong at byte 0",
                "  <html>",
                "BTC-USD is no_data",
            ]
        );
    }

    #[test]
    fn rows_have_their_server_s_state_or_none() {
        let body = r#"{"venues":[{"v":1,"venue":"a","state":"live","connections":[{"id":"1","last_error":null}],
            "rows":[{"id":7,"state":"invalid","reason":"url: no","collector":"c1"}],"pairs":[{}]},
            {"venue":"unknown","rows":[{"id":9,"state":"invalid","reason":"venue: is empty"}]}]}"#;
        let states = States::of(serde_json::from_str(body).unwrap());
        assert_eq!(states.row(7), ("invalid".to_owned(), Some("url: no".to_owned())));
        assert_eq!(states.row(8), (UNKNOWN.to_owned(), None));
        assert_eq!((states.collector(7), states.collector(9)), (Some("c1"), None));
        // Whatever its venue column holds, and be it nothing.
        assert_eq!(states.row(9), ("invalid".to_owned(), Some("venue: is empty".to_owned())));
        let demo = body.replacen('{', "{\"demo\":true,", 1);
        let states = States::of(serde_json::from_str(&demo).unwrap());
        assert_eq!(states.row(7), (UNKNOWN.to_owned(), None));
        assert_eq!(states.venue("a").unwrap().state, "live");
    }
}
