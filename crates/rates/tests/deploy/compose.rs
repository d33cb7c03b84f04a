//! The compose file as its reader sees it: anchors merged, variables filled in, values as text.
//! It must not judge what it reads.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A file of the repository.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A YAML file of the repository.
pub fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `deploy/compose.yaml` with nothing set in the environment.
pub fn compose() -> Value {
    let mut file = yaml("deploy/compose.yaml");
    fill(&mut file);
    file
}

/// The variables that the file reads, with their defaults.
pub fn variables() -> BTreeMap<String, String> {
    // What stands in a comment is for people.
    let text: String =
        text("deploy/compose.yaml").lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let mut all = BTreeMap::new();
    for part in text.split("${").skip(1) {
        let (name, default) =
            part.split('}').next().unwrap().split_once(":-").expect("every variable has a default");
        all.insert(name.to_owned(), default.to_owned());
    }
    all
}

/// The services, by name.
pub fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().unwrap().iter()
}

/// A list of words: a command, volumes, networks.
pub fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(word).collect()
}

/// A scalar as text.
pub fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The environment of a service.
pub fn environment(service: &Value) -> BTreeMap<String, String> {
    service["environment"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), word(value)))
        .collect()
}

fn fill(value: &mut Value) {
    match value {
        Value::String(text) => *text = filled(text),
        Value::Array(all) => all.iter_mut().for_each(fill),
        Value::Object(all) => all.values_mut().for_each(fill),
        _ => {}
    }
}

/// `${NAME:-default}` and `$$`.
fn filled(text: &str) -> String {
    let mut parts = text.split("${");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').expect("a closed variable");
        out += variable.split_once(":-").expect("a default").1;
        out += rest;
    }
    out.replace("$$", "$")
}

/// Says that something was not looked at, and why.
#[expect(clippy::print_stderr, reason = "a skipped test says so aloud")]
pub fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}
