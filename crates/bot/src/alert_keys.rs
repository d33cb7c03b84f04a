//! The buttons under alerts, in the list of alerts and under what fired, and what each press does.
//! It must not make an alert.

use crate::{
    Act, Keyboard,
    alert_make::ALERTS_MAX,
    alert_text::{AlertView, distance},
    here::Here,
    html::fill,
    keys::{key, row, rows},
    moment, number,
    world::StoreAway,
};
use alerts::{Condition, Progress, Side, Spec, value_now};
use market::Price;
use rust_decimal::Decimal;
use std::cmp::Reverse;
use store::{AlertChanged, AlertRow};

/// So many alerts are one page of the list.
const PAGE: usize = 6;
const HOUR_MS: i64 = 3_600_000;
const WEEK_MS: i64 = 7 * 24 * HOUR_MS;

/// Under which message a button was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Under {
    /// The message about one alert.
    Alert,
    /// The list.
    List,
    /// What fired.
    Fired,
}

/// A button that was pressed.
pub(crate) struct Press<'a> {
    pub(crate) callback_id: &'a str,
    pub(crate) message_id: Option<i64>,
}

impl Press<'_> {
    pub(crate) fn toast(&self, text: impl Into<String>) -> Act {
        Act::Toast { callback_id: self.callback_id.to_owned(), text: Some(text.into()), is_alert: false }
    }

    pub(crate) fn alert(&self, text: impl Into<String>) -> Act {
        Act::Toast { callback_id: self.callback_id.to_owned(), text: Some(text.into()), is_alert: true }
    }

    pub(crate) fn done(&self) -> Act {
        Act::Toast { callback_id: self.callback_id.to_owned(), text: None, is_alert: false }
    }
}

impl Here<'_> {
    /// The buttons under the message about an alert.
    pub(crate) fn alert_keys(&self, id: i64, spec: &Spec) -> Keyboard {
        let t = self.t();
        let expires = match spec.expires_at {
            Some(at) => {
                let date = moment::date_of(at, self.zone()).map(|d| moment::date(d, self.language()));
                fill(t.key_expires_on, &[("date", &date.unwrap_or_default())])
            }
            None => t.key_expires.to_owned(),
        };
        let repeat = if spec.repeat { t.key_repeat_on } else { t.key_repeat };
        let urgent = if spec.is_urgent { t.key_ignore_quiet_on } else { t.key_ignore_quiet };
        rows([
            row([key(repeat, format!("p:{id}:m")), key(expires, format!("e:{id}:m"))]),
            row([key(urgent, format!("u:{id}:m")), key(t.key_delete, format!("x:{id}:m"))]),
        ])
    }

    /// Answers `/alerts`.
    pub(crate) async fn alerts(&self) -> Vec<Act> {
        match self.alert_list(0).await {
            Ok((html, keyboard)) => self.send(html, keyboard),
            Err(StoreAway) => self.not_shown(),
        }
    }

    /// A page of the list, nearest to firing first.
    async fn alert_list(&self, page: usize) -> Result<(String, Keyboard), StoreAway> {
        let t = self.t();
        let all = self.world.surely(self.world.parts.store.alerts_of(&self.owner())).await?;
        let undelivered = self.undelivered_line().await?;
        let mut all: Vec<(AlertRow, Spec, Option<Decimal>)> = all
            .into_iter()
            .filter(|row| row.is_open)
            .filter_map(|row| {
                let spec = Spec::from_json(&row.spec).ok()?;
                let away = self.distance(&row, &spec);
                Some((row, spec, away))
            })
            .collect();
        if all.is_empty() {
            let keys = rows([row([key(t.key_alert_new_short, "n:")])]);
            let lines = [Some(t.alerts_empty.to_owned()), undelivered];
            return Ok((lines.into_iter().flatten().collect::<Vec<_>>().join("\n"), keys));
        }
        // What has no distance comes last, the newest first.
        all.sort_by_key(|(row, _, away)| (away.is_none(), *away, Reverse(row.id)));
        let page = page.min((all.len() - 1) / PAGE);
        let (count, limit) = (all.len().to_string(), ALERTS_MAX.to_string());
        let mut lines = vec![fill(t.alerts_head, &[("count", &count), ("limit", &limit)])];
        let mut keyboard = Keyboard::new();
        for (alert, spec, away) in all.iter().skip(page * PAGE).take(PAGE) {
            let id = alert.id;
            lines.push(self.alert_line(id, spec, *away));
            keyboard.push(row([
                key(format!("✏️ {id}"), format!("d:{id}:l")),
                key(format!("💤 {id}"), format!("z:{id}:l:{page}")),
                key(format!("✖️ {id}"), format!("x:{id}:l:{page}")),
            ]));
        }
        lines.extend(undelivered);
        let (before, after) = (page > 0, (page + 1) * PAGE < all.len());
        keyboard.push(row([
            before.then(|| key(t.key_older, format!("A:{}", page.saturating_sub(1)))).flatten(),
            key(t.key_alert_new_short, "n:"),
            after.then(|| key(t.key_newer, format!("A:{}", page + 1))).flatten(),
        ]));
        Ok((lines.join("\n"), rows(keyboard)))
    }

    fn distance(&self, row: &AlertRow, spec: &Spec) -> Option<Decimal> {
        let value = value_now(&self.world.parts.board, spec.pair.as_ref()?);
        let progress = Progress::from_json(&row.progress);
        distance(&AlertView { id: row.id, spec, progress: &progress, value, past: None })
    }

    fn alert_line(&self, id: i64, spec: &Spec, away: Option<Decimal>) -> String {
        let t = self.t();
        let what = self.view().condition_short(spec, &self.setting);
        let marks = [
            (spec.repeat, " 🔁"),
            (spec.is_urgent, " ❗"),
            (spec.expires_at.is_some(), " ⏳"),
            (spec.snoozed_until.is_some_and(|until| until > self.now), " 💤"),
        ];
        let marks: String = marks.iter().filter(|(is_on, _)| *is_on).map(|(_, mark)| *mark).collect();
        let (id, what_html) = (id.to_string(), what.as_str());
        match away {
            Some(away) => {
                let away = number::percent(away, self.language());
                fill(
                    t.alerts_line,
                    &[("id", &id), ("what_html", what_html), ("away", &away), ("marks", &marks)],
                )
            }
            None => fill(t.alerts_line_unknown, &[("id", &id), ("what_html", what_html), ("marks", &marks)]),
        }
    }

    /// A button about an alert, `verb:id:under[:page]`, or a page of the list, `A:page`.
    pub(crate) async fn alert_pressed(&self, verb: &str, rest: &str, press: &Press<'_>) -> Vec<Act> {
        let mut parts = rest.split(':');
        let first = parts.next().unwrap_or_default();
        if verb == "A" {
            return self.show_list(first.parse().unwrap_or(0), press, press.done()).await;
        }
        let under = match parts.next() {
            Some("l") => Under::List,
            Some("f") => Under::Fired,
            _ => Under::Alert,
        };
        let page = parts.next().and_then(|page| page.parse().ok()).unwrap_or(0);
        let Ok(id) = first.parse() else { return vec![press.toast(self.t().toast_old_button)] };
        if let Err(refusal) = self.may_change().await {
            return vec![press.alert(refusal)];
        }
        match self.change_by_button(verb, id, under, page, press).await {
            Ok(acts) => acts,
            Err(StoreAway) => vec![press.alert(self.t().not_saved)],
        }
    }

    async fn change_by_button(
        &self,
        verb: &str,
        id: i64,
        under: Under,
        page: usize,
        press: &Press<'_>,
    ) -> Result<Vec<Act>, StoreAway> {
        let t = self.t();
        let Some((row, mut spec)) = self.find_alert(id).await? else {
            return Ok(self.gone(under, page, press).await);
        };
        let is_snoozed = spec.snoozed_until.is_some_and(|until| until > self.now);
        let toast = match verb {
            "x" => {
                self.world.surely(self.world.parts.store.remove_alert(&self.owner(), id)).await?;
                return Ok(self.removed(id, under, page, press).await);
            }
            "d" => {
                let price = match &spec.condition {
                    Condition::Cross { threshold, .. } | Condition::Is { threshold, .. } => {
                        threshold.to_string()
                    }
                    _ => "-5%".to_owned(),
                };
                let text = fill(t.alert_edit_hint, &[("id", &id.to_string()), ("price", &price)]);
                let mut acts = vec![press.done()];
                acts.extend(self.say(text));
                return Ok(acts);
            }
            "p" => {
                spec.repeat = !spec.repeat;
                if spec.repeat { t.toast_repeat_on } else { t.toast_repeat_off }
            }
            "e" => {
                let until = spec.expires_at.is_none().then(|| self.now.plus_millis(WEEK_MS));
                spec.expires_at = until;
                if until.is_some() { t.toast_expires_on } else { t.toast_expires_off }
            }
            "u" => {
                spec.is_urgent = !spec.is_urgent;
                if spec.is_urgent { t.toast_urgent_on } else { t.toast_urgent_off }
            }
            "z" if is_snoozed && under == Under::List => {
                spec.snoozed_until = None;
                t.toast_rearmed
            }
            "z" => {
                spec.snoozed_until = Some(self.now.plus_millis(HOUR_MS));
                t.toast_snoozed
            }
            "w" if row.is_open => return Ok(vec![press.toast(t.toast_already_armed)]),
            "w" => {
                // Without what would keep it silent.
                spec.snoozed_until = None;
                spec.expires_at = spec.expires_at.filter(|at| *at > self.now);
                t.toast_rearmed
            }
            _ => return Ok(vec![press.toast(t.toast_old_button)]),
        };
        let value = spec.pair.as_ref().and_then(|pair| value_now(&self.world.parts.board, pair));
        // Armed again it counts from now; anything else leaves how far it is alone.
        let rearmed = (verb == "w").then(|| Progress::new(&spec, value));
        let opened = (rearmed.is_some() || (verb == "z" && !row.is_open)).then_some(true);
        match self.save(&row, &spec, rearmed.as_ref(), opened).await? {
            AlertChanged::Missing => Ok(self.gone(under, page, press).await),
            AlertChanged::Full => {
                Ok(vec![press.alert(fill(t.toast_limit, &[("limit", &ALERTS_MAX.to_string())]))])
            }
            AlertChanged::Done => {
                Ok(self.shown_again(id, &spec, value, (under, page), press, press.toast(toast)).await)
            }
        }
    }

    /// The message as it is after a change.
    async fn shown_again(
        &self,
        id: i64,
        spec: &Spec,
        value: Option<Price>,
        (under, page): (Under, usize),
        press: &Press<'_>,
        toast: Act,
    ) -> Vec<Act> {
        match (under, press.message_id) {
            (Under::List, _) => self.show_list(page, press, toast).await,
            (Under::Alert, Some(message_id)) => {
                let progress = Progress::default();
                let past = self.past(spec).await;
                let alert = AlertView { id, spec, progress: &progress, value, past };
                let html = self.view().alert(self.t().alert_changed, &alert);
                vec![toast, Act::Edit { message_id, html, keyboard: self.alert_keys(id, spec) }]
            }
            _ => vec![toast],
        }
    }

    async fn show_list(&self, page: usize, press: &Press<'_>, toast: Act) -> Vec<Act> {
        match (self.alert_list(page).await, press.message_id) {
            (Ok((html, keyboard)), Some(message_id)) => {
                vec![toast, Act::Edit { message_id, html, keyboard }]
            }
            (Ok((html, keyboard)), None) => vec![toast, Act::Send { html, keyboard }],
            (Err(StoreAway), _) => vec![press.alert(self.t().not_shown)],
        }
    }

    async fn removed(&self, id: i64, under: Under, page: usize, press: &Press<'_>) -> Vec<Act> {
        let toast = press.toast(self.t().toast_deleted);
        let html = fill(self.t().alert_deleted, &[("id", &id.to_string())]);
        match (under, press.message_id) {
            (Under::List, _) => self.show_list(page, press, toast).await,
            (Under::Alert, Some(message_id)) => {
                vec![toast, Act::Edit { message_id, html, keyboard: Keyboard::new() }]
            }
            // What fired stays to be read; only its buttons go.
            (Under::Fired, Some(message_id)) => {
                vec![toast, Act::EditKeyboard { message_id, keyboard: Keyboard::new() }]
            }
            (_, None) => vec![toast],
        }
    }

    async fn gone(&self, under: Under, page: usize, press: &Press<'_>) -> Vec<Act> {
        let toast = press.toast(self.t().toast_gone);
        match (under, press.message_id) {
            (Under::List, _) => self.show_list(page, press, toast).await,
            (_, Some(message_id)) => vec![toast, Act::EditKeyboard { message_id, keyboard: Keyboard::new() }],
            (_, None) => vec![toast],
        }
    }

    /// "Now" or "next cross": `i:PAIR:a:60000:ru`.
    pub(crate) async fn already_pressed(&self, verb: &str, rest: &str, press: &Press<'_>) -> Vec<Act> {
        let t = self.t();
        let parts: Vec<&str> = rest.split(':').collect();
        let [pair, side, threshold, flags] = parts.as_slice() else {
            return vec![press.toast(t.toast_old_button)];
        };
        let (Ok(pair), Ok(threshold)) = (pair.parse(), Price::parse(threshold)) else {
            return vec![press.toast(t.toast_old_button)];
        };
        if let Err(refusal) = self.may_change().await {
            return vec![press.alert(refusal)];
        }
        let side = if *side == "a" { Side::Above } else { Side::Below };
        let condition = if verb == "i" {
            Condition::Is { side, threshold }
        } else {
            Condition::Cross { side, threshold }
        };
        let mut acts = vec![press.done()];
        for act in self.save_new(pair, condition, flags.contains('r'), flags.contains('u')).await {
            // The question becomes its answer, so that it cannot be answered twice.
            acts.push(match (act, press.message_id) {
                (Act::Send { html, keyboard }, Some(message_id)) => Act::Edit { message_id, html, keyboard },
                (act, _) => act,
            });
        }
        acts
    }
}
