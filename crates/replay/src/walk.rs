//! Invented prices: every asset's value in USD walks randomly around its anchor, the same for a given seed.
//! It must not know venues, sockets or the time: steps are counted by the caller.

use fastrand::Rng;
use market::{Asset, Pair};
use rust_decimal::{Decimal, RoundingStrategy};
use std::collections::BTreeMap;

/// One asset of the demo: its value in millionths of a USD, and how far it moves at most in one step, in
/// millionths of its value.
struct Anchor {
    code: &'static str,
    micros: i64,
    stride: i64,
}

const fn anchor(code: &'static str, micros: i64, stride: i64) -> Anchor {
    Anchor { code, micros, stride }
}

/// Round values near those of 2026; the demo says of every answer that it is invented.
const ANCHORS: &[Anchor] = &[
    anchor("BTC", 64_000_000_000, 60),
    anchor("ETH", 3_400_000_000, 80),
    anchor("USDT", 1_000_000, 4),
    anchor("TRX", 120_000, 90),
    anchor("SOL", 145_000_000, 110),
    anchor("BNB", 590_000_000, 80),
    anchor("XRP", 520_000, 100),
    anchor("ADA", 440_000, 100),
    anchor("DOGE", 130_000, 120),
    anchor("LTC", 82_000_000, 80),
    anchor("DOT", 6_200_000, 100),
    anchor("LINK", 14_000_000, 100),
    anchor("AVAX", 27_000_000, 110),
    anchor("TON", 5_400_000, 100),
    anchor("ATOM", 4_200_000, 100),
    anchor("XLM", 95_000, 90),
    anchor("XMR", 165_000_000, 70),
    anchor("BCH", 350_000_000, 80),
    anchor("USDC", 1_000_000, 3),
    anchor("USD", 1_000_000, 0),
    anchor("EUR", 1_085_000, 10),
    anchor("GBP", 1_270_000, 10),
    anchor("RUB", 11_111, 20),
    anchor("JPY", 6_500, 10),
    anchor("TRY", 29_000, 15),
];

/// What the demo's assets are quoted in.
const QUOTES: &[&str] = &["USD", "USDT", "USDC", "EUR", "RUB", "GBP", "JPY", "TRY", "BTC", "ETH"];

/// One millionth: the unit of levels.
const ONE: i64 = 1_000_000;
/// An asset is pulled back by this part of its distance from the anchor, per step: it stays within a few per cent.
const PULL: i64 = 16_384;
/// The most steps that are caught up with in one go (a laptop's sleep); more are skipped.
const STEPS_MAX: u64 = 10_000;

/// The values of all assets at one step.
#[derive(Debug)]
pub(crate) struct Walk {
    seed: u64,
    step: u64,
    assets: BTreeMap<Asset, Level>,
}

#[derive(Debug)]
struct Level {
    anchor_micros: i64,
    stride: i64,
    /// In millionths of the anchor.
    level: i64,
    rng: Rng,
}

impl Walk {
    pub(crate) fn new(seed: u64) -> Walk {
        Walk { seed, step: 0, assets: BTreeMap::new() }
    }

    /// Goes on to `step`; an earlier one changes nothing.
    pub(crate) fn advance_to(&mut self, step: u64) {
        let steps = step.saturating_sub(self.step).min(STEPS_MAX);
        for level in self.assets.values_mut() {
            (0..steps).for_each(|_| level.advance());
        }
        self.step = self.step.max(step);
    }

    /// The price of a pair now, unrounded.
    pub(crate) fn price(&mut self, pair: &Pair) -> Decimal {
        let base = self.value(pair.base());
        let quote = self.value(pair.quote());
        base.checked_div(quote).unwrap_or(Decimal::ONE)
    }

    /// The value of an asset in USD.
    fn value(&mut self, asset: &Asset) -> Decimal {
        let (seed, step) = (self.seed, self.step);
        let level = self.assets.entry(asset.clone()).or_insert_with(|| {
            let mut level = Level::of(seed, asset);
            // An asset that joins later walks as if it had been there from the start.
            (0..step.min(STEPS_MAX)).for_each(|_| level.advance());
            level
        });
        let value = i128::from(level.anchor_micros) * i128::from(ONE + level.level);
        Decimal::try_from_i128_with_scale(value, 12).unwrap_or(Decimal::ONE)
    }
}

impl Level {
    fn of(seed: u64, asset: &Asset) -> Level {
        let hash = hash(seed, &[asset.as_str()]);
        let known = ANCHORS.iter().find(|a| a.code == asset.as_str());
        let (anchor_micros, stride) = match known {
            Some(anchor) => (anchor.micros, anchor.stride),
            // An asset that nobody told us of: somewhere between 0.01 and 100 USD.
            None => {
                (10_000 + i64::try_from(self::hash(0, &[asset.as_str()]) % 100_000_000).unwrap_or(0), 100)
            }
        };
        Level { anchor_micros, stride, level: 0, rng: Rng::with_seed(hash) }
    }

    fn advance(&mut self) {
        self.level += self.rng.i64(-self.stride..=self.stride) - self.level / PULL;
    }
}

/// A number that depends on all of this and nothing else (FNV-1a with a final mix): the same on every machine
/// and in every version.
pub(crate) fn hash(seed: u64, words: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in words.iter().flat_map(|word| word.bytes().chain([0xff])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 31;
    hash.wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// How many digits after the point a price of this size is quoted with.
pub(crate) fn decimals(price: Decimal) -> u32 {
    const SIZES: [(i64, u32, u32); 6] =
        [(1_000, 0, 2), (10, 0, 3), (1, 0, 4), (1, 2, 6), (1, 4, 8), (1, 6, 10)];
    SIZES
        .iter()
        .find(|(size, scale, _)| price >= Decimal::new(*size, *scale))
        .map_or(14, |(.., digits)| *digits)
}

/// The price with a part in a million added, rounded to its usual digits and never below one of the last of them.
pub(crate) fn rounded(price: Decimal, add_millionths: i64, digits: u32) -> Decimal {
    let factor = Decimal::new(ONE + add_millionths, 6);
    let mut price = price
        .checked_mul(factor)
        .unwrap_or(price)
        .round_dp_with_strategy(digits, RoundingStrategy::MidpointNearestEven)
        .max(Decimal::new(1, digits));
    price.rescale(digits);
    price
}

/// The pairs that every simulated venue quotes.
pub(crate) fn pairs() -> Vec<Pair> {
    let asset = |code: &str| Asset::parse(code).ok();
    let quotes: Vec<Asset> = QUOTES.iter().filter_map(|code| asset(code)).collect();
    let bases = ANCHORS.iter().filter_map(|anchor| asset(anchor.code));
    bases
        .flat_map(|base| quotes.iter().filter_map(move |quote| Pair::new(base.clone(), quote.clone()).ok()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(seed: u64, pair: &str, steps: u64) -> Vec<String> {
        let (mut walk, pair) = (Walk::new(seed), Pair::parse(pair).unwrap());
        let price = |step| {
            walk.advance_to(step);
            let price = walk.price(&pair);
            rounded(price, 0, decimals(price)).to_string()
        };
        (0..steps).map(price).collect()
    }

    #[test]
    fn the_seed_alone_decides() {
        let one = series(7, "BTC-USDT", 200);
        assert_eq!(one, series(7, "BTC-USDT", 200));
        assert_ne!(one, series(8, "BTC-USDT", 200));
        assert_eq!(one[0], "64000.00");
        assert!(one.windows(2).filter(|two| two[0] != two[1]).count() > 150, "it moves");
    }

    #[test]
    fn an_asset_that_joins_later_has_the_same_price() {
        let (mut early, mut late) = (Walk::new(3), Walk::new(3));
        let pair = Pair::parse("ETH-EUR").unwrap();
        early.price(&pair);
        early.advance_to(50);
        early.advance_to(100);
        early.advance_to(90);
        late.advance_to(100);
        assert_eq!(early.price(&pair), late.price(&pair));
    }

    #[test]
    fn it_stays_near_its_anchor() {
        let mut walk = Walk::new(1);
        let pair = Pair::parse("BTC-USD").unwrap();
        for step in 0..100_000 {
            walk.advance_to(step);
            let price = walk.price(&pair);
            assert!(price > Decimal::from(57_600) && price < Decimal::from(70_400), "{price} at {step}");
        }
    }

    #[test]
    fn digits_fit_the_size() {
        for (price, add, text) in [
            ("64000", 0, "64000.00"),
            ("64000", 100, "64006.40"),
            ("58.12345", 0, "58.123"),
            ("0.12", 0, "0.120000"),
            ("0.0000017342", -1_000, "0.0000017325"),
            ("0.00000000000000001", 0, "0.00000000000001"),
        ] {
            let price = Decimal::from_str_exact(price).unwrap();
            assert_eq!(rounded(price, add, decimals(price)).to_string(), text);
        }
        assert!(pairs().len() > 200);
    }
}
