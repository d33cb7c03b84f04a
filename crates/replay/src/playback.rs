//! Plays recordings back as a real local venue, over WebSocket and HTTP.
//! It must not know what a frame means.

use crate::{
    Error,
    json::{id_text, shape},
    recording::Recording,
    script::{Payload, Script, Session, Step, Utterance},
    server,
};
use axum::{
    Router,
    body::Body,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use std::{convert::Infallible, num::NonZeroU32, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// The biggest message that a client may send.
const CLIENT_BYTES_MAX: usize = 1 << 20;
/// A client that reads nothing for this long is let go.
const SEND_WITHIN: Duration = Duration::from_secs(60);
/// How long a later message of the client is waited for; a client may well say in one what was recorded in many.
const HEAR_WITHIN: Duration = Duration::from_millis(250);

/// The most messages of a client whose ids are remembered.
const HEARD_MAX: usize = 65_536;

/// How recordings are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Playback {
    /// In per cent of the recorded speed (200 = twice as fast); `None` = as fast as the client reads.
    /// Frames without a recorded time follow their predecessor at once.
    pub speed_percent: Option<NonZeroU32>,
    /// At the end of a session, start again after the last thing that the client had said. Otherwise the
    /// connection stays open and silent.
    pub repeat: bool,
}

/// Plays recordings on `listener` until `stop`.
///
/// A client that connects by WebSocket gets the recorded session of its path (any path, where only one is
/// recorded); the next client gets the next session of that path. What was recorded before the client first
/// spoke is sent at once, the rest when the client has spoken. An answer with the id of a recorded request gets
/// the id of the client's request. A request over HTTP gets the recorded answer of its path; the query decides
/// only where several are recorded, and several of the same are given in turn.
pub async fn play(
    recordings: &[Recording],
    listener: TcpListener,
    playback: Playback,
    stop: CancellationToken,
) -> Result<(), Error> {
    let script = Arc::new(Script::of(recordings)?);
    let state = Played { script, playback, stop: stop.clone() };
    server::serve(listener, Router::new().fallback(answer).with_state(state), stop).await;
    Ok(())
}

#[derive(Clone)]
struct Played {
    script: Arc<Script>,
    playback: Playback,
    stop: CancellationToken,
}

async fn answer(
    State(state): State<Played>,
    method: Method,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let (path, query) = (uri.path(), uri.query().unwrap_or(""));
    if let Ok(upgrade) = upgrade {
        let Some(session) = state.script.session(path, query) else { return not_recorded(&state.script) };
        return upgrade.max_message_size(CLIENT_BYTES_MAX).on_upgrade(move |socket| async move {
            tokio::select! {
                () = state.stop.cancelled() => {}
                end = Conversation::new(socket, &session).run(state.playback) => {
                    tracing::debug!(?end, "a client left");
                }
            }
        });
    }
    let Some(answer) = state.script.answer(method.as_str(), path, query) else {
        return not_recorded(&state.script);
    };
    let mut response = Response::builder().status(answer.status);
    if let Some(content_type) = &answer.content_type {
        response = response.header(CONTENT_TYPE, content_type);
    } else if matches!(answer.body.first(), Some(b'{' | b'[')) {
        response = response.header(CONTENT_TYPE, "application/json");
    }
    match response.body(Body::from(answer.body.clone())) {
        Ok(response) => response,
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the recorded answer: {error}\n")).into_response()
        }
    }
}

fn not_recorded(script: &Script) -> Response {
    let known = script.paths().join(" ");
    (StatusCode::NOT_FOUND, format!("nothing is recorded for this path; recorded: {known}\n")).into_response()
}

/// Why a conversation ended.
#[derive(Debug)]
enum End {
    /// The client closed or was lost.
    Closed,
    /// The client read nothing for too long.
    Stalled,
}

/// One client and the session that it gets.
struct Conversation<'a> {
    socket: WebSocket,
    session: &'a Session,
    /// The ids of the client's messages, in order.
    heard: Vec<Option<String>>,
    /// How many of the client's recorded messages were waited for.
    awaited: usize,
    /// Whether later messages are still waited for: not after one failed to come.
    patient: bool,
}

impl<'a> Conversation<'a> {
    fn new(socket: WebSocket, session: &'a Session) -> Conversation<'a> {
        Conversation { socket, session, heard: Vec::new(), awaited: 0, patient: true }
    }

    /// Plays the session; returns when the client is gone.
    async fn run(mut self, playback: Playback) -> Result<Infallible, End> {
        let session = self.session;
        self.play(session.steps.iter(), playback).await?;
        // What answered the client is not said twice.
        let repeats = |step: &&Step| matches!(step, Step::Say(utterance) if utterance.answers.is_none());
        let rest: Vec<&Step> = session.steps.iter().skip(session.repeat_from).filter(repeats).collect();
        while playback.repeat && !rest.is_empty() {
            self.play(rest.iter().copied(), playback).await?;
        }
        loop {
            let message = self.socket.recv().await;
            self.take(message).await?;
        }
    }

    async fn play(
        &mut self,
        steps: impl Iterator<Item = &Step> + Send,
        playback: Playback,
    ) -> Result<(), End> {
        let mut origin: Option<(Instant, i64)> = None;
        for step in steps {
            let Step::Say(utterance) = step else {
                self.wait_for_client().await?;
                // The time that the client took is not part of the recording.
                origin = None;
                continue;
            };
            match (playback.speed_percent, utterance.at_us) {
                (Some(percent), Some(at_us)) => {
                    let (started, first_us) = *origin.get_or_insert_with(|| (Instant::now(), at_us));
                    let after_us = at_us.saturating_sub(first_us).max(0).unsigned_abs();
                    let after_us = after_us.saturating_mul(100) / u64::from(percent.get());
                    self.hear_until(started + Duration::from_micros(after_us)).await?;
                }
                // The client's pings and its farewell are noticed at full speed too.
                _ => {
                    while let Some(message) = self.socket.recv().now_or_never() {
                        self.take(message).await?;
                    }
                }
            }
            self.say(utterance).await?;
        }
        Ok(())
    }

    /// Waits until the client has said as much as was recorded; without a limit only for its first message.
    async fn wait_for_client(&mut self) -> Result<(), End> {
        let first = self.awaited == 0;
        self.awaited += 1;
        let deadline = Instant::now() + HEAR_WITHIN;
        while self.heard.len() < self.awaited && (first || self.patient) {
            if first {
                let message = self.socket.recv().await;
                self.take(message).await?;
            } else {
                self.patient = self.hear_one_until(deadline).await?;
            }
        }
        Ok(())
    }

    async fn say(&mut self, utterance: &Utterance) -> Result<(), End> {
        let id = utterance.answers.and_then(|number| {
            let own = self.heard.get(number).and_then(Option::as_deref);
            own.or_else(|| self.heard.iter().rev().find_map(Option::as_deref))
        });
        let payload = match id {
            Some(id) => utterance.payload.for_id(id),
            None => utterance.payload.clone(),
        };
        self.send(payload).await
    }

    async fn send(&mut self, payload: Payload) -> Result<(), End> {
        let message = match payload {
            Payload::Text(text) => Message::Text(text.into()),
            Payload::Binary(bytes) => Message::Binary(bytes),
        };
        match timeout(SEND_WITHIN, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Closed),
            Err(_) => Err(End::Stalled),
        }
    }

    /// Listens to the client until `deadline`.
    async fn hear_until(&mut self, deadline: Instant) -> Result<(), End> {
        while self.hear_one_until(deadline).await? {}
        Ok(())
    }

    /// Listens until the client has said something or `deadline`; whether it did.
    async fn hear_one_until(&mut self, deadline: Instant) -> Result<bool, End> {
        let message = tokio::select! {
            message = self.socket.recv() => message,
            () = sleep_until(deadline) => return Ok(false),
        };
        self.take(message).await?;
        Ok(true)
    }

    /// Takes one message of the client. A ping that was recorded with its answer is answered and does not count.
    async fn take(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let message = match message {
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Closed),
            Some(Ok(message)) => message,
        };
        let text = match &message {
            Message::Text(text) => text.as_str(),
            Message::Binary(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => return Ok(()),
        };
        let id = id_text(text);
        let shape = shape(text);
        if let Some((_, pong)) = self.session.pongs.iter().find(|(ping, _)| *ping == shape) {
            return self.send(id.map_or_else(|| pong.clone(), |id| pong.for_id(id))).await;
        }
        if self.heard.len() < HEARD_MAX {
            self.heard.push(id.map(str::to_owned));
        }
        Ok(())
    }
}
