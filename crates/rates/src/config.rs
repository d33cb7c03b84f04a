//! The configuration: every key, its default, what its value means, and how it is shown.
//! It must not know what is done with it.

use crate::{
    layers::{self, ConfigError, Environment, Key, Layers, Source, Value},
    secret::{Address, Secret},
    span,
    values::{
        LogFormat, Role, TrustedRoots, address, filter, format, networks, pairs, prefix, rate_limit,
        retention, roles, same_as, secret, socket, span_ms, text, token, trusted_roots, users,
    },
};
use ipnet::IpNet;
use market::{Asset, Pair};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

/// Every key that a file may hold; the environment has it as `RATES_<KEY>`, `.` written `__`.
pub const KEYS: &[Key] = &[
    Key { name: "listen", customary: None },
    Key { name: "roles", customary: None },
    Key { name: "store", customary: Some("DATABASE_URL") },
    Key { name: "broker", customary: Some("AMQP_URL") },
    Key { name: "cache", customary: Some("REDIS_URL") },
    Key { name: "prefix", customary: None },
    Key { name: "venues_dir", customary: None },
    Key { name: "allow_private", customary: None },
    Key { name: "tls.ca_file", customary: None },
    Key { name: "stale_after", customary: None },
    Key { name: "expire_after", customary: None },
    Key { name: "ready_pairs", customary: None },
    Key { name: "same_as", customary: None },
    Key { name: "log.filter", customary: None },
    Key { name: "log.format", customary: None },
    Key { name: "api.rate_limit", customary: None },
    Key { name: "api.trusted_proxies", customary: None },
    Key { name: "retention.1m", customary: None },
    Key { name: "retention.1h", customary: None },
    Key { name: "retention.1d", customary: None },
    Key { name: "bot.token", customary: Some("TELEGRAM_BOT_TOKEN") },
    Key { name: "bot.api_url", customary: Some("TELEGRAM_API_URL") },
    Key { name: "bot.admins", customary: None },
    Key { name: "bot.webhook_url", customary: None },
    Key { name: "bot.webhook_secret", customary: None },
];

/// The configuration in force.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// What this process runs, sorted.
    pub roles: Vec<Role>,
    /// What must survive.
    pub store: Address,
    /// What carries ticks between roles.
    pub broker: Address,
    /// What keeps the last ticks.
    pub cache: Address,
    /// Begins the names of everything on shared servers.
    pub prefix: String,
    /// Whose certificates are believed when the store, the broker or the cache is reached by TLS, beside the public ones.
    pub trusted_roots: Option<TrustedRoots>,
    /// How long candles of a minute, an hour and a day are kept; `None` = for ever.
    pub retention: [Option<Duration>; 3],
    /// More venue files.
    pub venues_dir: Option<PathBuf>,
    /// Networks that are not public and may be connected to all the same.
    pub allow_private: Vec<IpNet>,
    /// For pairs whose venue does not say.
    pub stale_after_ms: i64,
    /// Likewise.
    pub expire_after_ms: i64,
    /// What must have been fresh once before `/readyz` says ok; none = any one.
    pub ready_pairs: Vec<Pair>,
    /// Assets that crosses may take for one another.
    pub same_as: Vec<(Asset, Asset)>,
    /// Requests per second and address; `None` = any number.
    pub rate_limit: Option<u32>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Which log lines are written, in the form of `RUST_LOG`.
    pub log_filter: String,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// The bot.
    pub bot: BotConfig,
    /// What is odd but no mistake, for the log.
    pub warnings: Vec<String>,
    /// Every key with its value and source, for `config print`.
    pub shown: Vec<Shown>,
}

/// What the bot is told.
#[derive(Debug, Clone, Default)]
pub struct BotConfig {
    /// Telegram's token; without it Telegram is off.
    pub token: Option<bot::Token>,
    /// Where the Bot API is, if not where it usually is.
    pub api_url: Option<String>,
    /// The users who may give an operator's commands.
    pub admins: Vec<i64>,
    /// Where Telegram brings updates; without it they are asked for.
    pub webhook_url: Option<String>,
    /// What it brings along.
    pub webhook_secret: Option<Secret>,
}

/// A key as it is shown: secrets starred, passwords left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// Where it was written.
    pub source: String,
}

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// Keys that flags set: key, flag, value.
    pub values: Vec<(&'static str, &'static str, Value)>,
}

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "rates.toml";

impl Config {
    /// The defaults alone, whatever files and variables there are.
    pub fn defaults() -> Config {
        Reading { layers: Layers::default(), errors: Vec::new(), shown: Vec::new() }
            .config(&Environment::new())
    }

    /// Whether a key was written anywhere.
    pub fn is_set(&self, key: &str) -> bool {
        self.shown.iter().any(|shown| shown.key == key && shown.source != Source::Default.to_string())
    }

    /// Flags over environment over file over defaults. All mistakes are found in one go.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Config, Vec<ConfigError>> {
        let mut layers = Layers::default();
        let path = flags.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
        let mut errors = Vec::new();
        match layers::read_file(path, flags.config.is_some()) {
            Ok(Some(text)) => {
                if let Err(wrong) = layers.add_file(KEYS, &path.display().to_string(), &text) {
                    errors.extend(wrong);
                }
            }
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
        if let Err(wrong) = layers.add_environment(KEYS, environment) {
            errors.extend(wrong);
        }
        for (key, flag, value) in &flags.values {
            layers.add_flag(key, flag, value.clone());
        }
        let mut reading = Reading { layers, errors, shown: Vec::new() };
        let config = reading.config(environment);
        if reading.errors.is_empty() { Ok(config) } else { Err(reading.errors) }
    }
}

struct Reading {
    layers: Layers,
    errors: Vec<ConfigError>,
    shown: Vec<Shown>,
}

impl Reading {
    /// One key: what it means, or its default; a mistake is noted and the default stands in.
    fn key<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Value) -> Result<T, String>,
        show: impl FnOnce(&T) -> String,
    ) -> T {
        let (value, source) = match self.layers.value(key) {
            None => (default, Source::Default),
            Some((written, source)) => match read(written) {
                Ok(value) => (value, source.clone()),
                Err(reason) => {
                    self.errors.push(ConfigError { place: source.to_string(), key: key.to_owned(), reason });
                    (default, Source::Default)
                }
            },
        };
        self.shown.push(Shown { key, value: show(&value), source: source.to_string() });
        value
    }

    fn config(&mut self, environment: &Environment) -> Config {
        let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);
        let listen = self.key("listen", listen, socket, ToString::to_string);
        let roles = self.key("roles", Role::ALL.to_vec(), roles, |roles| {
            roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(",")
        });
        let store = self.key("store", Address::new("sqlite://rates.db"), address, ToString::to_string);
        let broker = self.key("broker", Address::new("memory://"), address, ToString::to_string);
        let cache = self.key("cache", Address::new("memory://"), address, ToString::to_string);
        let prefix = self.key("prefix", "rates".to_owned(), prefix, Clone::clone);
        let venues_dir = self.key(
            "venues_dir",
            None,
            |v| Ok(Some(PathBuf::from(text(v)?))),
            |dir| dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default(),
        );
        let allow_private = self.key("allow_private", Vec::new(), networks, |all| join(all));
        let trusted_roots = self.key(
            "tls.ca_file",
            None,
            |value| trusted_roots(value).map(Some),
            |roots| roots.as_ref().map(|roots| roots.file.clone()).unwrap_or_default(),
        );
        let stale_after_ms = self.key("stale_after", 30_000, span_ms, |ms| span::show_ms(*ms));
        let tenfold = stale_after_ms.saturating_mul(10);
        let expire_after_ms = self.key("expire_after", tenfold, span_ms, |ms| span::show_ms(*ms));
        let ready_pairs = self.key("ready_pairs", Vec::new(), pairs, |all| join(all));
        let same_as = self.key("same_as", Vec::new(), same_as, |all| {
            all.iter().map(|(one, other)| format!("{one}={other}")).collect::<Vec<_>>().join(",")
        });
        // RUST_LOG is what people who know Rust programs try first.
        let customary = environment.get("RUST_LOG").filter(|f| !f.trim().is_empty()).cloned();
        let log_filter =
            self.key("log.filter", customary.unwrap_or_else(|| "info".to_owned()), filter, Clone::clone);
        let log_format = self.key("log.format", LogFormat::Human, format, |format| match format {
            LogFormat::Human => "human".to_owned(),
            LogFormat::Json => "json".to_owned(),
        });
        let rate_limit = self.key("api.rate_limit", None, rate_limit, |limit| {
            limit.map_or("off".to_owned(), |per_second| format!("{per_second}/s"))
        });
        let trusted_proxies = self.key("api.trusted_proxies", Vec::new(), networks, |all| join(all));
        let usual = recorder::Settings::new("").retention;
        let mut kept = |key, default| self.key(key, default, retention, |kept| show_retention(*kept));
        let retention =
            [kept("retention.1m", usual[0]), kept("retention.1h", usual[1]), kept("retention.1d", usual[2])];
        let shown = |secret: &Option<Secret>| secret.as_ref().map(ToString::to_string).unwrap_or_default();
        let plain = |value: &Option<String>| value.clone().unwrap_or_default();
        let bot = BotConfig {
            token: self.key("bot.token", None, token, |token| {
                token.as_ref().map(|token| format!("{token:?}")).unwrap_or_default()
            }),
            api_url: self.key("bot.api_url", None, |v| text(v).map(Some), plain),
            admins: self.key("bot.admins", Vec::new(), users, |all| join(all)),
            webhook_url: self.key("bot.webhook_url", None, |v| text(v).map(Some), plain),
            webhook_secret: self.key("bot.webhook_secret", None, secret, shown),
        };
        if expire_after_ms < stale_after_ms {
            let place =
                self.layers.value("expire_after").map_or(Source::Default, |(_, source)| source.clone());
            let reason = format!("shorter than stale_after ({})", span::show_ms(stale_after_ms));
            self.errors.push(ConfigError {
                place: place.to_string(),
                key: "expire_after".to_owned(),
                reason,
            });
        }
        let warnings = std::mem::take(&mut self.layers.warnings);
        Config {
            listen,
            roles,
            store,
            broker,
            cache,
            prefix,
            trusted_roots,
            retention,
            venues_dir,
            allow_private,
            stale_after_ms,
            expire_after_ms,
            ready_pairs,
            same_as,
            rate_limit,
            trusted_proxies,
            log_filter,
            log_format,
            bot,
            warnings,
            shown: std::mem::take(&mut self.shown),
        }
    }
}

fn show_retention(kept: Option<Duration>) -> String {
    kept.map_or("forever".to_owned(), |kept| {
        span::show_ms(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
    })
}

fn join<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        environment: &[(&str, &str)],
        values: &[(&'static str, &'static str, &str)],
    ) -> Result<Config, Vec<String>> {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let values = values.iter().map(|(k, f, v)| (*k, *f, Value::Text((*v).to_owned()))).collect();
        let empty = tempfile::NamedTempFile::new().unwrap();
        let flags = Flags { config: Some(empty.path().to_owned()), values };
        Config::load(&flags, &environment).map_err(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn defaults_are_the_contract_s() {
        let config = load(&[], &[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
        assert_eq!(config.store.to_string(), "sqlite://rates.db");
        assert_eq!(
            (config.broker.to_string(), config.cache.to_string()),
            ("memory://".into(), "memory://".into())
        );
        assert_eq!((config.stale_after_ms, config.expire_after_ms), (30_000, 300_000));
        assert_eq!(config.roles, Role::ALL);
        let shown: Vec<_> = config.shown.iter().map(|shown| shown.key).collect();
        assert!(KEYS.iter().all(|key| shown.contains(&key.name)), "every key is shown: {shown:?}");
    }

    #[test]
    fn mistakes_name_place_key_and_what_would_be_right() {
        for (name, value, said) in [
            ("RATES_LISTEN", "8000", "RATES_LISTEN: listen: \"8000\": write ADDRESS:PORT"),
            (
                "RATES_ROLES",
                "apy",
                "RATES_ROLES: roles: \"apy\": no such role; did you mean api?; roles are all",
            ),
            ("RATES_BOT__ADMINS", "ann", "RATES_BOT__ADMINS: bot.admins: \"ann\": write the number"),
            ("RATES_ROLES", ",", "RATES_ROLES: roles: name at least one role"),
            (
                "RATES_ALLOW_PRIVATE",
                "10.0.0.0/99",
                "RATES_ALLOW_PRIVATE: allow_private: \"10.0.0.0/99\": write a network",
            ),
            ("RATES_STALE_AFTER", "soon", "RATES_STALE_AFTER: stale_after: write a length of time"),
            ("RATES_EXPIRE_AFTER", "1s", "RATES_EXPIRE_AFTER: expire_after: shorter than stale_after (30s)"),
            (
                "RATES_READY_PAIRS",
                "BTC",
                "RATES_READY_PAIRS: ready_pairs: \"BTC\": a pair is written BASE-QUOTE",
            ),
            ("RATES_SAME_AS", "USDT", "RATES_SAME_AS: same_as: \"USDT\": write two assets"),
            ("RATES_SAME_AS", "USDT=tether", "RATES_SAME_AS: same_as: \"USDT=tether\": write two assets"),
            ("RATES_SAME_AS", "USDT=", "RATES_SAME_AS: same_as: \"USDT=\": the name of an asset is empty"),
            ("RATES_LOG__FORMAT", "xml", "RATES_LOG__FORMAT: log.format: \"xml\": write human or json"),
            ("RATES_LOG__FILTER", "info,rates=loud", "RATES_LOG__FILTER: log.filter: "),
            ("RATES_PREFIX", "a b", "RATES_PREFIX: prefix: letters"),
            ("RATES_API__RATE_LIMIT", "0", "RATES_API__RATE_LIMIT: api.rate_limit: write off, or"),
            (
                "RATES_API__TRUSTED_PROXIES",
                "here",
                "RATES_API__TRUSTED_PROXIES: api.trusted_proxies: \"here\": write",
            ),
            ("RATES_TLS__CA_FILE", "nowhere.pem", "RATES_TLS__CA_FILE: tls.ca_file: cannot read nowhere.pem"),
            (
                "RATES_TLS__CA_FILE",
                "Cargo.toml",
                "RATES_TLS__CA_FILE: tls.ca_file: Cargo.toml holds no certificate",
            ),
            ("DATABASE_URL", "hunter2", "DATABASE_URL: store: an address such as"),
            ("TELEGRAM_BOT_TOKEN", "hunter2", "TELEGRAM_BOT_TOKEN: bot.token: not a token"),
        ] {
            let errors = load(&[(name, value)], &[]).unwrap_err();
            assert!(errors[0].starts_with(said), "{errors:?}");
            assert!(!errors.concat().contains("hunter2"));
        }
    }

    #[test]
    fn lists_come_with_commas_from_the_environment() {
        let config =
            load(&[("RATES_ALLOW_PRIVATE", "10.0.0.0/8, ::1"), ("RATES_READY_PAIRS", "btc/usdt")], &[])
                .unwrap();
        assert_eq!(join(&config.allow_private), "10.0.0.0/8,::1/128");
        assert_eq!(join(&config.ready_pairs), "BTC-USDT");
        let config = load(&[("RATES_SAME_AS", "tether = usd, XBT=wbtc")], &[]).unwrap();
        let shown = config.shown.iter().find(|shown| shown.key == "same_as").unwrap();
        assert_eq!(shown.value, "USDT=USD,BTC=WBTC");
    }

    #[test]
    fn secrets_are_not_shown() {
        let set = [
            ("DATABASE_URL", "postgres://u:hunter2@h/d"),
            ("RATES_BOT__WEBHOOK_SECRET", "hunter2"),
            ("TELEGRAM_BOT_TOKEN", "1:hunter2_hunter2_hunter2"),
        ];
        let config = load(&set, &[]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.bot.token.unwrap().reveal(), "1:hunter2_hunter2_hunter2");
        let config = load(&[("TELEGRAM_BOT_TOKEN_FILE", "/dev/null")], &[]).unwrap();
        assert!(config.bot.token.is_none(), "an empty file is no token");
        assert_eq!(config.warnings, [""; 0]);
    }
}
