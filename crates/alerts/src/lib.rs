//! Alerts: what somebody wants to be told about a rate, and when that has come true, once.
//!
//! The core (`spec`, `progress`, `quiet`, …) is pure: it does no I/O and reads no clock. `run` feeds it from the board
//! and the store. It must not know Telegram, nor any language.

mod alert;
mod book;
mod firing;
mod judge;
mod ladder;
mod page;
mod progress;
mod quiet;
mod run;
mod spec;
mod target;
mod window;

pub use alert::{Alert, AlertError};
pub use book::{Book, Expired, Fired, Need, Seen};
pub use firing::{Firing, Offline};
pub use progress::{Gate, Progress};
pub use quiet::{Quiet, QuietError, TimeOfDay, ZoneName};
pub use run::{Parts, Settings, run};
pub use spec::{Condition, Direction, Side, Spec, SpecError};
pub use target::{Target, TargetError};
