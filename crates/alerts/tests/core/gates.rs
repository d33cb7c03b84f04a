//! Every kind of condition: what it fires on, and what not.
//! It must not know how a book finds those that fire.

use crate::desk::{Desk, MINUTE_MS, at, cross, decimal, fires, is, pair, price, rate, repeating};
use alerts::{Condition, Direction, Gate, Progress, Seen, Side, Spec};
use market::{Rate, RateState, VenueId};

fn once(condition: Condition) -> Spec {
    Spec::new(Some(pair()), condition)
}

fn no_cooldown(condition: Condition) -> Spec {
    Spec { cooldown_ms: 0, ..repeating(condition) }
}

#[test]
fn crossing_is_coming_from_the_other_side() {
    for (spec, values, fired) in [
        (once(cross(Side::Above, "100")), vec!["99", "100", "101", "99", "101"], vec!["101"]),
        (once(cross(Side::Above, "100")), vec!["101", "102", "100", "101"], vec![]),
        (once(cross(Side::Above, "100")), vec!["101", "99", "102"], vec!["102"]),
        (once(cross(Side::Below, "100")), vec!["101", "100", "99.99", "90"], vec!["99.99"]),
        (once(cross(Side::Below, "100")), vec!["90", "101", "99"], vec!["99"]),
        (once(is(Side::Above, "100")), vec!["105", "106"], vec!["105"]),
        (once(is(Side::Below, "100")), vec!["105", "100", "99"], vec!["99"]),
        // Back by less than 0.1 % is not back.
        (no_cooldown(cross(Side::Above, "100")), vec!["99", "101", "99.95", "101"], vec!["101"]),
        (no_cooldown(cross(Side::Above, "100")), vec!["99", "101", "99.9", "101"], vec!["101"]),
        (no_cooldown(cross(Side::Above, "100")), vec!["99", "101", "99.89", "102"], vec!["101", "102"]),
        (no_cooldown(cross(Side::Below, "100")), vec!["101", "99", "100.1", "99"], vec!["99"]),
        (no_cooldown(cross(Side::Below, "100")), vec!["101", "99", "100.11", "98"], vec!["99", "98"]),
        (no_cooldown(is(Side::Above, "100")), vec!["101", "102", "99", "103"], vec!["101", "103"]),
        // Oil in 2020: below zero, and the hysteresis is still a distance.
        (
            no_cooldown(cross(Side::Below, "-10")),
            vec!["5", "-11", "-10.005", "-11", "-9.98", "-12"],
            vec!["-11", "-12"],
        ),
    ] {
        assert_eq!(fires(spec.clone(), &values), fired, "{spec:?}");
    }
}

#[test]
fn a_value_known_when_it_was_set_counts() {
    let spec = once(cross(Side::Above, "100"));
    assert_eq!(Progress::new(&spec, Some(price("99"))).up, Gate::Ready);
    assert_eq!(Progress::new(&spec, Some(price("101"))).up, Gate::Away);
    assert_eq!(Progress::new(&spec, None).up, Gate::Unknown);
    let mut desk = Desk::new();
    let mut alert = desk.alert(spec.clone());
    alert.progress = Progress::new(&spec, Some(price("80")));
    desk.book.put(alert, at(0));
    desk.see("120");
    assert_eq!(desk.values(), ["120"]);
    assert_eq!(desk.fired[0].firing.change_pct, Some(decimal("50")));
    assert_eq!(desk.fired[0].firing.offline, None, "it was set while somebody watched");
}

#[test]
fn what_only_the_cache_vouches_for_fires_nothing() {
    let mut desk = Desk::new();
    for condition in [cross(Side::Above, "100"), is(Side::Above, "100")] {
        let mut alert = desk.alert(once(condition));
        alert.progress = Progress::new(&alert.spec, Some(price("80")));
        desk.book.put(alert, at(0));
    }
    desk.see_rate(&Rate { is_cached: true, ..rate("120", RateState::Fresh) });
    assert_eq!(desk.values(), [""; 0]);
    desk.see("121");
    assert_eq!(desk.values(), ["121", "121"]);
}

#[test]
fn moves_from_now_count_from_where_it_last_fired() {
    let moves = |direction| no_cooldown(Condition::MoveFromNow { direction, pct: decimal("10") });
    let values = ["100", "109", "111", "121", "123", "110", "99", "89"];
    assert_eq!(fires(moves(Direction::Up), &values), ["111", "123"]);
    assert_eq!(fires(moves(Direction::Down), &values), ["89"]);
    assert_eq!(fires(moves(Direction::Either), &values), ["111", "123", "110", "89"]);
    let mut desk = Desk::new();
    desk.put(moves(Direction::Either));
    for value in values {
        desk.see(value);
    }
    let measured: Vec<_> =
        desk.fired.iter().filter_map(|f| f.firing.measured_pct).map(|p| p.to_string()).collect();
    assert_eq!(measured, ["11", "10.8108", "-10.5691", "-19.0909"]);
    assert_eq!(desk.fired[2].firing.side, Side::Below);
}

#[test]
fn moves_within_a_time_count_from_its_extremes() {
    let moves = |direction, minutes: i64| {
        no_cooldown(Condition::Move { direction, pct: decimal("5"), within_ms: minutes * MINUTE_MS })
    };
    // One value a minute.
    for (spec, values, fired) in [
        (moves(Direction::Up, 3), vec!["100", "102", "104", "105.1"], vec!["105.1"]),
        (moves(Direction::Up, 3), vec!["100", "102", "104", "105"], vec![]),
        (moves(Direction::Up, 2), vec!["100", "102", "104", "105.1", "106"], vec![]),
        (moves(Direction::Down, 3), vec!["100", "96", "95", "94.9"], vec!["94.9"]),
        (moves(Direction::Either, 5), vec!["100", "106", "100", "103"], vec!["106", "100"]),
        // Once fired, the move must be gone before another counts.
        (moves(Direction::Up, 3), vec!["100", "106", "107", "107", "107", "107", "113"], vec!["106", "113"]),
    ] {
        assert_eq!(fires(spec.clone(), &values), fired, "{spec:?}");
    }
}

/// What moved before an alert was set, or armed again, is no news, although what was before is told seconds later.
#[test]
fn a_move_that_is_over_does_not_fire_when_the_past_is_told() {
    for gate in [Gate::Unknown, Gate::Away] {
        for is_kept_alive in [false, true] {
            let mut desk = Desk::new();
            desk.tells = false;
            let moves = |pct| Condition::Move {
                direction: Direction::Up,
                pct: decimal(pct),
                within_ms: 60 * MINUTE_MS,
            };
            if is_kept_alive {
                desk.put(no_cooldown(moves("50")));
                desk.tell(&[(10, "100")]);
                desk.see("110");
            }
            let mut alert = desk.alert(no_cooldown(moves("5")));
            alert.progress.up = gate;
            desk.book.put(alert, at(desk.now_ms));
            for _ in 0..2 {
                desk.see("110");
                desk.wait(1_000);
            }
            desk.tell(&[(10, "100")]);
            for value in ["110", "110.1"] {
                desk.see(value);
                desk.wait(1_000);
            }
            assert_eq!(desk.values(), [""; 0], "{gate:?}, {is_kept_alive}");
            // Back, and the same move once more.
            desk.see("104");
            desk.see("106");
            assert_eq!(desk.values(), ["106"], "{gate:?}, {is_kept_alive}");
        }
    }
}

/// A store that does not tell the past keeps nobody waiting for longer than a minute; who is ready does not wait at all.
#[test]
fn an_untold_past_is_waited_for_a_minute_at_most() {
    let moves = Condition::Move { direction: Direction::Up, pct: decimal("5"), within_ms: 60 * MINUTE_MS };
    let mut desk = Desk::new();
    desk.tells = false;
    let (ready, unknown) = (desk.alert(once(moves.clone())), desk.alert(once(moves)));
    let ready = alerts::Alert { progress: Progress { up: Gate::Ready, ..Progress::default() }, ..ready };
    let (ready_id, id) = (ready.id, unknown.id);
    desk.book.put(ready, at(0));
    desk.book.put(unknown, at(0));
    let gate = |desk: &Desk| desk.book.alert(id).map(|alert| alert.progress.up);
    desk.see("100");
    desk.now_ms = MINUTE_MS - 1;
    desk.see("106");
    assert_eq!(desk.fired.iter().map(|fired| fired.firing.alert_id).collect::<Vec<_>>(), [ready_id]);
    assert_eq!(gate(&desk), Some(Gate::Unknown));
    desk.now_ms = MINUTE_MS;
    desk.see("101");
    assert_eq!(gate(&desk), Some(Gate::Ready));
    desk.see("107");
    assert_eq!(desk.values(), ["106", "107"]);
}

#[test]
fn the_change_of_a_day_needs_yesterday() {
    let mut desk = Desk::new();
    let direction = Direction::Either;
    desk.put(no_cooldown(Condition::Change24h { direction, pct: decimal("10") }));
    let day = 1_440 * MINUTE_MS;
    desk.see("200");
    assert!(desk.fired.is_empty(), "nothing is known of yesterday");
    let points = [(at(-day), decimal("100")), (at(-day + 60 * MINUTE_MS), decimal("150"))];
    desk.book.tell_references(&pair(), points.into_iter(), at(-day + 180 * MINUTE_MS));
    for (minute, value) in
        [(1, "105"), (2, "110"), (3, "110.1"), (4, "100"), (5, "89"), (61, "140"), (62, "130")]
    {
        desk.now_ms = minute * MINUTE_MS;
        desk.see(value);
    }
    assert_eq!(desk.values(), ["110.1", "89", "130"]);
    assert_eq!(desk.fired[2].firing.measured_pct, Some(decimal("-13.3333")));
    // Gap handling: two hours without a value of yesterday, and nothing is judged.
    desk.now_ms = 200 * MINUTE_MS;
    desk.see("1000");
    assert_eq!(desk.fired.len(), 3);
}

#[test]
fn a_spread_fires_on_how_far_the_venues_are_apart() {
    let mut desk = Desk::new();
    desk.put(no_cooldown(Condition::Spread { pct: decimal("1") }));
    for (spread, state) in [
        ("0.5", RateState::Fresh),
        ("1", RateState::Fresh),
        ("12", RateState::Disputed),
        ("1.2", RateState::Fresh),
        ("1.3", RateState::Fresh),
        ("0.9", RateState::Fresh),
        ("1.4", RateState::Fresh),
    ] {
        let mut rate = rate("100", state);
        rate.spread_pct = Some(decimal(spread));
        desk.see_rate(&rate);
    }
    let measured: Vec<_> =
        desk.fired.iter().filter_map(|f| f.firing.measured_pct).map(|p| p.to_string()).collect();
    assert_eq!(measured, ["1.2", "1.4"]);
}

#[test]
fn a_silent_venue_is_told_once_until_it_is_back() {
    let mut desk = Desk::new();
    let venue = VenueId::parse("somewhere").expect("a venue");
    let condition = Condition::SourceDown { venue: venue.clone(), for_ms: 3 * MINUTE_MS };
    desk.put(Spec { repeat: true, cooldown_ms: 0, ..Spec::new(None, condition) });
    let mut fired = Vec::new();
    let down = [false, true, true, true, true, true, true, false, true, true, true, true, true];
    for (minute, is_down) in down.into_iter().enumerate() {
        desk.now_ms = minute as i64 * MINUTE_MS;
        desk.book.see_venue(&venue, is_down, at(desk.now_ms));
        desk.settle();
        fired.push(desk.fired.len());
    }
    assert_eq!(fired, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2]);
    assert_eq!(desk.fired[0].firing.down_since, Some(at(MINUTE_MS)));
}

#[test]
fn an_alert_ends_when_it_was_told_to() {
    let mut desk = Desk::new();
    let spec = Spec { expires_at: Some(at(MINUTE_MS)), ..once(cross(Side::Above, "100")) };
    let id = desk.put(spec.clone());
    desk.see("99");
    desk.now_ms = MINUTE_MS;
    // Even if time was not let pass before.
    let seen = Seen::of(&rate("101", RateState::Fresh), at(MINUTE_MS)).expect("good");
    desk.book.see(&pair(), &seen);
    assert!(desk.book.take_fired().is_empty());
    desk.book.pass(at(MINUTE_MS));
    let expired = desk.book.take_expired();
    assert_eq!((expired.len(), expired[0].id), (1, id));
    assert!(desk.book.is_empty());
    desk.put(spec);
    assert_eq!(desk.book.take_expired().len(), 1, "one that is over already ends at once");
}

#[test]
fn what_is_beyond_while_it_is_snoozed() {
    let until = Some(at(10 * MINUTE_MS));
    let run = |spec: Spec| {
        let mut desk = Desk::new();
        desk.put(Spec { snoozed_until: until, ..spec });
        for (minute, value) in [(0, "99"), (1, "101"), (9, "102"), (10, "103"), (11, "99"), (12, "104")] {
            desk.now_ms = minute * MINUTE_MS;
            desk.see(value);
        }
        desk.values()
    };
    assert_eq!(run(once(cross(Side::Above, "100"))), ["104"], "a crossing in the snooze is passed over");
    assert_eq!(run(once(is(Side::Above, "100"))), ["103"], "a level is told when the snooze is over");
}

#[test]
fn an_alert_waits_until_it_is_written() {
    let mut desk = Desk::new();
    let id = desk.put(no_cooldown(cross(Side::Above, "100")));
    let see = |desk: &mut Desk, value: &str| {
        let seen = Seen::of(&rate(value, RateState::Fresh), at(0)).expect("good");
        desk.book.see(&pair(), &seen);
    };
    for value in ["99", "101", "90", "101", "90"] {
        see(&mut desk, value);
    }
    let fired = desk.book.take_fired();
    assert_eq!(fired.len(), 1);
    assert!(
        desk.book.take_progress(10).iter().all(|p| p.alert_id != id),
        "its progress goes with the firing"
    );
    desk.book.written(&fired[0]);
    assert_eq!(desk.book.alert(id).map(|a| a.fire_seq), Some(1));
    see(&mut desk, "90");
    see(&mut desk, "101");
    assert_eq!(desk.book.take_fired().len(), 1);
}

#[test]
fn what_others_write_is_taken_and_what_is_old_is_not() {
    let mut desk = Desk::new();
    let id = desk.put(no_cooldown(cross(Side::Above, "100")));
    desk.see("99");
    let known = desk.book.alert(id).expect("there").clone();
    assert_eq!(known.progress.up, Gate::Ready);
    // The same revision, read before our progress was kept.
    let mut read = known.clone();
    (read.progress, read.target) = (Progress::default(), "chat:2".into());
    desk.book.put(read, at(0));
    desk.see("101");
    assert_eq!((desk.values().len(), desk.fired[0].target.as_str()), (1, "chat:2"));
    // Read before it fired.
    desk.book.put(known.clone(), at(0));
    assert_eq!(desk.book.alert(id).map(|a| a.fire_seq), Some(1));
    // Changed by its owner.
    let mut changed = known;
    changed.revision = 2;
    changed.spec.condition = cross(Side::Above, "200");
    changed.progress = Progress::new(&changed.spec, Some(price("101")));
    desk.book.put(changed, at(0));
    desk.see("201");
    assert_eq!(desk.values(), ["101", "201"]);
    // What was read before that comes too late.
    let mut late = desk.book.alert(id).expect("there").clone();
    (late.revision, late.fire_seq, late.spec.condition) = (1, 9, cross(Side::Above, "1"));
    desk.book.put(late, at(0));
    assert_eq!(desk.book.alert(id).map(|a| a.revision), Some(2));
    assert!(desk.book.remove(id) && !desk.book.remove(id));
    assert_eq!(desk.book.pairs().count(), 0);
}

#[test]
fn gates_of_another_threshold_are_not_believed() {
    let spec = once(cross(Side::Above, "100"));
    let mut row = store::AlertRow {
        id: 1,
        owner: "operator".into(),
        target: "webhook:1".into(),
        pair: "BTC-USDT".into(),
        spec: spec.to_json(),
        progress: Progress::new(&spec, Some(price("90"))).to_json(),
        is_open: true,
        fire_seq: 0,
        revision: 1,
        delivered_at: None,
        created_at: at(0),
        changed_at: at(0),
    };
    let gate = |row: &store::AlertRow| alerts::Alert::from_row(row).expect("an alert").progress.up;
    assert_eq!(gate(&row), Gate::Ready);
    // A foreign client lowers the threshold and does not know of progress: nothing has crossed.
    row.spec = row.spec.replace("100", "80");
    assert_eq!(gate(&row), Gate::Unknown);
    row.progress = "{}".into();
    assert_eq!(gate(&row), Gate::Unknown);
    row.progress = r#"{"up":"ready"}"#.into();
    assert_eq!(gate(&row), Gate::Ready, "whoever says no number is believed");
}
