//! Alerts: what somebody wants to be told about a rate, and when that has come true, once.
//!
//! The core (`spec`, `progress`, `quiet`, …) is pure: it does no I/O and reads no clock. `run` feeds it from the board
//! and the store. It must not know Telegram, nor any language.

mod alert;
mod ask;
mod book;
mod carry;
mod firing;
mod history;
mod judge;
mod ladder;
mod outbox;
mod page;
mod preview;
mod progress;
mod quiet;
mod rows;
mod run;
mod see;
mod sender;
pub mod signature;
mod spec;
mod target;
mod text;
mod upkeep;
mod webhook;
mod window;
mod write;

pub use alert::{Alert, AlertError};
pub use ask::{KeepError, Kept, MEMBERS, Wish, check_url, keep, shown, unasked_venue};
pub use book::{Book, Expired, Fired, Need, Seen};
pub use firing::{Firing, Offline};
pub use outbox::send_outbox;
pub use preview::{Preview, preview, preview_days};
pub use progress::{Gate, Progress};
pub use quiet::{Quiet, QuietError, TimeOfDay, ZoneName};
pub use run::{Parts, Settings, run};
pub use see::value_now;
pub use sender::{Sender, Sending, Start};
pub use spec::{Condition, Direction, Side, Spec, SpecError};
pub use target::{Target, TargetError};
pub use text::{TextError, parse};
pub use upkeep::upkeep;
pub use webhook::{WebhookError, WebhookSender, WebhookSettings};
