//! The HTTP side of a scripted venue: judges a request by the script's routes and answers it.
//! It must not know WebSockets.

use crate::{
    fill::{Fill, fill, windows_1251},
    form::{self, Named},
    script::{How, Route, limit},
    scripted::{Stage, is_beyond},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

/// An answer: status, extra headers, type and body.
struct Answer(u16, String, String, Vec<u8>);

impl Answer {
    fn plain(status: u16, body: &str) -> Answer {
        Answer(status, String::new(), "application/json".to_owned(), body.as_bytes().to_vec())
    }
}

/// Answers requests until the client goes away; or one, and waits for the client to go.
pub(crate) async fn serve(mut tcp: TcpStream, stage: Arc<Stage>, is_one: bool) {
    while let Some(head) = read_head(&mut tcp).await {
        if stage.state().is_down {
            return drop(tcp.set_zero_linger());
        }
        let mut line = head.split_whitespace();
        let (method, target) = (line.next().unwrap_or_default(), line.next().unwrap_or_default());
        let Answer(status, headers, content_type, body) = stage.answer(method, target);
        let headers = if is_one { format!("{headers}connection: close\r\n") } else { headers };
        let head = format!(
            "HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\ncontent-type: {content_type}\r\n{headers}\r\n",
            body.len()
        );
        if tcp.write_all(head.as_bytes()).await.is_err() || tcp.write_all(&body).await.is_err() {
            return;
        }
    }
}

async fn read_head(tcp: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

impl Stage {
    fn answer(&self, method: &str, target: &str) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if let Some(token) = self.script.token.as_ref().filter(|token| token.path == path) {
            if method != token.method {
                self.violation(format!("{method} {path}"));
                return Answer::plain(405, "{}");
            }
            let mut state = self.state();
            state.tokens_given += 1;
            // Letters that an address must escape.
            let given = format!("to+ken/{}==", state.tokens_given);
            state.tokens.insert(given.clone());
            drop(state);
            let ping_ms = token.ping.as_deref().map(|ping| self.scaled(ping).as_millis().to_string());
            let words = vec![("token", given), ("ping_ms", ping_ms.unwrap_or_default())];
            let with = Fill { words, ..Fill::default() };
            return Answer::plain(200, &fill(&token.answer, &with));
        }
        if let Some(refused) = self.too_many() {
            return refused;
        }
        let mut reasons = Vec::new();
        for route in &self.script.route {
            match fits(route, path, query) {
                Ok(named) if method == "GET" => return self.prices(route, &named),
                Ok(_) => reasons.push(format!("the method {method}")),
                Err(reason) => reasons.push(reason),
            }
        }
        self.violation(format!("{method} {target} has no documented form: {}", reasons.join("; ")));
        Answer::plain(404, "{}")
    }

    fn too_many(&self) -> Option<Answer> {
        let mut state = self.state();
        if let Some(until) = state.not_before {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                state.throttled += 1;
                drop(state);
                let after = format!("retry-after: {}\r\n", left.as_secs() + 1);
                return Some(Answer(429, after, "application/json".to_owned(), b"{}".to_vec()));
            }
        }
        let requests = self.script.limits.requests.as_ref()?;
        let (count, per) = limit(requests);
        if !is_beyond(&mut state.requests, (count, per / self.speed.times), Duration::ZERO) {
            return None;
        }
        drop(state);
        self.violation(format!("more than {requests} requests"));
        Some(Answer(429, "retry-after: 1\r\n".to_owned(), "application/json".to_owned(), b"{}".to_vec()))
    }

    fn prices(&self, route: &Route, named: &BTreeMap<String, BTreeSet<String>>) -> Answer {
        let script = &self.script;
        let unknown = &script.unknown;
        let mut asks_unknown = false;
        for (name, values) in named {
            let known = |value: &String| {
                script.symbols.iter().any(|symbol| match name.as_str() {
                    "bases" | "base" => symbol.base == *value,
                    "quotes" | "quote" => symbol.quote == *value,
                    _ => symbol.asked == *value,
                })
            };
            for value in values.iter().filter(|value| !known(value)) {
                asks_unknown |= *value == unknown.asked;
                if *value != unknown.asked {
                    self.violation(format!("'{value}' is nothing this venue knows as {name}"));
                }
            }
        }
        if asks_unknown && unknown.how == How::Error {
            return Answer::plain(unknown.status.unwrap_or(404), &unknown.error);
        }
        let fits = |at: &usize| {
            let symbol = &script.symbols[*at];
            named.iter().all(|(name, values)| {
                values.contains(match name.as_str() {
                    "bases" | "base" => &symbol.base,
                    "quotes" | "quote" => &symbol.quote,
                    _ => &symbol.asked,
                })
            })
        };
        let chosen: Vec<usize> = (0..script.symbols.len()).filter(fits).collect();
        let round = self.now();
        let mut groups = BTreeMap::<&str, Vec<String>>::new();
        for at in &chosen {
            let row = fill(&route.row, &self.fill(*at, round, Vec::new()));
            groups.entry(&script.symbols[*at].base).or_default().push(row);
        }
        let all_rows: Vec<_> = groups.values().flatten().cloned().collect();
        let first = chosen.first().copied().unwrap_or(0);
        let group = |(base, rows): (&&str, &Vec<String>)| {
            let words = vec![("base", (*base).to_owned()), ("rows", rows.join(&route.joiner))];
            fill(&route.group, &Fill { words, round, ..Fill::default() })
        };
        let all_groups: Vec<_> = groups.iter().map(group).collect();
        let words = vec![("rows", all_rows.join(&route.joiner)), ("groups", all_groups.join(&route.joiner))];
        let text = fill(&route.answer, &self.fill(first, round, words));
        let is_cyrillic = route.content_type.contains("windows-1251");
        let body = if is_cyrillic { windows_1251(&text) } else { text.into_bytes() };
        self.state().answered += 1;
        Answer(200, String::new(), route.content_type.clone(), body)
    }
}

/// The values that path and query name, if they have the route's form.
fn fits(route: &Route, path: &str, query: &str) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let mut named = Named::default();
    form::words(&slotted(&route.path), path, &[], &mut named)?;
    let mut got: BTreeMap<&str, String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name, decoded(value)))
        .collect();
    for (name, form) in &route.query {
        match got.remove(name.trim_end_matches('?')) {
            Some(value) => form::words(&slotted(form), &value, &[], &mut named)?,
            None if name.ends_with('?') => {}
            None => return Err(format!("the parameter {name} is missing")),
        }
    }
    if let Some(name) = got.keys().next() {
        return Err(format!("the parameter {name} is not documented"));
    }
    let slots = ["asked", "list", "base", "bases", "quote", "quotes"];
    let values = named.values.into_iter().filter(|(name, _)| slots.contains(&name.as_str()));
    Ok(values.map(|(name, text)| (name, text.split(',').map(str::to_owned).collect())).collect())
}

/// Symbols of a path may hold what symbols of messages do not.
fn slotted(form: &str) -> String {
    form.replace("{symbol}", "{asked}").replace("{symbols}", "{list}")
}

/// A value of a query as it was meant.
pub(crate) fn decoded(text: &str) -> String {
    let (mut out, mut bytes) = (Vec::new(), text.bytes());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                std::str::from_utf8(&hex)
                    .ok()
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
                    .unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}
