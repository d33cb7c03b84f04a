//! The HTTP side of the fake Bot API: parameters in their four forms, faults, long polls, and webhooks on their way.
//! It must not know what a method checks or does.

use crate::{
    scripted_http::decoded,
    telegram::Shared,
    telegram_methods::{Params, Refusal},
    telegram_state::{Call, Fault, State},
};
use axum::{
    body::Body,
    extract::{FromRequest, Multipart},
    http::{Request, Response, header::CONTENT_TYPE},
};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use std::{convert::Infallible, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};

/// Calls that were on their way when 429 was answered could not know.
const ON_THE_WAY: Duration = Duration::from_millis(250);

/// The longest body.
const BODY_MAX: usize = 20 << 20;

/// Takes connections until the fake is dropped.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((tcp, _)) = listener.accept().await {
        if shared.state().is_down {
            continue;
        }
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| {
                let shared = shared.clone();
                async move { answer(request.map(Body::new), &shared).await }
            });
            // An error of the service ends the connection without an answer, which is what faults are for.
            let _ =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await;
        });
    }
}

async fn answer(request: Request<Body>, shared: &Shared) -> io::Result<Response<Body>> {
    let path = request.uri().path().to_owned();
    let Some((token, method)) = path.strip_prefix("/bot").and_then(|rest| rest.split_once('/')) else {
        return Ok(write(&Err(Refusal::new(404, "Not Found"))));
    };
    if token != shared.token {
        return Ok(write(&Err(Refusal::new(401, "Unauthorized"))));
    }
    let method = method.to_owned();
    let params = params(request).await.map_err(io::Error::other)?;
    let (at, fault) = {
        let mut state = shared.state();
        if state.is_down {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let at = state.log(&method, &params);
        let held =
            state.held_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        if !held.is_zero() {
            if state.held_since.elapsed() > ON_THE_WAY {
                state.violations.push(format!("{method} was called while told to wait for {held:?} more"));
            }
            let refusal = Err(Refusal::too_many(held.as_secs() + 1));
            state.ended(at, &refusal);
            return Ok(write(&refusal));
        }
        if let Err(refusal) = state.check_form(&method, &params) {
            let refusal = Err(refusal);
            state.ended(at, &refusal);
            return Ok(write(&refusal));
        }
        (at, state.take_fault(&method, params.number("chat_id")))
    };
    match fault {
        None => {
            let result = call(shared, &method, &params).await;
            shared.state().ended(at, &result);
            shared.changed.notify_waiters();
            Ok(write(&result))
        }
        Some(Fault::TooMany(seconds)) => {
            let mut state = shared.state();
            state.held_since = Instant::now();
            state.held_until = Some(Instant::now() + Duration::from_secs(seconds));
            let refusal = Err(Refusal::too_many(seconds));
            state.ended(at, &refusal);
            Ok(write(&refusal))
        }
        Some(Fault::Refuse(code, description)) => {
            let refusal = Err(Refusal::new(code, description));
            shared.state().ended(at, &refusal);
            Ok(write(&refusal))
        }
        Some(Fault::AcceptThenHang) => {
            let _ = call(shared, &method, &params).await;
            shared.changed.notify_waiters();
            std::future::pending().await
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::AcceptThenDrop) => {
            let _ = call(shared, &method, &params).await;
            shared.changed.notify_waiters();
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Some(Fault::BadGateway) => {
            let mut response = Response::new(Body::from("<html><h1>502 Bad Gateway</h1></html>"));
            *response.status_mut() = axum::http::StatusCode::BAD_GATEWAY;
            Ok(response)
        }
    }
}

async fn call(shared: &Shared, method: &str, params: &Params) -> Result<Value, Refusal> {
    if method == "getUpdates" { poll(shared, params).await } else { shared.state().call(method, params) }
}

/// Waits for updates; a newer poll ends an older one, as the real server does.
async fn poll(shared: &Shared, params: &Params) -> Result<Value, Refusal> {
    let seconds = u64::try_from(params.number("timeout").unwrap_or(0)).unwrap_or(0);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let limit = usize::try_from(params.number("limit").unwrap_or(100)).unwrap_or(100).clamp(1, 100);
    let mine = {
        let mut state = shared.state();
        if state.webhook.is_some() {
            let said = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete \
                        the webhook first";
            return Err(Refusal::new(409, said));
        }
        if let Some(offset) = params.number("offset") {
            state.confirm(offset);
        }
        if let Some(allowed) = params.named.get("allowed_updates").and_then(Value::as_array) {
            state.allowed =
                Some(allowed.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect());
        }
        state.poll += 1;
        state.poll
    };
    shared.changed.notify_waiters();
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        {
            let state = shared.state();
            if state.poll != mine {
                let said = "Conflict: terminated by other getUpdates request; make sure that only one bot instance \
                            is running";
                return Err(Refusal::new(409, said));
            }
            if !state.updates.is_empty() || Instant::now() >= deadline {
                return Ok(state.updates.iter().take(limit).cloned().collect());
            }
        }
        tokio::select! {
            () = &mut changed => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

impl State {
    fn log(&mut self, method: &str, params: &Params) -> usize {
        let (at, chat) = (self.now(), params.number("chat_id"));
        let (method, named) = (method.to_owned(), params.named.clone());
        self.calls.push(Call { at, method, params: named, chat, code: 0, description: String::new() });
        self.calls.len() - 1
    }

    fn ended(&mut self, at: usize, result: &Result<Value, Refusal>) {
        let (code, description) = match result {
            Ok(_) => (200, String::new()),
            Err(refusal) => (refusal.code, refusal.description.clone()),
        };
        if let Some(call) = self.calls.get_mut(at) {
            (call.code, call.description) = (code, description);
        }
    }

    fn take_fault(&mut self, method: &str, chat: Option<i64>) -> Option<Fault> {
        let fits = |(name, only, _): &(String, Option<i64>, Fault)| {
            (name == "*" || name == method) && (only.is_none() || *only == chat)
        };
        let at = self.faults.iter().position(fits)?;
        Some(self.faults.remove(at).2)
    }
}

fn write(result: &Result<Value, Refusal>) -> Response<Body> {
    let (code, body) = match result {
        Ok(result) => (200, json!({"ok": true, "result": result})),
        Err(refusal) => {
            let mut body =
                json!({"ok": false, "error_code": refusal.code, "description": refusal.description});
            if let Some(parameters) = &refusal.parameters {
                body["parameters"] = parameters.clone();
            }
            (refusal.code, body)
        }
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = axum::http::StatusCode::from_u16(code).unwrap_or_default();
    response
}

/// Parameters as JSON, as a form, as parts, or in the address.
async fn params(request: Request<Body>) -> Result<Params, String> {
    let mut params = Params::default();
    form(request.uri().query().unwrap_or_default(), &mut params.named);
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/form-data") {
        let mut parts = Multipart::from_request(request, &()).await.map_err(|error| error.to_string())?;
        while let Some(part) = parts.next_field().await.map_err(|error| error.to_string())? {
            let name = part.name().unwrap_or_default().to_owned();
            let is_file = part.file_name().is_some();
            let bytes = part.bytes().await.map_err(|error| error.to_string())?;
            if is_file {
                params.files.insert(name, bytes.to_vec());
            } else {
                params.named.insert(name, json!(String::from_utf8_lossy(&bytes)));
            }
        }
        return Ok(params);
    }
    let is_json = kind.starts_with("application/json");
    let body =
        axum::body::to_bytes(request.into_body(), BODY_MAX).await.map_err(|error| error.to_string())?;
    if is_json {
        let named: Map<String, Value> = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        params.named.extend(named);
    } else {
        form(&String::from_utf8_lossy(&body), &mut params.named);
    }
    Ok(params)
}

fn form(text: &str, named: &mut Map<String, Value>) {
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        named.insert(decoded(name), json!(decoded(value)));
    }
}

/// Brings updates to the webhook, one after the other, until each was taken.
pub(crate) async fn deliver(shared: Arc<Shared>) -> Infallible {
    loop {
        let changed = shared.changed.notified();
        let next = {
            let state = shared.state();
            state.webhook.clone().filter(|_| !state.is_down).zip(state.updates.front().cloned())
        };
        let Some((hook, update)) = next else {
            changed.await;
            continue;
        };
        let status = post(&hook.url, hook.secret.as_deref(), &update.to_string()).await.unwrap_or(0);
        if (200..300).contains(&status) {
            shared.state().confirm(update["update_id"].as_i64().unwrap_or(0) + 1);
        } else {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        shared.state().delivered.push((update["update_id"].as_i64().unwrap_or(0), status));
    }
}

/// Posts one update in the clear; the status of the answer.
async fn post(url: &str, secret: Option<&str>, body: &str) -> io::Result<u16> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut tcp = TcpStream::connect(host).await?;
    let secret =
        secret.map(|secret| format!("x-telegram-bot-api-secret-token: {secret}\r\n")).unwrap_or_default();
    let head = format!(
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\n{secret}\
         content-length: {}\r\n\r\n",
        body.len()
    );
    tcp.write_all(head.as_bytes()).await?;
    tcp.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await?;
    let line = String::from_utf8_lossy(&answer);
    line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
