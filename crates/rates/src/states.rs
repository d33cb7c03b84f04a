//! How feeds are doing, asked from a running server for the lists of the command line; `unknown` if none answers.
//! It must not know the store.

use crate::{client::Client, exit::Failure, output};
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};

/// A list must not hang on a server that does not answer.
const WAIT_MS: u64 = 3_000;

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
    /// What last went wrong.
    pub last_error: Option<String>,
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
        let asked =
            tokio::time::timeout(Duration::from_millis(WAIT_MS), client.text(&["api", "v1", "venues"], &[]))
                .await;
        let answer = match asked {
            Ok(Ok(body)) => serde_json::from_str::<Answer>(&body).ok(),
            _ => None,
        };
        match answer {
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

#[cfg(test)]
mod tests {
    use super::*;

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
