//! Telegram: what people say becomes acts, alerts become messages, and the Bot API's rules are kept on the way.
//! It must not know collectors or brokers: rates reach it through a board, and what must survive lies in the store.

mod token;

pub use token::Token;
