//! A rate as a message: its value, what it did in a day, who says so, how old it is, and what is wrong with it.
//! It must not make a rate, nor hide that one is old, disputed or not confirmed.

use crate::{
    Keyboard, Language,
    chats::pair_name,
    day::Day,
    here::Here,
    html::fill,
    keys::{key, row, rows},
    moment, number,
    world::World,
};
use alerts::ZoneName;
use board::Answer;
use market::{Basis, Pair, Price, Rate, RateState, Timestamp, VenueId};

/// How a rate is read: in which language, by which clock, now.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) world: &'a World,
    pub(crate) language: Language,
    pub(crate) zone: Option<&'a ZoneName>,
    pub(crate) now: Timestamp,
}

/// What has more digits after the point was computed, not published.
const PLACES_EXACT_MAX: u32 = 12;
/// The most venues that are named in a sentence.
const NAMED_MAX: usize = 3;

impl Here<'_> {
    pub(crate) fn view(&self) -> View<'_> {
        View { world: self.world, language: self.language(), zone: self.zone(), now: self.now }
    }

    /// The rate of a pair, and what can be done with it.
    pub(crate) async fn card(&self, pair: &Pair) -> (String, Keyboard) {
        let answer = self.world.parts.board.answer(pair);
        let day = self.world.day(pair).await;
        (self.view().card(pair, answer.as_deref(), day.as_ref()), self.card_keys(pair))
    }

    fn card_keys(&self, pair: &Pair) -> Keyboard {
        let t = self.t();
        rows([row([
            key(t.key_refresh, format!("r:{pair}")),
            key(t.key_chart, format!("c:{pair}")),
            key(t.key_alert, format!("n:{pair}")),
        ])])
    }
}

impl View<'_> {
    /// The whole message.
    pub(crate) fn card(&self, pair: &Pair, answer: Option<&Answer>, day: Option<&Day>) -> String {
        let demo = if self.world.parts.board.options().demo {
            format!("\n{}", self.language.texts().demo)
        } else {
            String::new()
        };
        let Some(answer) = answer else {
            return fill(self.language.texts().unseen, &[("pair", &pair_name(pair))]) + &demo;
        };
        let rate = &answer.rate;
        let age = answer.age_ms(self.now);
        let said = match (rate.state, rate.value) {
            (RateState::Disputed, _) => self.disputed(rate),
            (RateState::Stale, Some(value)) => self.stale(rate, value, age),
            (RateState::Suspect, Some(value)) => self.suspect(rate, value),
            (RateState::Fresh, Some(value)) => self.fresh(rate, value, age, day),
            _ => self.expired(pair, age),
        };
        said + &demo
    }

    fn fresh(&self, rate: &Rate, value: Price, age: Option<i64>, day: Option<&Day>) -> String {
        let (t, language) = (self.language.texts(), self.language);
        let price = number::price(value.decimal(), language);
        let mut out = fill(t.rate_head, &[("pair", &pair_name(&rate.pair)), ("price", &price)]);
        let span = day.map(|day| (day, self.span(day)));
        if let Some((day, span)) = &span
            && let Some(change) = day.change_to(value)
        {
            let change = number::change(change, language);
            out += &format!("  {}", fill(t.rate_change, &[("change", &change), ("span", span)]));
        }
        let range = span.map(|(day, span)| {
            let low = number::price(day.low.min(value).decimal(), language);
            let high = number::price(day.high.max(value).decimal(), language);
            fill(t.rate_range, &[("span", &span), ("low", &low), ("high", &high)])
        });
        let spread = rate
            .spread_pct
            .filter(|_| rate.sources_used > 1)
            .map(|spread| fill(t.rate_spread, &[("spread", &number::percent(spread, language))]));
        let second: Vec<String> = [range, spread].into_iter().flatten().collect();
        if !second.is_empty() {
            out += &format!("\n{}", capitalised(&second.join(" · ")));
        }
        out += &format!("\n{}", self.last_line(rate, age));
        // What the short form leaves out is there for whoever wants to copy it.
        let is_cut = number::shown(value.decimal()).normalize() != value.decimal().normalize();
        // A quotient has digits that nobody published.
        if tiny(&price)
            || (is_cut && rate.basis != Basis::Cross && value.decimal().scale() <= PLACES_EXACT_MAX)
        {
            out +=
                &format!("\n{}", fill(t.rate_exact, &[("price", &number::exact(value.decimal(), language))]));
        }
        out
    }

    /// Who says so, how old it is, and when that was.
    fn last_line(&self, rate: &Rate, age: Option<i64>) -> String {
        let age = age.unwrap_or_default();
        let time = moment::time_with_seconds(self.now.plus_millis(-age), self.zone, self.language);
        let (sources, age) = (self.sources(rate), moment::ago(age, self.language));
        fill(self.language.texts().rate_last_line, &[("sources", &sources), ("age", &age), ("time", &time)])
    }

    /// `Median of 7 of 8 venues`, `Only NAME`, `Through BTC/USDT, USDT/RUB`.
    fn sources(&self, rate: &Rate) -> String {
        let t = self.language.texts();
        match (rate.basis, rate.sources.as_slice()) {
            (Basis::Cross, _) => {
                let legs: Vec<String> = rate.legs.iter().map(|leg| pair_name(&leg.pair)).collect();
                fill(t.rate_cross, &[("pairs", &legs.join(", "))])
            }
            (_, [venue]) if rate.sources_total <= 1 => {
                fill(t.rate_one_venue, &[("venue", &self.world.venue(venue))])
            }
            _ => {
                let total = self.language.of_total(rate.sources_total.into(), |n| &n.venue);
                fill(t.rate_median, &[("used", &rate.sources_used.to_string()), ("total", &total)])
            }
        }
    }

    fn stale(&self, rate: &Rate, value: Price, age: Option<i64>) -> String {
        let (t, language) = (self.language.texts(), self.language);
        let silent = self.silent(rate);
        let since = silent.iter().filter_map(|(_, since)| *since).min();
        let names: Vec<String> = silent.iter().map(|(venue, _)| self.world.venue(venue)).collect();
        let silent = match (since, names.as_slice()) {
            (Some(since), [_, ..]) => {
                let text = if names.len() == 1 { t.stale_silent_one } else { t.stale_silent_many };
                let time = moment::time(since, self.zone, language);
                fill(text, &[("venues", &self.list(&names)), ("time", &time)])
            }
            _ => String::new(),
        };
        fill(
            t.stale,
            &[
                ("pair", &pair_name(&rate.pair)),
                ("price", &number::price(value.decimal(), language)),
                ("age", &moment::ago(age.unwrap_or_default(), language)),
                ("silent_html", &silent),
            ],
        )
    }

    /// The venues whose silence makes the rate old, and since when each is silent.
    fn silent(&self, rate: &Rate) -> Vec<(VenueId, Option<Timestamp>)> {
        let down =
            rate.degraded.iter().filter_map(|word| VenueId::parse(word.strip_prefix("venue_down:")?).ok());
        let ticks = self.world.parts.board.explain(&rate.pair);
        let heard = |venue: &VenueId| {
            let tick = ticks.iter().find(|tick| tick.venue == *venue)?;
            Some(self.now.plus_millis(-tick.age_ms))
        };
        down.map(|venue| (venue.clone(), heard(&venue))).collect()
    }

    fn suspect(&self, rate: &Rate, value: Price) -> String {
        let venue = rate.sources.first().map(|venue| self.world.venue(venue)).unwrap_or_default();
        let price = number::price(value.decimal(), self.language);
        fill(
            self.language.texts().suspect,
            &[("pair", &pair_name(&rate.pair)), ("price", &price), ("venue", &venue)],
        )
    }

    fn disputed(&self, rate: &Rate) -> String {
        let edge = |price: Option<Price>| {
            price.map(|p| number::brief(p.decimal(), self.language)).unwrap_or_default()
        };
        let spread = rate.spread_pct.map(|s| number::brief_percent(s, self.language)).unwrap_or_default();
        fill(
            self.language.texts().disputed,
            &[("low", &edge(rate.low)), ("high", &edge(rate.high)), ("spread", &spread)],
        )
    }

    fn expired(&self, pair: &Pair, age: Option<i64>) -> String {
        let t = self.language.texts();
        let pair = pair_name(pair);
        match age {
            Some(age) => fill(t.expired, &[("pair", &pair), ("age", &moment::ago(age, self.language))]),
            None => fill(t.unseen, &[("pair", &pair)]),
        }
    }

    /// A pair in one line, for lists: its price, or why there is none.
    pub(crate) fn line(&self, answer: &Answer, day: Option<&Day>) -> String {
        let (t, rate) = (self.language.texts(), &answer.rate);
        let mark = if rate.state == RateState::Fresh { "" } else { "⚠️ " };
        let price = match (rate.value, rate.low.zip(rate.high)) {
            (Some(value), _) => number::price(value.decimal(), self.language),
            (None, Some((low, high))) => format!(
                "{}–{}",
                number::brief(low.decimal(), self.language),
                number::brief(high.decimal(), self.language)
            ),
            _ => "—".to_owned(),
        };
        let change = day.zip(rate.value).and_then(|(day, value)| day.change_to(value));
        let change = change.map(|c| format!("  {}", number::change(c, self.language))).unwrap_or_default();
        let line = fill(t.rate_short, &[("pair", &pair_name(&rate.pair)), ("price", &price)]);
        format!("{mark}{line}{change}")
    }

    /// `24 h`, or as much of it as is known.
    pub(crate) fn span(&self, day: &Day) -> String {
        match day.span_ms(self.now) {
            86_400_000 => match self.language {
                Language::En => "24 h".to_owned(),
                Language::Ru => "24 ч".to_owned(),
            },
            ms => moment::rough_span(ms, self.language),
        }
    }

    /// `A`, `A and B`, `A, B and C`, `A, B, C and 3 more`.
    pub(crate) fn list(&self, names: &[String]) -> String {
        let t = self.language.texts();
        match names {
            [] => String::new(),
            [one] => one.clone(),
            many if many.len() > NAMED_MAX => {
                let first = many[..NAMED_MAX].join(", ");
                plain_fill(
                    t.list_and_more,
                    &[("first", &first), ("count", &(many.len() - NAMED_MAX).to_string())],
                )
            }
            [first @ .., last] => plain_fill(t.list_and, &[("first", &first.join(", ")), ("last", last)]),
        }
    }
}

/// Fills a text whose values are escaped later, with all of it.
fn plain_fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

fn tiny(price: &str) -> bool {
    price.chars().any(|c| ('₀'..='₉').contains(&c))
}

/// A line begins with a capital where it begins with a word.
fn capitalised(line: &str) -> String {
    let mut chars = line.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
