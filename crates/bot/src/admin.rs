//! What only operators may say: the users whose numbers stand in the configuration.
//! It must not tell anybody else more than that.

use crate::{
    Act, HouseError,
    here::Here,
    html::escape,
    lexicon::{self, Class},
    moment,
    world::StoreAway,
};
use alerts::Spec;
use market::VenueId;
use store::TradeRowChange;

/// The commands that only operators have.
pub(crate) const COMMANDS: [&str; 9] =
    ["admin", "sources_disable", "sources_enable", "broadcast", "users", "mute", "reload", "logs", "version"];

/// So many lines of the log are shown.
const LOG_LINES: usize = 30;
/// So many characters of it.
const LOG_CHARS: usize = 3_500;

impl Here<'_> {
    /// Answers an operator's command; anybody else gets one polite line.
    pub(crate) async fn operate(&self, command: &str, args: &str) -> Vec<Act> {
        let t = self.t();
        if !self.is_operator() {
            return self.say(t.operator_only);
        }
        match command {
            "sources_disable" => self.switch(args, false).await,
            "sources_enable" => self.switch(args, true).await,
            "broadcast" => self.broadcast(args).await,
            "users" => match self.world.surely(self.world.parts.store.chat_count()).await {
                Ok(count) => self.say_filled(
                    t.admin_users,
                    &[("active", &count.active.to_string()), ("paused", &count.paused.to_string())],
                ),
                Err(StoreAway) => self.not_shown(),
            },
            "mute" => self.mute(args).await,
            "reload" => match self.reload().await {
                Ok(rows) => {
                    let rows = self.language().count(rows as u64, |n| &n.row);
                    self.say_filled(t.admin_reloaded, &[("rows", &rows)])
                }
                Err(StoreAway) => self.not_saved(),
            },
            "logs" => self.logs().await,
            "version" => self.say_filled(t.admin_version, &[("version", env!("CARGO_PKG_VERSION"))]),
            _ => self.admin().await,
        }
    }

    /// Whoever follows rows, venue files and policies reads them again: changes that were made past the triggers, which
    /// tell of all others within a second. How many rows there are.
    async fn reload(&self) -> Result<usize, StoreAway> {
        let store = &self.world.parts.store;
        let rows = self.world.surely(store.trade_rows()).await?;
        self.world.surely(store.read_again()).await?;
        Ok(rows.len())
    }

    /// Switches every row of a venue.
    async fn switch(&self, args: &str, is_on: bool) -> Vec<Act> {
        let t = self.t();
        let Ok(venue) = VenueId::parse(&args.trim().to_lowercase()) else {
            return self.say(t.admin_no_venue);
        };
        let name = self.world.venue(&venue);
        match self.switch_rows(&venue, is_on).await {
            Err(StoreAway) => self.not_saved(),
            Ok(0) => self.say_filled(t.admin_no_rows, &[("venue", &name)]),
            Ok(count) => {
                let rows = self.language().count(count, |n| &n.row);
                let text = if is_on { t.admin_enabled } else { t.admin_disabled };
                self.say_filled(text, &[("venue", &name), ("rows", &rows)])
            }
        }
    }

    async fn switch_rows(&self, venue: &VenueId, is_on: bool) -> Result<u64, StoreAway> {
        let store = &self.world.parts.store;
        let change = TradeRowChange { enabled: Some(is_on), ..TradeRowChange::default() };
        let mut count = 0;
        for row in self.world.surely(store.trade_rows()).await? {
            if row.venue.as_deref() == Some(venue.as_str())
                && self.world.surely(store.change_trade_row(row.id, &change, self.now)).await?
            {
                count += 1;
            }
        }
        Ok(count)
    }

    async fn broadcast(&self, text: &str) -> Vec<Act> {
        if text.is_empty() {
            return self.say(self.t().admin_broadcast_empty);
        }
        match self.world.parts.house.broadcast(&escape(text)).await {
            Ok(count) => {
                let chats = self.language().count(count, |n| &n.chat);
                self.say_filled(self.t().admin_broadcast, &[("chats", &chats)])
            }
            Err(HouseError::Busy) => self.say(self.t().admin_broadcast_busy),
            Err(HouseError::Unavailable(_)) => self.not_saved(),
            Err(HouseError::Unsupported) => self.say(self.t().admin_failed),
        }
    }

    /// Snoozes every alert of this chat.
    async fn mute(&self, args: &str) -> Vec<Act> {
        let Some(ms) = span(args) else { return self.say(self.t().admin_mute_hint) };
        let until = self.now.plus_millis(ms);
        match self.snooze_all(until).await {
            Err(StoreAway) => self.not_saved(),
            Ok(count) => {
                let alerts = self.language().count(count, |n| &n.alert);
                let date = moment::date_and_time(until, self.now, self.zone(), self.language());
                self.say_filled(self.t().admin_muted, &[("alerts", &alerts), ("date", &date)])
            }
        }
    }

    async fn snooze_all(&self, until: market::Timestamp) -> Result<u64, StoreAway> {
        let mut count = 0;
        for row in self.world.surely(self.world.parts.store.alerts_of(&self.owner())).await? {
            let Ok(spec) = Spec::from_json(&row.spec) else { continue };
            if row.is_open {
                let spec = Spec { snoozed_until: Some(until), ..spec };
                self.save(&row, &spec, None, None).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    async fn logs(&self) -> Vec<Act> {
        let lines = self.world.parts.house.log_lines(LOG_LINES).await;
        if lines.is_empty() {
            return self.say(self.t().admin_logs_none);
        }
        // The newest that have room.
        let mut shown: Vec<String> = Vec::new();
        let mut chars = 0;
        for line in lines.iter().rev() {
            let line: String = line.chars().take(LOG_CHARS / 4).collect();
            chars += line.chars().count() + 1;
            if chars > LOG_CHARS {
                break;
            }
            shown.push(escape(&line));
        }
        shown.reverse();
        self.say(format!("<pre>{}</pre>", shown.join("\n")))
    }
}

/// `1h`, `30 мин`.
fn span(text: &str) -> Option<i64> {
    let text = text.trim().to_lowercase();
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let unit = match unit.trim() {
        "m" | "м" => 60_000,
        unit => match lexicon::class_of(unit)? {
            Class::Span(ms) => ms,
            _ => return None,
        },
    };
    let count: i64 = if digits.is_empty() { 1 } else { digits.parse().ok()? };
    let ms = count.checked_mul(unit)?;
    (60_000..=30 * 86_400_000).contains(&ms).then_some(ms)
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_of_silence() {
        for (text, ms) in [
            ("1h", 3_600_000),
            ("30m", 1_800_000),
            ("30 мин", 1_800_000),
            ("2ч", 7_200_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(span(text), Some(ms), "{text}");
        }
        for text in ["", "x", "1", "5 parsecs", "99999999999999999999h", "1s"] {
            assert_eq!(span(text), None, "{text}");
        }
    }
}
