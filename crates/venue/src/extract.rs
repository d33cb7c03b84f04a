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
    After(Source, Box<str>),
    /// The text between a prefix and the next mark.
    Between(Source, Box<str>, Box<str>),
    /// The one group of a regular expression.
    Group(Source, Regex),
    /// Literal parts and values in turn: `{#1}/{#2}`.
    Composed(Box<[Part]>),
    /// What an acknowledgement on this connection said of the channel id at the path.
    Channel(Path),
    /// Another way's text in small letters, where a venue writes a name now so, now so.
    Lower(Box<Way>),
}

/// What a part of a text is taken out of.
#[derive(Debug, Clone)]
enum Source {
    At(Path),
    Composed(Box<[Part]>),
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
    /// `{ at = "path", match = "regex(group)" }`, `{ text = "{path}/{path}" }` (in the place of `at` too),
    /// `{ channel = "path" }`, or a list of such: the first that gives a text. `case = "lower"` beside any of them
    /// gives small letters.
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
    let (text, channel, case) = (fields.take("text"), fields.take("channel"), fields.take("case"));
    let before = fields.take("before");
    fields.finish()?;
    if let Some(before) = before.as_ref().filter(|_| after.is_none() || group.is_some()) {
        return Err(before.error("goes with `after`"));
    }
    let source = match (&at, &text, &channel) {
        (Some(at), None, None) => Source::At(path(at)?),
        (None, Some(text), None) => Source::Composed(composed(text)?),
        (None, None, Some(channel)) if after.is_none() && group.is_none() => {
            return lowered(Way::Channel(path(channel)?), case.as_ref());
        }
        _ => return Err(value.error(ONE_SOURCE)),
    };
    let way = match (source, after, group) {
        (source, Some(after), None) => match before {
            None => Way::After(source, after.text()?.into()),
            Some(before) => Way::Between(source, after.text()?.into(), before.text()?.into()),
        },
        (source, None, Some(group)) => {
            let regex = Regex::new(group.text()?)
                .map_err(|e| group.error(format!("is no regular expression: {e}")))?;
            if regex.captures_len() != 2 {
                return Err(group.error("must have exactly one group"));
            }
            Way::Group(source, regex)
        }
        (Source::At(path), None, None) => Way::Plain(path),
        (Source::Composed(parts), None, None) => Way::Composed(parts),
        (_, Some(_), Some(_)) => return Err(value.error(ONE_SOURCE)),
    };
    lowered(way, case.as_ref())
}

const ONE_SOURCE: &str =
    "must be `at` or `text`, with at most one of `after` and `match`, or `channel`; and perhaps `case`";

fn lowered(way: Way, case: Option<&Value<'_>>) -> Result<Way, FileError> {
    match case {
        None => Ok(way),
        Some(case) if case.text()? == "lower" => Ok(Way::Lower(Box::new(way))),
        Some(case) => Err(case.error("must be lower")),
    }
}

fn composed(value: &Value<'_>) -> Result<Box<[Part]>, FileError> {
    let mut parts = Vec::new();
    let mut rest = value.text()?;
    while let Some((literal, tail)) = rest.split_once('{') {
        let (inside, tail) = tail.split_once('}').ok_or_else(|| value.error("has `{` without `}`"))?;
        parts.push(Part::Literal(literal.into()));
        parts.push(Part::At(Path::parse(inside).map_err(|reason| value.error(reason))?));
        rest = tail;
    }
    parts.push(Part::Literal(rest.into()));
    Ok(parts.into())
}

#[inline]
fn scalar<'t>(path: &Path, tree: Tree<'t>, row: &Row) -> Option<Cow<'t, str>> {
    path.find(tree, row).and_then(|at| tree.scalar(at))
}

fn put_together(parts: &[Part], tree: Tree<'_>, row: &Row) -> Option<String> {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Literal(text) => out.push_str(text),
            Part::At(path) => out.push_str(&scalar(path, tree, row)?),
        }
    }
    Some(out)
}

impl Source {
    #[inline]
    fn text<'t>(&self, tree: Tree<'t>, row: &Row) -> Option<Cow<'t, str>> {
        match self {
            Source::At(path) => scalar(path, tree, row),
            Source::Composed(parts) => put_together(parts, tree, row).map(Cow::Owned),
        }
    }
}

impl Way {
    #[inline]
    fn text<'t>(&self, tree: Tree<'t>, row: &Row, channels: &'t Channels) -> Option<Cow<'t, str>> {
        match self {
            Way::Plain(path) => scalar(path, tree, row),
            Way::After(source, prefix) => match source.text(tree, row)? {
                Cow::Borrowed(text) => text.strip_prefix(&**prefix).map(Cow::Borrowed),
                Cow::Owned(text) => text.strip_prefix(&**prefix).map(|t| Cow::Owned(t.to_owned())),
            },
            Way::Between(source, prefix, mark) => {
                let between = |text: &str| -> Option<(usize, usize)> {
                    let rest = text.strip_prefix(&**prefix)?;
                    Some((prefix.len(), prefix.len() + rest.find(&**mark)?))
                };
                match source.text(tree, row)? {
                    Cow::Borrowed(text) => {
                        between(text).and_then(|(from, to)| text.get(from..to)).map(Cow::Borrowed)
                    }
                    Cow::Owned(text) => between(&text)
                        .and_then(|(from, to)| text.get(from..to))
                        .map(|t| Cow::Owned(t.to_owned())),
                }
            }
            Way::Group(source, regex) => {
                let text = source.text(tree, row)?;
                Some(Cow::Owned(regex.captures(&text)?.get(1)?.as_str().to_owned()))
            }
            Way::Composed(parts) => put_together(parts, tree, row).map(Cow::Owned),
            Way::Channel(path) => channels.get(&*scalar(path, tree, row)?).map(|s| Cow::Borrowed(s.as_str())),
            Way::Lower(way) => {
                way.text(tree, row, channels).map(|text| Cow::Owned(text.to_ascii_lowercase()))
            }
        }
    }
}
