//! Subscriptions: `/sub BTC 9:00`, their list, and the loop that writes what is due into the outbox.
//! It must not send anything itself: a message is written together with the next time.

use crate::{
    Act, Keyboard, Language,
    alert_keys::Press,
    chats::{Setting, pair_name},
    day::Day,
    fired::Subscribed,
    here::Here,
    html::fill,
    keys::{key, row, rows, typed},
    moment,
    phrase::{self, Expect, Phrase},
    when::{self, Coin, EVERY_DAY, Heard, WEEKDAYS, WEEKENDS, When},
    world::StoreAway,
};
use alerts::{Target, TimeOfDay, ZoneName};
use clock::Clock;
use market::{Pair, Timestamp};
use std::{sync::Arc, time::Duration};
use store::{NewMessage, NewSubscription, Store, StoreError, SubscriptionRow};
use tokio_util::sync::CancellationToken;

/// The most subscriptions of one chat.
const SUBSCRIPTIONS_MAX: usize = 20;
/// How often it is looked what is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// So many are taken at once.
const DUE_MAX: usize = 500;

impl Here<'_> {
    /// Answers `/sub BTC 9:00 daily`.
    pub(crate) async fn subscribe(&self, args: &str) -> Vec<Act> {
        let t = self.t();
        if let Err(refusal) = self.may_change().await {
            return self.say(refusal);
        }
        let heard = when::read(args);
        let Some(at) = heard.at else { return self.say(t.sub_hint) };
        let read = self.subscribed_pair(&heard.rest);
        // A word that names a day may be the coin of that name: with it the rest may be a pair, too.
        let other = heard.with_coin.as_ref().filter(|coin| self.world.names().has_asset(&coin.asset));
        let (when, pair) = match (read, other.map(|coin| (coin, self.subscribed_pair(&coin.rest)))) {
            (Ok(pair), Some((coin, Ok(other)))) => return self.coin_or_day(at, &heard, coin, &pair, &other),
            (Err(_), Some((coin, Ok(other)))) => (When { at, days: coin.days }, other),
            (Ok(pair), _) => (When { at, days: heard.days }, pair),
            (Err(answer), _) => return answer,
        };
        let Some(next_at) = moment::next_time(self.now, self.zone(), when.at, when.days) else {
            return self.say(t.sub_hint);
        };
        let new = NewSubscription {
            chat_id: self.chat.id,
            thread: self.chat.thread.map(i64::from),
            pair: pair.to_string(),
            minute_of_day: when.at.minute().into(),
            days: when.days,
            next_at,
        };
        match self.add_subscription(&new).await {
            Err(StoreAway) => self.not_saved(),
            Ok(None) => self.say_filled(t.sub_limit, &[("limit", &SUBSCRIPTIONS_MAX.to_string())]),
            Ok(Some(id)) => {
                let first = self.first(next_at);
                let text = fill(
                    t.sub_saved,
                    &[
                        ("days", &days_text(when.days, self.language())),
                        ("time", &self.time_text(when.at)),
                        ("pair", &pair_name(&pair)),
                        ("first", &first),
                    ],
                );
                self.send(text, rows([row([key(t.key_delete, format!("y:{id}:m"))])]))
            }
        }
    }

    /// The pair that the words mean; or what is said instead.
    fn subscribed_pair(&self, words: &str) -> Result<Pair, Vec<Act>> {
        let t = self.t();
        match phrase::read(words, &self.world.names(), Expect::Rate) {
            Phrase::Rates(wanted) => match wanted.as_slice() {
                [wanted] => self.resolve(wanted).ok_or_else(|| self.unresolved(wanted)),
                _ => Err(self.say(t.sub_hint)),
            },
            Phrase::Unclear { why: phrase::Why::UnknownName(name), .. } => Err(self.unknown(&name)),
            _ => Err(self.say(t.sub_hint)),
        }
    }

    /// `SUN is an asset and a day of the week. Which is meant?`
    fn coin_or_day(&self, at: TimeOfDay, heard: &Heard, coin: &Coin, day: &Pair, other: &Pair) -> Vec<Act> {
        let text = fill(self.t().sub_coin_or_day, &[("name", coin.asset.as_str())]);
        let keys = [(other, coin.days), (day, heard.days)].map(|(pair, days)| {
            let label = format!("{} · {}", pair_name(pair), days_text(days, self.language()));
            row([typed(label, &format!("/sub {pair} {at} {}", when::words(days)))])
        });
        self.send(text, rows(keys))
    }

    async fn add_subscription(&self, new: &NewSubscription) -> Result<Option<i64>, StoreAway> {
        self.be_known().await?;
        let store = &self.world.parts.store;
        self.world.surely(store.add_subscription(new, SUBSCRIPTIONS_MAX, self.now)).await
    }

    /// `09:00 MSK`
    fn time_text(&self, at: TimeOfDay) -> String {
        format!("{at} {}", moment::zone_short(self.now, self.zone(), self.language()))
    }

    fn first(&self, at: Timestamp) -> String {
        let t = self.t();
        let date = |at| moment::date_of(at, self.zone());
        match (date(at), date(self.now)) {
            (Some(first), Some(today)) if first == today => t.sub_first_today.to_owned(),
            (Some(first), Some(today)) if today.tomorrow().is_ok_and(|t| t == first) => {
                t.sub_first_tomorrow.to_owned()
            }
            (Some(first), _) => fill(t.sub_first_date, &[("date", &moment::date(first, self.language()))]),
            _ => String::new(),
        }
    }

    /// Answers `/subs`.
    pub(crate) async fn subscriptions(&self) -> Vec<Act> {
        match self.subscription_list().await {
            Ok((html, keyboard)) => self.send(html, keyboard),
            Err(StoreAway) => self.not_shown(),
        }
    }

    async fn subscription_list(&self) -> Result<(String, Keyboard), StoreAway> {
        let t = self.t();
        let all = self.world.surely(self.world.parts.store.subscriptions_of(self.chat.id)).await?;
        if all.is_empty() {
            return Ok((t.subs_empty.to_owned(), Keyboard::new()));
        }
        let (count, limit) = (all.len().to_string(), SUBSCRIPTIONS_MAX.to_string());
        let mut lines = vec![fill(t.subs_head, &[("count", &count), ("limit", &limit)])];
        let mut keyboard = Keyboard::new();
        for (number, row_) in (1..).zip(&all) {
            let at = u16::try_from(row_.minute_of_day).ok().and_then(TimeOfDay::from_minute);
            let time = at.map(|at| self.time_text(at)).unwrap_or_default();
            let pair = row_.pair.parse::<Pair>().map_or_else(|_| row_.pair.clone(), |pair| pair_name(&pair));
            let days = days_text(row_.days, self.language());
            let line = fill(t.subs_line, &[("days", &days), ("time", &time), ("pair", &pair)]);
            lines.push(format!("{number}. {line}"));
            keyboard.push(row([key(format!("✖️ {number}. {pair}"), format!("y:{}:l", row_.id))]));
        }
        Ok((lines.join("\n"), rows(keyboard)))
    }

    /// The button that deletes a subscription: `y:ID:l`.
    pub(crate) async fn subscription_pressed(&self, rest: &str, press: &Press<'_>) -> Vec<Act> {
        let t = self.t();
        let (id, under) = rest.split_once(':').unwrap_or((rest, "m"));
        let Ok(id) = id.parse() else { return vec![press.toast(t.toast_old_button)] };
        if let Err(refusal) = self.may_change().await {
            return vec![press.alert(refusal)];
        }
        let store = &self.world.parts.store;
        if self.world.surely(store.remove_subscription(self.chat.id, id)).await.is_err() {
            return vec![press.alert(t.not_saved)];
        }
        let toast = press.toast(t.sub_deleted);
        let Some(message_id) = press.message_id else { return vec![toast] };
        if under == "l"
            && let Ok((html, keyboard)) = self.subscription_list().await
        {
            return vec![toast, Act::Edit { message_id, html, keyboard }];
        }
        vec![toast, Act::Edit { message_id, html: t.sub_deleted.to_owned(), keyboard: Keyboard::new() }]
    }

    /// After a change of the time zone every subscription is due at its time by the new clock.
    pub(crate) async fn move_subscriptions(&self, setting: &Setting) -> Result<(), StoreAway> {
        let store = &self.world.parts.store;
        for row in self.world.surely(store.subscriptions_of(self.chat.id)).await? {
            if let Some(next) = next_of(&row, self.now, setting.zone.as_ref())
                && next != row.next_at
            {
                self.world
                    .surely(store.advance_subscription(row.id, row.next_at, next, None, self.now))
                    .await?;
            }
        }
        Ok(())
    }
}

/// Writes what is due into the outbox, until `stop`. What cannot be written now is written later.
pub async fn run_subscriptions(store: Arc<dyn Store>, clock: Clock, stop: CancellationToken) {
    let mut is_failing = false;
    loop {
        match deliver_due(&*store, clock.now()).await {
            Ok(_) => is_failing = false,
            Err(error) if !is_failing => {
                is_failing = true;
                tracing::warn!(%error, "subscriptions wait for the store");
            }
            Err(_) => {}
        }
        let pause = again::jittered(LOOK_EVERY);
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Writes what is due now; how many messages.
pub async fn deliver_due(store: &dyn Store, now: Timestamp) -> Result<usize, StoreError> {
    let mut written = 0;
    for row in store.subscriptions_due(now, DUE_MAX).await? {
        let chat = store.chat(row.chat_id).await?;
        let zone: Option<ZoneName> = chat.and_then(|chat| chat.time_zone.parse().ok());
        // What a foreign client made nonsense of is looked at again tomorrow, and not every five seconds.
        let next = next_of(&row, now, zone.as_ref()).unwrap_or_else(|| now.plus_millis(86_400_000));
        let message = match row.pair.parse::<Pair>() {
            Ok(pair) => Some(message(store, &row, pair, now).await),
            Err(_) => None,
        };
        let is_mine = store.advance_subscription(row.id, row.next_at, next, message.as_ref(), now).await?;
        written += usize::from(is_mine && message.is_some());
    }
    Ok(written)
}

async fn message(store: &dyn Store, row: &SubscriptionRow, pair: Pair, now: Timestamp) -> NewMessage {
    // Without its past day a rate is still worth telling.
    let day = Day::read(store, &pair, now).await.ok().flatten();
    let body = Subscribed::new(row.id, pair, day);
    let target = Target::Chat { chat: row.chat_id, thread: row.thread };
    NewMessage::new(target.to_string(), Subscribed::KIND, body.to_json())
}

fn next_of(row: &SubscriptionRow, now: Timestamp, zone: Option<&ZoneName>) -> Option<Timestamp> {
    let at = TimeOfDay::from_minute(u16::try_from(row.minute_of_day).ok()?)?;
    moment::next_time(now, zone, at, row.days)
}

/// `Every day`, `On weekdays`, `On Mon, Wed`.
fn days_text(days: i64, language: Language) -> String {
    let t = language.texts();
    match days & EVERY_DAY {
        EVERY_DAY => t.every_day.to_owned(),
        WEEKDAYS => t.weekdays.to_owned(),
        WEEKENDS => t.weekends.to_owned(),
        days => {
            let names = t.days_short.split(' ').enumerate();
            let named: Vec<&str> =
                names.filter(|(bit, _)| days >> bit & 1 == 1).map(|(_, name)| name).collect();
            fill(t.on_days, &[("days", &named.join(", "))])
        }
    }
}
