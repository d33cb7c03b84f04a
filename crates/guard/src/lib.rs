//! The way out to addresses that are not ours: of rows, of venue files, of webhooks. Every one is judged before it is
//! dialled, exactly what was judged is dialled, everything is timed, nothing is followed elsewhere.
//! It must not know who asks, or for what.
//!
//! [`Guard`] judges; [`Client`] sends HTTP requests through it; a WebSocket is dialled by whoever wants one, at the
//! addresses that [`Guard::resolve`] gave.

mod address;
mod http;
mod tls;
pub mod words;

pub use address::{Blocked, Guard, GuardError, Resolver, SystemResolver};
pub use http::{Answer, Ask, Client, FetchError, retry_at};
pub use reqwest::Error as ClientError;
pub use rustls::Error as TlsError;
pub use tls::tls;
