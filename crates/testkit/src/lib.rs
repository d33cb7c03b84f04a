//! Tests only: a scriptable venue over real sockets, venues that live by a script, a strict Bot API, private servers,
//! and a proxy that breaks the line on purpose. It must not know the product: the fake speaks a small wire format of its own, which
//! [`venue_file`] describes, and a script tells what a real venue's documentation does.

pub mod counts;
mod fake_http;
mod fake_venue;
mod fill;
mod form;
mod log_lines;
mod numbered;
mod postgres;
mod process;
mod proxy;
mod rabbitmq;
mod receiver;
mod redis;
mod script;
mod scripted;
mod scripted_answer;
mod scripted_http;
mod scripted_talk;
mod server;
pub mod servers;
mod telegram;
mod telegram_html;
mod telegram_http;
mod telegram_limits;
mod telegram_markup;
mod telegram_methods;
mod telegram_state;
mod tls;
mod wait;
mod wire;

pub use fake_venue::{Behaviour, FakeVenue, Handshake, Happened, HttpAnswer, Logged};
pub use fill::last_cents;
pub use log_lines::LogLines;
pub use numbered::{NumberedVenue, Place, number, numbers_in_middle};
pub use process::Process;
pub use proxy::{FaultProxy, Line};
pub use receiver::{HookReceiver, HookReply, HookRequest};
pub use script::{Channel, Frames, How, Script, duration, limit};
pub use scripted::{Micros, ScriptedVenue, Speed};
pub use server::Port;
pub use telegram::FakeTelegram;
pub use telegram_html::{Parsed, parse_html, utf16_len};
pub use telegram_limits::Limits;
pub use telegram_markup::Button;
pub use telegram_state::{Call, Fault, Message};
pub use wait::{until, until_some};
pub use wire::venue_file;
