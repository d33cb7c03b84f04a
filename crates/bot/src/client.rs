//! One call to the Bot API: JSON or a picture out, a result or a [`CallError`] back, in time and at Telegram's pace.
//! It must not know what is said, nor who asks.

use crate::{
    CallError, Token,
    call_error::Refusal,
    throttle::{Class, Permit, Throttle},
};
use reqwest::{
    Response,
    header::CONTENT_TYPE,
    multipart::{Form, Part},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
use std::{fmt, sync::Arc, time::Duration};

/// Where the Bot API is, unless something else is configured.
pub const API_URL: &str = "https://api.telegram.org";

/// The biggest answer that is read: a hundred updates are far less.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How long a dial may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Calls the Bot API as one bot.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Up to the method; holds the token.
    base: Arc<str>,
    timeout: Duration,
    throttle: Arc<Throttle>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("the address of the Bot API must begin with http:// or https://")]
    Address,
    /// TLS cannot be set up.
    #[error("TLS for the Bot API")]
    Tls(#[from] rustls::Error),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client for the Bot API")]
    Http(#[source] reqwest::Error),
}

impl Client {
    /// A client of the Bot API at this address; a call takes no longer than `timeout`.
    pub fn new(
        url: &str,
        token: &Token,
        timeout: Duration,
        throttle: Arc<Throttle>,
    ) -> Result<Client, ClientError> {
        let url = url.trim().trim_end_matches('/');
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(ClientError::Address);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // HTTP/1.1 alone: its layers log no paths, and the token is in the path.
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("rates/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ClientError::Http(error.without_url()))?;
        Ok(Client { http, base: format!("{url}/bot{}", token.reveal()).into(), timeout, throttle })
    }

    /// What keeps the pace.
    pub fn throttle(&self) -> &Arc<Throttle> {
        &self.throttle
    }

    /// Waits for room for a message; keep the permit until the call has ended. An answer sits through an order to wait;
    /// what lies in the outbox is told of it and comes back.
    pub async fn permit(&self, chat: i64, class: Class) -> Result<Permit, CallError> {
        match class {
            Class::Reply => Ok(self.throttle.permit(chat, class).await),
            Class::Alert | Class::Bulk => {
                self.throttle.permit_unless_held(chat, class).await.map_err(CallError::TooMany)
            }
        }
    }

    /// Calls a method. Messages need a [`Client::permit`] first.
    pub async fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &impl Serialize,
    ) -> Result<R, CallError> {
        self.call_within(method, params, self.timeout).await
    }

    /// Calls a method that takes its time.
    pub async fn call_within<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &impl Serialize,
        timeout: Duration,
    ) -> Result<R, CallError> {
        let body = serde_json::to_vec(params)?;
        let request = |http: &reqwest::Client, url: String| {
            http.post(url).header(CONTENT_TYPE, "application/json").body(body.clone()).timeout(timeout)
        };
        self.answer(method, request).await
    }

    /// Calls a method with a picture; the other parameters travel as a form.
    pub async fn upload<R: DeserializeOwned>(
        &self,
        method: &str,
        params: &impl Serialize,
        name: &'static str,
        png: Vec<u8>,
    ) -> Result<R, CallError> {
        let Value::Object(params) = serde_json::to_value(params)? else {
            return Err(CallError::Refused { code: 0, description: "parameters are no object".to_owned() });
        };
        let mut form = Form::new();
        for (name, value) in params {
            form = match value {
                Value::String(text) => form.text(name, text),
                other => form.text(name, other.to_string()),
            };
        }
        let png = Part::bytes(png).file_name("picture.png").mime_str("image/png");
        let form = form.part(name, png.map_err(CallError::of_http)?);
        self.answer(method, |http, url| http.post(url).multipart(form).timeout(self.timeout)).await
    }

    async fn answer<R: DeserializeOwned>(
        &self,
        method: &str,
        request: impl FnOnce(&reqwest::Client, String) -> reqwest::RequestBuilder,
    ) -> Result<R, CallError> {
        self.throttle.open().await;
        let started = tokio::time::Instant::now();
        let url = format!("{}/{method}", self.base);
        let result = match request(&self.http, url).send().await {
            Ok(response) => read(response).await,
            Err(error) => Err(CallError::of_http(error)),
        };
        if let Err(CallError::TooMany(wait)) = &result {
            self.throttle.hold(*wait);
            metrics::counter!("rates_telegram_held_total").increment(1);
        }
        let word = result.as_ref().err().map_or("ok", CallError::word);
        metrics::counter!("rates_telegram_calls_total", "method" => method.to_owned(), "result" => word)
            .increment(1);
        metrics::histogram!("rates_telegram_call_seconds", "method" => method.to_owned())
            .record(started.elapsed());
        tracing::debug!(method, result = word, "a call to the Bot API ended");
        result
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    ok: bool,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

/// Reads an answer; what is no answer of the Bot API leaves open whether the call was done.
async fn read<R: DeserializeOwned>(mut response: Response) -> Result<R, CallError> {
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(CallError::of_http)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(CallError::Unsure {
                reason: "an answer beyond all measure".to_owned(),
                source: None,
            });
        }
        body.extend_from_slice(&chunk);
    }
    let unreadable = || CallError::of_status(status.as_u16().into(), "not readable");
    let answer: Answer<'_> = serde_json::from_slice(&body).map_err(|_| unreadable())?;
    if !answer.ok {
        let refusal: Refusal = serde_json::from_slice(&body).map_err(|_| unreadable())?;
        return Err(refusal.into());
    }
    let result = answer.result.map_or("null", RawValue::get);
    serde_json::from_str(result).map_err(|_| unreadable())
}
