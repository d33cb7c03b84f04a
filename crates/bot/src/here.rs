//! Where something was said, to whom it is answered, and in which language: what every answer is made with.
//! It must not know any command.

use crate::{
    Act, ChatKind, ChatRef, HouseError, Keyboard, Language, Said, UserRef,
    chats::Setting,
    html::fill,
    phrase::Wanted,
    texts::Texts,
    world::{StoreAway, World},
};
use alerts::{Target, ZoneName};
use market::{Pair, Timestamp};
use store::Owner;

/// A chat in which something was said.
pub(crate) struct Here<'a> {
    pub(crate) world: &'a World,
    pub(crate) chat: ChatRef,
    pub(crate) user: Option<&'a UserRef>,
    pub(crate) setting: Setting,
    pub(crate) now: Timestamp,
}

impl<'a> Here<'a> {
    /// The place of what was said; `None` if it was said nowhere.
    pub(crate) async fn of(world: &'a World, said: &'a Said) -> Option<Here<'a>> {
        let chat = said.chat?;
        let user = said.user.as_ref();
        let language = Language::of_code(user.and_then(|user| user.language_code.as_deref()));
        let setting = world.setting(chat.id, language).await;
        Some(Here { world, chat, user, setting, now: world.now() })
    }

    pub(crate) fn language(&self) -> Language {
        self.setting.language
    }

    pub(crate) fn t(&self) -> &'static Texts {
        self.language().texts()
    }

    pub(crate) fn zone(&self) -> Option<&ZoneName> {
        self.setting.zone.as_ref()
    }

    pub(crate) fn is_private(&self) -> bool {
        self.chat.kind == ChatKind::Private
    }

    /// Whose alerts these are.
    pub(crate) fn owner(&self) -> String {
        Owner::Chat(self.chat.id).to_string()
    }

    /// Whither they go.
    pub(crate) fn target(&self) -> String {
        Target::Chat { chat: self.chat.id, thread: self.chat.thread.map(i64::from) }.to_string()
    }

    /// The pair that was meant.
    pub(crate) fn resolve(&self, wanted: &Wanted) -> Option<Pair> {
        self.setting.resolve(wanted, &self.world.names(), &self.world.parts.board)
    }

    /// Whether whoever said it is an operator.
    pub(crate) fn is_operator(&self) -> bool {
        self.user.is_some_and(|user| self.world.parts.admins.contains(&user.id))
    }

    /// Whether whoever said it may change what the chat has: in a group its administrators may; else the answer.
    pub(crate) async fn may_change(&self) -> Result<(), &'static str> {
        let Some(user) = self.user else { return Ok(()) };
        if self.chat.kind != ChatKind::Group || user.speaks_for_chat || self.is_operator() {
            return Ok(());
        }
        match self.world.parts.house.rules_chat(self.chat.id, user.id).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.t().group_admins_only),
            Err(HouseError::Unavailable(_) | HouseError::Busy | HouseError::Unsupported) => {
                Err(self.t().group_unsure)
            }
        }
    }

    /// Makes sure that the chat is known, with these settings.
    pub(crate) async fn keep(&self, setting: &Setting) -> Result<(), StoreAway> {
        let kind = match self.chat.kind {
            ChatKind::Private => "private",
            ChatKind::Group => "group",
            ChatKind::Channel => "channel",
        };
        let row = setting.to_row(self.chat.id, kind, self.now);
        let store = &self.world.parts.store;
        let kept = self.world.surely(store.put_chat(&row)).await;
        self.world.forget(self.chat.id);
        let before = self.setting.row.as_ref().map(|before| (before.quiet, &before.time_zone));
        if kept.is_ok() && before.is_some_and(|before| before != (row.quiet, &row.time_zone)) {
            // What waits for the end of the old quiet hours is looked at again: now, or at the end of the new ones.
            if self.world.surely(store.release_messages(&self.owner(), self.now)).await.is_err() {
                tracing::warn!(
                    chat = self.chat.id,
                    "what was held still waits for the quiet hours of before"
                );
            }
        }
        kept
    }

    /// Makes sure that the chat is known: before it has anything.
    pub(crate) async fn be_known(&self) -> Result<(), StoreAway> {
        if self.setting.row.is_some() { Ok(()) } else { self.keep(&self.setting).await }
    }

    /// One message.
    pub(crate) fn send(&self, html: impl Into<String>, keyboard: Keyboard) -> Vec<Act> {
        vec![Act::Send { html: html.into(), keyboard }]
    }

    /// One message without buttons.
    pub(crate) fn say(&self, html: impl Into<String>) -> Vec<Act> {
        self.send(html, Keyboard::new())
    }

    /// One message without buttons, filled.
    pub(crate) fn say_filled(&self, text: &str, values: &[(&str, &str)]) -> Vec<Act> {
        self.say(fill(text, values))
    }

    /// What is said when something was to be kept and the store is away.
    pub(crate) fn not_saved(&self) -> Vec<Act> {
        self.say(self.t().not_saved)
    }

    /// What is said when something was to be looked up and the store is away.
    pub(crate) fn not_shown(&self) -> Vec<Act> {
        self.say(self.t().not_shown)
    }
}
