//! Paths into a document: `a.b[0]`, `[-1]`, fan-out `[*]` and `{*}`, and the scopes `$` (frame), `^` (the row
//! above) and `#1` (a key of the fan-out). It must not know what stands at the end of a path.

use crate::doc::{At, Hint, Kind, Tree, Wanted, hint};

/// One step downwards.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(Box<str>, Hint),
    Index(i32),
    /// Every item of an array; also a lone object, since XML and some venues write a list of one without a list.
    Each,
    /// Every member of an object.
    EachMember,
    /// Every member with this key (XML repeats keys instead of writing lists).
    EachNamed(Box<str>, Hint),
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Row,
    Frame,
    Parent,
    /// The key of the n-th fan-out over members, from 0.
    Key(usize),
}

/// A path to one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub scope: Scope,
    steps: Box<[Step]>,
}

/// A path to the rows of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    steps: Box<[Step]>,
}

/// The most `{*}` in one path.
const KEYS_MAX: usize = 4;

/// A row: where it is, the row above it, and the keys of the fan-outs that led to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub at: At,
    pub parent: At,
    pub keys: [At; KEYS_MAX],
}

impl Row {
    /// No such key.
    pub const NO_KEY: At = At::MAX;

    /// The frame itself as its only row.
    pub const FRAME: Row = Row { at: Tree::ROOT, parent: Tree::ROOT, keys: [Row::NO_KEY; KEYS_MAX] };

    fn moved(mut self, at: At) -> Row {
        self.at = at;
        self
    }
}

impl Path {
    pub fn parse(text: &str) -> Result<Path, String> {
        let (scope, rest) = match text.as_bytes() {
            [] => return Err("an empty path; `.` is the row itself".into()),
            [b'$', ..] => (Scope::Frame, &text[1..]),
            [b'^', ..] => (Scope::Parent, &text[1..]),
            [b'#', ..] => {
                let number: usize =
                    text[1..].parse().map_err(|_| "`#` is followed by the number of a key: `#1`")?;
                if !(1..=KEYS_MAX).contains(&number) {
                    return Err(format!("keys are numbered `#1` to `#{KEYS_MAX}`"));
                }
                (Scope::Key(number - 1), "")
            }
            _ => (Scope::Row, text),
        };
        let steps = steps(rest)?;
        if steps.iter().any(|s| !matches!(s, Step::Key(..) | Step::Index(_))) {
            return Err("`[*]` and `{*}` belong in `rows`; a value is at one place".into());
        }
        Ok(Path { scope, steps: steps.into() })
    }

    /// The node at the end of the path; `None` if the document has none there.
    #[inline]
    pub fn find(&self, tree: Tree<'_>, row: &Row) -> Option<At> {
        let mut at = match self.scope {
            Scope::Row => row.at,
            Scope::Frame => Tree::ROOT,
            Scope::Parent => row.parent,
            Scope::Key(number) => match row.keys[number] {
                Row::NO_KEY => return None,
                key => key,
            },
        };
        for step in &self.steps {
            at = match step {
                Step::Key(key, hint) => tree.member(at, key, *hint)?,
                Step::Index(index) => item(tree, at, *index)?,
                Step::Each | Step::EachMember | Step::EachNamed(..) => return None,
            };
        }
        Some(at)
    }
}

fn item(tree: Tree<'_>, at: At, index: i32) -> Option<At> {
    if index >= 0 {
        tree.items(at).nth(index as usize)
    } else {
        let back = index.unsigned_abs() as usize;
        let count = tree.items(at).count();
        tree.items(at).nth(count.checked_sub(back)?)
    }
}

impl Rows {
    /// Reads a path with fan-outs. In XML `name[*]` means every element of that name.
    pub fn parse(text: &str, is_xml: bool) -> Result<Rows, String> {
        let mut all = steps(text.strip_prefix('$').unwrap_or(text))?;
        if is_xml {
            let mut merged = Vec::with_capacity(all.len());
            for step in all {
                match (step, merged.last()) {
                    (Step::Each, Some(Step::Key(key, hint))) => {
                        let named = Step::EachNamed(key.clone(), *hint);
                        merged.pop();
                        merged.push(named);
                    }
                    (step, _) => merged.push(step),
                }
            }
            all = merged;
        }
        if all.iter().filter(|s| matches!(s, Step::EachMember)).count() > KEYS_MAX {
            return Err(format!("at most {KEYS_MAX} `{{*}}` in one path"));
        }
        Ok(Rows { steps: all.into() })
    }

    /// Calls `each` with every row, in the order written.
    pub fn walk(&self, tree: Tree<'_>, each: &mut dyn FnMut(&Row)) {
        walk(tree, &self.steps, Row::FRAME, 0, each);
    }
}

fn walk(tree: Tree<'_>, steps: &[Step], row: Row, keys: usize, each: &mut dyn FnMut(&Row)) {
    let Some((step, rest)) = steps.split_first() else { return each(&row) };
    match step {
        Step::Key(key, hint) => {
            if let Some(at) = tree.member(row.at, key, *hint) {
                walk(tree, rest, row.moved(at), keys, each);
            }
        }
        Step::Index(index) => {
            if let Some(at) = item(tree, row.at, *index) {
                walk(tree, rest, row.moved(at), keys, each);
            }
        }
        Step::Each => {
            if tree.node(row.at).kind == Kind::Object {
                walk_row(tree, rest, row, row.at, keys, each);
            }
            for at in tree.items(row.at) {
                walk_row(tree, rest, row, at, keys, each);
            }
        }
        Step::EachNamed(name, hint) => {
            for (key, at) in tree.members(row.at) {
                if tree.is_key(key, name, *hint) {
                    walk_row(tree, rest, row, at, keys, each);
                }
            }
        }
        Step::EachMember => {
            for (key, at) in tree.members(row.at) {
                let mut named = row.moved(at);
                named.keys[keys] = key;
                walk_row(tree, rest, named, at, keys + 1, each);
            }
        }
    }
}

/// Goes on below one item of a fan-out. If more fan-outs follow, this item is the row above theirs.
fn walk_row(tree: Tree<'_>, rest: &[Step], row: Row, at: At, keys: usize, each: &mut dyn FnMut(&Row)) {
    let more = rest.iter().any(|s| !matches!(s, Step::Key(..) | Step::Index(_)));
    let mut below = row.moved(at);
    if more {
        below.parent = at;
    }
    walk(tree, rest, below, keys, each);
}

/// Adds the keys that a path names; a fan-out over members names them all.
pub(crate) fn want(text: &str, wanted: &mut Wanted) {
    for step in steps(text.trim_start_matches(['$', '^'])).unwrap_or_default() {
        match step {
            Step::Key(key, _) | Step::EachNamed(key, _) => wanted.add(&key),
            Step::EachMember => *wanted = Wanted::EVERYTHING,
            Step::Index(_) | Step::Each => {}
        }
    }
}

fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = text.strip_prefix('.').unwrap_or(text);
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix("{*}") {
            steps.push(Step::EachMember);
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('[') {
            let (inside, tail) = tail.split_once(']').ok_or("`[` without `]`")?;
            steps.push(match inside {
                "*" => Step::Each,
                _ => Step::Index(
                    inside.parse().map_err(|_| format!("`[{inside}]` is neither `[*]` nor `[NUMBER]`"))?,
                ),
            });
            rest = tail;
        } else {
            let end = rest.find(['.', '[', '{']).unwrap_or(rest.len());
            if end == 0 {
                return Err(format!("a name is missing before `{rest}`"));
            }
            steps.push(Step::Key(rest[..end].into(), hint(&rest.as_bytes()[..end])));
            rest = &rest[end..];
        }
        if let Some(tail) = rest.strip_prefix('.') {
            if tail.is_empty() {
                return Err("the path ends with `.`".into());
            }
            rest = tail;
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::Doc;

    fn values(rows: &str, path: &str, json: &str) -> Vec<String> {
        let mut doc = Doc::default();
        crate::json::parse(json, &Wanted::EVERYTHING, &mut doc).unwrap();
        let tree = Tree { nodes: &doc.nodes, text: json };
        let path = Path::parse(path).unwrap();
        let mut out = Vec::new();
        Rows::parse(rows, false).unwrap().walk(tree, &mut |row| {
            out.push(path.find(tree, row).map_or("-".into(), |at| tree.raw(at).to_owned()));
        });
        out
    }

    #[test]
    fn rows_and_values() {
        let nested =
            r#"{"t":9,"events":[{"k":1,"tickers":[{"p":"a"},{"p":"b"}]},{"k":2,"tickers":[{"p":"c"}]}]}"#;
        let map = r#"{"bitcoin":{"usd":5,"eur":4,"at":7},"tron":{"usd":1}}"#;
        let list = r#"[7,[1,2,[3,4]]]"#;
        for (rows, path, json, want) in [
            (".", "t", nested, vec!["9"]),
            ("events[*].tickers[*]", "p", nested, vec!["a", "b", "c"]),
            ("events[*].tickers[*]", "^.k", nested, vec!["1", "1", "2"]),
            ("events[*].tickers[*]", "$.t", nested, vec!["9", "9", "9"]),
            ("events[-1].tickers[0]", "p", nested, vec!["c"]),
            ("{*}{*}", "#1", map, vec!["bitcoin", "bitcoin", "bitcoin", "tron"]),
            ("{*}{*}", "#2", map, vec!["usd", "eur", "at", "usd"]),
            ("{*}{*}", ".", map, vec!["5", "4", "7", "1"]),
            ("{*}{*}", "^.at", map, vec!["7", "7", "7", "-"]),
            ("[1]", "[2][1]", list, vec!["4"]),
            ("[*]", "[0]", list, vec!["-", "1"]),
            ("missing[*]", "x", nested, vec![]),
        ] {
            assert_eq!(values(rows, path, json), want, "{rows} {path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "a..b", "a[", "a[x]", "#0", "#9", "a[*]", "a{*}", "a."] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }
}
