//! Making an alert from what was asked, and changing the price of one that is there. What is not plain is asked.
//! It must not decide when an alert fires.

use crate::{
    Act, Keyboard, Number,
    alert_text::AlertView,
    chats::pair_name,
    here::Here,
    html::fill,
    keys::{key, row, rows, typed},
    number,
    phrase::{Ask, Asked, Wanted},
    world::StoreAway,
};
use alerts::{Condition, Progress, Side, Spec, value_now};
use market::{Pair, Price, Sign};
use rust_decimal::{Decimal, RoundingStrategy};
use store::{AlertChange, AlertChanged, AlertRow, NewAlert};

/// The most alerts of one chat.
pub(crate) const ALERTS_MAX: usize = 50;
/// 24 hours are not a span but a kind of their own.
const DAY_MS: i64 = 86_400_000;

/// What came of adding an alert.
pub(crate) enum Added {
    Done(i64),
    Full,
}

impl Here<'_> {
    /// Answers `/alert …` and the like.
    pub(crate) async fn make_alert(&self, ask: &Ask) -> Vec<Act> {
        if let Err(refusal) = self.may_change().await {
            return self.say(refusal);
        }
        if let Some(id) = ask.id {
            return self.change_price(id, ask).await;
        }
        let Some(wanted) = &ask.wanted else { return self.say(self.t().understood_missing_pair) };
        let Some(pair) = self.resolve(wanted) else { return self.unresolved(wanted) };
        let value = value_now(&self.world.parts.board, &pair);
        match self.condition(&pair, ask, value) {
            Ok(condition) => self.save_new(pair, condition, ask.repeat, ask.is_urgent).await,
            Err(answer) => answer,
        }
    }

    /// What was asked for, as a condition on the pair; or the question that has to be answered first.
    fn condition(&self, pair: &Pair, ask: &Ask, value: Option<Price>) -> Result<Condition, Vec<Act>> {
        let sure = |pct: &Number| pct.sure().ok_or_else(|| self.say(self.t().contradiction));
        Ok(match &ask.what {
            Asked::Price { side, price } => self.price_asked(pair, *side, *price, ask, value)?,
            Asked::Move { direction, pct, within_ms } => {
                let (direction, pct) = (*direction, sure(pct)?);
                match *within_ms {
                    None => Condition::MoveFromNow { direction, pct },
                    Some(DAY_MS) => Condition::Change24h { direction, pct },
                    Some(within_ms) => Condition::Move { direction, pct, within_ms },
                }
            }
            Asked::Spread { pct } => Condition::Spread { pct: sure(pct)? },
        })
    }

    /// The condition of a price; or the question that has to be answered first.
    fn price_asked(
        &self,
        pair: &Pair,
        side: Option<Side>,
        price: Number,
        ask: &Ask,
        value: Option<Price>,
    ) -> Result<Condition, Vec<Act>> {
        let t = self.t();
        let flags = format!(
            "{}{}",
            if ask.repeat { " repeat" } else { "" },
            if ask.is_urgent { " urgent" } else { "" }
        );
        let word = match side {
            Some(Side::Above) => "above ",
            Some(Side::Below) => "below ",
            None => "",
        };
        // Without zeros at its end a number has only one meaning: "1.500" is asked about again.
        let again = |price: Decimal, word: &str| format!("/alert {pair} {word}{}{flags}", price.normalize());
        let shown = |price| number::price(price, self.language());
        let price = match price {
            Number::Sure(price) => price,
            Number::Either(first, second) => {
                let text = fill(
                    t.alert_either,
                    &[("pair", &pair_name(pair)), ("first", &shown(first)), ("second", &shown(second))],
                );
                let keys = row([first, second].map(|price| typed(shown(price), &again(price, word))));
                return Err(self.send(text, rows([keys])));
            }
        };
        let Ok(threshold) = Price::from_decimal(price, Sign::Positive) else {
            return Err(self.say(t.contradiction));
        };
        let side = match (side, value) {
            (Some(side), _) => side,
            (None, Some(value)) => {
                if threshold > value {
                    Side::Above
                } else {
                    Side::Below
                }
            }
            (None, None) => {
                let text = fill(t.alert_rate_missing, &[("pair", &pair_name(pair))]);
                let keys = row([typed("▲", &again(price, "above ")), typed("▼", &again(price, "below "))]);
                return Err(self.send(text, rows([keys])));
            }
        };
        let is_there = value.is_some_and(|value| match side {
            Side::Above => value > threshold,
            Side::Below => value < threshold,
        });
        match value.filter(|_| is_there) {
            Some(value) => Err(self.already(pair, side, threshold, value, ask)),
            None => Ok(Condition::Cross { side, threshold }),
        }
    }

    /// `BTC is already above 60,000 (67,245.10). Fire now, or on the next cross?`
    fn already(&self, pair: &Pair, side: Side, threshold: Price, value: Price, ask: &Ask) -> Vec<Act> {
        let t = self.t();
        let (text, letter) = match side {
            Side::Above => (t.alert_already_above, "a"),
            Side::Below => (t.alert_already_below, "b"),
        };
        let text = fill(
            text,
            &[
                ("base", pair.base().as_str()),
                ("threshold", &number::brief(threshold.decimal(), self.language())),
                ("price", &number::price(value.decimal(), self.language())),
            ],
        );
        let flags = format!("{}{}", if ask.repeat { "r" } else { "" }, if ask.is_urgent { "u" } else { "" });
        let data = |kind: &str| format!("{kind}:{pair}:{letter}:{threshold}:{flags}");
        self.send(text, rows([row([key(t.key_now, data("i")), key(t.key_next_cross, data("k"))])]))
    }

    /// Saves a new alert and says so.
    pub(crate) async fn save_new(
        &self,
        pair: Pair,
        condition: Condition,
        repeat: bool,
        is_urgent: bool,
    ) -> Vec<Act> {
        let t = self.t();
        let spec = Spec { repeat, is_urgent, ..Spec::new(Some(pair), condition) };
        if let Err(error) = spec.check() {
            return self.say(fill(t.alert_bad, &[("reason_html", &self.view().spec_error(&error))]));
        }
        let value = spec.pair.as_ref().and_then(|pair| value_now(&self.world.parts.board, pair));
        let progress = Progress::new(&spec, value);
        let (added, past) = tokio::join!(self.add(&spec, &progress), self.past(&spec));
        match added {
            Err(StoreAway) => self.not_saved(),
            Ok(Added::Full) => self.say_filled(t.alert_limit, &[("limit", &ALERTS_MAX.to_string())]),
            Ok(Added::Done(id)) => {
                let alert = AlertView { id, spec: &spec, progress: &progress, value, past };
                self.send(self.view().alert(t.alert_saved, &alert), self.alert_keys(id, &spec))
            }
        }
    }

    async fn add(&self, spec: &Spec, progress: &Progress) -> Result<Added, StoreAway> {
        self.be_known().await?;
        let alert = NewAlert {
            owner: self.owner(),
            target: self.target(),
            pair: spec.pair.as_ref().map(ToString::to_string).unwrap_or_default(),
            spec: spec.to_json(),
            progress: progress.to_json(),
        };
        let id = self.world.surely(self.world.parts.store.add_alert(&alert, ALERTS_MAX, self.now)).await?;
        Ok(id.map_or(Added::Full, Added::Done))
    }

    /// `/alert #12 75000`
    async fn change_price(&self, id: i64, ask: &Ask) -> Vec<Act> {
        let t = self.t();
        let found = match self.find_alert(id).await {
            Ok(Some(found)) => found,
            Ok(None) => return self.say(t.alert_gone),
            Err(StoreAway) => return self.not_saved(),
        };
        let (row, mut spec) = found;
        let Some(pair) = spec.pair.clone() else { return self.say(t.contradiction) };
        let is_other = |wanted: &Wanted| {
            wanted.base != *pair.base() || wanted.quote.as_ref().is_some_and(|quote| quote != pair.quote())
        };
        if ask.wanted.as_ref().is_some_and(is_other) {
            let values = [("id", id.to_string()), ("pair", pair_name(&pair))];
            return self.say_filled(
                t.alert_other_pair,
                &values.each_ref().map(|(name, value)| (*name, value.as_str())),
            );
        }
        let value = value_now(&self.world.parts.board, &pair);
        spec.condition = match (&ask.what, &spec.condition) {
            (
                Asked::Price { side, price },
                Condition::Cross { side: old, .. } | Condition::Is { side: old, .. },
            ) => {
                let Some(threshold) = price.sure().and_then(|p| Price::from_decimal(p, Sign::Positive).ok())
                else {
                    return self.say(t.contradiction);
                };
                // A price on the other side of the rate than before turns the alert round, unless a side was said.
                let by_rate = value.map(|v| if threshold > v { Side::Above } else { Side::Below });
                Condition::Cross { side: side.or(by_rate).unwrap_or(*old), threshold }
            }
            _ => match self.condition(&pair, ask, value) {
                Ok(condition) => condition,
                Err(answer) => return answer,
            },
        };
        if let Err(error) = spec.check() {
            return self.say(fill(t.alert_bad, &[("reason_html", &self.view().spec_error(&error))]));
        }
        let progress = Progress::new(&spec, value);
        let (saved, past) =
            tokio::join!(self.save(&row, &spec, Some(&progress), Some(true)), self.past(&spec));
        match saved {
            Err(StoreAway) => self.not_saved(),
            Ok(AlertChanged::Missing) => self.say(t.alert_gone),
            Ok(AlertChanged::Full) => self.say_filled(t.alert_limit, &[("limit", &ALERTS_MAX.to_string())]),
            Ok(AlertChanged::Done) => {
                let alert = AlertView { id, spec: &spec, progress: &progress, value, past };
                self.send(self.view().alert(t.alert_changed, &alert), self.alert_keys(id, &spec))
            }
        }
    }

    /// An alert of this chat, as it was asked for.
    pub(crate) async fn find_alert(&self, id: i64) -> Result<Option<(AlertRow, Spec)>, StoreAway> {
        let row = self.world.surely(self.world.parts.store.alert(id)).await?;
        let row = row.filter(|row| row.owner == self.owner());
        Ok(row.and_then(|row| Spec::from_json(&row.spec).ok().map(|spec| (row, spec))))
    }

    /// Changes an alert that was just read: not if it was changed meanwhile.
    pub(crate) async fn save(
        &self,
        row: &AlertRow,
        spec: &Spec,
        progress: Option<&Progress>,
        is_open: Option<bool>,
    ) -> Result<AlertChanged, StoreAway> {
        let change = AlertChange {
            if_revision: Some(row.revision),
            spec: Some(spec.to_json()),
            progress: progress.map(Progress::to_json),
            is_open,
            ..AlertChange::default()
        };
        let store = &self.world.parts.store;
        self.world.surely(store.change_alert(&self.owner(), row.id, &change, ALERTS_MAX, self.now)).await
    }

    /// A price somewhat above the rate, for examples: two digits, then zeros.
    pub(crate) fn example_above(&self, pair: &Pair) -> Option<String> {
        let value = value_now(&self.world.parts.board, pair)?.decimal();
        let above = value.checked_mul(Decimal::new(104, 2))?;
        let round = above.round_sf_with_strategy(2, RoundingStrategy::AwayFromZero)?;
        Some(round.normalize().to_string())
    }

    /// What can be watched on a pair.
    pub(crate) fn alert_hint(&self, pair: Option<&Pair>) -> Vec<Act> {
        let t = self.t();
        let example = pair.and_then(|pair| self.example_above(pair)).unwrap_or_else(|| "70000".to_owned());
        let name = pair.map_or_else(|| "BTC".to_owned(), |pair| self.setting.pair_short(pair));
        let about = match pair {
            Some(pair) => fill(t.about_pair, &[("pair", &pair_name(pair))]),
            None => String::new(),
        };
        let text = fill(t.alert_new_hint, &[("about_html", &about), ("pair", &name), ("above", &example)]);
        let keyboard = match pair {
            Some(pair) => {
                let quick = ["+1%", "-1%", "+5%", "-5%"];
                rows([row(quick.map(|pct| typed(pct.replace('-', "−"), &format!("/alert {pair} {pct}"))))])
            }
            None => Keyboard::new(),
        };
        self.send(text, keyboard)
    }
}
