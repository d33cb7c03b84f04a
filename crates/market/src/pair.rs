//! A pair: the price of one unit of its base, in its quote. Reads any usual spelling.
//! It must not guess: letters run together (`btcusdt`) are no pair until somebody knows the pairs there are.

use crate::{Asset, AssetError};
use compact_str::{CompactString, format_compact};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// `BTC-USD` = the price of one BTC (base) in USD (quote).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair {
    base: Asset,
    quote: Asset,
}

/// Why a text is no pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// There is nothing between base and quote.
    #[error("a pair is written BASE-QUOTE, such as BTC-USDT")]
    NoSeparator,
    /// One of the two names is none.
    #[error("{0}")]
    Asset(#[from] AssetError),
    /// Base and quote are the same asset.
    #[error("base and quote are the same asset")]
    Same,
    /// The venue quotes everything in one asset, or one asset in everything, and this is not it.
    #[error("the venue has no such pair: one side of every pair of it is {0}")]
    OneSided(Asset),
}

impl Pair {
    /// A pair of two different assets.
    pub fn new(base: Asset, quote: Asset) -> Result<Pair, PairError> {
        if base == quote { Err(PairError::Same) } else { Ok(Pair { base, quote }) }
    }

    /// Reads `BTC-USDT`, `btc/usdt`, `BTC_USDT`, `BTC:USDT`, `btc usdt` or `bitcoin-usd`.
    /// With several separators of one kind the last one counts: `usd-coin-rub` is USDC-RUB.
    pub fn parse(text: &str) -> Result<Pair, PairError> {
        let text = text.trim();
        let at = ['/', ':', '-', '_', ' ']
            .into_iter()
            .find_map(|c| text.rfind(c))
            .ok_or(PairError::NoSeparator)?;
        Pair::new(Asset::parse(&text[..at])?, Asset::parse(&text[at + 1..])?)
    }

    /// What is priced.
    pub fn base(&self) -> &Asset {
        &self.base
    }

    /// What it is priced in.
    pub fn quote(&self) -> &Asset {
        &self.quote
    }

    /// Whether the asset is one of its two.
    pub fn has(&self, asset: &Asset) -> bool {
        self.base() == asset || self.quote() == asset
    }

    /// The same pair seen from the other side: `USD-BTC` for `BTC-USD`.
    #[must_use]
    pub fn inverse(&self) -> Pair {
        Pair { base: self.quote.clone(), quote: self.base.clone() }
    }

    /// Base and quote run together, as many venues and people write them: `BTCUSDT`.
    pub fn concatenated(&self) -> CompactString {
        format_compact!("{}{}", self.base, self.quote)
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.base, self.quote)
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Pair {
    type Err = PairError;
    fn from_str(text: &str) -> Result<Pair, PairError> {
        Pair::parse(text)
    }
}

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Pair, D::Error> {
        let text = CompactString::deserialize(from)?;
        Pair::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The `currency_pair` column of `trade_info`: lists of bases and quotes, `bitcoin,usd-coin-rub,usd`,
/// split at the last `-`. The names stay as written, since they may be the venue's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairSpec {
    /// Names before the last `-`.
    pub bases: Vec<CompactString>,
    /// Names after it.
    pub quotes: Vec<CompactString>,
}

impl PairSpec {
    /// The most names that one row may list on either side.
    pub const NAMES_MAX: usize = 1_000;

    /// Reads the column. Every name has the form of an asset's name.
    pub fn parse(text: &str) -> Result<PairSpec, PairError> {
        let (bases, quotes) = text.trim().rsplit_once('-').ok_or(PairError::NoSeparator)?;
        let names = |list: &str| -> Result<Vec<CompactString>, PairError> {
            let names: Vec<_> = list.split(',').map(str::trim).collect();
            if names.len() > Self::NAMES_MAX {
                return Err(AssetError::TooLong.into());
            }
            names.into_iter().map(|name| Ok(Asset::parse(name).map(|_| CompactString::from(name))?)).collect()
        };
        Ok(PairSpec { bases: names(bases)?, quotes: names(quotes)? })
    }

    /// Every base with every quote, in the order written.
    pub fn product(&self) -> impl Iterator<Item = (&str, &str)> {
        self.bases.iter().flat_map(|b| self.quotes.iter().map(move |q| (b.as_str(), q.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_spellings() {
        for text in ["BTC-USDT", "btc/usdt", "BTC_USDT", "btc usdt", "bitcoin-tether", "XBT:USDT"] {
            assert_eq!(Pair::parse(text).map(|p| p.to_string()), Ok("BTC-USDT".to_owned()), "{text}");
        }
        assert_eq!(Pair::parse("usd-coin-rub").map(|p| p.to_string()), Ok("USDC-RUB".to_owned()));
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        assert_eq!(Pair::parse("btcusdt"), Err(PairError::NoSeparator));
        assert_eq!(Pair::parse("BTC-"), Err(PairError::Asset(AssetError::Empty)));
        assert_eq!(Pair::parse("BTC-XBT"), Err(PairError::Same));
        assert_eq!(Pair::parse("BTC'---x"), Err(PairError::Asset(AssetError::Character)));
    }

    #[test]
    fn the_column_is_split_at_its_last_dash() {
        let spec = PairSpec::parse("bitcoin,usd-coin-rub,usd").unwrap();
        let all: Vec<_> = spec.product().map(|(b, q)| format!("{b}/{q}")).collect();
        assert_eq!(all, ["bitcoin/rub", "bitcoin/usd", "usd-coin/rub", "usd-coin/usd"]);
        assert!(PairSpec::parse("bitcoin,-usd").is_err());
    }
}
