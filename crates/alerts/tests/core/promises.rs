//! The promises about alerts that need no store: G14, G14b, G15, G16, F12, F14.
//! It must not know how a book finds those that fire.

use crate::desk::{Desk, MINUTE_MS, at, cross, decimal, is, price, rate, repeating};
use alerts::{Condition, Direction, Gate, Progress, Side, Spec};
use market::RateState;

fn kinds() -> Vec<Condition> {
    let (direction, pct) = (Direction::Either, decimal("2"));
    vec![
        cross(Side::Above, "100"),
        is(Side::Above, "100"),
        Condition::MoveFromNow { direction, pct },
        Condition::Move { direction, pct, within_ms: 60 * MINUTE_MS },
    ]
}

/// G14: the price flaps ±0.05 % around the threshold a thousand times: exactly one alert, from wherever it starts.
#[test]
fn g14_a_flapping_price_fires_once() {
    for (first, second) in [("99.95", "100.05"), ("100.05", "99.95")] {
        for condition in [cross(Side::Above, "100"), cross(Side::Below, "100"), is(Side::Above, "100")] {
            for repeat in [true, false] {
                let mut desk = Desk::new();
                // Without a cooldown that would hide it.
                desk.put(Spec { repeat, cooldown_ms: 0, ..repeating(condition.clone()) });
                for _ in 0..1_000 {
                    desk.see(first);
                    desk.wait(MINUTE_MS);
                    desk.see(second);
                    desk.wait(MINUTE_MS);
                }
                assert_eq!(desk.fired.len(), 1, "{condition:?} from {first}, repeat {repeat}");
            }
        }
    }
}

/// G14b: the cooldown counts from the last delivered alert. What is suppressed changes nothing: it does not slide.
#[test]
fn g14b_the_cooldown_does_not_slide() {
    let mut desk = Desk::new();
    desk.put(repeating(cross(Side::Above, "100")));
    let mut fired_at = Vec::new();
    // A crossing every two minutes, for an hour.
    for minute in 0..60 {
        desk.now_ms = minute * MINUTE_MS;
        desk.see(if minute % 2 == 0 { "99" } else { "101" });
        if desk.fired.len() > fired_at.len() {
            fired_at.push(minute);
        }
    }
    assert_eq!(fired_at, [1, 17, 33, 49], "the first crossing fifteen minutes after each that was told");
}

/// G14b: told late, the cooldown counts from when it was told.
#[test]
fn g14b_the_cooldown_counts_from_delivery() {
    let mut desk = Desk::new();
    desk.delivers = false;
    let id = desk.put(repeating(cross(Side::Above, "100")));
    let steps =
        [(0, "99"), (1, "101"), (12, "99"), (17, "101"), (24, "99"), (25, "101"), (26, "99"), (28, "101")];
    let mut fired_at = Vec::new();
    for (minute, value) in steps {
        desk.now_ms = minute * MINUTE_MS;
        if minute == 12 {
            desk.deliver(id, at(12 * MINUTE_MS));
        }
        desk.see(value);
        if desk.fired.len() > fired_at.len() {
            fired_at.push(minute);
        }
    }
    assert_eq!(fired_at, [1, 28]);
}

/// G15, F12, F14: nothing fires on a stale, disputed, suspect or expired rate, and nothing is learnt from one; it fires
/// when it is confirmed.
#[test]
fn g15_f12_f14_nothing_fires_before_it_is_confirmed() {
    for condition in kinds() {
        for state in [RateState::Stale, RateState::Disputed, RateState::Suspect, RateState::Expired] {
            let mut desk = Desk::new();
            desk.put(repeating(condition.clone()));
            desk.see("99");
            for _ in 0..5 {
                desk.wait(1_000);
                desk.see_rate(&rate("110", state));
            }
            assert!(desk.fired.is_empty(), "{condition:?} fired on {state:?}");
            desk.wait(1_000);
            desk.see("110");
            assert_eq!(desk.values(), ["110"], "{condition:?} confirmed after {state:?}");
        }
    }
}

/// G15: what goes back before it is confirmed never was.
#[test]
fn g15_a_jump_that_is_not_confirmed_never_was() {
    for condition in kinds() {
        let mut desk = Desk::new();
        desk.put(repeating(condition));
        for (value, state) in
            [("99", RateState::Fresh), ("110", RateState::Suspect), ("99.1", RateState::Fresh)]
        {
            desk.see_rate(&rate(value, state));
            desk.wait(1_000);
        }
        assert!(desk.fired.is_empty());
    }
}

/// G16: crossed while the whole system was down: fires once on return, and says between when and when.
#[test]
fn g16_what_was_crossed_offline_fires_once_and_says_so() {
    let watched_until = 40 * MINUTE_MS;
    for (condition, set) in [
        (cross(Side::Above, "100"), "99"),
        (cross(Side::Below, "100"), "101"),
        (Condition::MoveFromNow { direction: Direction::Either, pct: decimal("1") }, "100"),
    ] {
        let beyond = if set == "99" { "120" } else { "80" };
        // Before: it was set, a value was seen, its progress was kept.
        let mut before = Desk::new();
        let id = before.put(repeating(condition.clone()));
        before.see(set);
        let kept = before.book.take_progress(10);
        assert_eq!(kept.len(), 1);
        let alert = before.book.alert(id).expect("there").clone();

        let mut after = Desk::after(Some(watched_until));
        after.now_ms = 58 * MINUTE_MS;
        let loaded = alerts::Alert { progress: Progress::from_json(&kept[0].progress), ..alert };
        after.book.load(loaded, at(after.now_ms));
        after.see_rate(&rate(beyond, RateState::Stale));
        after.see(beyond);
        after.see(beyond);
        assert_eq!(after.values(), [beyond], "{condition:?}");
        let offline = after.fired[0].firing.offline.expect("said");
        assert_eq!((offline.from, offline.to), (at(watched_until), at(58 * MINUTE_MS)));
        // What happens later happens while somebody watches.
        after.wait(60 * MINUTE_MS);
        after.see(set);
        after.wait(MINUTE_MS);
        after.see(beyond);
        assert!(after.fired.len() > 1 && after.fired[1].firing.offline.is_none());
    }
}

/// G16: what was beyond already, and what was set after the last watch.
#[test]
fn g16_only_what_was_crossed_is_told() {
    let spec = repeating(cross(Side::Above, "100"));
    let mut desk = Desk::after(Some(0));
    let mut alert = desk.alert(spec.clone());
    alert.progress = Progress { up: Gate::Away, set_value: Some(price("150")), ..Progress::default() };
    desk.now_ms = MINUTE_MS;
    desk.book.load(alert, at(desk.now_ms));
    desk.see("150");
    assert!(desk.fired.is_empty(), "it was beyond before");

    // Set by the command line while nobody watched: counted from when it was set.
    let mut desk = Desk::after(Some(0));
    desk.now_ms = 5 * MINUTE_MS;
    let mut alert = desk.alert(spec.clone());
    alert.progress = Progress::new(&spec, Some(price("90")));
    desk.now_ms = 9 * MINUTE_MS;
    desk.book.load(alert, at(desk.now_ms));
    desk.see("101");
    let offline = desk.fired[0].firing.offline.expect("said");
    assert_eq!((offline.from, offline.to), (at(5 * MINUTE_MS), at(9 * MINUTE_MS)));
}
