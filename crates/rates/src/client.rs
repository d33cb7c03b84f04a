//! Asks a running server, with a time limit, and turns its problems into exit codes.
//! It must not know what is asked for.

use crate::exit::{Exit, Failure};
use anyhow::Context;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use url::Url;

/// How long a dial may take.
const CONNECT_MS: u64 = 3_000;

/// How long a whole answer may take; a stream has no end.
const ANSWER_MS: u64 = 10_000;

/// The biggest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A server to ask.
#[derive(Debug, Clone)]
pub struct Client {
    base: Url,
    http: reqwest::Client,
}

/// A problem as the server says it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Problem {
    /// A stable word.
    #[serde(default)]
    pub code: String,
    /// What is wrong here.
    #[serde(default)]
    pub detail: String,
    /// What is wrong in general.
    #[serde(default)]
    pub title: String,
    /// Near matches.
    #[serde(default)]
    pub near: Vec<String>,
}

impl Client {
    /// A client of the server at this address.
    pub fn new(url: &str) -> Result<Client, Failure> {
        let wrong = |reason: &str| {
            Failure::say(
                Exit::Usage,
                format!("--url: {reason}; write an address such as http://127.0.0.1:8000"),
            )
        };
        let mut base = Url::parse(url).map_err(|_| wrong("not an address"))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong("neither http:// nor https://"));
        }
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Ok(Client { base, http: http_client()? })
    }

    /// The server's address, without a password.
    pub fn place(&self) -> String {
        crate::secret::without_password(self.base.as_str().trim_end_matches('/'))
    }

    /// An address on the server: path segments as they are, query values escaped.
    fn address(&self, segments: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends a request; whatever the answer says.
    pub async fn ask(&self, segments: &[&str], query: &[(&str, String)]) -> Result<Response, Failure> {
        let request = self.http.get(self.address(segments, query)).timeout(Duration::from_millis(ANSWER_MS));
        request.send().await.map_err(|error| self.unreachable(error))
    }

    /// Opens a stream, whose end nobody knows. Only its beginning is timed.
    pub async fn stream(
        &self,
        segments: &[&str],
        query: &[(&str, String)],
        last_id: Option<&str>,
    ) -> Result<Response, Failure> {
        let mut request = self.http.get(self.address(segments, query)).header("accept", "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        match tokio::time::timeout(Duration::from_millis(ANSWER_MS), request.send()).await {
            Ok(Ok(answer)) if answer.status().is_success() => Ok(answer),
            Ok(Ok(answer)) => Err(self.problem(answer).await),
            Ok(Err(error)) => Err(self.unreachable(error)),
            Err(_) => Err(Failure::say(Exit::Unavailable, format!("{} does not answer", self.place()))),
        }
    }

    /// The body of a good answer, as text; anything else as a failure.
    pub async fn text(&self, segments: &[&str], query: &[(&str, String)]) -> Result<String, Failure> {
        let answer = self.ask(segments, query).await?;
        if answer.status().is_success() { self.body(answer).await } else { Err(self.problem(answer).await) }
    }

    /// The body, up to a limit.
    pub async fn body(&self, mut answer: Response) -> Result<String, Failure> {
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(Failure::say(Exit::Failure, format!("{} answers without end", self.place())));
            }
            body.extend_from_slice(&part);
        }
        String::from_utf8(body)
            .map_err(|_| Failure::say(Exit::Failure, format!("{} answers no text", self.place())))
    }

    /// What a bad answer means, in exit codes.
    pub async fn problem(&self, answer: Response) -> Failure {
        let status = answer.status();
        let body = self.body(answer).await.unwrap_or_default();
        let problem: Problem = serde_json::from_str(&body).unwrap_or_default();
        let place = self.place();
        if problem.code.is_empty() {
            return Failure::say(Exit::Failure, format!("{place} answers {status}"))
                .hint("is that the address of a rates server? set --url or RATES_URL");
        }
        let exit = exit_of(status, &problem.code);
        let said = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
        let failure = Failure::say(exit, format!("{}: {}", problem.code, crate::output::flat(said)));
        match problem.near.as_slice() {
            [] => failure,
            near => failure.hint(format!("did you mean {}?", crate::output::flat(&near.join(" or ")))),
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> Failure {
        // Only the innermost cause: what is around it repeats the library's names, and may repeat the address,
        // which may hold a password.
        let is_timeout = error.is_timeout();
        let error = anyhow::Error::new(error.without_url());
        let why = if is_timeout { "no answer in time".to_owned() } else { error.root_cause().to_string() };
        Failure::say(Exit::Unavailable, format!("{} does not answer: {why}", self.place()))
            .hint("start a server with `rates run` or `rates demo`, or name one with --url or RATES_URL")
    }
}

/// The exit code of a problem.
pub fn exit_of(status: StatusCode, code: &str) -> Exit {
    match code {
        "unknown_pair" => Exit::NotFound,
        "bad_pair" | "bad_request" => Exit::Usage,
        "no_fresh_rate" | "too_old" | "rates_disagree" => Exit::Stale,
        "store_unavailable" | "rate_limited" | "overloaded" => Exit::Unavailable,
        _ if status == StatusCode::NOT_FOUND => Exit::NotFound,
        _ => Exit::Failure,
    }
}

fn http_client() -> Result<reqwest::Client, Failure> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(Duration::from_millis(CONNECT_MS))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("rates/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("the HTTP client")?;
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_escaped() {
        let client = Client::new("http://localhost:1/base").unwrap();
        let url = client.address(&["api", "v1", "rates", "BTC/../x"], &[("venue", "a&b".to_owned())]);
        assert_eq!(url.as_str(), "http://localhost:1/base/api/v1/rates/BTC%2F..%2Fx?venue=a%26b");
    }

    #[test]
    fn only_addresses_of_servers_are_taken() {
        for url in ["", "localhost:8000", "ftp://x", "file:///etc/passwd", "http://"] {
            assert_eq!(Client::new(url).map(|_| ()).unwrap_err().exit, Exit::Usage, "{url}");
        }
    }

    #[test]
    fn problems_have_exit_codes() {
        for (status, code, exit) in [
            (404, "unknown_pair", Exit::NotFound),
            (400, "bad_pair", Exit::Usage),
            (503, "no_fresh_rate", Exit::Stale),
            (503, "too_old", Exit::Stale),
            (503, "store_unavailable", Exit::Unavailable),
            (401, "unauthorized", Exit::Failure),
            (500, "internal", Exit::Failure),
        ] {
            assert_eq!(exit_of(StatusCode::from_u16(status).unwrap(), code), exit, "{code}");
        }
    }
}
