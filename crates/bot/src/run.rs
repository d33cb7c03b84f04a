//! The Telegram side of the role `bot`, from the token to the end: who we are, the menu of commands, updates, broadcasts.
//! It must not know which process is the bot; that is `standby.rs`.

use crate::{
    CallError, Client, Household, Polling, Talk, Webhook,
    inbox::Inbox,
    perform::{Performer, told},
    poll,
    probe::Probe,
    sender::ChatSender,
};
use again::growing;
use clock::Clock;
use frankenstein::{methods::SetMyCommandsParams, types::BotCommand, types::User};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use store::Store;
use tokio_util::sync::CancellationToken;

/// What carries words between Telegram and the conversation.
#[derive(Clone)]
pub struct Transport {
    /// Calls the Bot API.
    pub client: Client,
    /// Where chats and messages are.
    pub store: Arc<dyn Store>,
    /// The conversation.
    pub talk: Arc<dyn Talk>,
    /// The process around it.
    pub household: Arc<Household>,
    /// The time.
    pub clock: Clock,
}

/// How updates come.
#[derive(Debug, Clone)]
pub enum Updates {
    /// They are asked for.
    Polled(Polling),
    /// Telegram brings them.
    Brought(Webhook),
}

impl Transport {
    /// What carries messages of the outbox to chats.
    pub fn sender(&self) -> ChatSender {
        ChatSender {
            performer: self.performer(),
            talk: self.talk.clone(),
            clock: self.clock,
            probe: Probe::new(self.client.clone(), self.clock),
        }
    }

    fn performer(&self) -> Performer {
        Performer { client: self.client.clone(), store: self.store.clone(), clock: self.clock }
    }
}

/// Who the bot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// Its number.
    pub id: i64,
    /// Its user name, without `@`.
    pub name: String,
}

/// Talks until `stop`; never fails: what does not work now is tried again.
pub async fn run(parts: Transport, me: Me, updates: Updates, stop: CancellationToken) {
    stop.run_until_cancelled(show_commands(&parts)).await;
    let inbox = Inbox::new(parts.performer(), parts.talk.clone(), parts.clock, me.id, stop.clone());
    inbox.resume().await;
    let listen = async {
        match &updates {
            Updates::Polled(how) => poll::run(&parts.client, &inbox, *how, &stop).await,
            Updates::Brought(webhook) => webhook.run(&parts.client, &inbox, &stop).await,
        }
        inbox.close().await;
    };
    tokio::join!(listen, parts.household.broadcasts.run(&stop));
}

/// Asks who we are until Telegram says so, or `stop`.
pub async fn introduce(client: &Client, stop: &CancellationToken) -> Option<Me> {
    describe();
    let mut fails = 0u32;
    loop {
        let answer = stop.run_until_cancelled(client.call::<User>("getMe", &json!({}))).await?;
        let error = match answer {
            Ok(me) => {
                let me = Me {
                    id: i64::try_from(me.id).unwrap_or_default(),
                    name: me.username.unwrap_or_default(),
                };
                tracing::info!(bot = me.name, "telegram knows this bot");
                return Some(me);
            }
            Err(error) => error,
        };
        if fails == 0 {
            match error {
                CallError::BadToken(_) => tracing::error!("the bot cannot work: {}", told(&error)),
                _ => tracing::warn!("telegram does not answer yet: {}", told(&error)),
            }
        }
        fails += 1;
        let wait = growing(Duration::from_millis(500), Duration::from_secs(60), fails);
        stop.run_until_cancelled(tokio::time::sleep(wait)).await?;
    }
}

fn describe() {
    metrics::describe_counter!("rates_telegram_calls_total", "Calls to the Bot API, by method and result");
    metrics::describe_histogram!("rates_telegram_call_seconds", "How long calls to the Bot API took");
    metrics::describe_counter!("rates_telegram_held_total", "How often Telegram told us to wait");
    metrics::describe_counter!("rates_telegram_updates_total", "Updates, by what came of them");
    metrics::describe_histogram!("rates_telegram_reply_seconds", "From an update to its answer");
    metrics::describe_gauge!("rates_bot_active", "1 while this process is the bot");
}

async fn show_commands(parts: &Transport) {
    for (language, commands) in parts.talk.commands() {
        let command = |(name, text): &(&str, &str)| BotCommand {
            command: (*name).to_owned(),
            description: (*text).to_owned(),
            is_ephemeral: None,
        };
        let params = SetMyCommandsParams::builder()
            .commands(commands.iter().map(command).collect::<Vec<_>>())
            .maybe_language_code(language)
            .build();
        if let Err(error) = parts.client.call::<bool>("setMyCommands", &params).await {
            tracing::warn!("the menu of commands is not shown: {}", told(&error));
        }
    }
}
