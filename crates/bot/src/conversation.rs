//! The conversation: what was said goes to whoever answers it.
//! It must not know Telegram's wire format, nor make any answer itself.

use crate::{
    Act, ChatKind, Menus, Said, Talk, Told, What, admin,
    alert_keys::Press,
    here::Here,
    html::fill,
    inline, menu, moment,
    phrase::Expect,
    world::{ConversationParts, World},
};
use async_trait::async_trait;
use std::time::Duration;
use store::{ChatRow, Message};

/// A conversation with everybody.
pub struct Conversation {
    world: World,
}

impl Conversation {
    /// With these parts.
    pub fn new(parts: ConversationParts) -> Conversation {
        Conversation { world: World::new(parts) }
    }

    async fn text(&self, said: &Said, text: &str, is_reply_to_us: bool) -> Vec<Act> {
        let Some(here) = Here::of(&self.world, said).await else { return Vec::new() };
        let text = text.trim();
        match Command::read(text, &self.world.parts.bot_name) {
            Command::None if here.is_private() || is_reply_to_us => here.answer(text, Expect::Anything).await,
            // What people say to each other is not for us.
            Command::None | Command::Others => Vec::new(),
            Command::Ours { name, args, is_addressed } => {
                here.command(&name, args, is_addressed || here.is_private()).await
            }
        }
    }

    async fn button(&self, said: &Said, press: &Press<'_>, data: &str) -> Vec<Act> {
        let Some(here) = Here::of(&self.world, said).await else { return vec![press.done()] };
        let (verb, rest) = data.split_once(':').unwrap_or((data, ""));
        match verb {
            "r" => here.refresh(rest, press).await,
            "q" => {
                let mut acts = vec![press.done()];
                acts.extend(here.answer(rest, Expect::Rate).await);
                acts
            }
            "c" | "C" => here.chart_pressed(verb, rest, press).await,
            "n" => {
                let mut acts = vec![press.done()];
                acts.extend(here.alert_hint(rest.parse().ok().as_ref()));
                acts
            }
            "t" => {
                let mut acts = vec![press.done()];
                acts.extend(self.text(said, rest, true).await);
                acts
            }
            "i" | "k" => here.already_pressed(verb, rest, press).await,
            "x" | "d" | "p" | "e" | "u" | "z" | "w" | "A" => here.alert_pressed(verb, rest, press).await,
            "y" => here.subscription_pressed(rest, press).await,
            "s" => here.settings_pressed(rest, press).await,
            "l" => here.language_pressed(rest, press).await,
            "R" => here.rates_pressed(press).await,
            "D" => here.send_again_pressed(rest, press).await,
            "P" => here.pairs_pressed(rest, press),
            // Of another version of us, or nobody's.
            _ => vec![press.toast(here.t().toast_old_button)],
        }
    }

    /// Not every way out of a pause is told by Telegram, or told while the store listens: rights given back in a group, an
    /// unblocking while the store was away. What is answered there then ends it.
    fn resuming(&self, said: &Said, mut acts: Vec<Act>) -> Vec<Act> {
        if let Some(chat) = said.chat
            && !acts.is_empty()
            && self.world.is_paused(chat.id)
        {
            self.world.forget(chat.id);
            acts.push(Act::Resume);
        }
        acts
    }

    /// Keeps what the store has of a chat in step with what Telegram says about it.
    async fn note(&self, said: &Said) -> Vec<Act> {
        let Some(chat) = said.chat else { return Vec::new() };
        let store = &self.world.parts.store;
        let done = match &said.what {
            What::Blocked => self.world.surely(store.pause_chat(chat.id, "blocked")).await,
            What::Unblocked | What::Joined => {
                self.world.surely(store.resume_chat(chat.id, self.world.now())).await
            }
            What::Migrated { to } => {
                self.world.forget(*to);
                self.world.surely(store.migrate_chat(chat.id, *to)).await
            }
            _ => Ok(true),
        };
        if done.is_err() {
            tracing::warn!(
                chat = chat.id,
                "the store does not take word of a chat; it will be met again while sending"
            );
        }
        self.world.forget(chat.id);
        Vec::new()
    }
}

#[async_trait]
impl Talk for Conversation {
    async fn hear(&self, said: Said) -> Vec<Act> {
        match &said.what {
            What::Text { text, is_reply_to_us, .. } => {
                self.resuming(&said, self.text(&said, text, *is_reply_to_us).await)
            }
            What::Button { callback_id, data, message_id } => {
                let press = Press { callback_id, message_id: *message_id };
                self.resuming(&said, self.button(&said, &press, data).await)
            }
            What::Inline { query_id, query } => inline::inline(&self.world, &said, query_id, query).await,
            What::Joined => {
                self.note(&said).await;
                match Here::of(&self.world, &said).await {
                    Some(here) if here.chat.kind == ChatKind::Group => here.greet_group(),
                    _ => Vec::new(),
                }
            }
            What::Blocked | What::Unblocked | What::Migrated { .. } => self.note(&said).await,
        }
    }

    fn is_lasting(&self, said: &Said) -> bool {
        let What::Text { text, .. } = &said.what else { return true };
        match Command::read(text.trim(), &self.world.parts.bot_name) {
            // An alert that was asked for an hour ago may have been meant for a price of an hour ago; what was asked to
            // end, or to be otherwise, is still wanted.
            Command::Ours { name, .. } => matches!(name.as_str(), "stop" | "start" | "settings" | "sub"),
            _ => false,
        }
    }

    async fn skipped(&self, last: &Said, away: Duration, count: usize) -> Vec<Act> {
        let Some(here) = Here::of(&self.world, last).await else { return Vec::new() };
        let ms = i64::try_from(away.as_millis()).unwrap_or(i64::MAX);
        let span = moment::span(ms, here.language());
        let requests = here.language().count(count as u64, |n| &n.old_request);
        here.say(fill(here.t().away, &[("span", &span), ("requests", &requests)]))
    }

    fn told(&self, chat: Option<&ChatRow>, message: &Message) -> Option<Told> {
        self.world.told(chat, message)
    }

    fn digest(&self, chat: Option<&ChatRow>, messages: &[Message]) -> Option<Told> {
        self.world.digest(chat, messages)
    }

    fn commands(&self) -> Menus {
        menu::commands()
    }
}

/// What a text begins with.
#[derive(Debug, PartialEq, Eq)]
enum Command<'a> {
    /// No command.
    None,
    /// One for another bot.
    Others,
    /// One for us, or for whoever knows it.
    Ours { name: String, args: &'a str, is_addressed: bool },
}

impl<'a> Command<'a> {
    fn read(text: &'a str, bot_name: &str) -> Command<'a> {
        let Some(rest) = text.strip_prefix('/') else { return Command::None };
        let (head, args) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let (name, to) = head.split_once('@').map_or((head, None), |(name, to)| (name, Some(to)));
        if name.is_empty() {
            return Command::None;
        }
        match to {
            Some(to) if !to.eq_ignore_ascii_case(bot_name) => Command::Others,
            to => Command::Ours { name: name.to_lowercase(), args: args.trim(), is_addressed: to.is_some() },
        }
    }
}

impl Here<'_> {
    /// Answers a command. `is_for_us`: nobody else can have been meant.
    async fn command(&self, name: &str, args: &str, is_for_us: bool) -> Vec<Act> {
        match name {
            "start" => self.started(args).await,
            "help" => self.help(),
            "rate" | "r" | "p" | "price" | "курс" => self.answer(args, Expect::Rate).await,
            "rates" | "курсы" => self.rates().await,
            "pairs" => self.pairs(),
            "convert" => self.answer(args, Expect::Convert).await,
            "chart" | "график" => self.answer(args, Expect::Chart).await,
            "alert" if args.is_empty() => self.alert_hint(None),
            "alert" | "алерт" => self.answer(args, Expect::Alert).await,
            "alerts" => self.alerts().await,
            "sub" => self.subscribe(args).await,
            "subs" => self.subscriptions().await,
            "status" => self.status().await,
            "sources" => self.sources(args).await,
            "settings" => self.settings(args).await,
            "stop" => self.stop().await,
            "id" => self.id(),
            operators if admin::COMMANDS.contains(&operators) => self.operate(operators, args).await,
            _ if is_for_us => {
                let shown: String = name.chars().take(40).collect();
                self.say_filled(self.t().unknown_command, &[("command", &format!("/{shown}"))])
            }
            _ => Vec::new(),
        }
    }

    /// `/start`, or a link that leads here: `start=alert_BTC_USDT`, `start=rate_BTC_USDT`.
    async fn started(&self, args: &str) -> Vec<Act> {
        let (what, pair) = args.split_once('_').unwrap_or((args, ""));
        let pair = pair.replace('_', "-");
        let pair = match self.world.parts.board.find(&pair) {
            board::Found::Pair(pair) => Some(pair),
            _ => None,
        };
        match (what, pair) {
            ("alert", Some(pair)) => {
                self.wake().await;
                self.alert_hint(Some(&pair))
            }
            ("rate", Some(pair)) => {
                self.wake().await;
                let (html, keyboard) = self.card(&pair).await;
                self.send(html, keyboard)
            }
            _ => self.start().await,
        }
    }

    /// The button that brings a rate up to date.
    async fn refresh(&self, pair: &str, press: &Press<'_>) -> Vec<Act> {
        let Ok(pair) = pair.parse() else { return vec![press.toast(self.t().toast_old_button)] };
        let (html, keyboard) = self.card(&pair).await;
        match press.message_id {
            Some(message_id) => vec![press.done(), Act::Edit { message_id, html, keyboard }],
            None => vec![press.done(), Act::Send { html, keyboard }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_for_others_are_left_to_them() {
        let read = |text| Command::read(text, "rates_bot");
        let ours =
            |name: &str, args, is_addressed| Command::Ours { name: name.to_owned(), args, is_addressed };
        assert_eq!(read("/rate BTC USDT"), ours("rate", "BTC USDT", false));
        assert_eq!(read("/Rate@Rates_Bot  BTC"), ours("rate", "BTC", true));
        assert_eq!(read("/rate@other_bot BTC"), Command::Others);
        assert_eq!(read("/broadcast a\nb"), ours("broadcast", "a\nb", false));
        assert_eq!(read("btc"), Command::None);
        assert_eq!(read("/"), Command::None);
    }
}
