//! The fake venue's wire format: what it says to a message, and the venue file that describes it all.
//! It must not know sockets.

use crate::fake_venue::Shared;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What the fake says to a message: one refusal for a request with any unknown symbol, else an ack.
pub(crate) fn answer(text: &str, subscribed: &mut BTreeSet<String>, shared: &Shared) -> Vec<String> {
    let Ok(message) = serde_json::from_str::<Value>(text) else {
        return vec![json!({"error": "no JSON"}).to_string()];
    };
    let symbols: Vec<String> = message["args"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let id = message["id"].clone();
    match message["op"].as_str() {
        Some("ping") => vec![json!({"beat": 1}).to_string()],
        Some("unsub") => {
            subscribed.retain(|symbol| !symbols.contains(symbol));
            vec![json!({"ok": true, "id": id}).to_string()]
        }
        Some("sub") => {
            let behaviour = shared.behaviour().clone();
            if let Some(bad) = symbols.iter().find(|symbol| behaviour.unknown.contains(*symbol)) {
                let mut error = json!({"error": "unknown symbol"});
                if behaviour.names_request {
                    error["id"] = id;
                }
                if behaviour.names_symbol {
                    error["s"] = json!(bad);
                }
                return vec![error.to_string()];
            }
            let mut known = shared.symbols.lock().expect("no test panics under it");
            for symbol in symbols {
                known.entry(symbol.clone()).or_default();
                subscribed.insert(symbol);
            }
            vec![json!({"ok": true, "id": id}).to_string()]
        }
        _ => vec![json!({"error": "no such op"}).to_string()],
    }
}

/// A venue file for the fake's wire format. `ws` and `http` are the lines of those tables, without their names
/// and without `subscribe`; an empty one leaves the table out.
pub fn venue_file(ws: &str, http: &str) -> String {
    let ws = if ws.is_empty() {
        String::new()
    } else {
        format!(
            "[ws]\n{ws}\n[ws.subscribe]\nsend = '{{\"op\":\"sub\",\"args\":{{items}},\"id\":{{id}}}}'\n\
             unsubscribe = '{{\"op\":\"unsub\",\"args\":{{items}},\"id\":{{id}}}}'\nitems_max = 50\n"
        )
    };
    let http = if http.is_empty() { String::new() } else { format!("[http]\n{http}\n") };
    format!("{HEAD}{ws}{http}{MESSAGES}")
}

const HEAD: &str = r#"
format = 1
name = "Fake"
homepage = "https://fake.example"
facts = "2026-11-22, invented"
[symbols]
form = "{BASE}-{QUOTE}"
"#;

const MESSAGES: &str = r#"
[[message]]
is = "tick"
when = { s = { exists = true }, p = { exists = true } }
symbol = "s"
last = "p"
sequence = "n"
[[message]]
is = "tick"
when = { "[0].s" = { exists = true } }
rows = "[*]"
symbol = "s"
last = "p"
[[message]]
is = "ack"
when = { ok = true }
id = "id"
[[message]]
is = "error"
when = { error = "unknown symbol" }
words = "error"
symbol = "s"
id = "id"
means = "unknown_symbol"
[[message]]
is = "error"
when = { error = "too many" }
words = "error"
means = "rate_limited"
[[message]]
is = "error"
when = { error = { exists = true } }
words = "error"
id = "id"
[[message]]
is = "heartbeat"
when = { beat = { exists = true } }
[[message]]
is = "reconnect"
when = { bye = { exists = true } }
[[example]]
frame = '{"s":"BTC-USD","p":"1.50","n":"7"}'
ticks = [{ symbol = "BTC-USD", pair = "BTC-USD", last = "1.50" }]
"#;
