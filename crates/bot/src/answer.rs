//! Answers to phrases: free text and the commands that take a phrase. What was unclear is said back.
//! It must not read a phrase itself.

use crate::{
    Act, Keyboard, Number, Plural,
    chats::pair_name,
    here::Here,
    html::fill,
    keys::{key, row, rows, typed},
    number,
    phrase::{self, Expect, Phrase, Wanted, Why},
};
use market::Pair;

/// The most rates that one message shows for one phrase.
const RATES_MAX: usize = 10;
/// The most names that are offered for one that is unknown.
const NEAR_MAX: usize = 3;

impl Here<'_> {
    /// Answers a phrase.
    pub(crate) async fn answer(&self, text: &str, expect: Expect) -> Vec<Act> {
        match phrase::read(text, &self.world.names(), expect) {
            Phrase::Rates(wanted) if wanted.len() > 1 => self.rates_of(&wanted).await,
            Phrase::Rates(wanted) => match wanted.first() {
                Some(wanted) => self.rate_of(wanted).await,
                None => self.not_understood(),
            },
            Phrase::Convert { amount, from, to } => self.convert(amount, &from, to.as_ref()),
            Phrase::Chart { wanted, span_ms } => match self.resolve(&wanted) {
                Some(pair) => self.chart(&pair, span_ms, None).await,
                None => self.unresolved(&wanted),
            },
            Phrase::Alert(ask) => self.make_alert(&ask).await,
            Phrase::Unclear { wanted, why } => self.unclear(wanted.as_ref(), &why),
        }
    }

    async fn rate_of(&self, wanted: &Wanted) -> Vec<Act> {
        match self.resolve(wanted) {
            Some(pair) => {
                let (html, keyboard) = self.card(&pair).await;
                self.send(html, keyboard)
            }
            None => self.unresolved(wanted),
        }
    }

    async fn rates_of(&self, wanted: &[Wanted]) -> Vec<Act> {
        let mut pairs: Vec<Pair> = Vec::new();
        for wanted in wanted.iter().take(RATES_MAX) {
            match self.resolve(wanted) {
                Some(pair) => pairs.push(pair),
                None => return self.unresolved(wanted),
            }
        }
        let html = self.lines(&pairs).await;
        let keys = pairs.iter().map(|pair| key(self.setting.pair_short(pair), format!("q:{pair}")));
        self.send(html, chunked(keys.collect::<Vec<_>>()))
    }

    /// Pairs, one a line.
    pub(crate) async fn lines(&self, pairs: &[Pair]) -> String {
        let mut lines = Vec::new();
        for pair in pairs {
            let day = self.world.day(pair).await;
            if let Some(answer) = self.world.parts.board.answer(pair) {
                lines.push(self.view().line(&answer, day.as_ref()));
            }
        }
        if self.world.parts.board.options().demo {
            lines.push(self.t().demo.to_owned());
        }
        lines.join("\n")
    }

    /// An asset that is in no pair, or two that nothing leads between.
    pub(crate) fn unresolved(&self, wanted: &Wanted) -> Vec<Act> {
        let names = self.world.names();
        match &wanted.quote {
            Some(quote) if names.has_asset(&wanted.base) && names.has_asset(quote) => self.say_filled(
                self.t().unknown_pair,
                &[("base", wanted.base.as_str()), ("quote", quote.as_str()), ("count", &self.pair_count())],
            ),
            Some(quote) if names.has_asset(&wanted.base) => self.unknown(quote.as_str()),
            _ => self.unknown(wanted.base.as_str()),
        }
    }

    /// `412 пар`, after "все", with which the form beside one does not go: `пары (421)`.
    fn pair_count(&self) -> String {
        let (language, count) = (self.language(), self.world.names().pair_count() as u64);
        match language.plural(count) {
            Plural::One if count > 1 => {
                fill(self.t().all_pairs_one, &[("count", &number::plain(count.into(), language))])
            }
            _ => language.count(count, |n| &n.pair),
        }
    }

    /// `I don't know BTCC. Did you mean BTC, BTCB, BCC?`
    pub(crate) fn unknown(&self, name: &str) -> Vec<Act> {
        let (t, names) = (self.t(), self.world.names());
        let near = names.near(name, NEAR_MAX);
        let count = match self.language() {
            // "lists all 412": the noun stands with /pairs already.
            crate::Language::En => number::plain((names.pair_count() as u64).into(), self.language()),
            crate::Language::Ru => self.pair_count(),
        };
        if near.is_empty() {
            return self.say_filled(t.unknown, &[("name", name), ("count", &count)]);
        }
        let list: Vec<&str> = near.iter().map(market::Asset::as_str).collect();
        let text = fill(t.unknown_near, &[("name", name), ("near", &list.join(", ")), ("count", &count)]);
        self.send(text, rows([row(list.iter().map(|code| typed(*code, code)))]))
    }

    fn not_understood(&self) -> Vec<Act> {
        self.say(format!("{} {}", self.t().not_understood, self.t().try_these))
    }

    fn unclear(&self, wanted: Option<&Wanted>, why: &Why) -> Vec<Act> {
        let t = self.t();
        let pair = wanted.map(|wanted| self.wanted_name(wanted)).unwrap_or_default();
        let show = || match wanted {
            Some(wanted) => rows([row([typed(pair.clone(), &self.wanted_name(wanted))])]),
            None => Keyboard::new(),
        };
        match why {
            Why::Nothing => self.not_understood(),
            Why::Contradiction => self.send(t.contradiction, show()),
            Why::UnknownName(name) => self.unknown(name),
            Why::UnknownWords(words) => {
                let text = fill(t.understood_words, &[("pair", &pair), ("words", words)]);
                self.send(format!("{text}\n{}", t.try_these), show())
            }
            Why::AnyOf(codes) => {
                self.send(t.which_asset, rows([row(codes.iter().map(|code| typed(*code, code)))]))
            }
            Why::PairMissing => self.say(t.understood_missing_pair),
            Why::PriceMissing => match wanted {
                Some(wanted) => self.price_missing(wanted),
                None => self.say(t.understood_missing_pair),
            },
            Why::AmountOrAlert(amount) => self.amount_or_alert(wanted, *amount),
        }
    }

    /// `I understood: pair BTC. Missing: price.`
    fn price_missing(&self, wanted: &Wanted) -> Vec<Act> {
        let name = self.wanted_name(wanted);
        let price = self.resolve(wanted).and_then(|pair| self.example_above(&pair));
        let price = price.unwrap_or_else(|| "70000".to_owned());
        self.say_filled(
            self.t().understood_missing_price,
            &[("pair", &name), ("example", &name), ("price", &price)],
        )
    }

    fn amount_or_alert(&self, wanted: Option<&Wanted>, amount: Number) -> Vec<Act> {
        let t = self.t();
        let (Some(wanted), Some(&number)) = (wanted, amount.meanings().first()) else {
            return self.say(t.contradiction);
        };
        let base = wanted.base.as_str();
        let quote = wanted.quote.as_ref().map(|quote| format!(" {quote}")).unwrap_or_default();
        let (number, shown) = (number.normalize(), number::brief(number, self.language()));
        let text = fill(t.amount_or_alert, &[("asset", base), ("number", &shown)]);
        let convert = fill(t.key_convert, &[("amount", &format!("{shown} {base}"))]);
        let alert = fill(t.key_alert_at, &[("price", &shown)]);
        let keys = [
            row([typed(convert, &format!("/convert {number} {base}{quote}"))]),
            row([typed(alert, &format!("/alert {base}{quote} {number}"))]),
        ];
        self.send(text, rows(keys))
    }

    /// `BTC`, or `BTC/USDT` where both were said.
    pub(crate) fn wanted_name(&self, wanted: &Wanted) -> String {
        let pair = wanted.quote.as_ref().and_then(|quote| Pair::new(wanted.base.clone(), quote.clone()).ok());
        pair.map_or_else(|| wanted.base.to_string(), |pair| pair_name(&pair))
    }
}

/// Buttons, three to a row.
pub(crate) fn chunked(keys: Vec<Option<crate::Key>>) -> Keyboard {
    let keys: Vec<crate::Key> = keys.into_iter().flatten().collect();
    keys.chunks(3).map(<[crate::Key]>::to_vec).collect()
}
