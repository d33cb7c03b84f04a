//! What a phrase means, in English or Russian: a rate, a conversion, a chart or an alert.
//! It must not know rates, and never guesses: what has two meanings, or a word it does not know, is said to be unclear.

use crate::{
    Number,
    lexicon::Class,
    names::Names,
    tokens::{self, Token},
};
use alerts::{Direction, Side};
use market::{Asset, Pair};

/// What a phrase means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phrase {
    /// The rates of these.
    Rates(Vec<Wanted>),
    /// An amount of one asset in another.
    Convert {
        /// How much.
        amount: Number,
        /// Of what.
        from: Asset,
        /// In what; in whatever the reader usually sees if `None`.
        to: Option<Asset>,
    },
    /// A picture of a pair.
    Chart {
        /// Of what.
        wanted: Wanted,
        /// How far back.
        span_ms: Option<i64>,
    },
    /// A new alert, or a new price for an old one.
    Alert(Ask),
    /// None of these.
    Unclear {
        /// What was understood.
        wanted: Option<Wanted>,
        /// Why it is unclear.
        why: Why,
    },
}

/// An asset, or a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What is priced.
    pub base: Asset,
    /// In what; in whatever the reader usually sees if `None`.
    pub quote: Option<Asset>,
}

/// What an alert waits for, as far as it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// On what.
    pub wanted: Option<Wanted>,
    /// Which alert is to be changed.
    pub id: Option<i64>,
    /// What must come true.
    pub what: Asked,
    /// Whether it fires again and again.
    pub repeat: bool,
    /// Whether it is told in quiet hours too.
    pub is_urgent: bool,
}

/// What must come true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A price; the side is told by the rate if `None`.
    Price {
        /// Above or below.
        side: Option<Side>,
        /// Of what.
        price: Number,
    },
    /// A move in per cent.
    Move {
        /// Which way.
        direction: Direction,
        /// How far.
        pct: Number,
        /// Within what time; from now on if `None`.
        within_ms: Option<i64>,
    },
    /// Venues apart.
    Spread {
        /// How far, in per cent.
        pct: Number,
    },
}

/// Why a phrase is unclear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Nothing in it means anything here.
    Nothing,
    /// A name that might be an asset's, and is none.
    UnknownName(String),
    /// Words that say something that was not understood.
    UnknownWords(String),
    /// A word that stands for several assets.
    AnyOf(&'static [&'static str]),
    /// An alert without a price or a percentage.
    PriceMissing,
    /// An alert without a pair.
    PairMissing,
    /// An asset and a number after it: an amount, or a price to wait for.
    AmountOrAlert(Number),
    /// Whatever else does not fit together.
    Contradiction,
}

/// What is expected: a command says so, free text does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Anything,
    /// `/rate`
    Rate,
    /// `/convert`
    Convert,
    /// `/alert`
    Alert,
    /// `/chart`
    Chart,
}

/// Reads a phrase.
pub fn read(text: &str, names: &Names, expect: Expect) -> Phrase {
    let found = Found::of(tokens::scan(text, names), text);
    if let Some(codes) = found.any_of {
        return found.unclear(Why::AnyOf(codes));
    }
    let is_alert = match expect {
        Expect::Alert => true,
        Expect::Anything => found.is_alert(),
        _ => false,
    };
    if is_alert {
        return found.alert();
    }
    if expect == Expect::Chart || found.has(Class::Chart) {
        return found.chart();
    }
    if !found.numbers.is_empty() || found.has(Class::Convert) || expect == Expect::Convert {
        return found.convert(expect == Expect::Convert);
    }
    found.rates(expect == Expect::Rate)
}

/// The pieces of a phrase by what they are, with their places.
struct Found {
    /// Assets in order, with the place of each.
    assets: Vec<(usize, Asset)>,
    pairs: Vec<Pair>,
    numbers: Vec<(usize, Number)>,
    percents: Vec<(usize, Number)>,
    spans: Vec<i64>,
    signs: Vec<(usize, Token)>,
    words: Vec<(usize, Class)>,
    any_of: Option<&'static [&'static str]>,
    id: Option<i64>,
    unknown: Vec<String>,
    /// How many pieces there are, fillers aside.
    count: usize,
    fillers: usize,
}

impl Found {
    fn of(tokens: Vec<Token>, text: &str) -> Found {
        let has_percent = tokens.iter().any(|t| matches!(t, Token::Percent(_)));
        let mut found = Found {
            assets: Vec::new(),
            pairs: Vec::new(),
            numbers: Vec::new(),
            percents: Vec::new(),
            spans: Vec::new(),
            signs: Vec::new(),
            words: Vec::new(),
            any_of: None,
            id: None,
            unknown: Vec::new(),
            count: 0,
            fillers: 0,
        };
        let is_wanting = text.chars().count() > tokens::LENGTH_MAX;
        if is_wanting {
            found.unknown.push("…".to_owned());
        }
        for token in tokens {
            let at = found.count;
            found.count += usize::from(token != Token::Word(Class::Filler));
            match token {
                Token::Word(Class::Filler) => found.fillers += 1,
                Token::Asset(asset) => found.assets.push((at, asset)),
                Token::Pair(pair) => found.pairs.push(pair),
                // After a percentage `15m` is a quarter of an hour; a price of fifteen million elsewhere.
                Token::NumberOrSpan(_, ms) if has_percent => found.spans.push(ms),
                Token::NumberOrSpan(number, _) | Token::Number(number) => found.numbers.push((at, number)),
                Token::Percent(number) => found.percents.push((at, number)),
                Token::Span(ms) => found.spans.push(ms),
                sign @ (Token::Plus | Token::Minus | Token::PlusMinus) => found.signs.push((at, sign)),
                Token::AnyOf(codes) => found.any_of = Some(codes),
                Token::Id(id) => found.id = Some(id),
                Token::Word(class) => found.words.push((at, class)),
                Token::Unknown(word) if word == "к" => found.words.push((at, Class::To)),
                Token::Unknown(word) => found.unknown.push(word),
            }
        }
        // A dash between words is only a dash.
        let is_before_number = |at: usize| {
            found.numbers.iter().chain(&found.percents).any(|(number_at, _)| *number_at == at + 1)
        };
        found.signs.retain(|(at, sign)| *sign != Token::Minus || is_before_number(*at));
        found
    }

    fn has(&self, class: Class) -> bool {
        self.words.iter().any(|(_, c)| *c == class)
    }

    fn has_any(&self, classes: &[Class]) -> bool {
        classes.iter().any(|class| self.has(*class))
    }

    fn unclear(&self, why: Why) -> Phrase {
        Phrase::Unclear { wanted: self.wanted().ok(), why }
    }

    /// The one asset or pair that the phrase is about.
    fn wanted(&self) -> Result<Wanted, Why> {
        match (self.pairs.as_slice(), self.assets.as_slice()) {
            ([pair], []) => Ok(Wanted::of(pair)),
            ([], [(_, base)]) => Ok(Wanted { base: base.clone(), quote: None }),
            ([], [(_, base), (_, quote)]) if base != quote => {
                Ok(Wanted { base: base.clone(), quote: Some(quote.clone()) })
            }
            ([], []) => Err(Why::PairMissing),
            _ => Err(Why::Contradiction),
        }
    }

    /// What was said that means nothing here: a name, if it stands where a name is expected.
    fn stranger(&self, is_name_expected: bool) -> Option<Why> {
        let first = self.unknown.first()?;
        let is_name = first.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_'))
            && (2..=20).contains(&first.len());
        let is_alone = self.count + self.fillers == 1 || (self.count <= 3 && !self.assets.is_empty());
        Some(if is_name && (is_name_expected || (is_alone && self.unknown.len() == 1)) {
            Why::UnknownName(first.to_ascii_uppercase())
        } else if self.assets.is_empty() && self.pairs.is_empty() {
            Why::Nothing
        } else {
            Why::UnknownWords(self.unknown.join(" "))
        })
    }

    fn is_alert(&self) -> bool {
        let is_about_something = !self.assets.is_empty() || !self.pairs.is_empty();
        let has_condition = !self.numbers.is_empty() || !self.percents.is_empty();
        let has_side =
            self.has_any(&[Class::Above, Class::Below, Class::Rise, Class::Fall, Class::Shift, Class::Reach]);
        let is_becoming = self.has(Class::When) && self.has(Class::Become);
        let is_told = is_about_something && has_condition && (has_side || is_becoming);
        self.has(Class::Notify)
            || (!self.has(Class::Much) && (is_told || (is_about_something && !self.percents.is_empty())))
    }

    fn alert(&self) -> Phrase {
        if let Some(why) = self.stranger(true) {
            return self.unclear(why);
        }
        let what = match self.asked() {
            Ok(what) => what,
            Err(why) => return self.unclear(why),
        };
        let wanted = match self.wanted() {
            Ok(wanted) => Some(wanted),
            Err(Why::PairMissing) if self.id.is_some() => None,
            Err(why) => return Phrase::Unclear { wanted: None, why },
        };
        let (repeat, is_urgent) = (self.has(Class::Repeat), self.has(Class::Urgent));
        Phrase::Alert(Ask { wanted, id: self.id, what, repeat, is_urgent })
    }

    fn asked(&self) -> Result<Asked, Why> {
        if self.has_any(&[Class::Chart, Class::Convert]) {
            return Err(Why::Contradiction);
        }
        match (self.numbers.as_slice(), self.percents.as_slice()) {
            ([], []) => Err(Why::PriceMissing),
            ([], [(at, pct)]) => self.asked_percent(*at, *pct),
            ([(at, price)], []) => self.asked_price(*at, *price),
            _ => Err(Why::Contradiction),
        }
    }

    fn asked_percent(&self, at: usize, pct: Number) -> Result<Asked, Why> {
        if self.has(Class::Spread) {
            let fits =
                self.spans.is_empty() && self.signs.is_empty() && !self.has_any(&[Class::Rise, Class::Fall]);
            return if fits { Ok(Asked::Spread { pct }) } else { Err(Why::Contradiction) };
        }
        let sign = self.sign_before(at);
        let (up, down) = (
            sign == Some(&Token::Plus) || self.has_any(&[Class::Rise, Class::Above]),
            sign == Some(&Token::Minus) || self.has_any(&[Class::Fall, Class::Below]),
        );
        let is_either = sign == Some(&Token::PlusMinus) || self.has(Class::Shift);
        let direction = match (up, down, is_either) {
            (true, true, _) | (true, _, true) | (_, true, true) => return Err(Why::Contradiction),
            (true, ..) => Direction::Up,
            (_, true, _) => Direction::Down,
            _ => Direction::Either,
        };
        let within_ms = match self.spans.as_slice() {
            [] => None,
            [ms] => Some(*ms),
            _ => return Err(Why::Contradiction),
        };
        let is_stray = self.signs.iter().any(|(sign_at, _)| *sign_at + 1 != at);
        if is_stray { Err(Why::Contradiction) } else { Ok(Asked::Move { direction, pct, within_ms }) }
    }

    fn asked_price(&self, at: usize, price: Number) -> Result<Asked, Why> {
        // "By 5000", "+5000", "within an hour": a difference, or a span, belongs to a percentage.
        let is_difference = self.words.iter().any(|(word_at, class)| *class == Class::By && *word_at < at);
        if is_difference
            || !self.signs.is_empty()
            || !self.spans.is_empty()
            || self.has_any(&[Class::Spread, Class::Shift])
        {
            return Err(Why::Contradiction);
        }
        let (up, down) =
            (self.has_any(&[Class::Above, Class::Rise]), self.has_any(&[Class::Below, Class::Fall]));
        let side = match (up, down) {
            (true, true) => return Err(Why::Contradiction),
            (true, false) => Some(Side::Above),
            (false, true) => Some(Side::Below),
            (false, false) => None,
        };
        Ok(Asked::Price { side, price })
    }

    fn sign_before(&self, at: usize) -> Option<&Token> {
        self.signs.iter().find(|(sign_at, _)| *sign_at + 1 == at).map(|(_, sign)| sign)
    }

    fn chart(&self) -> Phrase {
        if let Some(why) = self.stranger(true) {
            return self.unclear(why);
        }
        let is_plain = self.numbers.is_empty() && self.percents.is_empty() && self.spans.len() <= 1;
        match self.wanted() {
            Ok(wanted) if is_plain => Phrase::Chart { wanted, span_ms: self.spans.first().copied() },
            Ok(_) => self.unclear(Why::Contradiction),
            Err(why) => Phrase::Unclear { wanted: None, why },
        }
    }

    fn convert(&self, is_expected: bool) -> Phrase {
        if let Some(why) = self.stranger(true) {
            return self.unclear(why);
        }
        let is_strange = !self.percents.is_empty()
            || !self.signs.is_empty()
            || !self.spans.is_empty()
            || self.has_any(&[
                Class::Above,
                Class::Below,
                Class::Rise,
                Class::Fall,
                Class::Shift,
                Class::Spread,
            ]);
        if is_strange || self.numbers.len() > 1 || self.id.is_some() {
            let is_about_nothing = self.assets.is_empty() && self.pairs.is_empty();
            return self.unclear(if is_about_nothing { Why::PairMissing } else { Why::Contradiction });
        }
        let number = self.numbers.first().copied();
        let (amount_at, amount) = number.unwrap_or((0, Number::Sure(rust_decimal::Decimal::ONE)));
        match (self.pairs.as_slice(), self.assets.as_slice()) {
            // "100 BTC/USDT"
            ([pair], []) if number.is_some_and(|(at, _)| at == 0 || is_expected) || number.is_none() => {
                Phrase::Convert { amount, from: pair.base().clone(), to: Some(pair.quote().clone()) }
            }
            ([], [(at, from)]) if *at == amount_at + 1 || number.is_none() || is_expected => {
                Phrase::Convert { amount, from: from.clone(), to: None }
            }
            ([], [(first_at, first), (second_at, second)]) if first != second => {
                // The amount is of the asset beside it: "how many roubles in 100 dollars", "USD 100 to EUR".
                let is_second = number.is_some() && *second_at == amount_at + 1;
                let is_first = number.is_none()
                    || *first_at == amount_at + 1
                    || first_at + 1 == amount_at
                    || (is_expected && !is_second);
                match (is_first, is_second) {
                    (true, false) => {
                        Phrase::Convert { amount, from: first.clone(), to: Some(second.clone()) }
                    }
                    (false, true) => {
                        Phrase::Convert { amount, from: second.clone(), to: Some(first.clone()) }
                    }
                    _ => self.unclear(Why::AmountOrAlert(amount)),
                }
            }
            ([_], []) | ([], [_]) => self.unclear(Why::AmountOrAlert(amount)),
            ([], []) if is_expected || number.is_none() => self.unclear(Why::PairMissing),
            ([], []) => self.unclear(Why::Nothing),
            _ => self.unclear(Why::Contradiction),
        }
    }

    fn rates(&self, is_expected: bool) -> Phrase {
        let is_strange = !self.percents.is_empty()
            || !self.spans.is_empty()
            || self.id.is_some()
            || self.has_any(&[
                Class::Above,
                Class::Below,
                Class::Rise,
                Class::Fall,
                Class::Shift,
                Class::Within,
            ]);
        if let Some(why) = self.stranger(is_expected) {
            return self.unclear(why);
        }
        if is_strange && (!self.assets.is_empty() || !self.pairs.is_empty()) {
            let is_half_an_alert = self.has_any(&[Class::Above, Class::Below, Class::Rise, Class::Fall]);
            return self.unclear(if is_half_an_alert { Why::PriceMissing } else { Why::Contradiction });
        }
        match (self.pairs.as_slice(), self.assets.as_slice()) {
            ([], []) => self.unclear(if is_expected { Why::PairMissing } else { Why::Nothing }),
            ([], [_] | [_, _]) | ([_], []) => match self.wanted() {
                Ok(wanted) => Phrase::Rates(vec![wanted]),
                Err(why) => self.unclear(why),
            },
            (pairs, assets) => {
                let alone = assets.iter().map(|(_, asset)| Wanted { base: asset.clone(), quote: None });
                Phrase::Rates(pairs.iter().map(Wanted::of).chain(alone).collect())
            }
        }
    }
}

impl Wanted {
    /// A pair.
    pub fn of(pair: &Pair) -> Wanted {
        Wanted { base: pair.base().clone(), quote: Some(pair.quote().clone()) }
    }
}
