//! The configuration as it was written: for every key the value that wins, and where it was written.
//! It must not know what a value means; that is `config.rs`.

use crate::near::did_you_mean;
use std::{collections::BTreeMap, fmt, path::Path};
use toml::de::{DeTable, DeValue};

/// A value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text, also whatever comes from the environment or a flag.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A list of texts.
    List(Vec<String>),
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nowhere: it is the default.
    Default,
    /// In a file, on this line.
    File {
        /// The file as it was named.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// In this environment variable.
    Environment(String),
    /// On the command line.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { file, line } => write!(f, "{file}:{line}"),
            Source::Environment(name) => f.write_str(name),
            Source::Flag(name) => f.write_str(name),
        }
    }
}

/// A mistake in the configuration: where, which key, what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {key}: {reason}")]
pub struct ConfigError {
    /// `rates.toml:3`, an environment variable or a flag.
    pub place: String,
    /// The key.
    pub key: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// One key that may be written.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name, `log.filter`.
    pub name: &'static str,
    /// The customary environment variable beside `RATES_…`; `…_FILE` names a file that holds the value.
    pub customary: Option<&'static str>,
}

impl Key {
    /// `RATES_LOG__FILTER` for `log.filter`.
    pub fn variable(&self) -> String {
        format!("RATES_{}", self.name.replace('.', "__").to_ascii_uppercase())
    }
}

/// Environment variables, as they were at the start; injected, so that tests can bring their own.
pub type Environment = BTreeMap<String, String>;

/// The process's environment. Variables that are not text are left out: no key of ours is one.
pub fn process_environment() -> Environment {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// A variable's value, or what the file named by `<name>_FILE` holds; an empty variable counts as not set.
pub fn variable(environment: &Environment, name: &str) -> Result<Option<(String, String)>, ConfigError> {
    let set = |name: &str| environment.get(name).filter(|value| !value.trim().is_empty());
    if let Some(value) = set(name) {
        return Ok(Some((value.clone(), name.to_owned())));
    }
    let by_file = format!("{name}_FILE");
    let Some(path) = set(&by_file) else { return Ok(None) };
    match std::fs::read_to_string(path.trim()) {
        Ok(text) => Ok(Some((text.trim().to_owned(), by_file))),
        Err(error) => Err(ConfigError {
            place: by_file,
            key: name.to_owned(),
            reason: format!("cannot read {path}: {error}"),
        }),
    }
}

/// What wins for each key.
#[derive(Debug, Default)]
pub struct Layers {
    values: BTreeMap<&'static str, (Value, Source)>,
    /// What is odd but no mistake, for the log.
    pub warnings: Vec<String>,
}

impl Layers {
    /// The value that wins.
    pub fn value(&self, key: &str) -> Option<&(Value, Source)> {
        self.values.get(key)
    }

    /// Lays a file's values over what is there. Unknown keys are mistakes.
    pub fn add_file(&mut self, keys: &'static [Key], file: &str, text: &str) -> Result<(), Vec<ConfigError>> {
        let table = DeTable::parse(text).map_err(|error| {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            let place = format!("{file}:{line}");
            vec![ConfigError { place, key: "TOML".to_owned(), reason: error.message().trim().to_owned() }]
        })?;
        let mut reading = FileReading { keys, file, text, found: Vec::new(), errors: Vec::new() };
        reading.table("", table.get_ref());
        if reading.errors.is_empty() {
            self.values.extend(reading.found);
            Ok(())
        } else {
            reading.errors.sort_by_key(|(at, _)| *at);
            Err(reading.errors.into_iter().map(|(_, error)| error).collect())
        }
    }

    /// Lays the environment over what is there. Unknown `RATES_*` variables are only odd: they may be meant for
    /// a newer version, or for somebody else.
    pub fn add_environment(
        &mut self,
        keys: &'static [Key],
        environment: &Environment,
    ) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        for key in keys {
            let ours = key.variable();
            for name in std::iter::once(ours.as_str()).chain(key.customary) {
                match variable(environment, name) {
                    Ok(Some((text, place))) => {
                        self.values.insert(key.name, (Value::Text(text), Source::Environment(place)));
                        break;
                    }
                    Ok(None) => {}
                    Err(error) => errors.push(error),
                }
            }
        }
        let known: Vec<String> =
            keys.iter().map(Key::variable).chain(OTHERS.iter().map(|&name| name.to_owned())).collect();
        for name in environment.keys().filter(|name| name.starts_with("RATES_")) {
            let plain = name.strip_suffix("_FILE").unwrap_or(name);
            if !known.iter().any(|known| known == plain) {
                let hint = did_you_mean(name, known.iter().map(String::as_str));
                self.warnings
                    .push(format!("environment variable {name} is not known and has no effect{hint}"));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Lays a flag's value over what is there.
    pub fn add_flag(&mut self, key: &'static str, flag: &'static str, value: Value) {
        self.values.insert(key, (value, Source::Flag(flag)));
    }
}

/// `RATES_*` variables that are no keys of the configuration.
const OTHERS: &[&str] = &["RATES_URL", "RATES_SHARED"];

/// The line of an offset, from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count() + 1
}

struct FileReading<'a> {
    keys: &'static [Key],
    file: &'a str,
    text: &'a str,
    found: Vec<(&'static str, (Value, Source))>,
    errors: Vec<(usize, ConfigError)>,
}

impl FileReading<'_> {
    fn wrong(&mut self, at: usize, key: &str, reason: String) {
        let place = format!("{}:{}", self.file, line_of(self.text, at));
        self.errors.push((at, ConfigError { place, key: key.to_owned(), reason }));
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let below = format!("{key}.");
            let known = self.keys.iter().find(|known| known.name == key);
            match (known, value.get_ref()) {
                (None, DeValue::Table(inner))
                    if self.keys.iter().any(|known| known.name.starts_with(&below)) =>
                {
                    self.table(&key, inner);
                }
                (None, _) => {
                    let hint = did_you_mean(&key, self.keys.iter().map(|known| known.name));
                    self.wrong(name.span().start, &key, format!("no such key{hint}"));
                }
                (Some(known), written) => {
                    let at = value.span().start;
                    match plain(written) {
                        Ok(value) => {
                            let line = line_of(self.text, at);
                            self.found.push((
                                known.name,
                                (value, Source::File { file: self.file.to_owned(), line }),
                            ));
                        }
                        Err(reason) => self.wrong(at, known.name, reason),
                    }
                }
            }
        }
    }
}

/// A TOML value in our few kinds.
fn plain(value: &DeValue<'_>) -> Result<Value, String> {
    match value {
        DeValue::String(text) => Ok(Value::Text(text.to_string())),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::Integer)
            .map_err(|_| "a whole number that is too large".to_owned()),
        DeValue::Array(items) => items
            .iter()
            .map(|item| match plain(item.get_ref())? {
                Value::Text(text) => Ok(text),
                Value::Integer(number) => Ok(number.to_string()),
                Value::List(_) => Err("a list within a list".to_owned()),
            })
            .collect::<Result<_, String>>()
            .map(Value::List),
        other => {
            Err(format!("a {} where a text, a whole number or a list of texts belongs", other.type_str()))
        }
    }
}

/// Reads a configuration file; `named` ones must be there.
pub fn read_file(path: &Path, named: bool) -> Result<Option<String>, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError {
            place: path.display().to_string(),
            key: "file".to_owned(),
            reason: format!("cannot be read: {error}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[Key] = &[
        Key { name: "listen", customary: None },
        Key { name: "store", customary: Some("DATABASE_URL") },
        Key { name: "log.format", customary: None },
    ];

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn mistakes_in_a_file_name_line_and_key() {
        for (text, said) in [
            ("lisen = \"x\"", "f.toml:1: lisen: no such key; did you mean listen?"),
            ("\n[log]\nformat = \"json\"\ncolour = 1", "f.toml:4: log.colour: no such key"),
            ("[banana]\na = 1", "f.toml:1: banana: no such key"),
            (
                "listen = 1.5",
                "f.toml:1: listen: a float where a text, a whole number or a list of texts belongs",
            ),
            ("log = 3", "f.toml:1: log: no such key"),
            ("\nlisten = ", "f.toml:2: TOML: "),
            ("store = [[1]]", "f.toml:1: store: a list within a list"),
        ] {
            let errors = Layers::default().add_file(KEYS, "f.toml", text).unwrap_err();
            assert!(errors[0].to_string().starts_with(said), "{text:?}: {}", errors[0]);
        }
    }

    #[test]
    fn later_layers_win_and_say_where_they_were_written() {
        let mut layers = Layers::default();
        layers.add_file(KEYS, "f.toml", "listen = \"a\"\nstore = \"b\"\n[log]\nformat = \"c\"").unwrap();
        let set = environment(&[("DATABASE_URL", "d"), ("RATES_LOG__FORMAT", "e"), ("RATES_LISTEN", " ")]);
        layers.add_environment(KEYS, &set).unwrap();
        layers.add_flag("log.format", "--log-format", Value::Text("f".to_owned()));
        let shown = |key| layers.value(key).map(|(value, source)| format!("{value:?} {source}"));
        assert_eq!(shown("listen").as_deref(), Some("Text(\"a\") f.toml:1"));
        assert_eq!(shown("store").as_deref(), Some("Text(\"d\") DATABASE_URL"));
        assert_eq!(shown("log.format").as_deref(), Some("Text(\"f\") --log-format"));
    }

    #[test]
    fn unknown_variables_only_warn() {
        let mut layers = Layers::default();
        layers
            .add_environment(KEYS, &environment(&[("RATES_LISTN", "x"), ("RATES_URL", "y"), ("HOME", "z")]))
            .unwrap();
        assert_eq!(layers.warnings.len(), 1);
        assert!(
            layers.warnings[0].contains("RATES_LISTN")
                && layers.warnings[0].contains("did you mean RATES_LISTEN")
        );
    }

    #[test]
    fn a_file_may_hold_the_value_of_a_variable() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "postgres://u:p@h/d\n").unwrap();
        let path = file.path().display().to_string();
        let mut layers = Layers::default();
        layers.add_environment(KEYS, &environment(&[("DATABASE_URL_FILE", &path)])).unwrap();
        let expect = (
            Value::Text("postgres://u:p@h/d".to_owned()),
            Source::Environment("DATABASE_URL_FILE".to_owned()),
        );
        assert_eq!(layers.value("store"), Some(&expect));
        let missing = environment(&[("DATABASE_URL_FILE", "/nowhere/at/all")]);
        let errors = Layers::default().add_environment(KEYS, &missing).unwrap_err();
        assert!(
            errors[0].to_string().starts_with("DATABASE_URL_FILE: DATABASE_URL: cannot read /nowhere"),
            "{}",
            errors[0]
        );
    }
}
