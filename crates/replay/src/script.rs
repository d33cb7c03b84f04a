//! What recordings make a venue say: WebSocket sessions as steps, HTTP answers by path. Pure.
//! It must not know sockets or the time.

use crate::{
    Error,
    json::{id_text, shape, with_id},
    recording::{Direction, Line, Recording, Transport},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use std::{
    collections::BTreeMap,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// One step of a recorded session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The client spoke here.
    Hear,
    /// The venue spoke.
    Say(Utterance),
}

/// One frame of the venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Utterance {
    pub(crate) payload: Payload,
    /// When, in microseconds from the recording's own origin.
    pub(crate) at_us: Option<i64>,
    /// It carries the id of the client's request with this number (counting [`Step::Hear`] from 0).
    pub(crate) answers: Option<usize>,
}

/// The content of a frame as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    Text(String),
    Binary(Bytes),
}

impl Payload {
    fn of(line: &Line) -> Payload {
        match std::str::from_utf8(&line.data) {
            _ if line.gzip_on_wire => Payload::Binary(gzip(&line.data)),
            Ok(text) if !line.binary => Payload::Text(text.to_owned()),
            _ => Payload::Binary(Bytes::copy_from_slice(&line.data)),
        }
    }

    /// The same with the client's id in the place of the recorded one.
    pub(crate) fn for_id(&self, id: &str) -> Payload {
        match self {
            Payload::Text(text) => Payload::Text(with_id(text, id)),
            Payload::Binary(_) => self.clone(),
        }
    }
}

fn gzip(data: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail; if it did, an empty frame is as good an answer as any.
    let written = encoder.write_all(data).and_then(|()| encoder.finish());
    Bytes::from(written.unwrap_or_default())
}

/// The recorded session of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    path: String,
    query: String,
    pub(crate) steps: Vec<Step>,
    /// Where a repetition starts: after the last thing that the client said.
    pub(crate) repeat_from: usize,
    /// Recorded pings of the client by shape, and the recorded answer: given whenever the client pings.
    pub(crate) pongs: Vec<(String, Payload)>,
    served: AtomicUsize,
}

impl Session {
    fn of(lines: &[&Line]) -> Session {
        let (mut steps, mut pongs, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            at += 1;
            let text = std::str::from_utf8(&line.data).unwrap_or_default();
            if line.direction == Direction::Out {
                if let Some(pong) = lines.get(at).filter(|next| is_pong(text, next)) {
                    pongs.push((shape(text), Payload::of(pong)));
                    at += 1;
                } else {
                    ids.push(id_text(text));
                    steps.push(Step::Hear);
                }
                continue;
            }
            let answers = id_text(text).and_then(|id| ids.iter().position(|known| *known == Some(id)));
            steps.push(Step::Say(Utterance { payload: Payload::of(line), at_us: line.at_us, answers }));
        }
        let repeat_from = steps.iter().rposition(|step| *step == Step::Hear).map_or(0, |at| at + 1);
        let (path, query) = lines.first().map_or(("/", ""), |line| (line.path(), line.query()));
        let (path, query) = (path.to_owned(), query.to_owned());
        Session { path, query, steps, repeat_from, pongs, served: AtomicUsize::new(0) }
    }
}

/// Whether `next` is the venue's answer to the ping `text`.
fn is_pong(text: &str, next: &Line) -> bool {
    let has = |text: &str, word: &str| text.to_ascii_lowercase().contains(word);
    next.direction == Direction::In
        && has(text, "ping")
        && std::str::from_utf8(&next.data).is_ok_and(|answer| answer.len() < 512 && has(answer, "pong"))
}

/// A recorded answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    path: String,
    query: String,
    method: Option<String>,
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Bytes,
    served: AtomicUsize,
}

/// Everything that the recordings hold.
#[derive(Debug)]
pub(crate) struct Script {
    sessions: Vec<Arc<Session>>,
    answers: Vec<Arc<Answer>>,
}

impl Script {
    /// Sorts the recordings' lines into sessions and answers.
    pub(crate) fn of(recordings: &[Recording]) -> Result<Script, Error> {
        let (mut sessions, mut answers) = (Vec::<Arc<Session>>::new(), Vec::new());
        for recording in recordings {
            let mut order: Vec<(&str, u64)> = Vec::new();
            let mut connections: BTreeMap<(&str, u64), Vec<&Line>> = BTreeMap::new();
            let mut method = None;
            for line in &recording.lines {
                match (line.transport, line.direction) {
                    (Transport::Ws, _) => {
                        let key = (line.url.as_str(), line.connection);
                        connections.entry(key).or_insert_with(|| {
                            order.push(key);
                            Vec::new()
                        });
                        connections.entry(key).and_modify(|lines| lines.push(line));
                    }
                    (Transport::Http, Direction::Out) => method = line.method.clone(),
                    (Transport::Http, Direction::In) => answers.push(Arc::new(Answer {
                        path: line.path().to_owned(),
                        query: line.query().to_owned(),
                        method: line.method.clone().or_else(|| method.take()),
                        status: line.status.unwrap_or(200),
                        content_type: line.content_type.clone(),
                        body: Bytes::copy_from_slice(&line.data),
                        served: AtomicUsize::new(0),
                    })),
                }
            }
            sessions.extend(
                order.iter().filter_map(|key| connections.get(key)).map(|lines| Arc::new(Session::of(lines))),
            );
        }
        sessions.retain(|session| session.steps.iter().any(|step| matches!(step, Step::Say(_))));
        if sessions.is_empty() && answers.is_empty() {
            return Err(Error::NothingToPlay);
        }
        Ok(Script { sessions, answers })
    }

    /// The session for a client that connects here: of the same path, else the only path there is; of the same
    /// query where there is one; the one served least often, so that the next connection gets the next session.
    pub(crate) fn session(&self, path: &str, query: &str) -> Option<Arc<Session>> {
        let mut fitting: Vec<&Arc<Session>> =
            self.sessions.iter().filter(|s| same_path(&s.path, path)).collect();
        if fitting.is_empty() && self.sessions.windows(2).all(|two| two[0].path == two[1].path) {
            fitting = self.sessions.iter().collect();
        }
        least_served(fitting, query, |s| &s.query, |s| &s.served)
    }

    /// The answer to a request: of the same path and method; of the same query where there is one; several
    /// in turn.
    pub(crate) fn answer(&self, method: &str, path: &str, query: &str) -> Option<Arc<Answer>> {
        let same_method =
            |a: &&Arc<Answer>| a.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(method));
        let fitting = self.answers.iter().filter(|a| same_path(&a.path, path)).filter(same_method).collect();
        least_served(fitting, query, |a| &a.query, |a| &a.served)
    }

    /// The recorded paths, for the sentence that says what could have been asked.
    pub(crate) fn paths(&self) -> Vec<&str> {
        let sessions = self.sessions.iter().map(|s| s.path.as_str());
        let mut paths: Vec<&str> = sessions.chain(self.answers.iter().map(|a| a.path.as_str())).collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }
}

fn same_path(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

fn least_served<T>(
    mut fitting: Vec<&Arc<T>>,
    query: &str,
    query_of: impl Fn(&T) -> &str,
    served_of: impl Fn(&T) -> &AtomicUsize,
) -> Option<Arc<T>> {
    let sorted = |query: &str| -> Vec<String> {
        let mut parts: Vec<String> = query.split('&').map(str::to_owned).collect();
        parts.sort_unstable();
        parts
    };
    let wanted = sorted(query);
    if fitting.iter().any(|item| sorted(query_of(item)) == wanted) {
        fitting.retain(|item| sorted(query_of(item)) == wanted);
    }
    let chosen = fitting.into_iter().min_by_key(|item| served_of(item).load(Ordering::Relaxed))?;
    served_of(chosen).fetch_add(1, Ordering::Relaxed);
    Some(Arc::clone(chosen))
}
