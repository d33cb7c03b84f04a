//! Telegram: what was said to the bot, what it answers, and how that travels.
//! It must not know where ticks come from, nor how alerts decide to fire.

// The seam between the two halves.
mod house;
pub mod html;
mod said;
mod talk;
// The conversation.
mod card;
mod chats;
mod day;
mod here;
mod keys;
mod language;
mod lexicon;
pub mod moment;
mod names;
pub mod number;
mod number_read;
pub mod phrase;
mod texts;
mod texts_en;
mod texts_ru;
mod tokens;
mod world;
// The transport.
mod call_error;
mod client;
mod throttle;
mod token;

pub use call_error::CallError;
pub use client::{API_URL, Client, ClientError};
pub use house::{House, HouseError};
pub use language::{Language, Noun, Plural};
pub use names::Names;
pub use number_read::{Number, read as read_number};
pub use said::{Act, ChatKind, ChatRef, InlineResult, Key, KeyDoes, Keyboard, Said, UserRef, What};
pub use talk::{Talk, Told};
pub use throttle::{Class, Pace, Permit, Throttle};
pub use token::Token;
pub use world::Parts;
