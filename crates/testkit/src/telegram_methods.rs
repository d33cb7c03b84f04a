//! What each method of the fake Bot API asks for, checks and does. Strict: a parameter that the method does not have
//! is a violation, though Telegram would overlook it. It must not know HTTP, nor how a call travelled.

use crate::{
    telegram_html::{self, Parsed, parse_html, utf16_len},
    telegram_markup::{self, keyboard},
    telegram_state::{Message, State, Webhook},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) description: String,
    pub(crate) parameters: Option<Value>,
}

impl Refusal {
    pub(crate) fn new(code: u16, description: impl Into<String>) -> Refusal {
        Refusal { code, description: description.into(), parameters: None }
    }

    pub(crate) fn too_many(seconds: u64) -> Refusal {
        let description = format!("Too Many Requests: retry after {seconds}");
        Refusal { code: 429, description, parameters: Some(json!({"retry_after": seconds})) }
    }
}

fn bad(description: impl std::fmt::Display) -> Refusal {
    Refusal::new(400, format!("Bad Request: {description}"))
}

/// Method, what it needs, what else it takes.
type Form = (&'static str, &'static [&'static str], &'static [&'static str]);

const FORMS: &[Form] = &[
    ("getMe", &[], &[]),
    ("getUpdates", &[], &["offset", "limit", "timeout", "allowed_updates"]),
    (
        "setWebhook",
        &["url"],
        &[
            "secret_token",
            "max_connections",
            "allowed_updates",
            "drop_pending_updates",
            "ip_address",
            "certificate",
        ],
    ),
    ("deleteWebhook", &[], &["drop_pending_updates"]),
    ("getWebhookInfo", &[], &[]),
    (
        "sendMessage",
        &["chat_id", "text"],
        &[
            "message_thread_id",
            "parse_mode",
            "entities",
            "link_preview_options",
            "disable_notification",
            "protect_content",
            "reply_parameters",
            "reply_markup",
            "allow_paid_broadcast",
        ],
    ),
    (
        "sendPhoto",
        &["chat_id", "photo"],
        &[
            "message_thread_id",
            "caption",
            "parse_mode",
            "caption_entities",
            "show_caption_above_media",
            "has_spoiler",
            "disable_notification",
            "protect_content",
            "reply_parameters",
            "reply_markup",
        ],
    ),
    (
        "editMessageText",
        &["text"],
        &[
            "chat_id",
            "message_id",
            "inline_message_id",
            "parse_mode",
            "entities",
            "link_preview_options",
            "reply_markup",
        ],
    ),
    ("editMessageMedia", &["media"], &["chat_id", "message_id", "inline_message_id", "reply_markup"]),
    ("editMessageReplyMarkup", &[], &["chat_id", "message_id", "inline_message_id", "reply_markup"]),
    ("deleteMessage", &["chat_id", "message_id"], &[]),
    ("sendChatAction", &["chat_id", "action"], &["message_thread_id"]),
    ("answerCallbackQuery", &["callback_query_id"], &["text", "show_alert", "url", "cache_time"]),
    (
        "answerInlineQuery",
        &["inline_query_id", "results"],
        &["cache_time", "is_personal", "next_offset", "button"],
    ),
    ("setMyCommands", &["commands"], &["scope", "language_code"]),
    ("deleteMyCommands", &[], &["scope", "language_code"]),
    ("getChat", &["chat_id"], &[]),
    ("getChatMember", &["chat_id", "user_id"], &[]),
    ("getChatAdministrators", &["chat_id"], &["return_bots"]),
];

/// A call with its parameters, and the bytes of what was uploaded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    pub(crate) named: Map<String, Value>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Params {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.named.get(name).and_then(Value::as_str)
    }

    /// A number, which forms write as text.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        let value = self.named.get(name)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }

    fn is_on(&self, name: &str) -> bool {
        self.named.get(name).is_some_and(|value| *value == json!(true) || value.as_str() == Some("true"))
    }

    fn holds(&self, name: &str) -> bool {
        self.named.contains_key(name) || self.files.contains_key(name)
    }
}

impl State {
    /// Whether the method exists, and what of its form is broken.
    pub(crate) fn check_form(&mut self, method: &str, params: &Params) -> Result<(), Refusal> {
        let form = FORMS.iter().find(|(name, _, _)| name.eq_ignore_ascii_case(method));
        let Some((name, needed, others)) = form else {
            self.violations.push(format!("there is no method {method}"));
            return Err(Refusal::new(404, "Not Found"));
        };
        for given in params.named.keys().chain(params.files.keys()) {
            let known = needed.iter().chain(*others).any(|known| known == given);
            // A file that another parameter points at may have any name.
            let is_attached = || {
                params.named.values().any(|value| value.to_string().contains(&format!("attach://{given}")))
            };
            if !known && !is_attached() {
                self.violations.push(format!("{name} has no parameter {given}"));
            }
        }
        match needed.iter().find(|needed| !params.holds(needed)) {
            Some(missing) => Err(bad(format!("{missing} is empty"))),
            None => Ok(()),
        }
    }

    /// Does what a checked call asks for.
    pub(crate) fn call(&mut self, method: &str, params: &Params) -> Result<Value, Refusal> {
        match method {
            "getMe" => Ok(crate::telegram::me()),
            "setWebhook" => self.set_webhook(params),
            "deleteWebhook" => {
                self.webhook = None;
                if params.is_on("drop_pending_updates") {
                    self.updates.clear();
                }
                Ok(json!(true))
            }
            "getWebhookInfo" => Ok(json!({
                "url": self.webhook.as_ref().map_or("", |hook| hook.url.as_str()),
                "has_custom_certificate": false,
                "pending_update_count": self.updates.len(),
            })),
            "sendMessage" => {
                let html = params.text("text").unwrap_or_default().to_owned();
                let parsed = text_of(params, &html, 4096, "message is too long")?;
                if parsed.text.trim().is_empty() {
                    return Err(bad("message text is empty"));
                }
                self.send(params, html, parsed, None)
            }
            "sendPhoto" => {
                let html = params.text("caption").unwrap_or_default().to_owned();
                let parsed = text_of(params, &html, 1024, "message caption is too long")?;
                let Some(photo) = params.files.get("photo").filter(|photo| is_picture(photo)).cloned() else {
                    return Err(bad("IMAGE_PROCESS_FAILED"));
                };
                self.send(params, html, parsed, Some(photo))
            }
            "editMessageText" => {
                let html = params.text("text").unwrap_or_default().to_owned();
                let parsed = text_of(params, &html, 4096, "MESSAGE_TOO_LONG")?;
                if parsed.text.trim().is_empty() {
                    return Err(bad("message text is empty"));
                }
                self.edit(params, |message| {
                    if message.photo.is_some() {
                        return Err(bad("there is no text in the message to edit"));
                    }
                    (message.html, message.text) = (html, parsed.text);
                    Ok(())
                })
            }
            "editMessageMedia" => {
                let media = params.text("media").map(serde_json::from_str::<Value>);
                let media = media.and_then(Result::ok).or_else(|| params.named.get("media").cloned());
                let media =
                    media.filter(|media| media["type"] == "photo").ok_or_else(|| bad("MEDIA_INVALID"))?;
                let attached = media["media"].as_str().and_then(|name| name.strip_prefix("attach://"));
                let Some(photo) = attached.and_then(|name| params.files.get(name)).filter(|p| is_picture(p))
                else {
                    return Err(bad("IMAGE_PROCESS_FAILED"));
                };
                let html = media["caption"].as_str().unwrap_or_default().to_owned();
                let as_html =
                    Params { named: media.as_object().cloned().unwrap_or_default(), ..Params::default() };
                let parsed = text_of(&as_html, &html, 1024, "message caption is too long")?;
                let photo = photo.clone();
                self.edit(params, |message| {
                    (message.html, message.text, message.photo) = (html, parsed.text, Some(photo));
                    Ok(())
                })
            }
            "editMessageReplyMarkup" => self.edit(params, |_| Ok(())),
            "deleteMessage" => {
                let chat = self.reachable(params)?;
                let id = params.number("message_id").unwrap_or_default();
                let removed = self.chats.get_mut(&chat).and_then(|chat| chat.messages.remove(&id));
                removed.map(|_| json!(true)).ok_or_else(|| bad("message to delete not found"))
            }
            "sendChatAction" => self.reachable(params).map(|_| json!(true)),
            "answerCallbackQuery" => {
                if params.text("text").is_some_and(|text| text.chars().count() > 200) {
                    return Err(bad("MESSAGE_TOO_LONG"));
                }
                self.answer_query(params, "callback_query_id")
            }
            "answerInlineQuery" => {
                telegram_markup::inline_results(params.named.get("results")).map_err(bad)?;
                if params.number("cache_time").is_none_or(|seconds| seconds > 5) {
                    self.violations.push("an inline answer is kept for more than 5 s".to_owned());
                }
                self.answer_query(params, "inline_query_id")
            }
            "setMyCommands" => {
                telegram_markup::commands(params.named.get("commands")).map_err(bad)?;
                let scope =
                    params.named.get("scope").map_or("default", |s| s["type"].as_str().unwrap_or_default());
                let key = format!("{scope}/{}", params.text("language_code").unwrap_or_default());
                self.commands.insert(key, params.named["commands"].clone());
                Ok(json!(true))
            }
            "deleteMyCommands" => Ok(json!(true)),
            "getChat" => self.reachable(params).map(|chat| self.chat_json(chat)),
            "getChatMember" => {
                let chat = self.reachable(params)?;
                let user = params.number("user_id").unwrap_or_default();
                let status = self.chats[&chat].members.get(&user).cloned();
                let status = status.ok_or_else(|| bad("PARTICIPANT_ID_INVALID"))?;
                Ok(self.member_json(user, &status))
            }
            "getChatAdministrators" => {
                let chat = self.reachable(params)?;
                if self.chats[&chat].kind == "private" {
                    return Err(bad("there are no administrators in the private chat"));
                }
                let all = self.chats[&chat].members.iter();
                let rulers = all.filter(|(_, status)| matches!(status.as_str(), "creator" | "administrator"));
                Ok(rulers.map(|(user, status)| self.member_json(*user, status)).collect())
            }
            other => Err(Refusal::new(404, format!("Not Found: {other}"))),
        }
    }

    fn set_webhook(&mut self, params: &Params) -> Result<Value, Refusal> {
        let url = params.text("url").unwrap_or_default().to_owned();
        let secret = params.text("secret_token").map(str::to_owned);
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if let Some(secret) = &secret
            && (secret.is_empty() || secret.len() > 256 || !secret.bytes().all(good))
        {
            return Err(bad("secret token contains unallowed characters"));
        }
        // Telegram wants HTTPS; here the bot listens in the clear, as it does behind its proxy.
        if !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(bad("bad webhook: An HTTPS URL must be provided for webhook"));
        }
        if let Some(allowed) = params.named.get("allowed_updates").and_then(Value::as_array) {
            self.allowed = Some(allowed.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect());
        }
        self.webhook = (!url.is_empty()).then_some(Webhook { url, secret });
        self.poll += 1;
        Ok(json!(true))
    }

    /// The chat that the call names, if messages reach it.
    pub(crate) fn reachable(&self, params: &Params) -> Result<i64, Refusal> {
        let id = params.number("chat_id").ok_or_else(|| bad("chat not found"))?;
        let chat = self.chats.get(&id).ok_or_else(|| bad("chat not found"))?;
        if let Some(to) = chat.migrated_to {
            let mut refusal = bad("group chat was upgraded to a supergroup chat");
            refusal.parameters = Some(json!({"migrate_to_chat_id": to}));
            return Err(refusal);
        }
        match &chat.refuses {
            Some((code, description)) => Err(Refusal::new(*code, description.clone())),
            None => Ok(id),
        }
    }

    fn send(
        &mut self,
        params: &Params,
        html: String,
        parsed: Parsed,
        photo: Option<Vec<u8>>,
    ) -> Result<Value, Refusal> {
        let chat = self.reachable(params)?;
        let keyboard = keyboard(params.named.get("reply_markup")).map_err(bad)?;
        let thread = params.number("message_thread_id");
        if thread.is_some_and(|thread| !self.chats[&chat].threads.contains(&thread)) {
            return Err(bad("message thread not found"));
        }
        self.violations.extend(telegram_html::lost(&parsed));
        let is_group = self.chats[&chat].kind != "private";
        if let Err(broken) = self.arrivals.count(&self.limits, Instant::now(), chat, is_group) {
            self.violations.push(broken);
            return Err(Refusal::too_many(1));
        }
        self.message_last += 1;
        let id = self.message_last;
        let at = self.now();
        let message = Message { chat, id, thread, html, text: parsed.text, keyboard, photo, edits: 0, at };
        let shown = self.message_json(&message);
        self.chats.entry(chat).or_default().messages.insert(id, message);
        Ok(shown)
    }

    fn edit(
        &mut self,
        params: &Params,
        change: impl FnOnce(&mut Message) -> Result<(), Refusal>,
    ) -> Result<Value, Refusal> {
        let chat = self.reachable(params)?;
        let keyboard = keyboard(params.named.get("reply_markup")).map_err(bad)?;
        let id = params.number("message_id").ok_or_else(|| bad("message identifier is not specified"))?;
        let messages = self.chats.get_mut(&chat).map(|chat| &mut chat.messages);
        let Some(message) = messages.and_then(|all| all.get_mut(&id)) else {
            return Err(bad("message to edit not found"));
        };
        let mut new = message.clone();
        change(&mut new)?;
        new.keyboard = keyboard;
        if new == *message {
            return Err(bad(
                "message is not modified: specified new message content and reply markup are exactly the \
                            same as a current content and reply markup of the message",
            ));
        }
        new.edits += 1;
        *message = new.clone();
        Ok(self.message_json(&new))
    }

    fn answer_query(&mut self, params: &Params, name: &str) -> Result<Value, Refusal> {
        let asked = params.text(name).and_then(|id| self.asked.get_mut(id));
        match asked {
            Some(asked) if !asked.is_too_old && asked.answer.is_none() => {
                asked.answer = Some(params.named.clone());
                Ok(json!(true))
            }
            _ => Err(bad("query is too old and response timeout expired or query ID is invalid")),
        }
    }

    fn member_json(&self, user: i64, status: &str) -> Value {
        let mut shown = json!({"status": status, "user": self.user_json(user)});
        let rights: &[&str] = match status {
            "creator" => &["is_anonymous"],
            "administrator" => &[
                "can_be_edited",
                "is_anonymous",
                "can_manage_chat",
                "can_delete_messages",
                "can_manage_video_chats",
                "can_restrict_members",
                "can_promote_members",
                "can_change_info",
                "can_invite_users",
                "can_post_stories",
                "can_edit_stories",
                "can_delete_stories",
            ],
            _ => &[],
        };
        for right in rights {
            shown[*right] = json!(false);
        }
        shown
    }
}

/// The text as a reader sees it, no longer than `limit` UTF-16 units.
fn text_of(params: &Params, html: &str, limit: usize, said: &str) -> Result<Parsed, Refusal> {
    let parsed = match params.text("parse_mode") {
        Some("HTML") => parse_html(html).map_err(|error| bad(format!("can't parse entities: {error}")))?,
        None => Parsed { text: html.to_owned(), entities: Vec::new() },
        Some(_) => return Err(bad("unsupported parse_mode")),
    };
    if utf16_len(&parsed.text) > limit { Err(bad(said)) } else { Ok(parsed) }
}

fn is_picture(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG\r\n\x1a\n") || bytes.starts_with(&[0xFF, 0xD8, 0xFF])
}
