//! From a text to a pair that is known, or to the pairs that may have been meant.
//! It must not know rates.

use crate::{Found, crossed, index::Index};
use market::{Asset, Pair, PairError};
use std::collections::BTreeSet;

/// The most near matches.
const NEAR_MAX: usize = 5;
/// The most letters that a near match differs in.
const OFF_MAX: usize = 2;

/// Reads a text that should name a pair.
pub(crate) fn find(index: &Index, text: &str) -> Found {
    match Pair::parse(text) {
        Ok(pair) if index.is_known(&pair) || crossed::is_crossable(index, &pair) => Found::Pair(pair),
        Ok(pair) => Found::Unknown(near(index, &pair)),
        Err(PairError::NoSeparator) => run_together(index, text.trim()),
        Err(_) => Found::Malformed,
    }
}

/// Letters run together name a pair only if exactly one known pair is written so.
fn run_together(index: &Index, text: &str) -> Found {
    if text.len() > 2 * Asset::LENGTH_MAX || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Found::Malformed;
    }
    let text = text.to_ascii_uppercase();
    match index.run_together(&text) {
        [pair] => Found::Pair(pair.clone()),
        [] => guess(index, &text),
        several => Found::Unknown(several.iter().take(NEAR_MAX).cloned().collect()),
    }
}

/// A text that ends like a known asset was meant as a pair: what is near to it. Anything else is none.
fn guess(index: &Index, text: &str) -> Found {
    let splits = (1..text.len()).filter_map(|at| {
        let (base, quote) = (Asset::parse(&text[..at]).ok()?, Asset::parse(&text[at..]).ok()?);
        let is_told = index.has_asset(&base) || index.has_asset(&quote);
        is_told.then(|| Pair::new(base, quote).ok())?
    });
    let all: BTreeSet<Pair> = splits.flat_map(|pair| near(index, &pair)).collect();
    if all.is_empty() { Found::Malformed } else { Found::Unknown(all.into_iter().take(NEAR_MAX).collect()) }
}

/// The known pairs that differ in few letters, the nearest first, then by name: those that are quoted, and those that
/// are tracked and have not been quoted yet.
fn near(index: &Index, pair: &Pair) -> Vec<Pair> {
    let (base, quote) = (pair.base().as_str(), pair.quote().as_str());
    let mut all: BTreeSet<(usize, Pair)> = BTreeSet::new();
    let mut consider = |other: &Pair| {
        let off_base = letters_off(base, other.base().as_str());
        let off_quote = letters_off(quote, other.quote().as_str());
        let is_near = off_base + off_quote <= OFF_MAX || off_base == 0;
        if is_near && other != pair {
            all.insert((off_base + off_quote, other.clone()));
            if all.len() > NEAR_MAX {
                all.pop_last();
            }
        }
    };
    let similar = |name: &str| -> Vec<Asset> {
        index.assets().filter(|a| letters_off(name, a.as_str()) <= OFF_MAX).cloned().collect()
    };
    for asset in [pair.base(), pair.quote()] {
        index.pairs_around(asset).for_each(&mut consider);
    }
    // Letters are compared only where one side is right already: there may be ten thousand pairs.
    let half_right = |other: &&Pair| other.base() == pair.base() || other.quote() == pair.quote();
    index.tracked.iter().filter(half_right).for_each(&mut consider);
    let quotes = similar(quote);
    for base in similar(base) {
        for quote in &quotes {
            if let Ok(other) = Pair::new(base.clone(), quote.clone())
                && index.is_known(&other)
            {
                consider(&other);
            }
        }
    }
    all.into_iter().map(|(_, pair)| pair).collect()
}

/// In how many letters two names differ (Levenshtein 1966); more than a few are only said to be many.
fn letters_off(one: &str, other: &str) -> usize {
    if one.len().abs_diff(other.len()) > OFF_MAX + 1 {
        return one.len().abs_diff(other.len());
    }
    let mut row: [usize; Asset::LENGTH_MAX + 1] = std::array::from_fn(|at| at);
    let other = &other.as_bytes()[..other.len().min(Asset::LENGTH_MAX)];
    for (at, letter) in one.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = at + 1;
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
    use super::letters_off;

    #[test]
    fn letters_that_differ() {
        for (one, other, off) in [
            ("BTC", "BTC", 0),
            ("BTC", "BCT", 2),
            ("DOGX", "DOGE", 1),
            ("USD", "USDT", 1),
            ("", "AB", 2),
            ("ABC", "XYZ", 3),
        ] {
            assert_eq!(letters_off(one, other), off, "{one} {other}");
            assert_eq!(letters_off(other, one), off, "{other} {one}");
        }
    }
}
