//! A conversation alone, without the way to Telegram: its parts, and what is said to it.
//! It must not know what is tested.

use crate::{
    harness::{BOSS, IVAN},
    market::{self, BASE},
};
use async_trait::async_trait;
use bot::{Act, ChatKind, ChatRef, ConversationParts, House, HouseError, Said, UserRef, What};
use std::{sync::Arc, time::Duration};
use store::{Seed, Store};

/// A process that knows nothing.
struct Nobody;

#[async_trait]
impl House for Nobody {
    async fn rules_chat(&self, _chat: i64, _user: i64) -> Result<bool, HouseError> {
        Err(HouseError::Unavailable("telegram is away".to_owned()))
    }
    async fn broadcast(&self, _html: &str) -> Result<u64, HouseError> {
        Err(HouseError::Unsupported)
    }
    async fn log_lines(&self, _count: usize) -> Vec<String> {
        Vec::new()
    }
}

pub fn parts(store: Arc<dyn Store>) -> ConversationParts {
    let board = market::board(false);
    ConversationParts {
        clock: board.clock(),
        board,
        store,
        admins: vec![BOSS],
        bot_name: "rates_test_bot".to_owned(),
        venue_name: Arc::new(crate::harness::venue_name),
        house: Arc::new(Nobody),
        // However busy the machine is.
        past_within: Duration::from_secs(60),
    }
}

pub async fn memory() -> Arc<dyn Store> {
    store::open("sqlite::memory:", Seed::default()).await.unwrap()
}

pub fn said(user: i64, text: &str) -> Said {
    Said {
        update_id: 1,
        at: BASE,
        chat: Some(ChatRef { id: user, kind: ChatKind::Private, thread: None }),
        user: Some(UserRef {
            id: user,
            name: "Somebody".to_owned(),
            language_code: Some(if user == IVAN { "ru" } else { "en" }.to_owned()),
            speaks_for_chat: false,
        }),
        what: What::Text { message_id: 1, text: text.to_owned(), is_reply_to_us: false },
    }
}

pub fn first_html(acts: &[Act]) -> String {
    match acts.first() {
        Some(Act::Send { html, .. } | Act::Edit { html, .. }) => html.clone(),
        other => format!("{other:?}"),
    }
}

pub fn pressed(user: i64, data: &str, message_id: Option<i64>) -> Said {
    let what = What::Button { callback_id: "c".to_owned(), data: data.to_owned(), message_id };
    Said { what, ..said(user, "") }
}
