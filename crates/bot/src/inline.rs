//! Inline mode: `@bot btc` in any chat offers rates and conversions to send there.
//! It must not change anything: whoever types is not asked who they are.

use crate::{
    Act, ChatKind, ChatRef, InlineResult, Language, Said,
    chats::pair_name,
    here::Here,
    html::fill,
    number,
    phrase::{self, Expect, Phrase, Wanted},
    split::readable,
    world::World,
};
use market::{Asset, Pair, Price, RateState, Sign};

/// The most answers to one query; Telegram takes 50.
const RESULTS_MAX: usize = 10;
/// What is offered before anything is typed.
const FIRST: [&str; 5] = ["BTC", "ETH", "SOL", "EUR", "USD"];

/// Answers an inline query.
pub(crate) async fn inline(world: &World, said: &Said, query_id: &str, query: &str) -> Vec<Act> {
    let user = said.user.as_ref();
    let language = Language::of_code(user.and_then(|user| user.language_code.as_deref()));
    // A person's own chat has their number.
    let id = user.map_or(0, |user| user.id);
    let chat = ChatRef { id, kind: ChatKind::Private, thread: None };
    let setting = world.setting(id, language).await;
    let here = Here { world, chat, user, setting, now: world.now() };
    vec![Act::Inline { query_id: query_id.to_owned(), results: here.offers(query.trim()).await }]
}

impl Here<'_> {
    async fn offers(&self, query: &str) -> Vec<InlineResult> {
        let names = self.world.names();
        if query.is_empty() {
            let first = FIRST.iter().filter_map(|code| Asset::parse(code).ok());
            let first = first.filter_map(|base| self.resolve(&Wanted { base, quote: None }));
            return self.rate_offers(first.collect()).await;
        }
        let results = match phrase::read(query, &names, Expect::Anything) {
            Phrase::Rates(wanted) => {
                let mut pairs: Vec<Pair> = wanted.iter().filter_map(|w| self.resolve(w)).collect();
                // An asset alone is offered in everything it is quoted in.
                if let [Wanted { base, quote: None }] = wanted.as_slice() {
                    pairs.extend(names.pairs().filter(|pair| pair.base() == base).cloned());
                }
                self.rate_offers(pairs).await
            }
            Phrase::Convert { amount, from, to } => {
                let pair = self.resolve(&Wanted { base: from, quote: to });
                let amounts = amount.meanings().into_iter();
                let amounts = amounts.filter_map(|amount| Price::from_decimal(amount, Sign::Positive).ok());
                pair.map(|pair| amounts.map(|a| self.conversion_offer(a, &pair)).collect())
                    .unwrap_or_default()
            }
            _ => {
                let query = query.to_ascii_uppercase();
                let begins = |pair: &&Pair| {
                    pair.base().as_str().starts_with(&query)
                        || pair.concatenated().starts_with(query.as_str())
                };
                self.rate_offers(names.pairs().filter(begins).take(RESULTS_MAX).cloned().collect()).await
            }
        };
        if results.is_empty() { vec![self.nothing(query)] } else { results }
    }

    async fn rate_offers(&self, pairs: Vec<Pair>) -> Vec<InlineResult> {
        let mut offers: Vec<InlineResult> = Vec::new();
        for pair in pairs {
            let id = pair.to_string();
            if offers.len() >= RESULTS_MAX || id.len() > 64 || offers.iter().any(|offer| offer.id == id) {
                continue;
            }
            let Some(answer) = self.world.parts.board.answer(&pair) else { continue };
            let day = self.world.day(&pair).await;
            let html = self.view().card(&pair, Some(&answer), day.as_ref());
            let rate = &answer.rate;
            let title = match rate.value.filter(|_| rate.state == RateState::Fresh) {
                Some(value) => {
                    format!("{}  {}", pair_name(&pair), number::price(value.decimal(), self.language()))
                }
                None => format!("⚠️ {}", pair_name(&pair)),
            };
            // The rest of the message is the second line.
            let text = readable(&html);
            let description = match text.split_once('\n') {
                Some((_, rest)) => rest.replace('\n', " · "),
                None => text,
            };
            offers.push(InlineResult { id, title, description, html });
        }
        offers
    }

    fn conversion_offer(&self, amount: Price, pair: &Pair) -> InlineResult {
        let html = self.converted(amount, pair);
        let text = readable(&html);
        let (title, description) = text.split_once(" (").unwrap_or((&text, ""));
        let description = description.trim_end_matches(')').to_owned();
        let id = format!("{amount} {pair}").chars().take(64).collect();
        InlineResult { id, title: title.to_owned(), description, html }
    }

    fn nothing(&self, query: &str) -> InlineResult {
        let t = self.t();
        let short: String = query.chars().take(40).collect();
        let html = fill(t.inline_none, &[("query", &short)]);
        InlineResult {
            id: "nothing".to_owned(),
            title: readable(&html),
            description: t.inline_hint.to_owned(),
            html: format!("{html}. {}", t.inline_hint),
        }
    }
}
