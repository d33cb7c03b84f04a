//! The assets and pairs there are, as far as a phrase must know them: a picture of the board's pairs.
//! It must not know rates.

use market::{Asset, Pair};
use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, HashSet},
};

/// Which assets and pairs there are.
#[derive(Debug, Clone, Default)]
pub struct Names {
    assets: HashSet<Asset>,
    pairs: BTreeSet<Pair>,
    together: HashMap<String, Vec<Pair>>,
}

impl Names {
    /// Of these pairs.
    pub fn new(pairs: impl IntoIterator<Item = Pair>) -> Names {
        let mut names = Names::default();
        for pair in pairs {
            names.assets.insert(pair.base().clone());
            names.assets.insert(pair.quote().clone());
            names.together.entry(pair.concatenated().to_string()).or_default().push(pair.clone());
            names.pairs.insert(pair);
        }
        names
    }

    /// How many pairs there are.
    pub fn pair_count(&self) -> usize {
        self.pairs.len()
    }

    /// The pairs, by name.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter()
    }

    /// Whether the asset is in any pair.
    pub fn has_asset(&self, asset: &Asset) -> bool {
        self.assets.contains(asset)
    }

    /// Whether the pair is one of them, this way round.
    pub fn has_pair(&self, pair: &Pair) -> bool {
        self.pairs.contains(pair)
    }

    /// The one pair that is written so, letters run together.
    pub fn run_together(&self, text: &str) -> Option<&Pair> {
        match self.together.get(&text.to_ascii_uppercase())?.as_slice() {
            [pair] => Some(pair),
            _ => None,
        }
    }

    /// The pair that an asset alone means: in the first of these that it is quoted in, this way round; else in the
    /// first that it is quoted in the other way round, seen from its side; else in any.
    pub fn pair_of(&self, asset: &Asset, quotes: &[Asset]) -> Option<Pair> {
        let pairs = || quotes.iter().filter_map(|quote| Pair::new(asset.clone(), quote.clone()).ok());
        pairs()
            .find(|pair| self.has_pair(pair))
            .or_else(|| pairs().find(|pair| self.has_pair(&pair.inverse())))
            .or_else(|| self.pairs.iter().find(|pair| pair.base() == asset).cloned())
            .or_else(|| self.pairs.iter().find(|pair| pair.quote() == asset).map(Pair::inverse))
    }

    /// The codes that look most like the text: the nearest first, then those that begin like it.
    pub fn near(&self, text: &str, count: usize) -> Vec<Asset> {
        let text = text.to_ascii_uppercase();
        let same =
            |asset: &Asset| text.chars().zip(asset.as_str().chars()).take_while(|(a, b)| a == b).count();
        let mut all: Vec<(usize, Reverse<usize>, &Asset)> = self
            .assets
            .iter()
            .map(|asset| (letters_off(&text, asset.as_str()), Reverse(same(asset)), asset))
            .filter(|(off, _, asset)| {
                *off <= 2 && *off < text.len().max(2) && *off < asset.as_str().len().max(2)
            })
            .collect();
        all.sort_unstable();
        all.into_iter().take(count).map(|(_, _, asset)| asset.clone()).collect()
    }
}

/// In how many letters two names differ (Levenshtein 1966).
fn letters_off(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(Asset::LENGTH_MAX).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().take(2 * Asset::LENGTH_MAX).enumerate() {
        let mut corner = std::mem::replace(&mut row[0], at + 1);
        for (to, theirs) in other.iter().enumerate() {
            let change = corner + usize::from(letter != *theirs);
            corner = row[to + 1];
            row[to + 1] = change.min(corner + 1).min(row[to] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pairs: &[&str]) -> Names {
        Names::new(pairs.iter().map(|p| Pair::parse(p).unwrap()))
    }

    #[test]
    fn what_was_nearly_written() {
        let names = names(&["BTC-USDT", "BTCB-USDT", "BCC-USDT", "XRP-USDT"]);
        let near: Vec<String> = names.near("btcc", 3).iter().map(ToString::to_string).collect();
        assert_eq!(near, ["BTC", "BTCB", "BCC"]);
        assert!(names.near("zzzzzz", 3).is_empty());
    }

    #[test]
    fn an_asset_alone_is_priced_in_what_the_reader_uses() {
        let names = names(&["BTC-USDT", "BTC-EUR", "EUR-USD", "USD-RUB", "AAA-BBB"]);
        let quotes = ["USDT", "USD", "RUB"].map(|q| Asset::parse(q).unwrap());
        let pair = |asset: &str| names.pair_of(&Asset::parse(asset).unwrap(), &quotes).map(|p| p.to_string());
        assert_eq!(pair("BTC").as_deref(), Some("BTC-USDT"));
        assert_eq!(pair("USD").as_deref(), Some("USD-RUB"));
        assert_eq!(pair("RUB").as_deref(), Some("RUB-USD"));
        assert_eq!(pair("AAA").as_deref(), Some("AAA-BBB"));
        assert_eq!(pair("XYZ"), None);
    }
}
