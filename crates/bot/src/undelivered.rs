//! What was given up: owners are told that it did not reach them, operators see the newest and may send it once more.
//! It must not know why a message is given up.

use crate::{
    Act, Keyboard,
    alert_keys::Press,
    here::Here,
    html::{escape, fill},
    keys::{key, row, rows},
    moment,
    world::StoreAway,
};
use store::{Message, MessageFilter, MessageState};

/// So many of the newest are shown to an operator.
const SHOWN: usize = 3;
/// So many characters of a reason.
const REASON_CHARS: usize = 200;

impl Here<'_> {
    /// Answers `/admin`: the commands, and what was given up.
    pub(crate) async fn admin(&self) -> Vec<Act> {
        let (html, keyboard) = self.admin_message().await;
        self.send(html, keyboard)
    }

    /// `D:7`: message 7 is to be sent once more.
    pub(crate) async fn send_again_pressed(&self, rest: &str, press: &Press<'_>) -> Vec<Act> {
        let t = self.t();
        if !self.is_operator() {
            return vec![press.toast(t.operator_only)];
        }
        let Ok(id) = rest.parse() else { return vec![press.toast(t.toast_old_button)] };
        let toast = match self.world.surely(self.world.parts.store.revive_message(id, self.now)).await {
            Ok(true) => t.toast_sent_again,
            Ok(false) => t.toast_not_given_up,
            Err(StoreAway) => return vec![press.alert(t.not_saved)],
        };
        tracing::info!(message = id, "an operator has a message sent that was given up");
        let mut acts = vec![press.toast(toast)];
        if let Some(message_id) = press.message_id {
            let (html, keyboard) = self.admin_message().await;
            acts.push(Act::Edit { message_id, html, keyboard });
        }
        acts
    }

    async fn admin_message(&self) -> (String, Keyboard) {
        let help = self.t().admin_help;
        match self.given_up().await {
            Err(StoreAway) => (format!("{help}\n\n{}", self.t().not_shown), Keyboard::new()),
            Ok((0, _)) => (help.to_owned(), Keyboard::new()),
            Ok((count, newest)) => {
                let head = fill(self.t().admin_given_up, &[("count", &count.to_string())]);
                let lines: Vec<String> = newest.iter().map(|message| self.given_up_line(message)).collect();
                let keys = newest.iter().map(|one| key(format!("🔁 {}", one.id), format!("D:{}", one.id)));
                (format!("{help}\n\n{head}\n{}", lines.join("\n")), rows([row(keys)]))
            }
        }
    }

    /// How many messages were given up, and the newest.
    async fn given_up(&self) -> Result<(i64, Vec<Message>), StoreAway> {
        let store = &self.world.parts.store;
        let depth = self.world.surely(store.outbox_depth()).await?;
        let count = depth.iter().filter(|one| one.state == MessageState::Dead).map(|one| one.count).sum();
        if count == 0 {
            return Ok((0, Vec::new()));
        }
        let dead = MessageFilter { state: Some(MessageState::Dead), ..MessageFilter::default() };
        Ok((count, self.world.surely(store.messages(&dead, SHOWN)).await?))
    }

    fn given_up_line(&self, message: &Message) -> String {
        let date = moment::date_and_time(message.created_at, self.now, self.zone(), self.language());
        let reason: String =
            message.last_error.as_deref().unwrap_or_default().chars().take(REASON_CHARS).collect();
        format!("{} · {} · {date}: {}", message.id, escape(&message.target), escape(&reason))
    }

    /// That some of the owner's alerts fired and did not arrive, if that is so.
    pub(crate) async fn undelivered_line(&self) -> Result<Option<String>, StoreAway> {
        let all = self.world.surely(self.world.parts.store.undelivered(&self.owner())).await?;
        Ok(all.first().map(|newest| {
            let date = moment::date_and_time(newest.created_at, self.now, self.zone(), self.language());
            let (count, id) = (all.len().to_string(), newest.alert_id.to_string());
            fill(self.t().alerts_undelivered, &[("count", &count), ("id", &id), ("date", &date)])
        }))
    }
}
