//! Messages of the outbox in a chat's language: alerts that fired, subscriptions, and what the operator says to all.
//! It must not know how they are sent, nor touch the store: a sender asks for them while it sends.

use crate::{
    Keyboard, Language, Told,
    broadcast::Announced,
    card::View,
    chats::{Setting, pair_name},
    day::Day,
    html::{escape, fill},
    keys::{key, row, rows},
    moment, number,
    world::World,
};
use alerts::{Condition, Firing, Side};
use market::{Pair, Price, RateState, Timestamp};
use serde::{Deserialize, Serialize};
use store::{ChatRow, Message};

/// A rate that somebody asked for at a time of the day: the body of its row in the outbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Subscribed {
    /// The version of this shape: 1.
    v: u32,
    subscription_id: i64,
    pair: Pair,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    day: Option<PastDay>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PastDay {
    from: Timestamp,
    open: Price,
    low: Price,
    high: Price,
}

impl Subscribed {
    pub(crate) const KIND: &'static str = "subscription";

    pub(crate) fn new(subscription_id: i64, pair: Pair, day: Option<Day>) -> Subscribed {
        let day = day.map(|d| PastDay { from: d.from, open: d.open, low: d.low, high: d.high });
        Subscribed { v: 1, subscription_id, pair, day }
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl World {
    /// A message of the outbox as it is told; `None` if it means nothing to us.
    pub(crate) fn told(&self, chat: Option<&ChatRow>, message: &Message) -> Option<Told> {
        let setting = chat.map_or_else(|| Setting::of(Language::default()), Setting::read);
        let view =
            View { world: self, language: setting.language, zone: setting.zone.as_ref(), now: self.now() };
        let mut told = match message.kind.as_str() {
            Firing::KIND => view.fired(&Firing::from_json(&message.body).ok()?),
            Subscribed::KIND => view.subscribed(&serde_json::from_str(&message.body).ok()?),
            Announced::KIND => {
                let Announced { html, .. } = serde_json::from_str(&message.body).ok()?;
                Told { html, keyboard: Keyboard::new() }
            }
            _ => return None,
        };
        if message.is_repeat {
            told.html += &format!("\n{}", setting.language.texts().repeat_possible);
        }
        Some(told)
    }

    /// What fired in quiet hours, as one message; each as it would be told alone if there is only one.
    pub(crate) fn digest(&self, chat: Option<&ChatRow>, messages: &[Message]) -> Option<Told> {
        if let [message] = messages {
            return self.told(chat, message);
        }
        let setting = chat.map_or_else(|| Setting::of(Language::default()), Setting::read);
        let view =
            View { world: self, language: setting.language, zone: setting.zone.as_ref(), now: self.now() };
        let firings: Vec<(Firing, bool)> = messages
            .iter()
            .map(|m| Firing::from_json(&m.body).ok().map(|firing| (firing, m.is_repeat)))
            .collect::<Option<_>>()?;
        let t = setting.language.texts();
        let count = setting.language.count(firings.len() as u64, |n| &n.alert);
        let mut lines = vec![fill(t.digest_head, &[("alerts", &count)])];
        for (firing, is_repeat) in &firings {
            let repeat = if *is_repeat { format!(" {}", t.repeat_possible) } else { String::new() };
            lines.push(view.digest_line(firing) + &repeat);
        }
        lines.extend(firings.iter().any(|(firing, _)| firing.demo).then(|| t.demo.to_owned()));
        Some(Told { html: lines.join("\n"), keyboard: Keyboard::new() })
    }
}

impl View<'_> {
    fn fired(&self, firing: &Firing) -> Told {
        let t = self.language.texts();
        let mut html = self.fired_head(firing);
        let mut second: Vec<String> = Vec::new();
        if let Some(value) = firing.value {
            let price = number::price(value.decimal(), self.language);
            second.push(match firing.change_pct {
                Some(change) => {
                    let change = number::change(change, self.language);
                    fill(t.fired_since_set, &[("price", &price), ("change", &change)])
                }
                None => escape(&price),
            });
        }
        if firing.sources_total > 0 {
            let total = self.language.of_total(firing.sources_total.into(), |n| &n.venue);
            let used = firing.sources_used.to_string();
            second.push(fill(t.fired_sources, &[("used", &used), ("total", &total)]));
        }
        second.push(moment::time_with_seconds(firing.at, self.zone, self.language));
        html += &format!("\n{}", second.join(" · "));
        if let Some(offline) = firing.offline {
            let from = self.time_between(offline.from, offline.to);
            let to = moment::date_and_time(offline.to, self.now, self.zone, self.language);
            html += &format!("\n{}", fill(t.fired_offline, &[("from", &from), ("to", &to)]));
        }
        if firing.demo {
            html += &format!("\n{}", t.demo);
        }
        Told { html, keyboard: self.fired_keys(firing) }
    }

    /// The beginning of a span: without the zone, which stands beside its end.
    fn time_between(&self, from: Timestamp, to: Timestamp) -> String {
        let is_one_day = moment::date_of(from, self.zone) == moment::date_of(to, self.zone);
        if is_one_day {
            moment::bare_time(from, self.zone)
        } else {
            moment::date_and_time(from, to, self.zone, self.language)
        }
    }

    /// What came true, in bold.
    fn fired_head(&self, firing: &Firing) -> String {
        let t = self.language.texts();
        let pair = firing.pair.as_ref().map(pair_name).unwrap_or_default();
        let span = |ms: i64| moment::span(ms, self.language);
        let moved = firing.measured_pct.map(|m| number::signed_percent(m, self.language)).unwrap_or_default();
        match &firing.condition {
            Condition::Cross { threshold, .. } | Condition::Is { threshold, .. } => {
                let text = if firing.side == Side::Above { t.fired_above } else { t.fired_below };
                let threshold = number::price(threshold.decimal(), self.language);
                fill(text, &[("pair", &pair), ("threshold", &threshold)])
            }
            Condition::Move { within_ms, .. } => {
                fill(t.fired_move, &[("pair", &pair), ("moved", &moved), ("span", &span(*within_ms))])
            }
            Condition::MoveFromNow { pct, .. } => {
                let pct = number::brief_percent(*pct, self.language);
                fill(t.fired_move_from_now, &[("pair", &pair), ("moved", &moved), ("pct", &pct)])
            }
            Condition::Change24h { .. } => fill(t.fired_move_24h, &[("pair", &pair), ("moved", &moved)]),
            Condition::Spread { .. } => {
                let apart =
                    firing.measured_pct.map(|m| number::percent(m, self.language)).unwrap_or_default();
                fill(t.fired_spread, &[("pair", &pair), ("apart", &apart)])
            }
            Condition::SourceDown { venue, for_ms } => {
                let down_ms = firing.down_since.map_or(*for_ms, |since| firing.at.millis_since(since));
                fill(t.fired_source_down, &[("venue", &self.world.venue(venue)), ("span", &span(down_ms))])
            }
        }
    }

    fn fired_keys(&self, firing: &Firing) -> Keyboard {
        let (t, id) = (self.language.texts(), firing.alert_id);
        let chart = firing.pair.as_ref().and_then(|pair| key(t.key_chart, format!("c:{pair}")));
        rows([
            row([chart, key(t.key_rearm, format!("w:{id}:f"))]),
            row([key(t.key_snooze, format!("z:{id}:f")), key("✖️", format!("x:{id}:f"))]),
        ])
    }

    fn digest_line(&self, firing: &Firing) -> String {
        let t = self.language.texts();
        let pair = firing.pair.as_ref().map(pair_name).unwrap_or_default();
        let what = match (&firing.condition, firing.measured_pct) {
            (Condition::Cross { .. } | Condition::Is { .. }, _) | (_, None) => {
                self.short(&firing.condition, &pair)
            }
            (Condition::Spread { .. }, _) => self.short(&firing.condition, &pair),
            (_, Some(moved)) => escape(&format!("{pair} {}", number::change(moved, self.language))),
        };
        let time = moment::time(firing.at, self.zone, self.language);
        let price =
            firing.value.map_or_else(|| "—".to_owned(), |v| number::price(v.decimal(), self.language));
        fill(t.digest_line, &[("time", &time), ("what_html", &what), ("price", &price)])
    }

    /// The rate that was subscribed to, as it is while it is sent.
    fn subscribed(&self, body: &Subscribed) -> Told {
        let answer = self.world.parts.board.answer(&body.pair);
        let is_nothing = answer.as_ref().is_none_or(|a| matches!(a.rate.state, RateState::Expired));
        let day = body.day.as_ref().map(|d| Day { from: d.from, open: d.open, low: d.low, high: d.high });
        let html = if is_nothing {
            fill(self.language.texts().sub_nothing, &[("pair", &pair_name(&body.pair))])
        } else {
            format!("🗓 {}", self.card(&body.pair, answer.as_deref(), day.as_ref()))
        };
        let chart = key(self.language.texts().key_chart, format!("c:{}", body.pair));
        Told { html, keyboard: rows([row([chart])]) }
    }
}
