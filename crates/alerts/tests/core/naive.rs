//! Property: a book of many alerts does what each alert alone does by the plainest reading of the rules.
//! It must not share code with the book.

use crate::desk::{at, pair};
use alerts::{Alert, Book, Condition, Progress, Seen, Side, Spec};
use market::{Price, Sign};
use proptest::prelude::*;
use rust_decimal::Decimal;

#[derive(Debug, Clone)]
struct Asked {
    side: Side,
    is_level: bool,
    threshold: i64,
    repeat: bool,
    hysteresis_tenths: i64,
    cooldown_ms: i64,
}

fn asked() -> impl Strategy<Value = Asked> {
    (any::<bool>(), any::<bool>(), 90i64..110, any::<bool>(), 0i64..60, 0i64..8_000).prop_map(
        |(above, is_level, threshold, repeat, hysteresis_tenths, cooldown_ms)| Asked {
            side: if above { Side::Above } else { Side::Below },
            is_level,
            threshold,
            repeat,
            hysteresis_tenths,
            cooldown_ms,
        },
    )
}

/// (milliseconds since the last one, value in tenths)
fn steps() -> impl Strategy<Value = Vec<(i64, i64)>> {
    proptest::collection::vec((0i64..3_000, 850i64..1_150), 1..150)
}

/// The steps at which one alert fires, by the rules as `bot.md` has them.
fn plainly(asked: &Asked, steps: &[(i64, i64)]) -> Vec<usize> {
    let sign = if asked.side == Side::Above { 1 } else { -1 };
    // In ten-thousandths, turned so that it always fires upward.
    let threshold = asked.threshold * 10_000 * sign;
    let back_fired = threshold - asked.threshold * 10 * asked.hysteresis_tenths;
    let (mut is_ready, mut fired, mut fired_at, mut now) = (None, Vec::new(), None::<i64>, 0);
    for (step, (wait, value)) in steps.iter().enumerate() {
        now += wait;
        let value = value * 1_000 * sign;
        let ready = match is_ready {
            None => asked.is_level || value <= threshold,
            Some(false) => value < if fired.is_empty() { threshold } else { back_fired },
            Some(true) => true,
        };
        is_ready = Some(ready);
        // An alert that only now became ready is on this side of the threshold, but for a level at its first value.
        if ready && value > threshold {
            if fired_at.is_some_and(|at| now < at + asked.cooldown_ms) {
                // A level waits; a crossing is passed over.
                is_ready = Some(asked.is_level);
                continue;
            }
            fired.push(step);
            fired_at = Some(now);
            is_ready = Some(false);
            if !asked.repeat {
                break;
            }
        }
    }
    fired
}

fn by_book(all: &[Asked], order: &[usize], steps: &[(i64, i64)]) -> Vec<Vec<usize>> {
    let mut book = Book::new(None, false);
    for id in order {
        let asked = &all[*id];
        let threshold = Price::from_decimal(Decimal::from(asked.threshold), Sign::Any).expect("a price");
        let side = asked.side;
        let condition = if asked.is_level {
            Condition::Is { side, threshold }
        } else {
            Condition::Cross { side, threshold }
        };
        let spec = Spec {
            repeat: asked.repeat,
            hysteresis_pct: Decimal::new(asked.hysteresis_tenths, 1),
            cooldown_ms: asked.cooldown_ms,
            ..Spec::new(Some(pair()), condition)
        };
        let alert = Alert {
            id: *id as i64,
            owner: "operator".into(),
            target: "".into(),
            progress: Progress::new(&spec, None),
            spec,
            fire_seq: 0,
            revision: 1,
            delivered_at: None,
            created_at: at(0),
        };
        book.put(alert, at(0));
    }
    let mut fired = vec![Vec::new(); all.len()];
    let mut now = 0;
    for (step, (wait, value)) in steps.iter().enumerate() {
        now += wait;
        book.pass(at(now));
        let value = Price::from_decimal(Decimal::new(*value, 1), Sign::Any).expect("a price");
        let seen = Seen { value, spread_pct: None, sources_used: 1, sources_total: 1, at: at(now) };
        book.see(&pair(), &seen);
        for one in book.take_fired() {
            book.written(&one);
            fired[one.firing.alert_id as usize].push(step);
        }
    }
    fired
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn many_alerts_do_what_each_would_do_alone(
        all in proptest::collection::vec(asked(), 1..40),
        steps in steps(),
    ) {
        let order: Vec<usize> = (0..all.len()).collect();
        let expected: Vec<Vec<usize>> = all.iter().map(|asked| plainly(asked, &steps)).collect();
        prop_assert_eq!(by_book(&all, &order, &steps), expected);
    }

    #[test]
    fn the_order_in_which_they_were_set_does_not_matter(
        all in proptest::collection::vec(asked(), 1..40),
        steps in steps(),
    ) {
        let order: Vec<usize> = (0..all.len()).collect();
        let reversed: Vec<usize> = order.iter().rev().copied().collect();
        prop_assert_eq!(by_book(&all, &order, &steps), by_book(&all, &reversed, &steps));
    }
}
