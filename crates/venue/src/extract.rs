//! How one text is taken out of a row: a path, a part of what stands there, or several put together.
//! It must not know whether the text is a symbol, a price or a time.

use crate::FileError;
use crate::doc::{At, Tree};
use crate::fields::Value;
use crate::path::{Path, Row};
use regex_lite::Regex;
use std::borrow::Cow;

/// Where a text comes from: the first of its ways that gives one.
#[derive(Debug, Clone)]
pub(crate) struct Extract {
    ways: Box<[Way]>,
}

#[derive(Debug, Clone)]
enum Way {
    Plain(Path),
    /// The text after a prefix.
    After(Path, Box<str>),
    /// The text between a prefix and the next mark.
    Between(Path, Box<str>, Box<str>),
    /// The one group of a regular expression.
    Group(Path, Regex),
    /// Literal parts and values in turn: `{#1}/{#2}`.
    Composed(Box<[Part]>),
    /// What an acknowledgement on this connection said of the channel id at the path.
    Channel(Path),
}

#[derive(Debug, Clone)]
enum Part {
    Literal(Box<str>),
    At(Path),
}

/// What the acknowledgements on a connection said: channel id -> symbol.
pub(crate) type Channels = std::collections::HashMap<String, String>;

impl Extract {
    /// Reads `"path"`, `{ at = "path", after = "prefix" }`, also with `before = "mark"`,
    /// `{ at = "path", match = "regex(group)" }`,
    /// `{ text = "{path}/{path}" }`, `{ channel = "path" }`, or a list of such: the first that gives a text.
    pub fn parse(value: &Value<'_>) -> Result<Extract, FileError> {
        let ways = value.one_or_more()?.iter().map(way).collect::<Result<Box<[_]>, _>>()?;
        if ways.is_empty() { Err(value.error("is an empty list")) } else { Ok(Extract { ways }) }
    }

    /// The text; `None` if no way gives one.
    #[inline]
    pub fn text<'t>(&self, tree: Tree<'t>, row: &Row, channels: &'t Channels) -> Option<Cow<'t, str>> {
        self.ways.iter().find_map(|way| way.text(tree, row, channels))
    }

    /// The node, where the first way that finds one is a plain path: to see what kind of value stands there.
    #[inline]
    pub fn node(&self, tree: Tree<'_>, row: &Row) -> Option<At> {
        self.ways.iter().find_map(|way| match way {
            Way::Plain(path) => path.find(tree, row),
            _ => None,
        })
    }
}

pub(crate) fn path(value: &Value<'_>) -> Result<Path, FileError> {
    Path::parse(value.text()?).map_err(|reason| value.error(reason))
}

fn way(value: &Value<'_>) -> Result<Way, FileError> {
    if value.is_text() {
        return Ok(Way::Plain(path(value)?));
    }
    let mut fields = value.table()?;
    let (at, after, group) = (fields.take("at"), fields.take("after"), fields.take("match"));
    let (text, channel) = (fields.take("text"), fields.take("channel"));
    let before = fields.take("before");
    fields.finish()?;
    if let Some(before) = before {
        return match (at, after, group, text, channel) {
            (Some(at), Some(after), None, None, None) => {
                Ok(Way::Between(path(&at)?, after.text()?.into(), before.text()?.into()))
            }
            _ => Err(before.error("goes with `at` and `after`")),
        };
    }
    match (at, after, group, text, channel) {
        (Some(at), None, None, None, None) => Ok(Way::Plain(path(&at)?)),
        (Some(at), Some(after), None, None, None) => Ok(Way::After(path(&at)?, after.text()?.into())),
        (Some(at), None, Some(group), None, None) => {
            let regex = Regex::new(group.text()?)
                .map_err(|e| group.error(format!("is no regular expression: {e}")))?;
            if regex.captures_len() != 2 {
                return Err(group.error("must have exactly one group"));
            }
            Ok(Way::Group(path(&at)?, regex))
        }
        (None, None, None, Some(text), None) => composed(&text),
        (None, None, None, None, Some(channel)) => Ok(Way::Channel(path(&channel)?)),
        _ => {
            Err(value.error("must be `at` with at most one of `after` and `match`, or `text`, or `channel`"))
        }
    }
}

fn composed(value: &Value<'_>) -> Result<Way, FileError> {
    let mut parts = Vec::new();
    let mut rest = value.text()?;
    while let Some((literal, tail)) = rest.split_once('{') {
        let (inside, tail) = tail.split_once('}').ok_or_else(|| value.error("has `{` without `}`"))?;
        parts.push(Part::Literal(literal.into()));
        parts.push(Part::At(Path::parse(inside).map_err(|reason| value.error(reason))?));
        rest = tail;
    }
    parts.push(Part::Literal(rest.into()));
    Ok(Way::Composed(parts.into()))
}

impl Way {
    #[inline]
    fn text<'t>(&self, tree: Tree<'t>, row: &Row, channels: &'t Channels) -> Option<Cow<'t, str>> {
        let scalar = |path: &Path| path.find(tree, row).and_then(|at| tree.scalar(at));
        match self {
            Way::Plain(path) => scalar(path),
            Way::After(path, prefix) => match scalar(path)? {
                Cow::Borrowed(text) => text.strip_prefix(&**prefix).map(Cow::Borrowed),
                Cow::Owned(text) => text.strip_prefix(&**prefix).map(|t| Cow::Owned(t.to_owned())),
            },
            Way::Between(path, prefix, mark) => {
                let between = |text: &str| -> Option<(usize, usize)> {
                    let rest = text.strip_prefix(&**prefix)?;
                    Some((prefix.len(), prefix.len() + rest.find(&**mark)?))
                };
                match scalar(path)? {
                    Cow::Borrowed(text) => {
                        between(text).and_then(|(from, to)| text.get(from..to)).map(Cow::Borrowed)
                    }
                    Cow::Owned(text) => between(&text)
                        .and_then(|(from, to)| text.get(from..to))
                        .map(|t| Cow::Owned(t.to_owned())),
                }
            }
            Way::Group(path, regex) => {
                let text = scalar(path)?;
                Some(Cow::Owned(regex.captures(&text)?.get(1)?.as_str().to_owned()))
            }
            Way::Composed(parts) => {
                let mut out = String::new();
                for part in parts {
                    match part {
                        Part::Literal(text) => out.push_str(text),
                        Part::At(path) => out.push_str(&scalar(path)?),
                    }
                }
                Some(Cow::Owned(out))
            }
            Way::Channel(path) => channels.get(&*scalar(path)?).map(|s| Cow::Borrowed(s.as_str())),
        }
    }
}
