//! What holds for any ticks: their order does not matter, the median lies between them, one liar moves nothing.
//! It must not know a board.

use market::{
    Feed, Flags, Limits, Pair, Price, Quoting, Rate, RateState, Sequence, Sign, Source, Tick, Timestamp,
    VenueId, make,
};
use proptest::prelude::*;
use rust_decimal::Decimal;

const LIMITS: Limits = Limits { stale_after_ms: 30_000, expire_after_ms: 300_000 };

fn price(number: i64) -> Price {
    Price::from_decimal(Decimal::new(number, 2), Sign::Positive).unwrap()
}

prop_compose! {
    /// Few distinct times, sequences and prices, so that ties happen.
    fn tick()(
        last in prop::option::of(1..5i64),
        bid in prop::option::of(1..5i64),
        ask in prop::option::of(1..5i64),
        venue_time in prop::option::of(0..4i64),
        received_at in 0..9_000i64,
        sequence in 8..12u8,
        cached in any::<bool>(),
    ) -> Tick {
        let flags = if cached { Flags::NONE.with(market::Flag::Cached) } else { Flags::NONE };
        Tick {
            pair: Pair::parse("A-B").unwrap(),
            symbol: "s".into(),
            last: last.map(price),
            bid: bid.map(price),
            ask: ask.map(price),
            venue_time: venue_time.map(|t| Timestamp::from_millis(t * 3_000)),
            received_at: Timestamp::from_millis(received_at),
            sequence: Sequence::new(&sequence.to_string()),
            flags,
        }
    }
}

fn source(ticks: &[Tick]) -> Source {
    let mut source = Source::default();
    for tick in ticks {
        source.apply(tick);
    }
    source
}

fn rate(values: &[i64]) -> Rate {
    let at = Timestamp::from_millis(1_000_000);
    let venues: Vec<_> = (0..values.len()).map(|n| VenueId::parse(&format!("v{n}")).unwrap()).collect();
    let sources: Vec<_> = values
        .iter()
        .map(|value| {
            source(&[Tick {
                pair: Pair::parse("A-B").unwrap(),
                symbol: "s".into(),
                last: Some(price(*value)),
                bid: None,
                ask: None,
                venue_time: None,
                received_at: at,
                sequence: Sequence::from_receipt(at),
                flags: Flags::NONE,
            }])
        })
        .collect();
    let quoting: Vec<_> = venues
        .iter()
        .zip(&sources)
        .map(|(venue, source)| Quoting {
            venue,
            source,
            limits: LIMITS,
            is_suspect: false,
            feed: Feed::Good,
            is_excluded: false,
        })
        .collect();
    make(&Pair::parse("A-B").unwrap(), &quoting, 1, at).unwrap().rate
}

proptest! {
    // F17: 20,000 here; PROPTEST_CASES raises it.
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
    ))]

    #[test]
    fn any_order_and_any_duplicates_give_the_same(
        (ticks, shuffled) in prop::collection::vec(tick(), 1..7).prop_flat_map(|ticks| {
            let twice: Vec<Tick> = ticks.iter().chain(&ticks).cloned().collect();
            (Just(ticks), Just(twice).prop_shuffle())
        })
    ) {
        let expect = source(&ticks);
        prop_assert_eq!(&source(&shuffled), &expect);
        // Each side holds a tick of the greatest (time, sequence) among those that name it.
        let newest = ticks.iter().filter(|t| t.last.is_some()).max_by_key(|t| t.key()).map(Tick::event_time);
        prop_assert_eq!(expect.last().map(|s| s.event_time), newest);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_value_lies_between_the_values(values in prop::collection::vec(1..1_000_000i64, 1..9)) {
        let rate = rate(&values);
        let (low, high) = (values.iter().min().unwrap(), values.iter().max().unwrap());
        let within = |p: Price| p >= price(*low) && p <= price(*high);
        match rate.state {
            RateState::Disputed => {
                prop_assert!(rate.value.is_none());
                prop_assert!(within(rate.low.unwrap()) && within(rate.high.unwrap()) && rate.low < rate.high);
            }
            state => {
                prop_assert_eq!(state, RateState::Fresh);
                prop_assert!(within(rate.value.unwrap()));
            }
        }
    }

    /// F12a: with three or more that agree, one that does not changes nothing, to the last digit.
    #[test]
    fn one_liar_moves_nothing(
        base in 100_000..1_000_000i64,
        offsets in prop::collection::vec(0..400i64, 3..8),
        factor in prop::sample::select(vec![-100i64, -10, -3, 3, 10, 100]),
        at in 0..8usize,
    ) {
        let honest: Vec<i64> = offsets.iter().map(|o| base + base * o / 10_000).collect();
        let lie = if factor < 0 { base / -factor } else { base * factor };
        let mut all = honest.clone();
        all.insert(at.min(honest.len()), lie);
        let (with, without) = (rate(&all), rate(&honest));
        prop_assert_eq!(with.value, without.value);
        prop_assert_eq!(with.state, RateState::Fresh);
        prop_assert_eq!(with.sources_used, honest.len() as u32);
        prop_assert_eq!(with.sources_total, honest.len() as u32 + 1);
    }
}
