//! Whose an alert is, and what can be told from the text of a target.
//! It must not know how anything gets there.

use std::fmt;

/// Whose an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// `chat:<id>`: whoever may speak for that chat.
    Chat(i64),
    /// `key:<id>`: whoever has that API key.
    Key(i64),
    /// `operator`: whoever has the command line.
    Operator,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Chat(id) => write!(f, "chat:{id}"),
            Owner::Key(id) => write!(f, "key:{id}"),
            Owner::Operator => f.write_str("operator"),
        }
    }
}

/// The part of a target that names the way: `chat` of `chat:5`.
pub(crate) fn channel_of(target: &str) -> &str {
    target.split(':').next().unwrap_or_default()
}

/// What the targets of a target's topics begin with, and what stands after all of them: `/` is followed by `0`.
pub(crate) fn topics_of(target: &str) -> (String, String) {
    (format!("{target}/"), format!("{target}0"))
}
