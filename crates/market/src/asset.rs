//! An asset: what is priced or priced in, by its code (`BTC`, `USD`).
//! Knows the names people use for the same thing; it must not know how one venue spells it.

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The code of an asset, upper case: `BTC`, `USDT`, `RUB`.
///
/// Built only through [`Asset::parse`], so it is never empty, never longer than 32 characters and holds
/// nothing but `A-Z`, `0-9`, `.`, `_` and `-`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asset(CompactString);

/// Why a text is no asset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssetError {
    /// Nothing is left where a name was expected.
    #[error("the name of an asset is empty")]
    Empty,
    /// Longer than any asset's name.
    #[error("the name of an asset has more than {} characters", Asset::LENGTH_MAX)]
    TooLong,
    /// A character that no asset's name has.
    #[error("the name of an asset holds a character other than letters, digits, `.`, `_` and `-`")]
    Character,
}

/// Names in use for the same asset. A venue's own oddities belong in its file, not here.
const ALIASES: &[(&str, &str)] = &[
    ("AVALANCHE", "AVAX"),
    ("BINANCECOIN", "BNB"),
    ("BITCOIN", "BTC"),
    ("BITCOIN-CASH", "BCH"),
    ("CARDANO", "ADA"),
    ("CHAINLINK", "LINK"),
    ("COSMOS", "ATOM"),
    ("DOGECOIN", "DOGE"),
    ("ETHEREUM", "ETH"),
    ("LITECOIN", "LTC"),
    ("MONERO", "XMR"),
    ("POLKADOT", "DOT"),
    ("RIPPLE", "XRP"),
    ("RUR", "RUB"),
    ("SOLANA", "SOL"),
    ("STELLAR", "XLM"),
    ("TETHER", "USDT"),
    ("THE-OPEN-NETWORK", "TON"),
    ("TONCOIN", "TON"),
    ("TRON", "TRX"),
    ("USD-COIN", "USDC"),
    ("USDTERC", "USDT"),
    ("USDTTRC", "USDT"),
    ("XBT", "BTC"),
    ("XDG", "DOGE"),
];

impl Asset {
    /// The longest name that is read.
    pub const LENGTH_MAX: usize = 32;

    /// Reads a code or a customary name in any case: `btc`, `XBT` and `bitcoin` are all `BTC`.
    pub fn parse(text: &str) -> Result<Asset, AssetError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AssetError::Empty);
        }
        if text.len() > Self::LENGTH_MAX {
            return Err(AssetError::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
            return Err(AssetError::Character);
        }
        let mut code = CompactString::from(text);
        code.make_ascii_uppercase();
        Ok(match ALIASES.binary_search_by(|(name, _)| (*name).cmp(code.as_str())) {
            Ok(at) => Asset(CompactString::const_new(ALIASES[at].1)),
            Err(_) => Asset(code),
        })
    }

    /// The code, upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Asset {
    type Err = AssetError;
    fn from_str(text: &str) -> Result<Asset, AssetError> {
        Asset::parse(text)
    }
}

impl Serialize for Asset {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Asset {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Asset, D::Error> {
        let text = CompactString::deserialize(from)?;
        Asset::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_sorted_for_the_binary_search() {
        assert!(ALIASES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn customary_names_give_the_code() {
        for (text, code) in [
            ("bitcoin", "BTC"),
            ("XBT", "BTC"),
            ("btc", "BTC"),
            ("usdttrc", "USDT"),
            ("usd-coin", "USDC"),
            (" Tether ", "USDT"),
            ("1INCH", "1INCH"),
        ] {
            assert_eq!(Asset::parse(text).map(|a| a.to_string()), Ok(code.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, error) in [
            ("", AssetError::Empty),
            ("  ", AssetError::Empty),
            ("BTC'", AssetError::Character),
            ("𝔹TC", AssetError::Character),
            ("BT\nC", AssetError::Character),
            (&"A".repeat(33), AssetError::TooLong),
        ] {
            assert_eq!(Asset::parse(text), Err(error), "{text:?}");
        }
    }
}
