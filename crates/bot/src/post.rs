//! The calls that change a chat, each made once: a message, an edit, a picture, an answer to a button or a query.
//! It must not know why something is sent, nor whether to try again.

use crate::{
    CallError, Client, InlineResult, Key, Keyboard,
    split::{self, CAPTION_UNITS_MAX, MESSAGE_UNITS_MAX},
    throttle::Class,
};
use frankenstein::{
    ParseMode,
    inline_mode::{
        InlineQueryResult, InlineQueryResultArticle, InputMessageContent, InputTextMessageContent,
    },
    methods::{
        AnswerCallbackQueryParams, AnswerInlineQueryParams, EditMessageReplyMarkupParams,
        EditMessageTextParams, SendMessageParams,
    },
    types::{ChatId, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, ReplyMarkup},
};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

/// For how many seconds Telegram may keep an answer to an inline query.
const INLINE_CACHE_SECONDS: u32 = 5;

/// How much of a toast is shown.
const TOAST_CHARACTERS_MAX: usize = 200;

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) chat: i64,
    pub(crate) thread: Option<i32>,
    pub(crate) class: Class,
}

impl Client {
    /// A text that fits one message. Markup that Telegram refuses is left out, a topic that is gone is given up.
    pub(crate) async fn send(&self, to: Place, html: &str, keyboard: &Keyboard) -> Result<(), CallError> {
        let (mut to, mut html, mut mode) = (to, html.to_owned(), Some(ParseMode::Html));
        loop {
            let params = SendMessageParams::builder()
                .chat_id(ChatId::Integer(to.chat))
                .maybe_message_thread_id(to.thread)
                .text(html.clone())
                .maybe_parse_mode(mode)
                .link_preview_options(no_preview())
                .maybe_reply_markup(markup(keyboard).map(ReplyMarkup::InlineKeyboardMarkup))
                .build();
            let permit = self.permit(to.chat, to.class).await?;
            let result = self.call::<IgnoredAny>("sendMessage", &params).await;
            drop(permit);
            match result {
                Err(CallError::BadMarkup(said)) if mode.is_some() => {
                    tracing::warn!(said, "a message goes out without its markup");
                    (html, mode) = (split::readable(&html), None);
                }
                Err(CallError::NoThread(_)) if to.thread.is_some() => to.thread = None,
                other => return other.map(drop),
            }
        }
    }

    /// New text and buttons for a message of ours.
    pub(crate) async fn edit(
        &self,
        to: Place,
        message_id: i64,
        html: &str,
        keyboard: &Keyboard,
    ) -> Result<(), CallError> {
        let html = split::parts(html, MESSAGE_UNITS_MAX).into_iter().next().unwrap_or_default();
        let (mut html, mut mode) = (html, Some(ParseMode::Html));
        loop {
            let params = EditMessageTextParams::builder()
                .chat_id(ChatId::Integer(to.chat))
                .message_id(narrow(message_id))
                .text(html.clone())
                .maybe_parse_mode(mode)
                .link_preview_options(no_preview())
                .maybe_reply_markup(markup(keyboard))
                .build();
            match self.call::<IgnoredAny>("editMessageText", &params).await {
                Err(CallError::BadMarkup(said)) if mode.is_some() => {
                    tracing::warn!(said, "a message is changed without its markup");
                    (html, mode) = (split::readable(&html), None);
                }
                other => return other.map(drop),
            }
        }
    }

    /// New buttons for a message of ours.
    pub(crate) async fn edit_keyboard(
        &self,
        to: Place,
        message_id: i64,
        keyboard: &Keyboard,
    ) -> Result<(), CallError> {
        let params = EditMessageReplyMarkupParams::builder()
            .chat_id(ChatId::Integer(to.chat))
            .message_id(narrow(message_id))
            .maybe_reply_markup(markup(keyboard))
            .build();
        self.call::<IgnoredAny>("editMessageReplyMarkup", &params).await.map(drop)
    }

    /// A picture, with a caption that fits.
    pub(crate) async fn send_photo(
        &self,
        to: Place,
        png: &[u8],
        caption_html: Option<&str>,
        keyboard: &Keyboard,
    ) -> Result<(), CallError> {
        let mut params = caption(caption_html);
        params.insert("chat_id".to_owned(), json!(to.chat));
        if let Some(thread) = to.thread {
            params.insert("message_thread_id".to_owned(), json!(thread));
        }
        with_keyboard(&mut params, keyboard);
        let permit = self.permit(to.chat, to.class).await?;
        let result = self.upload::<IgnoredAny>("sendPhoto", &params, "photo", png.to_vec()).await;
        drop(permit);
        result.map(drop)
    }

    /// Another picture and caption for a picture of ours.
    pub(crate) async fn edit_photo(
        &self,
        to: Place,
        message_id: i64,
        png: &[u8],
        caption_html: &str,
        keyboard: &Keyboard,
    ) -> Result<(), CallError> {
        let mut media = caption(split::parts(caption_html, CAPTION_UNITS_MAX).first().map(String::as_str));
        media.insert("type".to_owned(), json!("photo"));
        media.insert("media".to_owned(), json!("attach://picture"));
        let mut params = Map::new();
        params.insert("chat_id".to_owned(), json!(to.chat));
        params.insert("message_id".to_owned(), json!(message_id));
        params.insert("media".to_owned(), Value::Object(media));
        with_keyboard(&mut params, keyboard);
        self.upload::<IgnoredAny>("editMessageMedia", &params, "picture", png.to_vec()).await.map(drop)
    }

    /// Answers a pressed button.
    pub(crate) async fn toast(
        &self,
        callback_id: &str,
        text: Option<&str>,
        is_alert: bool,
    ) -> Result<(), CallError> {
        let params = AnswerCallbackQueryParams::builder()
            .callback_query_id(callback_id)
            .maybe_text(text.map(|text| text.chars().take(TOAST_CHARACTERS_MAX).collect::<String>()))
            .maybe_show_alert(is_alert.then_some(true))
            .build();
        self.call::<IgnoredAny>("answerCallbackQuery", &params).await.map(drop)
    }

    /// Answers an inline query, for this person alone: others speak other languages.
    pub(crate) async fn answer_inline(
        &self,
        query_id: &str,
        results: &[InlineResult],
    ) -> Result<(), CallError> {
        let article = |result: &InlineResult| {
            let content = InputTextMessageContent::builder()
                .message_text(result.html.as_str())
                .parse_mode(ParseMode::Html)
                .link_preview_options(no_preview())
                .build();
            InlineQueryResult::Article(
                InlineQueryResultArticle::builder()
                    .id(result.id.as_str())
                    .title(result.title.as_str())
                    .description(result.description.as_str())
                    .input_message_content(InputMessageContent::Text(content))
                    .build(),
            )
        };
        let params = AnswerInlineQueryParams::builder()
            .inline_query_id(query_id)
            .results(results.iter().take(50).map(article).collect::<Vec<_>>())
            .cache_time(INLINE_CACHE_SECONDS)
            .is_personal(true)
            .build();
        self.call::<IgnoredAny>("answerInlineQuery", &params).await.map(drop)
    }
}

fn markup(keyboard: &Keyboard) -> Option<InlineKeyboardMarkup> {
    let button = |key: &Key| {
        InlineKeyboardButton::builder().text(key.label.as_str()).callback_data(key.says.as_str()).build()
    };
    let rows: Vec<Vec<_>> = keyboard.iter().map(|row| row.iter().map(button).collect()).collect();
    (!rows.is_empty()).then(|| InlineKeyboardMarkup::builder().inline_keyboard(rows).build())
}

fn with_keyboard(params: &mut Map<String, Value>, keyboard: &Keyboard) {
    if let Some(Ok(markup)) = markup(keyboard).map(serde_json::to_value) {
        params.insert("reply_markup".to_owned(), markup);
    }
}

fn caption(html: Option<&str>) -> Map<String, Value> {
    let mut params = Map::new();
    if let Some(html) = html {
        params.insert("caption".to_owned(), json!(html));
        params.insert("parse_mode".to_owned(), json!("HTML"));
    }
    params
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions::builder().is_disabled(true).build()
}

/// Telegram numbers messages with 32 bits.
fn narrow(message_id: i64) -> i32 {
    i32::try_from(message_id).unwrap_or(i32::MAX)
}
