//! What the values of the configuration mean: each reader takes a value as written, or says what would be right.
//! It must not know which key a value stands under.

use crate::{
    layers::Value,
    near::did_you_mean,
    secret::{Address, Secret},
    span,
};
use ipnet::IpNet;
use market::{Asset, Pair};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// What a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Runs the feeds.
    Collector,
    /// Keeps last ticks and candles, and publishes rates for everyone else.
    Recorder,
    /// Serves HTTP.
    Api,
    /// Watches alerts, sends what fires, talks on Telegram.
    Bot,
}

impl Role {
    /// Every role of this version.
    pub const ALL: [Role; 4] = [Role::Collector, Role::Recorder, Role::Api, Role::Bot];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Role::Collector => "collector",
            Role::Recorder => "recorder",
            Role::Api => "api",
            Role::Bot => "bot",
        }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; in colour on a terminal.
    Human,
    /// One JSON object per line.
    Json,
}

/// A file of certificates, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedRoots {
    /// Its name.
    pub file: String,
    /// What it holds.
    pub pem: String,
}

/// The name of a file of certificates in PEM form. It is read at once, so that a mistake is one of the configuration.
pub fn trusted_roots(value: &Value) -> Result<TrustedRoots, String> {
    let file = text(value)?;
    let pem = std::fs::read_to_string(&file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("{file}: {error}"))?;
        roots.add(certificate).map_err(|error| format!("{file}: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!("{file} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(TrustedRoots { file, pem })
}

/// A text that is not empty.
pub fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) if text.trim().is_empty() => Err("empty".to_owned()),
        Value::Text(text) => Ok(text.trim().to_owned()),
        _ => Err("a text belongs here".to_owned()),
    }
}

/// A list, or a text with commas: the environment and flags have no lists.
pub fn list(value: &Value) -> Result<Vec<String>, String> {
    Ok(match value {
        Value::List(all) => all.clone(),
        Value::Integer(number) => vec![number.to_string()],
        Value::Text(text) => {
            text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
        }
    })
}

fn each<T>(value: &Value, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    list(value)?
        .iter()
        .map(|item| read(item.trim()).map_err(|reason| format!("{item:?}: {reason}")))
        .collect()
}

/// `ADDRESS:PORT`.
pub fn socket(value: &Value) -> Result<SocketAddr, String> {
    let text = text(value)?;
    let local = text.strip_prefix("localhost:").map_or(text.clone(), |port| format!("127.0.0.1:{port}"));
    local.parse().map_err(|_| format!("{text:?}: write ADDRESS:PORT, such as 127.0.0.1:8000 or [::]:8000"))
}

/// Names of roles, or `all`.
pub fn roles(value: &Value) -> Result<Vec<Role>, String> {
    let named = each(value, |name| match Role::ALL.into_iter().find(|role| role.name() == name) {
        Some(role) => Ok(vec![role]),
        None if name == "all" => Ok(Role::ALL.to_vec()),
        None => {
            let known = Role::ALL.iter().map(|role| role.name());
            let all = known.clone().collect::<Vec<_>>().join(", ");
            Err(format!("no such role{}; roles are all, {all}", did_you_mean(name, known)))
        }
    })?;
    let mut roles = named.concat();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { Err("name at least one role, or all".to_owned()) } else { Ok(roles) }
}

/// The address of a store, broker or cache.
pub fn address(value: &Value) -> Result<Address, String> {
    let text = text(value)?;
    // Never echoed: what is no address may still hold a password.
    if text.contains(':') {
        Ok(Address::new(&text))
    } else {
        Err("an address such as sqlite://FILE or memory://".to_owned())
    }
}

/// What names on servers begin with.
pub fn prefix(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.bytes().all(good) { Ok(text) } else { Err("letters, digits, `.`, `_` and `-` only".to_owned()) }
}

/// Networks, or single addresses.
pub fn networks(value: &Value) -> Result<Vec<IpNet>, String> {
    each(value, |item| {
        let address = item.parse::<IpAddr>().map(IpNet::from);
        item.parse().or(address).map_err(|_| "write a network such as 10.0.0.0/8 or ::1/128".to_owned())
    })
}

/// `off`, or requests per second.
pub fn rate_limit(value: &Value) -> Result<Option<u32>, String> {
    let wrong = || "write off, or requests per second and address such as 50/s".to_owned();
    let number = match value {
        Value::Integer(number) => number.to_string(),
        other => text(other)?,
    };
    if number == "off" {
        return Ok(None);
    }
    let per_second = number.strip_suffix("/s").unwrap_or(&number).trim();
    per_second.parse().ok().filter(|n| *n > 0).map(Some).ok_or_else(wrong)
}

/// A length of time above zero, in milliseconds.
pub fn span_ms(value: &Value) -> Result<i64, String> {
    let ms = match value {
        Value::Integer(ms) => *ms,
        other => span::parse_ms(&text(other)?)?,
    };
    if ms > 0 { Ok(ms) } else { Err(span::FORM.to_owned()) }
}

/// Pairs in any usual spelling.
pub fn pairs(value: &Value) -> Result<Vec<Pair>, String> {
    each(value, |item| Pair::parse(item).map_err(|error| error.to_string()))
}

/// Assets taken for one another: `USDT=USD`.
pub fn same_as(value: &Value) -> Result<Vec<(Asset, Asset)>, String> {
    let form = || "write two assets that are taken for one another, such as USDT=USD".to_owned();
    each(value, |item| {
        let (one, other) = item.split_once('=').ok_or_else(form)?;
        let asset = |text: &str| Asset::parse(text).map_err(|error| format!("{error}; {}", form()));
        let (one, other) = (asset(one)?, asset(other)?);
        if one == other { Err(form()) } else { Ok((one, other)) }
    })
}

/// Numbers of Telegram's users.
pub fn users(value: &Value) -> Result<Vec<i64>, String> {
    let form = "write the number that the bot tells to /id";
    each(value, |item| item.parse().ok().filter(|id| *id > 0).ok_or_else(|| form.to_owned()))
}

/// A token of Telegram's.
pub fn token(value: &Value) -> Result<Option<bot::Token>, String> {
    let wrong = || "not a token as BotFather gives it: a number, `:`, letters and digits".to_owned();
    match value {
        // A file that is there because one must be, in a container.
        Value::Text(text) if text.trim().is_empty() => Ok(None),
        value => bot::Token::parse(&text(value)?).map(Some).ok_or_else(wrong),
    }
}

/// A value that is never shown, nor echoed where it is wrong.
pub fn secret(value: &Value) -> Result<Option<Secret>, String> {
    text(value).map(|text| Some(Secret::new(text)))
}

/// A filter of log lines, in the form of `RUST_LOG`.
pub fn filter(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    tracing_subscriber::EnvFilter::builder().parse(&text).map_err(|error| format!("{text:?}: {error}"))?;
    Ok(text)
}

/// `human` or `json`.
pub fn format(value: &Value) -> Result<LogFormat, String> {
    match text(value)?.as_str() {
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("{other:?}: write human or json")),
    }
}

/// How long something is kept: a length of time, or `forever`.
pub fn retention(value: &Value) -> Result<Option<Duration>, String> {
    if text(value).is_ok_and(|text| text == "forever") {
        return Ok(None);
    }
    let ms = span_ms(value).map_err(|reason| format!("{reason}, or forever"))?;
    Ok(Some(Duration::from_millis(ms.unsigned_abs())))
}
