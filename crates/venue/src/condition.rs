//! Conditions on a frame or a row: what decides which message a frame is.
//! It must not know what is done once a condition holds.

use crate::FileError;
use crate::doc::{Kind, Tree};
use crate::fields::Value;
use crate::path::{Path, Row};
use regex_lite::Regex;

/// All of its tests must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Condition {
    tests: Box<[(Path, Test)]>,
}

#[derive(Debug, Clone)]
enum Test {
    Equals(Box<str>),
    Not(Box<str>),
    In(Box<[Box<str>]>),
    Begins(Box<str>),
    Ends(Box<str>),
    Matches(Regex),
    Exists(bool),
    Type(Kinds),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kinds {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Condition {
    /// Reads `{ path = "text", other = { exists = true } }`.
    pub fn parse(value: &Value<'_>) -> Result<Condition, FileError> {
        let mut tests = Vec::new();
        for (path, test) in value.table()?.free() {
            let path = Path::parse(&path).map_err(|reason| test.error(reason))?;
            if test.is_table() {
                let mut fields = test.table()?;
                let before = tests.len();
                if let Some(v) = fields.take("not") {
                    tests.push((path.clone(), Test::Not(v.scalar()?.into())));
                }
                if let Some(v) = fields.take("in") {
                    let all =
                        v.items()?.iter().map(|i| i.scalar().map(Into::into)).collect::<Result<_, _>>()?;
                    tests.push((path.clone(), Test::In(all)));
                }
                if let Some(v) = fields.take("begins") {
                    tests.push((path.clone(), Test::Begins(v.text()?.into())));
                }
                if let Some(v) = fields.take("ends") {
                    tests.push((path.clone(), Test::Ends(v.text()?.into())));
                }
                if let Some(v) = fields.take("match") {
                    let regex = Regex::new(v.text()?)
                        .map_err(|e| v.error(format!("is no regular expression: {e}")))?;
                    tests.push((path.clone(), Test::Matches(regex)));
                }
                if let Some(v) = fields.take("exists") {
                    tests.push((path.clone(), Test::Exists(v.flag()?)));
                }
                if let Some(v) = fields.take("type") {
                    let kinds = match v.text()? {
                        "null" => Kinds::Null,
                        "boolean" => Kinds::Boolean,
                        "number" => Kinds::Number,
                        "string" => Kinds::String,
                        "array" => Kinds::Array,
                        "object" => Kinds::Object,
                        _ => return Err(v.error("must be null, boolean, number, string, array or object")),
                    };
                    tests.push((path.clone(), Test::Type(kinds)));
                }
                fields.finish()?;
                if tests.len() == before {
                    return Err(
                        test.error("is an empty test; write not, in, begins, ends, match, exists or type")
                    );
                }
            } else {
                tests.push((path, Test::Equals(test.scalar()?.into())));
            }
        }
        Ok(Condition { tests: tests.into() })
    }

    #[inline]
    pub fn holds(&self, tree: Tree<'_>, row: &Row) -> bool {
        self.tests.iter().all(|(path, test)| test.holds(tree, path.find(tree, row)))
    }
}

impl Test {
    #[inline]
    fn holds(&self, tree: Tree<'_>, at: Option<crate::doc::At>) -> bool {
        let scalar = || at.and_then(|at| tree.scalar(at));
        match self {
            Test::Equals(text) => scalar().is_some_and(|s| *s == **text),
            Test::Not(text) => scalar().is_none_or(|s| *s != **text),
            Test::In(all) => scalar().is_some_and(|s| all.iter().any(|t| *s == **t)),
            Test::Begins(text) => scalar().is_some_and(|s| s.starts_with(&**text)),
            Test::Ends(text) => scalar().is_some_and(|s| s.ends_with(&**text)),
            Test::Matches(regex) => scalar().is_some_and(|s| regex.is_match(&s)),
            Test::Exists(wanted) => at.is_some() == *wanted,
            Test::Type(wanted) => at.is_some_and(|at| kinds(tree.node(at).kind) == *wanted),
        }
    }
}

fn kinds(kind: Kind) -> Kinds {
    match kind {
        Kind::Null => Kinds::Null,
        Kind::True | Kind::False => Kinds::Boolean,
        Kind::Number => Kinds::Number,
        Kind::Plain | Kind::Escaped => Kinds::String,
        Kind::Array => Kinds::Array,
        Kind::Object => Kinds::Object,
    }
}
