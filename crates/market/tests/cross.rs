//! Crossing: which way is taken, which side of the book counts, how exact the result is.
//! It must not know a board; its rates are written by hand.

use market::{
    Asset, Basis, Feed, Flags, Limits, Pair, Price, Quoted, Quoting, Rate, Sequence, Sign, Source, Step,
    Tick, Timestamp, VenueId, convert, convert_by, cross, make, route,
};
use proptest::prelude::*;
use rust_decimal::Decimal;
use std::sync::Arc;

#[derive(Clone, Debug)]
struct Leg(Arc<Rate>);

impl AsRef<Rate> for Leg {
    fn as_ref(&self) -> &Rate {
        &self.0
    }
}

struct Rates(Vec<Leg>);

impl Quoted for Rates {
    type Leg = Leg;
    fn around(&self, asset: &Asset, each: &mut dyn FnMut(Leg)) {
        self.0
            .iter()
            .filter(|l| l.0.pair.base() == asset || l.0.pair.quote() == asset)
            .cloned()
            .for_each(each);
    }
    fn between(&self, one: &Asset, other: &Asset, each: &mut dyn FnMut(Leg)) {
        self.around(one, &mut |leg| {
            if leg.0.pair.base() == other || leg.0.pair.quote() == other {
                each(leg);
            }
        });
    }
    fn degree(&self, asset: &Asset) -> usize {
        let mut count = 0;
        self.around(asset, &mut |_| count += 1);
        count
    }
}

/// `PAIR value bid ask age_ms sources`, a dash for what is not there.
fn rates(lines: &[&str]) -> Rates {
    Rates(lines.iter().map(|l| Leg(Arc::new(rate(l)))).collect())
}

fn rate(line: &str) -> Rate {
    let words: Vec<_> = line.split(' ').collect();
    let price = |at: usize| words.get(at).filter(|w| **w != "-").map(|w| Price::parse(w).unwrap());
    let age: i64 = words.get(4).map_or(0, |w| w.parse().unwrap());
    let venues: Vec<VenueId> = (0..words.get(5).map_or(1, |w| w.parse().unwrap()))
        .map(|n| VenueId::parse(&format!("v{n}")).unwrap())
        .collect();
    let at = Timestamp::from_millis(1_000_000 - age);
    let mut source = Source::default();
    source.apply(&Tick {
        pair: Pair::parse(words[0]).unwrap(),
        symbol: "s".into(),
        last: price(1),
        bid: price(2),
        ask: price(3),
        venue_time: Some(at),
        received_at: at,
        sequence: Sequence::new("1"),
        flags: Flags::NONE,
    });
    let limits = Limits { stale_after_ms: 30_000, expire_after_ms: 300_000 };
    let quoting: Vec<Quoting<'_>> = venues
        .iter()
        .map(|venue| Quoting {
            venue,
            source: &source,
            limits,
            is_suspect: false,
            feed: Feed::Good,
            is_excluded: false,
        })
        .collect();
    make(&Pair::parse(words[0]).unwrap(), &quoting, 1, Timestamp::from_millis(1_000_000)).unwrap().rate
}

fn ask_for(rates: &Rates, pair: &str) -> Option<Rate> {
    let pair = Pair::parse(pair).unwrap();
    cross(&pair, &route(rates, &pair)?)
}

/// `value bid/ask via A-B 1/C-D`
#[track_caller]
fn check(lines: &[&str], pair: &str, expect: &str) {
    // Whatever the order in which they are known.
    for turn in 0..lines.len() {
        let mut turned = lines.to_vec();
        turned.rotate_left(turn);
        let or = |v: Option<Price>| v.map_or("-".to_owned(), |v| v.to_string());
        let said = ask_for(&rates(&turned), pair).map_or("none".to_owned(), |r| {
            assert_eq!(r.basis, Basis::Cross);
            let legs: Vec<_> =
                r.legs.iter().map(|l| format!("{}{}", if l.inverse { "1/" } else { "" }, l.pair)).collect();
            format!("{} {}/{} via {}", or(r.value), or(r.bid), or(r.ask), legs.join(" "))
        });
        assert_eq!(said, expect, "{pair} over {turned:?}");
    }
}

#[test]
fn the_inverse_is_one_leg_and_its_book_changes_sides() {
    check(&["A-B 4 3.2 5"], "B-A", "0.25 0.2/0.3125 via 1/A-B");
    check(&["A-B 4"], "B-A", "0.25 -/- via 1/A-B");
}

#[test]
fn two_legs_in_every_direction() {
    check(&["A-M 6 5 8", "M-B 2 1 4"], "A-B", "12 5/32 via A-M M-B");
    check(&["A-M 6 5 8", "B-M 2 1 4"], "A-B", "3 1.25/8 via A-M 1/B-M");
    check(&["M-A 2 1 4", "M-B 6 5 8"], "A-B", "3 1.25/8 via 1/M-A M-B");
    check(&["M-A 2 1 4", "B-M 2 1 5"], "A-B", "0.25 0.05/1 via 1/M-A 1/B-M");
}

#[test]
fn the_fewest_legs_win_then_the_freshest_then_the_most_sources() {
    check(&["A-M 2 - - 9000 1", "M-B 3 - - 9000 1", "A-X 1", "X-Y 1", "Y-B 1"], "A-B", "6 -/- via A-M M-B");
    check(
        &["A-M 2 - - 0 9", "M-B 3 - - 20 9", "A-N 4 - - 19 1", "N-B 5 - - 19 1"],
        "A-B",
        "20 -/- via A-N N-B",
    );
    check(
        &["A-M 2 - - 0 1", "M-B 3 - - 20 1", "A-N 4 - - 20 1", "N-B 5 - - 19 2"],
        "A-B",
        "20 -/- via A-N N-B",
    );
    // The fresher first leg of the other way does not hide that this one has more sources at the same age.
    check(
        &["A-M 2 - - 0 1", "A-N 2 - - 5 9", "M-K 1", "N-K 1", "K-B 3 - - 20 1"],
        "A-B",
        "6 -/- via A-N N-K K-B",
    );
    // All the same: by name.
    check(&["A-M 2", "M-B 3", "A-N 4", "N-B 5"], "A-B", "6 -/- via A-M M-B");
    check(&["A-M 2 - - 5", "M-A 0.25", "M-B 3"], "A-B", "12 -/- via 1/M-A M-B");
}

#[test]
fn four_legs_and_no_more() {
    check(&["A-K 2", "K-L 2", "M-L 2", "M-B 2"], "A-B", "4 -/- via A-K K-L 1/M-L M-B");
    check(&["A-K 2", "K-L 2", "M-L 2", "M-N 2", "N-B 2"], "A-B", "none");
    check(&["A-K 2"], "A-B", "none");
    check(&["K-L 2"], "A-B", "none");
}

#[test]
fn a_tether_is_no_dollar() {
    check(&["BTC-USDT 64000"], "BTC-USD", "none");
    check(&["BTC-USDT 64000", "USDT-USD 0.999"], "BTC-USD", "63936 -/- via BTC-USDT USDT-USD");
}

#[test]
fn the_age_is_that_of_the_oldest_leg_and_sources_are_counted_once() {
    let crossed = ask_for(&rates(&["A-M 2 - - 700 2", "M-B 3 - - 50 3"]), "A-B").unwrap();
    assert_eq!(crossed.event_time, Some(Timestamp::from_millis(1_000_000 - 700)));
    assert_eq!((crossed.sources_used, crossed.sources_total), (3, 3));
    assert_eq!(crossed.changes_at, Some(Timestamp::from_millis(1_000_000 - 700 + 30_000)));
}

#[test]
fn conversion_keeps_every_digit() {
    let price = |text: &str| Price::parse(text).unwrap();
    for (amount, rate, result) in [
        ("1", "64348.95000000", "64348.95"),
        ("100.00", "0.1", "10"),
        ("1234567890123.4", "9876543210987.65", "12193263113701613308794376.01"),
        ("0.00000000000001", "0.00000000000003", "0.0000000000000000000000000003"),
        ("0.00000000000003", "100000000000000", "3"),
        ("3", "33333333333333333333333333.33", "99999999999999999999999999.99"),
    ] {
        assert_eq!(convert(price(amount), price(rate)), Some(price(result)), "{amount} x {rate}");
        assert_eq!(convert(price(amount), price(rate)).unwrap().to_string(), result);
    }
    assert_eq!(convert(price("1e20"), price("1e20")), None);
    assert_eq!(convert(price("1e-20"), price("1e-20")), None);
    // Three thirds are one: the division is done last.
    let third = ask_for(&rates(&["B-A 3"]), "A-B").unwrap();
    assert_eq!(convert_by(price("3"), &third).unwrap().to_string(), "1");
}

/// A price of up to `digits` digits between 1e-12 and 1e12.
fn price(digits: u32) -> impl Strategy<Value = Price> {
    (1..10i128.pow(digits), 0..=12i32).prop_filter_map("in range", move |(mantissa, scale)| {
        let number = Decimal::try_from_i128_with_scale(mantissa, scale as u32).ok()?;
        let most = Decimal::from(1_000_000_000_000i64);
        (number <= most).then(|| Price::from_decimal(number, Sign::Positive).ok())?
    })
}

fn one_rate(pair: &str, value: Price) -> Rate {
    let mut made = rate(&format!("{pair} 1"));
    made.value = Some(value);
    made
}

/// value - exact fraction num/den, as |value x den - num| / num, in wide integers.
fn relative_error(value: Price, num: &[Price], den: &[Price]) -> f64 {
    let log = |p: &Price| (p.decimal().mantissa(), p.decimal().scale());
    // The mantissas in this test have at most 15 digits: three of them fit a number of 53 decimal digits only
    // as two halves, so the comparison is made by long multiplication in base 1e9.
    let big = |all: &[Price]| {
        let mut limbs = vec![1u64];
        let mut scale = 0u32;
        for p in all {
            let (mantissa, s) = log(p);
            scale += s;
            limbs = times(&limbs, mantissa as u128);
        }
        (limbs, scale)
    };
    let mut left = den.to_vec();
    left.push(value);
    let ((mut left, left_scale), (mut right, right_scale)) = (big(&left), big(num));
    for _ in left_scale..right_scale {
        left = times(&left, 10);
    }
    for _ in right_scale..left_scale {
        right = times(&right, 10);
    }
    ratio_off(&left, &right)
}

fn times(limbs: &[u64], by: u128) -> Vec<u64> {
    const BASE: u128 = 1_000_000_000;
    let mut out = vec![0u128; limbs.len() + 5];
    let mut digits = Vec::new();
    let mut rest = by;
    while rest > 0 {
        digits.push(rest % BASE);
        rest /= BASE;
    }
    for (i, limb) in limbs.iter().enumerate() {
        for (j, digit) in digits.iter().enumerate() {
            out[i + j] += u128::from(*limb) * digit;
        }
    }
    let mut carry = 0;
    for limb in &mut out {
        let all = *limb + carry;
        (*limb, carry) = (all % BASE, all / BASE);
    }
    while out.len() > 1 && out.last() == Some(&0) {
        out.pop();
    }
    out.into_iter().map(|l| l as u64).collect()
}

#[expect(clippy::float_arithmetic, reason = "an error is only estimated, no price is made of it")]
fn ratio_off(left: &[u64], right: &[u64]) -> f64 {
    let len = left.len().max(right.len());
    let at = |limbs: &[u64], i: usize| limbs.get(i).copied().unwrap_or(0) as f64;
    let (mut off, mut size) = (0.0, 0.0);
    for i in (0..len).rev() {
        off = off * 1e9 + (at(left, i) - at(right, i));
        size = size * 1e9 + at(right, i);
    }
    (off / size).abs()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// F20: down to results of 1e-12, however small and large the legs are.
    #[test]
    fn a_cross_is_exact_to_fifteen_digits(a in price(15), b in price(15), c in price(15), turns in 0..8u8) {
        let names = [("A-M", "M-A"), ("M-N", "N-M"), ("N-B", "B-N")];
        let (mut num, mut den, mut legs) = (vec![], vec![], vec![]);
        for (at, value) in [a, b, c].into_iter().enumerate() {
            let inverse = turns & (1 << at) != 0;
            if inverse { &mut den } else { &mut num }.push(value);
            legs.push(Leg(Arc::new(one_rate(if inverse { names[at].1 } else { names[at].0 }, value))));
        }
        let Some(crossed) = ask_for(&Rates(legs), "A-B") else { return Ok(()) };
        let value = crossed.value.unwrap();
        if value.decimal() >= Decimal::new(1, 12) {
            prop_assert!(relative_error(value, &num, &den) <= 1e-15, "{value} of {num:?} / {den:?}");
        }
    }

    #[test]
    fn the_inverse_of_the_inverse_is_the_same(value in price(14)) {
        let once = ask_for(&Rates(vec![Leg(Arc::new(one_rate("A-B", value)))]), "B-A").unwrap();
        let twice = ask_for(&Rates(vec![Leg(Arc::new(one_rate("B-A", once.value.unwrap())))]), "A-B").unwrap();
        let twice = twice.value.unwrap().decimal();
        prop_assert_eq!(twice.round_dp(value.decimal().scale()), value.decimal());
        let off = value.inverse().unwrap().decimal() - once.value.unwrap().decimal();
        // One unit in the last of 28 digits, which stands further left where the result is above one.
        let last_digit = Decimal::new(1, 27);
        prop_assert!(off.abs() <= last_digit.max(once.value.unwrap().decimal() * last_digit));
    }

    /// The bid of a cross is never above its ask, whichever way its legs point.
    #[test]
    fn bid_and_ask_do_not_change_places(mids in prop::collection::vec((2..1_000_000i64, 1..1_000i64), 1..=4), turns in 0..16u8) {
        let assets = ["A", "K", "L", "M", "N"];
        let mut steps = Vec::new();
        for (at, (mid, half)) in mids.iter().enumerate() {
            let inverse = turns & (1 << at) != 0;
            let (from, to) = (assets[at], assets[at + 1]);
            let name = if inverse { format!("{to}-{from}") } else { format!("{from}-{to}") };
            let thousand = |n: i64| Price::from_decimal(Decimal::new(n, 3), Sign::Positive).ok();
            let mut leg = rate(&format!("{name} 1"));
            leg.value = thousand(mid * 1_000);
            leg.bid = thousand(mid * 1_000 - half);
            leg.ask = thousand(mid * 1_000 + half);
            steps.push(Step { leg: Leg(Arc::new(leg)), inverse });
        }
        let pair = Pair::parse(&format!("A-{}", assets[mids.len()])).unwrap();
        if let Some(crossed) = cross(&pair, &steps) {
            prop_assert!(crossed.bid <= crossed.value && crossed.value <= crossed.ask);
        }
    }
}
