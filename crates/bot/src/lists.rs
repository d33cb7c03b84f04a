//! `/rates`, `/pairs`, `/help`, `/id`, and what is said to a new group.
//! It must not know a command's name.

use crate::{
    Act, Keyboard,
    alert_keys::Press,
    chats::pair_name,
    here::Here,
    html::fill,
    keys::{key, row, rows},
    moment,
};
use market::{Asset, Pair};

/// So many pairs are one page of `/pairs`.
const PAGE: usize = 60;
/// Assets that most people look for, the best known first.
const MAIN: [&str; 12] =
    ["BTC", "ETH", "SOL", "TON", "XRP", "BNB", "DOGE", "TRX", "EUR", "USD", "CNY", "GBP"];
/// The most rates of `/rates`.
const RATES_MAX: usize = 10;

impl Here<'_> {
    /// Answers `/rates`: the main ones that are there; where none of them is, the first by name.
    pub(crate) async fn rates(&self) -> Vec<Act> {
        let (html, keyboard) = self.rates_message().await;
        self.send(html, keyboard)
    }

    async fn rates_message(&self) -> (String, Keyboard) {
        let names = self.world.names();
        let main = MAIN.iter().filter_map(|code| {
            let asset = Asset::parse(code).ok().filter(|asset| names.has_asset(asset))?;
            self.resolve(&crate::phrase::Wanted { base: asset, quote: None })
        });
        let mut pairs: Vec<Pair> = Vec::new();
        for pair in main {
            // The dollar in euros is the euro in dollars.
            if !pairs.contains(&pair) && !pairs.contains(&pair.inverse()) && self.has_rate(&pair) {
                pairs.push(pair);
            }
        }
        if pairs.is_empty() {
            pairs = names.pairs().take(RATES_MAX).cloned().collect();
        }
        pairs.truncate(RATES_MAX);
        let time = moment::time_with_seconds(self.now, self.zone(), self.language());
        let head = fill(self.t().rates_head, &[("time", &time)]);
        (format!("{head}\n{}", self.lines(&pairs).await), rows([row([key(self.t().key_refresh, "R:")])]))
    }

    /// Whether there is anything to show of it.
    fn has_rate(&self, pair: &Pair) -> bool {
        let answer = self.world.parts.board.answer(pair);
        answer.is_some_and(|answer| answer.rate.value.is_some() || answer.rate.low.is_some())
    }

    /// The button that brings `/rates` up to date.
    pub(crate) async fn rates_pressed(&self, press: &Press<'_>) -> Vec<Act> {
        let (html, keyboard) = self.rates_message().await;
        match press.message_id {
            Some(message_id) => vec![press.done(), Act::Edit { message_id, html, keyboard }],
            None => vec![press.done(), Act::Send { html, keyboard }],
        }
    }

    /// Answers `/pairs`: all that are tracked, in pages.
    pub(crate) fn pairs(&self) -> Vec<Act> {
        let (html, keyboard) = self.pairs_page(0);
        self.send(html, keyboard)
    }

    /// A page of `/pairs`: `P:2`.
    pub(crate) fn pairs_pressed(&self, rest: &str, press: &Press<'_>) -> Vec<Act> {
        let (html, keyboard) = self.pairs_page(rest.parse().unwrap_or(0));
        match press.message_id {
            Some(message_id) => vec![press.done(), Act::Edit { message_id, html, keyboard }],
            None => vec![press.done(), Act::Send { html, keyboard }],
        }
    }

    fn pairs_page(&self, page: usize) -> (String, Keyboard) {
        let (t, names) = (self.t(), self.world.names());
        let pages = names.pair_count().div_ceil(PAGE).max(1);
        let page = page.min(pages - 1);
        let count = self.language().count(names.pair_count() as u64, |n| &n.pair);
        let head = fill(
            t.pairs_head,
            &[("pairs", &count), ("page", &(page + 1).to_string()), ("pages", &pages.to_string())],
        );
        let shown: Vec<String> = names.pairs().skip(page * PAGE).take(PAGE).map(pair_name).collect();
        let before = (page > 0).then(|| key(t.key_older, format!("P:{}", page.saturating_sub(1)))).flatten();
        let after = (page + 1 < pages).then(|| key(t.key_newer, format!("P:{}", page + 1))).flatten();
        (format!("{head}\n{}\n{}", shown.join(" · "), t.pairs_more), rows([row([before, after])]))
    }

    /// Answers `/help`.
    pub(crate) fn help(&self) -> Vec<Act> {
        let bot = format!("@{}", self.world.parts.bot_name);
        self.say_filled(self.t().help, &[("bot", &bot)])
    }

    /// Answers `/id`.
    pub(crate) fn id(&self) -> Vec<Act> {
        let user = self.user.map_or_else(|| "—".to_owned(), |user| user.id.to_string());
        self.say_filled(self.t().id, &[("chat", &self.chat.id.to_string()), ("user", &user)])
    }

    /// What is said in a group that we were added to.
    pub(crate) fn greet_group(&self) -> Vec<Act> {
        let venues = self.language().count(self.world.venue_count(), |n| &n.venue_where);
        self.say_filled(self.t().group_joined, &[("venues", &venues)])
    }
}
