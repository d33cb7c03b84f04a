//! A chat's settings: language, time zone, quiet hours, what prices are shown in.
//! It must not know how they are asked for.

use crate::{Language, Names, phrase::Wanted};
use alerts::ZoneName;
use board::{Board, Found};
use market::{Asset, Pair, Timestamp};
use serde::{Deserialize, Serialize};
use store::ChatRow;

/// What a chat has chosen, or what it is taken to want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) language: Language,
    /// The zone whose clock times are shown by; `None` is UTC.
    pub(crate) zone: Option<ZoneName>,
    /// Minutes of the day, from and to.
    pub(crate) quiet: Option<(u16, u16)>,
    pub(crate) more: More,
    /// The row it was read from, if the chat is known.
    pub(crate) row: Option<ChatRow>,
}

/// The rest, as JSON in the chat's row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct More {
    /// What a coin named alone is shown in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quote: Option<Asset>,
}

/// Codes of money that states issue: somebody who asks for one alone wants another such, not a coin.
const FIAT: &[&str] = &[
    "AED", "AMD", "ARS", "AUD", "AZN", "BRL", "BYN", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "GEL",
    "HKD", "HUF", "IDR", "ILS", "INR", "JPY", "KGS", "KRW", "KZT", "MXN", "NOK", "NZD", "PLN", "RON", "RSD",
    "RUB", "SEK", "SGD", "THB", "TRY", "UAH", "USD", "UZS", "VND", "ZAR",
];

impl Setting {
    /// Of a chat of which only the language is known.
    pub(crate) fn of(language: Language) -> Setting {
        Setting { language, zone: None, quiet: None, more: More::default(), row: None }
    }

    /// Reads a row; what is not understood in it has its default.
    pub(crate) fn read(row: &ChatRow) -> Setting {
        let minute = |minute: i64| u16::try_from(minute).ok().filter(|m| *m < 1_440);
        Setting {
            language: Language::of_code(Some(&row.language)),
            zone: row.time_zone.parse().ok(),
            quiet: row.quiet.and_then(|(from, to)| Some((minute(from)?, minute(to)?))),
            more: serde_json::from_str(&row.settings).unwrap_or_default(),
            row: Some(row.clone()),
        }
    }

    /// The row that keeps it.
    pub(crate) fn to_row(&self, id: i64, kind: &str, now: Timestamp) -> ChatRow {
        ChatRow {
            id,
            kind: kind.to_owned(),
            language: self.language.code().to_owned(),
            time_zone: self.zone.as_ref().map_or("UTC", ZoneName::as_str).to_owned(),
            quiet: self.quiet.map(|(from, to)| (from.into(), to.into())),
            settings: serde_json::to_string(&self.more).unwrap_or_else(|_| "{}".to_owned()),
            paused: self.row.as_ref().and_then(|row| row.paused.clone()),
            created_at: self.row.as_ref().map_or(now, |row| row.created_at),
            seen_at: now,
        }
    }

    /// The quotes that an asset named alone is shown in, the dearest first.
    fn quotes(&self, base: &Asset) -> Vec<Asset> {
        let usual: &[&str] = match (FIAT.contains(&base.as_str()), self.language) {
            (true, Language::Ru) => &["RUB", "USD", "EUR", "USDT"],
            (true, Language::En) => &["USD", "EUR", "GBP", "USDT", "RUB"],
            (false, _) => &["USDT", "USD", "USDC", "EUR", "RUB", "BTC"],
        };
        let usual = usual.iter().filter_map(|code| Asset::parse(code).ok());
        self.more.quote.iter().cloned().chain(usual).collect()
    }

    /// The pair that was meant. `None` if an asset is unknown, or nothing leads from one to the other.
    pub(crate) fn resolve(&self, wanted: &Wanted, names: &Names, board: &Board) -> Option<Pair> {
        let find = |quote: &Asset| {
            let pair = Pair::new(wanted.base.clone(), quote.clone()).ok()?;
            match board.find(&pair.to_string()) {
                Found::Pair(pair) => Some(pair),
                _ => None,
            }
        };
        match &wanted.quote {
            Some(quote) => find(quote),
            // What the chat has chosen may be crossed to; beyond that only what somebody quotes is shown unasked.
            None => self
                .more
                .quote
                .as_ref()
                .and_then(find)
                .or_else(|| names.pair_of(&wanted.base, &self.quotes(&wanted.base))),
        }
    }

    /// What an asset is called where its quote goes without saying.
    pub(crate) fn pair_short(&self, pair: &Pair) -> String {
        let is_usual = match &self.more.quote {
            Some(quote) => quote == pair.quote(),
            None => matches!(pair.quote().as_str(), "USDT" | "USD"),
        };
        if is_usual { pair.base().to_string() } else { pair_name(pair) }
    }
}

/// `BTC/USDT`
pub(crate) fn pair_name(pair: &Pair) -> String {
    format!("{}/{}", pair.base(), pair.quote())
}
