//! Where Telegram brings updates, if it is told to: a door that opens to one secret.
//! It must not know what updates mean, nor where HTTP is served.

use crate::{Client, Token, heard::ALLOWED, inbox::Inbox};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::{json, value::RawValue};
use sha2::{Digest, Sha256};
use std::{fmt, sync::Arc, time::Duration};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

/// The waits between attempts to set it: the first, twice as long each time, and the longest.
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The header with the secret.
const SECRET: &str = "x-telegram-bot-api-secret-token";

/// The biggest update that is read; Telegram's are a few kilobytes.
const BODY_BYTES_MAX: usize = 512 << 10;

/// How long a body may take.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Updates that Telegram brings at the same time.
const CONNECTIONS_MAX: u32 = 8;

/// What the operator configured, or what follows from the token.
#[derive(Clone)]
pub struct Webhook {
    /// Where Telegram reaches us.
    url: String,
    /// What it has to bring along.
    secret: String,
    door: Arc<Mutex<Option<Arc<Inbox>>>>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("secret", &"***").finish_non_exhaustive()
    }
}

/// Why there can be no webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The address is not one that Telegram takes.
    #[error("write the public address of this server, such as https://rates.example.org/telegram")]
    Address,
    /// The secret is not one that Telegram takes.
    #[error("1 to 256 letters, digits, `_` and `-`")]
    Secret,
}

impl Webhook {
    /// A webhook at this public address. Without a secret one is made from the token, the same in every process.
    pub fn new(url: &str, secret: Option<&str>, token: &Token) -> Result<Webhook, WebhookError> {
        let has_path = |url: &str| url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        if !(url.starts_with("https://") || url.starts_with("http://"))
            || !has_path(url)
            || url.contains(['?', '#'])
        {
            return Err(WebhookError::Address);
        }
        let secret = secret.map_or_else(
            || {
                let digest = Sha256::digest(format!("webhook secret of {}", token.reveal()));
                digest.iter().map(|byte| format!("{byte:02x}")).collect()
            },
            str::to_owned,
        );
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if secret.is_empty() || secret.len() > 256 || !secret.bytes().all(good) {
            return Err(WebhookError::Secret);
        }
        Ok(Webhook { url: url.to_owned(), secret, door: Arc::default() })
    }

    /// The route, for whoever serves HTTP. While no inbox is behind the door, Telegram is told to come again.
    pub fn routes(&self) -> Router {
        Router::new().route(self.path(), post(take)).with_state(self.clone())
    }

    /// The path of the address.
    pub fn path(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or("/", |at| &rest[at..])
    }

    /// Tells Telegram where to go, and lets updates in until `stop`.
    pub(crate) async fn run(&self, client: &Client, inbox: &Arc<Inbox>, stop: &CancellationToken) {
        *self.door.lock() = Some(inbox.clone());
        let params = json!({
            "url": self.url,
            "secret_token": self.secret,
            "max_connections": CONNECTIONS_MAX,
            "allowed_updates": ALLOWED,
        });
        let mut failures = 0;
        while let Some(result) = stop.run_until_cancelled(client.call::<bool>("setWebhook", &params)).await {
            let Err(error) = result else {
                tracing::info!(path = self.path(), "telegram brings updates to the webhook");
                stop.cancelled().await;
                break;
            };
            tracing::warn!("the webhook is not set: {}", crate::perform::told(&error));
            failures += 1;
            let wait = again::growing(WAIT_FIRST, WAIT_MAX, failures);
            stop.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
        *self.door.lock() = None;
    }

    fn is_secret(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(SECRET).map_or(&[][..], |value| value.as_bytes());
        // Hashed first: the comparison takes the same time whatever the length.
        let (given, ours) = (Sha256::digest(given), Sha256::digest(self.secret.as_bytes()));
        given.ct_eq(&ours).into()
    }
}

/// The secret is looked at before a byte of the body is read.
async fn take(State(webhook): State<Webhook>, request: Request) -> StatusCode {
    if !webhook.is_secret(request.headers()) {
        metrics::counter!("rates_telegram_updates_total", "result" => "unauthorized").increment(1);
        return StatusCode::UNAUTHORIZED;
    }
    let Some(inbox) = webhook.door.lock().clone() else { return StatusCode::SERVICE_UNAVAILABLE };
    match tokio::time::timeout(BODY_WITHIN, read(request.into_body())).await {
        Ok(Ok(update)) => {
            inbox.take(vec![update], true).await;
            StatusCode::OK
        }
        Ok(Err(refusal)) => refusal,
        Err(_) => StatusCode::REQUEST_TIMEOUT,
    }
}

async fn read(body: Body) -> Result<Box<RawValue>, StatusCode> {
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)
}
