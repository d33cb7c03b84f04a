//! What all feeds share: the broker, the clock, the guard, the hosts' limits, the ways out.
//! It must not know any feed.

use crate::{limiter::Hosts, settings::Settings, tap::Tap};
use broker::Broker;
use clock::Clock;
use guard::{Client, Guard};
use std::sync::Arc;

/// What all feeds share.
pub struct Context {
    /// Where ticks and status go.
    pub broker: Arc<dyn Broker>,
    /// The time.
    pub clock: Clock,
    /// What the configuration says.
    pub settings: Settings,
    /// Judges addresses.
    pub guard: Guard,
    /// The hosts' limits.
    pub hosts: Hosts,
    /// Sends requests.
    pub http: Client,
    /// Encrypts.
    pub tls: Arc<rustls::ClientConfig>,
    /// Somebody who looks on.
    pub tap: Option<Tap>,
}

/// Why there is no context: only a broken build can be the cause.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// TLS has no usable protocol.
    #[error("TLS can't be set up")]
    Tls(#[from] rustls::Error),
    /// The HTTP client cannot be built.
    #[error("the HTTP client can't be set up")]
    Http(#[from] reqwest::Error),
}

impl Context {
    /// Puts it together.
    pub fn new(broker: Arc<dyn Broker>, clock: Clock, settings: Settings) -> Result<Context, ContextError> {
        let guard =
            Guard::new(&settings.allow_private, settings.resolver.clone(), settings.timing.resolve_timeout);
        let tls = guard::tls()?;
        let http = Client::new(guard.clone(), clock, tls.clone())?;
        let mut websocket_tls = tls;
        // A WebSocket handshake is HTTP/1.1.
        websocket_tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Context {
            broker,
            clock,
            settings,
            guard,
            hosts: Hosts::default(),
            http,
            tls: Arc::new(websocket_tls),
            tap: None,
        })
    }
}
