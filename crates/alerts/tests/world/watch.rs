//! From a price to a row in the outbox, and what is kept while the store or the watch is away.
//! It must not know how anything is sent.

use crate::lab::{Lab, Place, add, firings, pair, price, tick, until};
use alerts::Progress;
use clock::Clock;
use market::{ConnectionState, ConnectionStatus, RateState, Timestamp, VenueId, VenueStatus};
use std::{sync::Arc, time::Duration};
use store::{Candle, CandleKey, ChatRow, Interval, MessageState, Seed};
use testkit::servers::Postgres;

#[tokio::test]
async fn a_crossing_becomes_one_message_and_the_alert_is_closed() {
    for place in Place::both() {
        let lab = Lab::start(&place).await;
        let id = lab.add("BTC-USDT above 100").await;
        lab.say_until_known(id, "90").await;
        lab.say("101");
        let fired = lab.fired(1).await;
        let firing = &fired[0];
        assert_eq!((firing.alert_id, firing.fire_seq, firing.value), (id, 1, Some(price("101"))));
        assert_eq!((firing.state, firing.sources_used, firing.sources_total), (Some(RateState::Fresh), 1, 1));
        assert_eq!(firing.change_pct.map(|p| p.to_string()), Some("12.2222".to_owned()));
        assert_eq!(firing.offline, None);
        let message = &lab.messages().await[0];
        assert_eq!(
            (message.target.as_str(), message.kind.as_str(), message.is_held),
            ("chat:1", "fired", false)
        );
        assert_eq!((message.alert_id, message.fire_seq), (Some(id), Some(1)));
        let row = lab.store.alert(id).await.unwrap().unwrap();
        assert!(!row.is_open && row.fire_seq == 1);
        for value in ["90", "101", "90", "101"] {
            lab.say(value);
        }
        let store = lab.stop().await;
        assert_eq!(store.outbox_depth().await.unwrap()[0].count, 1);
        store.close().await;
    }
}

#[tokio::test]
async fn what_another_process_changes_is_followed() {
    for place in Place::both() {
        let lab = Lab::start(&place).await;
        let other = place.open().await;
        lab.say("90");
        let spec = alerts::parse("BTC-USDT above 100").unwrap();
        let [gone, kept] = [
            add(&*other, &spec, &Progress::default(), lab.clock.now()).await,
            add(&*other, &spec, &Progress::default(), lab.clock.now()).await,
        ];
        lab.say_until_known(gone, "90").await;
        lab.say_until_known(kept, "90").await;
        assert!(other.remove_alert("chat:1", gone).await.unwrap());
        let change = store::AlertChange {
            spec: Some(alerts::parse("BTC-USDT above 110").unwrap().to_json()),
            progress: Some(Progress::new(&spec, Some(price("90"))).to_json()),
            ..store::AlertChange::default()
        };
        other.change_alert("chat:1", kept, &change, 1_000, lab.clock.now()).await.unwrap();
        // A third one is known as soon as the other two changes are.
        let last = add(&*other, &spec, &Progress::default(), lab.clock.now()).await;
        lab.say_until_known(last, "90").await;
        lab.say("105");
        assert_eq!(lab.fired(1).await[0].alert_id, last);
        lab.say("115");
        let ids: Vec<i64> = lab.fired(2).await.iter().map(|f| f.alert_id).collect();
        assert_eq!(ids, [last, kept]);
        lab.stop().await;
    }
}

/// What was kept of a few venues is neither what an alert fires on nor what it is set by.
#[tokio::test]
async fn a_cached_rate_is_worth_nothing_to_an_alert() {
    let board = crate::lab::board(Clock::system());
    let venue = VenueId::parse("somewhere").unwrap();
    let cached = market::Flags::NONE.with(market::Flag::Cached);
    board.apply(&venue, &[market::Tick { flags: cached, ..tick(Clock::system(), "101") }]);
    assert_eq!(board.answer(&pair()).unwrap().rate.state, RateState::Fresh);
    assert_eq!(alerts::value_now(&board, &pair()), None);
    board.apply(&venue, &[tick(Clock::system(), "102")]);
    assert_eq!(alerts::value_now(&board, &pair()), Some(price("102")));
}

/// F12: a jump that only one venue shows holds the alert until it is confirmed.
#[tokio::test]
async fn f12_a_suspect_jump_waits_for_its_confirmation() {
    let place = Place::sqlite();
    let lab = Lab::start(&place).await;
    let held = lab.add("BTC-USDT above 100").await;
    let other = lab.add("ETH-USDT is above 1").await;
    let earlier = |last: &str, seconds: i64| {
        let mut tick = tick(lab.clock, last);
        tick.received_at = tick.received_at.plus_millis(-1_000 * seconds);
        tick.venue_time = Some(tick.received_at);
        tick.sequence = market::Sequence::from_receipt(tick.received_at);
        tick
    };
    lab.say_tick(earlier("90", 30));
    until("the alert has learnt", async || {
        let row = lab.store.alert(held).await.unwrap().unwrap();
        Progress::from_json(&row.progress).up == alerts::Gate::Ready
    })
    .await;
    lab.say_tick(earlier("9000", 20));
    assert_eq!(lab.board.answer(&pair()).unwrap().rate.state, RateState::Suspect);
    // Whatever is judged of the jump is judged before this.
    let mut sentinel = tick(lab.clock, "5");
    sentinel.pair = market::Pair::parse("ETH-USDT").unwrap();
    lab.say_tick(sentinel);
    assert_eq!(lab.fired(1).await[0].alert_id, other);
    lab.say_tick(earlier("9001", 15));
    lab.say_tick(earlier("9002", 10));
    let fired = lab.fired(2).await;
    assert_eq!((fired[1].alert_id, fired[1].value), (held, Some(price("9002"))));
    lab.stop().await;
}

/// Promise 6: a firing that the store does not take is written once it does, once.
#[tokio::test]
async fn nothing_is_lost_while_the_store_is_away() {
    let server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    let lab = Lab::on(store::open(&url, Seed::default()).await.unwrap(), Clock::system());
    let id = lab.add("BTC-USDT above 100 repeat cooldown 0").await;
    lab.say_until_known(id, "90").await;
    server.kill();
    lab.say("101");
    // The watch learns that the store is away, and goes on seeing.
    tokio::time::sleep(Duration::from_millis(200)).await;
    lab.say("90");
    server.restart().unwrap();
    until("the store is back", async || lab.store.ping().await.is_ok()).await;
    let fired = lab.fired(1).await;
    assert_eq!((fired.len(), fired[0].value), (1, Some(price("101"))));
    // And on it goes.
    until("it is armed again", async || {
        lab.say("90");
        let row = lab.store.alert(id).await.unwrap().unwrap();
        Progress::from_json(&row.progress).up == alerts::Gate::Ready
    })
    .await;
    lab.say("102");
    assert_eq!(lab.fired(2).await[1].fire_seq, 2);
    lab.stop().await;
}

/// Two engines, as when a lease is lost and not yet noticed: each firing happens once.
#[tokio::test]
async fn two_watches_fire_each_alert_once() {
    for place in Place::both() {
        let (one, other) = (Lab::start(&place).await, Lab::start(&place).await);
        let mut ids = Vec::new();
        for at in 0..20 {
            ids.push(one.add(&format!("BTC-USDT above {}", 100 + at)).await);
        }
        for lab in [&one, &other] {
            for id in &ids {
                lab.say_until_known(*id, "90").await;
            }
        }
        for value in ["105", "110", "125"] {
            one.say(value);
            other.say(value);
        }
        one.fired(20).await;
        let store = one.stop().await;
        other.stop().await;
        let filter = store::MessageFilter::default();
        let mut fired: Vec<i64> =
            firings(&store.messages(&filter, 100).await.unwrap()).iter().map(|f| f.alert_id).collect();
        fired.sort_unstable();
        assert_eq!(fired, ids);
    }
}

/// G16: crossed while the whole system was down.
#[tokio::test]
async fn g16_what_was_crossed_while_all_was_down_is_told_once() {
    for place in Place::both() {
        let before = Lab::start(&place).await;
        let (clock, started) = (before.clock, before.clock.now());
        let id = before.add("BTC-USDT above 100 repeat cooldown 0").await;
        before.say_until_known(id, "90").await;
        before.stop().await.close().await;
        let down_at = clock.now();

        let after = Lab::on(place.open().await, clock);
        after.say("105");
        let fired = after.fired(1).await;
        let offline = fired[0].offline.expect("said");
        assert!(
            offline.from >= started && offline.from.millis() <= down_at.millis(),
            "{offline:?} {down_at:?}"
        );
        assert_eq!(offline.to, fired[0].at);
        until("armed again", async || {
            after.say("90");
            let row = after.store.alert(id).await.unwrap().unwrap();
            Progress::from_json(&row.progress).up == alerts::Gate::Ready
        })
        .await;
        after.say("106");
        assert_eq!(after.fired(2).await[1].offline, None);
        after.stop().await;
    }
}

/// G18: held until the end of the chat's quiet hours, by its own clock, in one go; what is urgent is not.
#[tokio::test]
async fn g18_quiet_hours_hold_and_urgent_passes() {
    // The evening before Berlin sets its clocks back: 23:30, and 08:00 is nine and a half hours away.
    let now = Timestamp::from_millis(1_792_877_400_000);
    let clock = Clock::at(now);
    let place = Place::sqlite();
    let lab = Lab::on(place.open().await, clock);
    let chat = ChatRow {
        id: 1,
        kind: "private".into(),
        language: "en".into(),
        time_zone: "Europe/Berlin".into(),
        quiet: Some((22 * 60, 8 * 60)),
        settings: "{}".into(),
        paused: None,
        created_at: now,
        seen_at: now,
    };
    lab.store.put_chat(&chat).await.unwrap();
    let mut last = 0;
    for line in ["BTC-USDT above 100", "BTC-USDT above 101", "BTC-USDT above 102 urgent"] {
        last = lab.add(line).await;
    }
    lab.say_until_known(last, "90").await;
    lab.say("105");
    lab.fired(3).await;
    let messages = lab.messages().await;
    let end = Timestamp::from_millis(1_792_911_600_000);
    assert_eq!(messages.iter().filter(|m| m.is_held && m.not_before == end).count(), 2);
    assert_eq!(messages.iter().filter(|m| !m.is_held && m.not_before <= clock.now()).count(), 1);
    // Only the urgent one may be sent now; the others come together.
    let taken = lab.store.take_messages("chat", 10, clock.now()).await.unwrap();
    assert!(taken.len() == 1 && firings(&taken)[0].is_urgent);
    let sent =
        store::Settlement { id: taken[0].id, attempts: taken[0].attempts, outcome: store::Outcome::Sent };
    lab.store.settle_messages(&[sent], clock.now()).await.unwrap();
    assert!(lab.store.take_messages("chat", 10, end.plus_millis(-1)).await.unwrap().is_empty());
    let digest = lab.store.take_messages("chat", 10, end).await.unwrap();
    assert!(digest.len() == 2 && digest.iter().all(|m| m.is_held && m.state == MessageState::Sending));
    lab.stop().await;
}

#[tokio::test]
async fn moves_and_changes_of_a_day_count_from_candles() {
    let place = Place::sqlite();
    let store = place.open().await;
    let clock = Clock::system();
    let now = clock.now();
    let candle = |minutes: i64, value: &str| {
        let at = now.plus_millis(-minutes * 60_000);
        let start = Interval::Minute.start_of(at);
        Candle::of(
            CandleKey { venue: None, pair: pair(), interval: Interval::Minute, start },
            price(value),
            at,
        )
    };
    store
        .put_candles(&[candle(1_450, "50"), candle(1_420, "100"), candle(30, "100"), candle(20, "90")])
        .await
        .unwrap();
    let mut ids = Vec::new();
    for line in ["BTC-USDT 24h +90%", "BTC-USDT 24h +101%", "BTC-USDT +10% in 25m", "BTC-USDT -5% in 25m"] {
        let spec = alerts::parse(line).unwrap();
        // Ready, as after a watch that saw them there.
        let progress = Progress { up: alerts::Gate::Ready, down: alerts::Gate::Ready, ..Progress::default() };
        ids.push(add(&*store, &spec, &progress, now).await);
    }
    let lab = Lab::on(store, clock);
    lab.say("100");
    let fired: Vec<(i64, String)> = lab
        .fired(2)
        .await
        .iter()
        .map(|f| (f.alert_id, f.measured_pct.map(|p| p.to_string()).unwrap_or_default()))
        .collect();
    assert!(fired.contains(&(ids[0], "100".to_owned())) && fired.contains(&(ids[2], "11.1111".to_owned())));
    lab.stop().await;
}

fn somewhere() -> VenueId {
    VenueId::parse("somewhere").unwrap()
}

/// Its only connection is so.
fn status(clock: Clock, state: ConnectionState) -> Arc<VenueStatus> {
    let connection = ConnectionStatus {
        id: "a".into(),
        state,
        since: clock.now(),
        reconnects: 0,
        last_error: None,
        pairs: 1,
        until: None,
        unread: None,
        every_ms: None,
        seldom: None,
    };
    Arc::new(VenueStatus {
        v: 1,
        venue: somewhere(),
        collector: "one".into(),
        sent_at: clock.now(),
        connections: vec![connection],
        rows: Vec::new(),
        pairs: Vec::new(),
    })
}

/// Lets minutes pass until so many have been told.
async fn told_in_time(lab: &Lab, count: usize) -> Vec<alerts::Firing> {
    for _ in 0..600 {
        let fired = lab.firings().await;
        if fired.len() >= count {
            return fired;
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    panic!("in vain: {count} told");
}

#[tokio::test]
async fn a_venue_without_a_live_connection_is_told() {
    let place = Place::sqlite();
    let lab = Lab::start(&place).await;
    let is = async |gate: alerts::Gate, id| {
        until("the gate is known", async || {
            let row = lab.store.alert(id).await.unwrap().unwrap();
            Progress::from_json(&row.progress).up == gate
        })
        .await;
    };
    lab.board.apply_status(status(lab.clock, ConnectionState::Live));
    let id = lab.add("venue somewhere down 1m repeat cooldown 0").await;
    is(alerts::Gate::Ready, id).await;
    let up_until = lab.clock.now();
    lab.board.apply_status(status(lab.clock, ConnectionState::BackingOff));
    let fired = told_in_time(&lab, 1).await;
    let since = fired[0].down_since.expect("said");
    assert!(since >= up_until && fired[0].at.millis_since(since) > 60_000, "{fired:?}");
    // Told once for as long as it lasts, and again only after it was back.
    is(alerts::Gate::Away, id).await;
    lab.board.apply_status(status(lab.clock, ConnectionState::Live));
    is(alerts::Gate::Ready, id).await;
    assert_eq!(lab.firings().await.len(), 1);
    lab.board.apply_status(status(lab.clock, ConnectionState::Silent));
    assert_eq!(told_in_time(&lab, 2).await[1].fire_seq, 2);
    lab.stop().await;
}

/// We start while whoever asks the venues is dead: nobody speaks of it, and that counts from the start.
#[tokio::test]
async fn a_venue_that_nobody_speaks_of_is_down() {
    let place = Place::sqlite();
    let store = place.open().await;
    let spec = alerts::parse("venue somewhere down 1m").unwrap();
    let progress = Progress { up: alerts::Gate::Ready, ..Progress::default() };
    let clock = Clock::system();
    let started = clock.now();
    let id = add(&*store, &spec, &progress, started).await;
    let lab = Lab::on(store, clock);
    let fired = told_in_time(&lab, 1).await;
    assert_eq!(fired[0].alert_id, id);
    assert!(fired[0].down_since.is_some_and(|since| since >= started), "{fired:?}");
    lab.stop().await;
}

#[tokio::test]
async fn an_alert_that_is_over_is_closed_and_not_told() {
    let place = Place::sqlite();
    let lab = Lab::start(&place).await;
    let mut spec = alerts::parse("BTC-USDT above 100").unwrap();
    spec.expires_at = Some(lab.clock.now().plus_millis(300));
    let id = lab.add_spec(&spec).await;
    until("it is closed", async || !lab.store.alert(id).await.unwrap().unwrap().is_open).await;
    assert!(lab.messages().await.is_empty());
    lab.stop().await;
}
