//! Telegram: what was said to the bot, what it answers, and how that travels.
//! It must not know where ticks come from, nor how alerts decide to fire.

// The seam between the two halves.
mod house;
pub mod html;
mod said;
mod talk;
// The conversation.
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
// The transport.
mod broadcast;
mod call_error;
mod client;
mod heard;
mod household;
mod inbox;
mod perform;
mod poll;
mod post;
mod run;
mod sender;
mod split;
mod standby;
mod throttle;
mod token;
mod webhook;

pub use call_error::CallError;
pub use client::{API_URL, Client, ClientError};
pub use house::{House, HouseError};
pub use household::{Household, LogLines};
pub use language::{Language, Noun, Plural};
pub use names::Names;
pub use number_read::{Number, read as read_number};
pub use poll::Polling;
pub use run::{Parts, Updates, run};
pub use said::{Act, ChatKind, ChatRef, InlineResult, Key, KeyDoes, Keyboard, Said, UserRef, What};
pub use sender::ChatSender;
pub use standby::{Holding, stand_by};
pub use talk::{Talk, Told};
pub use throttle::{Class, Pace, Permit, Throttle};
pub use token::Token;
pub use webhook::{Webhook, WebhookError};
