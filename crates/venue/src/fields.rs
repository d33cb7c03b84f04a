//! Reads the tables of a venue file key by key, so that every mistake names file, line, key and what would be
//! right. It must not know what a venue is.

use crate::FileError;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where the text came from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub file: &'a str,
    pub text: &'a str,
}

impl Source<'_> {
    pub fn error(&self, at: usize, key: &str, reason: impl Into<String>) -> FileError {
        let before = self.text.get(..at.min(self.text.len())).unwrap_or(self.text);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        FileError { file: self.file.to_owned(), line, key: key.to_owned(), reason: reason.into() }
    }
}

/// A value with its place, for reading and for complaining.
#[derive(Clone)]
pub(crate) struct Value<'a> {
    source: Source<'a>,
    pub key: String,
    value: &'a DeValue<'a>,
    span: Range<usize>,
}

/// One table. Every key is taken once; [`Fields::finish`] complains about what was not taken.
pub(crate) struct Fields<'a> {
    source: Source<'a>,
    path: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    taken: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub fn root(source: Source<'a>, table: &'a Spanned<DeTable<'a>>) -> Fields<'a> {
        Fields { source, path: String::new(), table: table.get_ref(), span: 0..0, taken: Vec::new() }
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value under a key, if it is there.
    pub fn take(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.taken.push(key);
        let (found, value) = self.table.iter().find(|(k, _)| k.get_ref() == key)?;
        let _ = found;
        Some(Value { source: self.source, key: self.name(key), value: value.get_ref(), span: value.span() })
    }

    /// The value under a key that must be there.
    pub fn need(&mut self, key: &'static str) -> Result<Value<'a>, FileError> {
        match self.take(key) {
            Some(value) => Ok(value),
            None => Err(self.error(key, "is missing")),
        }
    }

    /// A complaint about a key of this table. One that is not there may be there misspelled: then that is the
    /// mistake, and its line the one to look at.
    pub fn error(&self, key: &str, reason: impl Into<String>) -> FileError {
        if let Some((found, _)) = self.table.iter().find(|(k, _)| k.get_ref() == key) {
            return self.source.error(found.span().start, &self.name(key), reason);
        }
        let is_meant = |k: &str| !self.taken.contains(&k) && is_misspelled(k, key);
        match self.table.iter().find(|(k, _)| is_meant(k.get_ref())) {
            Some((found, _)) => self.source.error(
                found.span().start,
                &self.name(found.get_ref()),
                format!("is not a key here; did you mean {key}?"),
            ),
            None => self.source.error(self.span.start, &self.name(key), reason),
        }
    }

    pub fn text(&mut self, key: &'static str) -> Result<Option<String>, FileError> {
        self.take(key).map(|v| v.text().map(str::to_owned)).transpose()
    }

    pub fn flag(&mut self, key: &'static str, default: bool) -> Result<bool, FileError> {
        self.take(key).map_or(Ok(default), |v| v.flag())
    }

    pub fn millis(&mut self, key: &'static str) -> Result<Option<u64>, FileError> {
        self.take(key).map(|v| v.millis()).transpose()
    }

    pub fn count(&mut self, key: &'static str) -> Result<Option<usize>, FileError> {
        self.take(key).map(|v| v.count()).transpose()
    }

    pub fn table(&mut self, key: &'static str) -> Result<Option<Fields<'a>>, FileError> {
        self.take(key).map(|v| v.table()).transpose()
    }

    /// The tables of `[[key]]`.
    pub fn tables(&mut self, key: &'static str) -> Result<Vec<Fields<'a>>, FileError> {
        let Some(list) = self.take(key) else { return Ok(Vec::new()) };
        list.items()?.iter().map(Value::table).collect()
    }

    /// Every key and value of a table whose keys are names of the author's own.
    pub fn free(self) -> Vec<(String, Value<'a>)> {
        self.table
            .iter()
            .map(|(key, value)| {
                let name = key.get_ref().to_string();
                let value = Value {
                    source: self.source,
                    key: self.name(&name),
                    value: value.get_ref(),
                    span: value.span(),
                };
                (name, value)
            })
            .collect()
    }

    /// Complains about the first key that nobody took.
    pub fn finish(self) -> Result<(), FileError> {
        let unknown = self.table.iter().map(|(k, _)| k.get_ref().as_ref()).find(|k| !self.taken.contains(k));
        match unknown {
            None => Ok(()),
            Some(key) => Err(self.error(key, format!("is not a key here; known: {}", self.taken.join(", ")))),
        }
    }
}

impl<'a> Value<'a> {
    pub fn error(&self, reason: impl Into<String>) -> FileError {
        self.source.error(self.span.start, &self.key, reason)
    }

    pub fn text(&self) -> Result<&'a str, FileError> {
        self.value.as_str().ok_or_else(|| self.error("must be a text in quotes"))
    }

    pub fn is_text(&self) -> bool {
        self.value.is_str()
    }

    pub fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub fn is_array(&self) -> bool {
        self.value.is_array()
    }

    pub fn flag(&self) -> Result<bool, FileError> {
        self.value.as_bool().ok_or_else(|| self.error("must be true or false"))
    }

    /// The text of a scalar as it would stand in a frame.
    pub fn scalar(&self) -> Result<String, FileError> {
        match self.value {
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Integer(number) => Ok(number.as_str().to_owned()),
            DeValue::Float(number) => Ok(number.as_str().to_owned()),
            DeValue::Boolean(flag) => Ok(flag.to_string()),
            _ => Err(self.error("must be a text, a number, true or false")),
        }
    }

    pub fn integer(&self) -> Result<i64, FileError> {
        let text = self.value.as_integer().map(|n| n.as_str().replace('_', ""));
        text.and_then(|t| t.parse().ok()).ok_or_else(|| self.error("must be a whole number"))
    }

    pub fn count(&self) -> Result<usize, FileError> {
        match usize::try_from(self.integer()?) {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(self.error("must be a whole number above zero")),
        }
    }

    /// A duration: `"500ms"`, `"30s"`, `"5m"`, `"23h"`.
    pub fn millis(&self) -> Result<u64, FileError> {
        let text = self.text()?;
        millis(text)
            .ok_or_else(|| self.error("must be a duration such as \"500ms\", \"30s\", \"5m\" or \"23h\""))
    }

    /// A limit: `"5/1s"`, `"300/5m"`.
    pub fn limit(&self) -> Result<crate::Limit, FileError> {
        let limit = self.text()?.split_once('/').and_then(|(count, per)| {
            let count = count.trim().parse().ok().filter(|c| *c > 0)?;
            Some(crate::Limit { count, per_ms: millis(per).filter(|ms| *ms > 0)? })
        });
        limit.ok_or_else(|| self.error("must be a limit such as \"5/1s\" or \"300/5m\""))
    }

    /// Calls `each` with every text and every key in this value.
    pub fn each_text(&self, each: &mut dyn FnMut(&str)) {
        fn walk(value: &DeValue<'_>, each: &mut dyn FnMut(&str)) {
            match value {
                DeValue::String(text) => each(text),
                DeValue::Array(list) => list.iter().for_each(|item| walk(item.get_ref(), each)),
                DeValue::Table(table) => table.iter().for_each(|(key, value)| {
                    each(key.get_ref());
                    walk(value.get_ref(), each);
                }),
                _ => {}
            }
        }
        walk(self.value, each);
    }

    pub fn items(&self) -> Result<Vec<Value<'a>>, FileError> {
        let list = self.value.as_array().ok_or_else(|| self.error("must be a list"))?;
        let item = |(number, value): (usize, &'a Spanned<DeValue<'a>>)| Value {
            source: self.source,
            key: format!("{}[{number}]", self.key),
            value: value.get_ref(),
            span: value.span(),
        };
        Ok(list.iter().enumerate().map(item).collect())
    }

    /// A list, or a single value as a list of one.
    pub fn one_or_more(&self) -> Result<Vec<Value<'a>>, FileError> {
        if self.is_array() { self.items() } else { Ok(vec![self.clone()]) }
    }

    pub fn table(&self) -> Result<Fields<'a>, FileError> {
        let table = self.value.as_table().ok_or_else(|| self.error("must be a table"))?;
        let (source, path, span) = (self.source, self.key.clone(), self.span.clone());
        Ok(Fields { source, path, table, span, taken: Vec::new() })
    }
}

/// Whether one is the other with a letter too few, too many or wrong, or with two letters swapped.
fn is_misspelled(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let same_start = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[same_start..], &other[same_start..]);
    let same_end = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    match (&one[..one.len() - same_end], &other[..other.len() - same_end]) {
        ([a, b], [c, d]) => a == d && b == c,
        (one, other) => one.len() <= 1 && other.len() <= 1,
    }
}

fn millis(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..unit_at].parse().ok()?;
    let unit = match text[unit_at..].trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit)
}
