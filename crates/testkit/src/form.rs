//! Forms: what a message must look like, and what it names. A form is JSON with gaps in its texts; a member
//! `"name?"` may be missing, and `"..."` in a list means one or more of what stands before it.
//! It must not know who sends messages, nor what follows from them.
//!
//! Gaps: `{symbol}`, `{symbols}` (with commas), `{channel}` (one of the script's), `{id}`, `{int}`, `{bool}`,
//! `{text}`, and `{a|b}` for one of several words.

use regex_lite::Regex;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a message names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Channel and symbol, as asked for.
    pub items: Vec<(String, String)>,
    /// Symbols and channels whose counterpart stands further out.
    symbols: Vec<String>,
    channels: Vec<String>,
    /// Every other named gap; the id as JSON.
    pub values: BTreeMap<String, String>,
}

impl Named {
    fn bind(&mut self) {
        if !self.symbols.is_empty() && !self.channels.is_empty() {
            for channel in &self.channels {
                self.items.extend(self.symbols.iter().map(|symbol| (channel.clone(), symbol.clone())));
            }
            self.symbols.clear();
            self.channels.clear();
        }
    }

    fn add(&mut self, mut other: Named) {
        other.bind();
        self.items.append(&mut other.items);
        self.symbols.append(&mut other.symbols);
        self.channels.append(&mut other.channels);
        self.values.append(&mut other.values);
    }

    /// Everything named is paired; `channel` stands for the one that the form leaves out.
    fn finished(mut self, channel: &str) -> Named {
        if self.channels.is_empty() && !channel.is_empty() {
            self.channels.push(channel.to_owned());
        }
        self.bind();
        self
    }
}

/// Whether a message has this form, and what it names then; else where it differs.
pub fn read(form: &str, text: &str, channels: &[&str], channel: &str) -> Result<Named, String> {
    let mut named = Named::default();
    if let Ok(wanted) = serde_json::from_str::<Value>(form) {
        let got: Value = serde_json::from_str(text).map_err(|_| "it is no JSON".to_owned())?;
        value(&wanted, &got, channels, &mut named, "")?;
    } else {
        words(form, text, channels, &mut named)?;
    }
    Ok(named.finished(channel))
}

fn value(wanted: &Value, got: &Value, channels: &[&str], named: &mut Named, at: &str) -> Result<(), String> {
    let differs = || Err(format!("{at}: {got} is not {wanted}"));
    match (wanted, got) {
        (Value::String(form), got) => match (form.as_str(), got) {
            ("{id}", Value::Number(_) | Value::String(_)) => {
                named.values.insert("id".to_owned(), got.to_string());
                Ok(())
            }
            ("{int}", Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(()),
            ("{bool}", Value::Bool(_)) => Ok(()),
            ("{id}" | "{int}" | "{bool}", _) => differs(),
            (form, Value::String(text)) => {
                words(form, text, channels, named).map_err(|error| format!("{at}: {error}"))
            }
            _ => differs(),
        },
        (Value::Array(forms), Value::Array(got)) => list(forms, got, channels, named, at),
        (Value::Object(forms), Value::Object(got)) => {
            for (key, form) in forms {
                let name = key.trim_end_matches('?');
                match got.get(name) {
                    Some(got) => value(form, got, channels, named, &format!("{at}.{name}"))?,
                    None if key.ends_with('?') => {}
                    None => return Err(format!("{at}.{name} is missing")),
                }
            }
            let known = |name: &str| forms.contains_key(name) || forms.contains_key(&format!("{name}?"));
            match got.keys().find(|name| !known(name)) {
                Some(name) => Err(format!("{at}.{name} is not documented")),
                None => Ok(()),
            }
        }
        (wanted, got) if wanted == got => Ok(()),
        _ => differs(),
    }
}

fn list(
    forms: &[Value],
    got: &[Value],
    channels: &[&str],
    named: &mut Named,
    at: &str,
) -> Result<(), String> {
    let dots = forms.iter().position(|form| form == "...");
    let (fixed, repeats) = match dots {
        Some(dots) => (forms.len() - 2, Some(dots - 1)),
        None => (forms.len(), None),
    };
    let times = match repeats {
        None if got.len() == fixed => 0,
        Some(_) if got.len() > fixed => got.len() - fixed,
        _ => return Err(format!("{at} has {} elements", got.len())),
    };
    let mut rest = got.iter().enumerate();
    for (place, form) in forms.iter().enumerate().filter(|(_, form)| *form != "...") {
        let count = if repeats == Some(place) { times } else { 1 };
        for (index, element) in rest.by_ref().take(count) {
            let mut inner = Named::default();
            value(form, element, channels, &mut inner, &format!("{at}[{index}]"))?;
            named.add(inner);
        }
    }
    Ok(())
}

/// A text with gaps.
pub(crate) fn words(form: &str, text: &str, channels: &[&str], named: &mut Named) -> Result<(), String> {
    let mut pattern = String::from("^");
    let mut rest = form;
    while let Some((literal, gap, after)) = next_gap(rest) {
        pattern.push_str(&escaped(literal));
        pattern.push_str(&match gap {
            "symbol" => "(?<symbol>[A-Za-z0-9:_/.-]+?)".to_owned(),
            "symbols" => "(?<symbols>[A-Za-z0-9:_/.,-]+)".to_owned(),
            "channel" => {
                let names: Vec<_> = channels.iter().map(|name| escaped(name)).collect();
                format!("(?<channel>{})", names.join("|"))
            }
            "int" => "[0-9]+".to_owned(),
            words if words.contains('|') => {
                let words: Vec<_> = words.split('|').map(escaped).collect();
                format!("(?:{})", words.join("|"))
            }
            name => format!("(?<{name}>[^&]+)"),
        });
        rest = after;
    }
    pattern.push_str(&escaped(rest));
    pattern.push('$');
    let regex = Regex::new(&pattern).map_err(|error| format!("the form '{form}': {error}"))?;
    let found = regex.captures(text).ok_or_else(|| format!("'{text}' is not '{form}'"))?;
    for name in regex.capture_names().flatten() {
        let Some(text) = found.name(name).map(|part| part.as_str()) else { continue };
        match name {
            "symbol" => named.symbols.push(text.to_owned()),
            "symbols" => named.symbols.extend(text.split(',').map(str::to_owned)),
            "channel" => named.channels.push(text.to_owned()),
            "id" => drop(named.values.insert("id".to_owned(), Value::from(text).to_string())),
            _ => drop(named.values.insert(name.to_owned(), text.to_owned())),
        }
    }
    Ok(())
}

/// The text before the next gap, its name, and what follows.
pub(crate) fn next_gap(text: &str) -> Option<(&str, &str, &str)> {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_|-./".contains(c))
    };
    let mut from = 0;
    loop {
        let open = from + text[from..].find('{')?;
        let close = text[open..].find('}').map(|at| open + at);
        match close.map(|close| (&text[open + 1..close], close)) {
            Some((name, close)) if is_name(name) => return Some((&text[..open], name, &text[close + 1..])),
            _ => from = open + 1,
        }
    }
}

fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| (!c.is_ascii_alphanumeric()).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: &str, text: &str, want: Result<&[(&str, &str)], &str>) {
        let got = read(form, text, &["ticker", "trade"], "");
        match (got, want) {
            (Ok(named), Ok(want)) => {
                let got: Vec<_> = named.items.iter().map(|(c, s)| (c.as_str(), s.as_str())).collect();
                assert_eq!(got, want, "{text}");
            }
            (Err(error), Err(want)) => assert!(error.contains(want), "{text}: {error}"),
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn a_message_in_the_form_names_its_symbols_and_any_other_is_told_apart() {
        let streams = r#"{"m":"SUB","params":["{symbol}@{channel}","..."],"id":"{id}"}"#;
        check(
            streams,
            r#"{"m":"SUB","params":["a@ticker","b@trade"],"id":7}"#,
            Ok(&[("ticker", "a"), ("trade", "b")]),
        );
        check(streams, r#"{"m":"SUB","params":["a@depth"],"id":7}"#, Err("params[0]"));
        check(streams, r#"{"m":"SUB","params":[],"id":7}"#, Err("has 0 elements"));
        check(streams, r#"{"m":"SUB","params":["a@ticker"]}"#, Err("id is missing"));
        check(streams, r#"{"m":"SUB","params":["a@ticker"],"id":1,"x":1}"#, Err("x is not documented"));
        check(streams, "SUB", Err("no JSON"));
        let inner = r#"{"ch":[{"name":"{channel}","markets":["{symbol}","..."]},"..."],"n?":"{int}"}"#;
        check(
            inner,
            r#"{"ch":[{"name":"ticker","markets":["A-B","C-D"]}],"n":3}"#,
            Ok(&[("ticker", "A-B"), ("ticker", "C-D")]),
        );
        let across = r#"{"channel":["{channel}","..."],"symbols":["{symbol}","..."]}"#;
        check(
            across,
            r#"{"channel":["ticker"],"symbols":["A","B"]}"#,
            Ok(&[("ticker", "A"), ("ticker", "B")]),
        );
        check(
            r#"{"topic":"/market/{channel}:{symbols}"}"#,
            r#"{"topic":"/market/ticker:A-B,C-D"}"#,
            Ok(&[("ticker", "A-B"), ("ticker", "C-D")]),
        );
        check("ping", "ping", Ok(&[]));
        check("ping", "PING", Err("not"));
    }
}
