//! An amount of one asset in another: `100 USD = 9,215.40 RUB`, with the rate it was made with.
//! It must not round what is copied further than it is shown.

use crate::{
    Act, Number,
    chats::pair_name,
    here::Here,
    html::fill,
    keys::{row, rows, typed},
    moment, number,
    phrase::Wanted,
};
use board::Conversion;
use market::{Asset, Basis, Pair, Price, RateState, Sign, VenueId};
use rust_decimal::Decimal;
use std::collections::BTreeSet;

impl Here<'_> {
    /// Answers "100 USD RUB".
    pub(crate) fn convert(&self, amount: Number, from: &Asset, to: Option<&Asset>) -> Vec<Act> {
        let t = self.t();
        let amount = match amount {
            Number::Sure(amount) => amount,
            Number::Either(first, second) => {
                let command = |amount: Decimal| {
                    let to = to.map(ToString::to_string).unwrap_or_default();
                    // Without zeros at its end a number has only one meaning.
                    format!("/convert {} {from} {to}", amount.normalize())
                };
                let shown = |amount| number::brief(amount, self.language());
                let text = fill(t.either_amount, &[("first", &shown(first)), ("second", &shown(second))]);
                let keys = row([first, second].map(|n| typed(shown(n), command(n).trim_end())));
                return self.send(text, rows([keys]));
            }
        };
        let wanted = Wanted { base: from.clone(), quote: to.cloned() };
        let Some(pair) = self.resolve(&wanted) else { return self.unresolved(&wanted) };
        let Ok(amount) = Price::from_decimal(amount, Sign::Positive) else {
            return self.say(t.contradiction);
        };
        self.say(self.converted(amount, &pair))
    }

    /// The sentence alone.
    pub(crate) fn converted(&self, amount: Price, pair: &Pair) -> String {
        let (t, language) = (self.t(), self.language());
        let none = || fill(t.convert_none, &[("pair", &pair_name(pair))]);
        let Some(Conversion { rate, result }) = self.world.parts.board.convert(amount, pair) else {
            return none();
        };
        let Some(value) = rate.value else { return none() };
        let age = rate.event_time.map_or(0, |at| self.now.millis_since(at).max(0));
        let age = moment::ago(age, language);
        let venues: BTreeSet<&VenueId> = match rate.basis {
            Basis::Cross => rate.legs.iter().flat_map(|leg| &leg.sources).collect(),
            _ => rate.sources.iter().collect(),
        };
        let mut out = fill(
            t.converted,
            &[
                ("amount", &number::brief_amount(amount.decimal(), language)),
                ("from", pair.base().as_str()),
                ("result", &number::amount(result.decimal(), language)),
                ("to", pair.quote().as_str()),
                ("rate", &number::amount(value.decimal(), language)),
                ("sources", &language.count(venues.len() as u64, |n| &n.venue)),
                ("age", &age),
            ],
        );
        if rate.state == RateState::Stale {
            out += &format!("\n{}", fill(t.converted_old, &[("age", &age)]));
        }
        if self.world.parts.board.options().demo {
            out += &format!("\n{}", t.demo);
        }
        out
    }
}
