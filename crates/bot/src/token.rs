//! The bot's token: whoever has it is the bot, so it is shown to nobody.
//! It must not know what is called with it.

use std::fmt;

/// A token as BotFather gives it; prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Keeps a token from being printed. `None` if it is none: a number, `:`, and letters, digits, `_` or `-`.
    pub fn parse(text: &str) -> Option<Token> {
        let (number, rest) = text.trim().split_once(':')?;
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let is_rest =
            rest.len() >= 16 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        (is_number && is_rest).then(|| Token(text.trim().to_owned()))
    }

    /// The token, for whoever needs it on the wire.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
