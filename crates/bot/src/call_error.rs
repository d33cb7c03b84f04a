//! What a call to the Bot API can end in, by what has to be done about it.
//! It must not know what was called, and shows no address: the token is a part of it.

use serde::Deserialize;
use std::time::Duration;

/// A call that did not give what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// 429: every call of every kind has to wait so long.
    #[error("told to wait for {0:?}")]
    TooMany(Duration),
    /// 403: this chat wants nothing from us.
    #[error("not wanted there: {0}")]
    Unwanted(String),
    /// 400: there is no such chat, or we have no right to write to it.
    #[error("no such chat for us: {0}")]
    NoChat(String),
    /// The group has another number now.
    #[error("the group's number is {0} now")]
    Migrated(i64),
    /// 409: somebody else reads the updates of this bot.
    #[error("another reader: {0}")]
    Conflict(String),
    /// The topic is gone or closed; the chat is not.
    #[error("no such topic: {0}")]
    NoThread(String),
    /// The markup is not what Telegram takes; plain text would be.
    #[error("markup refused: {0}")]
    BadMarkup(String),
    /// An edit that changes nothing.
    #[error("nothing changed")]
    NotModified,
    /// What was to be answered or changed is too old, or gone.
    #[error("too late: {0}")]
    TooLate(String),
    /// 401: the token is no bot's.
    #[error("the token is refused: {0}")]
    BadToken(String),
    /// Refused for another reason; again would be refused again.
    #[error("refused ({code}): {description}")]
    Refused {
        /// Telegram's code.
        code: u64,
        /// Telegram's words.
        description: String,
    },
    /// Nothing was sent: no connection.
    #[error("no connection to the Bot API")]
    NotReached(#[source] reqwest::Error),
    /// 500, 502, 503: it was sent, and Telegram, or the gateway before it, says that it could not be done. Nobody can
    /// prove that, so what is sent again says that it may be a repeat.
    #[error("not done by the Bot API: {reason}")]
    NotDone {
        /// Its words.
        reason: String,
    },
    /// It was sent, and may have been done: no answer came, or none that can be read.
    #[error("no answer from the Bot API: {reason}")]
    Unsure {
        /// What came instead.
        reason: String,
        /// Why.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// What was to be sent cannot be written as JSON.
    #[error("cannot be written")]
    Unwritable(#[from] serde_json::Error),
}

impl CallError {
    /// Whether the same call may succeed later. Of [`CallError::Unsure`] it may have succeeded already.
    pub fn is_transient(&self) -> bool {
        self.is_undone() || matches!(self, CallError::Unsure { .. })
    }

    /// Whether the same call may succeed later and was not done, as far as anybody knows.
    pub(crate) fn is_undone(&self) -> bool {
        matches!(self, CallError::TooMany(_) | CallError::NotReached(_) | CallError::NotDone { .. })
    }

    /// What an answer with this status says that is none of the Bot API, or one of 500 and more. 504 says that somebody
    /// behind the gateway took it and did not answer in time.
    pub(crate) fn of_status(code: u64, said: &str) -> CallError {
        let reason = format!("{code} {said}");
        match code {
            500 | 502 | 503 => CallError::NotDone { reason },
            _ => CallError::Unsure { reason, source: None },
        }
    }

    /// Whether nothing can reach this chat until somebody there does something.
    pub(crate) fn pauses_chat(&self) -> bool {
        matches!(self, CallError::Unwanted(_) | CallError::NoChat(_))
    }

    /// A word for metrics.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            CallError::TooMany(_) => "too_many",
            CallError::Unwanted(_) => "unwanted",
            CallError::NoChat(_) => "no_chat",
            CallError::Migrated(_) => "migrated",
            CallError::Conflict(_) => "conflict",
            CallError::NoThread(_) => "no_thread",
            CallError::BadMarkup(_) => "bad_markup",
            CallError::NotModified => "not_modified",
            CallError::TooLate(_) => "too_late",
            CallError::BadToken(_) => "bad_token",
            CallError::Refused { .. } | CallError::Unwritable(_) => "refused",
            CallError::NotReached(_) => "not_reached",
            CallError::NotDone { .. } => "not_done",
            CallError::Unsure { .. } => "unsure",
        }
    }

    /// An error of the connection, without the address.
    pub(crate) fn of_http(error: reqwest::Error) -> CallError {
        let error = error.without_url();
        if error.is_connect() || error.is_builder() {
            return CallError::NotReached(error);
        }
        let reason = if error.is_timeout() { "time is over" } else { "the connection broke" };
        CallError::Unsure { reason: reason.to_owned(), source: Some(error) }
    }
}

/// A refusal as the Bot API writes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) error_code: u64,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) parameters: Parameters,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Parameters {
    pub(crate) retry_after: Option<u64>,
    pub(crate) migrate_to_chat_id: Option<i64>,
}

/// Beginnings of descriptions (lower case, after `Bad Request: `) that say that a chat is out of reach.
const NO_CHAT: &[&str] = &[
    "chat not found",
    "peer_id_invalid",
    "chat_id_invalid",
    "user not found",
    "group is deactivated",
    "channel_private",
    "chat_write_forbidden",
    "chat_restricted",
    "not enough rights to send",
    "have no rights to send",
    "need administrator rights",
    "user_is_blocked",
    "bot was kicked",
];

/// Likewise of what is gone.
const TOO_LATE: &[&str] = &[
    "query is too old",
    "query_id_invalid",
    "message to edit not found",
    "message can't be edited",
    "message to delete not found",
    "message can't be deleted",
    "message_id_invalid",
    "there is no text in the message to edit",
];

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> CallError {
        let Refusal { error_code: code, description, parameters } = refusal;
        if let Some(to) = parameters.migrate_to_chat_id {
            return CallError::Migrated(to);
        }
        let lower = description.to_ascii_lowercase();
        let said = lower.split_once(": ").map_or(lower.as_str(), |(_, said)| said);
        let begins = |all: &[&str]| all.iter().any(|beginning| said.starts_with(beginning));
        match code {
            429 => CallError::TooMany(Duration::from_secs(parameters.retry_after.unwrap_or(1).max(1))),
            401 | 404 => CallError::BadToken(description),
            403 => CallError::Unwanted(description),
            409 => CallError::Conflict(description),
            400 if said.starts_with("message is not modified") => CallError::NotModified,
            400 if said.starts_with("can't parse entities") => CallError::BadMarkup(description),
            400 if said.starts_with("message thread not found") || said.starts_with("topic_") => {
                CallError::NoThread(description)
            }
            400 if begins(NO_CHAT) => CallError::NoChat(description),
            400 if begins(TOO_LATE) => CallError::TooLate(description),
            500.. => CallError::of_status(code, &description),
            _ => CallError::Refused { code, description },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_what_is_to_be_done() {
        for (code, description, word) in [
            (429, "Too Many Requests: retry after 35", "too_many"),
            (403, "Forbidden: bot was blocked by the user", "unwanted"),
            (403, "Forbidden: user is deactivated", "unwanted"),
            (400, "Bad Request: chat not found", "no_chat"),
            (400, "Bad Request: CHAT_WRITE_FORBIDDEN", "no_chat"),
            (400, "Bad Request: message thread not found", "no_thread"),
            (400, "Bad Request: TOPIC_CLOSED", "no_thread"),
            (400, "Bad Request: can't parse entities: Unsupported start tag \"x\"", "bad_markup"),
            (400, "Bad Request: message is not modified: specified new message content …", "not_modified"),
            (400, "Bad Request: query is too old and response timeout expired", "too_late"),
            (400, "Bad Request: message is too long", "refused"),
            (401, "Unauthorized", "bad_token"),
            (404, "Not Found", "bad_token"),
            (409, "Conflict: terminated by other getUpdates request", "conflict"),
            (500, "Internal Server Error", "not_done"),
            (502, "Bad Gateway", "not_done"),
            (504, "Gateway Timeout", "unsure"),
        ] {
            let parameters = Parameters::default();
            let refusal = Refusal { error_code: code, description: description.to_owned(), parameters };
            assert_eq!(CallError::from(refusal).word(), word, "{description}");
        }
    }

    #[test]
    fn a_wait_of_days_is_read() {
        let text = r#"{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":90000}}"#;
        let refusal: Refusal = serde_json::from_str(text).unwrap();
        assert!(matches!(CallError::from(refusal), CallError::TooMany(wait) if wait.as_secs() == 90_000));
    }
}
