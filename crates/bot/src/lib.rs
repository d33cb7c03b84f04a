//! Telegram: what was said to the bot, what it answers, and how that travels.
//! It must not know where ticks come from, nor how alerts decide to fire.

// The seam between the two halves.
mod house;
pub mod html;
mod language;
mod lexicon;
pub mod moment;
mod names;
pub mod number;
mod number_read;
pub mod phrase;
mod said;
mod texts;
mod texts_en;
mod texts_ru;
mod tokens;
// The transport.
mod token;

pub use house::{House, HouseError};
pub use language::{Language, Noun, Plural};
pub use names::Names;
pub use number_read::{Number, read as read_number};
pub use said::{Act, ChatKind, ChatRef, InlineResult, Key, KeyDoes, Keyboard, Said, UserRef, What};
pub use token::Token;
