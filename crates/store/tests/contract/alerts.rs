//! The part of the contract about alerts: whose they are, how they fire once, how their changes are told.
//! It must not know any backend.

use crate::{Place, at, open};
use std::collections::BTreeSet;
use std::task::Poll;
use std::time::Duration;
use store::{
    ALERTS_MAX, AlertChange, AlertChanged, AlertProgress, AlertRow, Fire, MessageFilter, MessageState,
    NewAlert, NewMessage, Outcome, Settlement, Store,
};
use tokio::time::timeout;

pub(crate) const MAX: usize = 50;

pub(crate) fn alert(owner: &str) -> NewAlert {
    NewAlert {
        owner: owner.into(),
        target: owner.into(),
        pair: "BTC-USDT".into(),
        spec: r#"{"condition":"above 70000"}"#.into(),
        progress: "{}".into(),
    }
}

pub(crate) async fn add(store: &dyn Store, owner: &str) -> i64 {
    store.add_alert(&alert(owner), MAX, at(1)).await.unwrap().unwrap()
}

pub(crate) fn firing(alert: &AlertRow) -> Fire {
    let message = NewMessage::new(&alert.target, "fired", format!("{{\"alert\":{}}}", alert.id));
    Fire {
        alert_id: alert.id,
        revision: alert.revision,
        fire_seq: alert.fire_seq,
        progress: "fired".into(),
        is_open: true,
        message,
    }
}

pub(crate) async fn get(store: &dyn Store, id: i64) -> AlertRow {
    store.alert(id).await.unwrap().expect("the alert is there")
}

pub(crate) async fn alerts_are_added_listed_changed_and_removed_by_their_owner(place: &dyn Place) {
    let store = open(place).await;
    let id = add(&*store, "chat:5").await;
    let row = get(&*store, id).await;
    assert_eq!(
        row,
        AlertRow {
            id,
            owner: "chat:5".into(),
            target: "chat:5".into(),
            pair: "BTC-USDT".into(),
            spec: alert("").spec,
            progress: "{}".into(),
            is_open: true,
            fire_seq: 0,
            revision: row.revision,
            delivered_at: None,
            created_at: at(1),
            changed_at: at(1),
        }
    );
    assert_eq!(store.alerts_of("chat:5").await.unwrap(), std::slice::from_ref(&row));
    assert_eq!(store.alerts_of("chat:6").await.unwrap(), []);

    let spec = AlertChange { spec: Some("ü".into()), ..AlertChange::default() };
    let change = async |owner: &str, change: &AlertChange| {
        store.change_alert(owner, id, change, MAX, at(2)).await.unwrap()
    };
    assert_eq!(change("chat:6", &spec).await, AlertChanged::Missing, "another owner's");
    assert_eq!(change("chat:5", &spec).await, AlertChanged::Done);
    let changed = get(&*store, id).await;
    assert!(changed.revision > row.revision);
    let expect = AlertRow { spec: "ü".into(), revision: changed.revision, changed_at: at(2), ..row.clone() };
    assert_eq!(changed, expect);
    // Whoever read the older one does not overwrite what was changed since.
    let late = AlertChange { if_revision: Some(row.revision), is_open: Some(false), ..spec.clone() };
    assert_eq!(change("chat:5", &late).await, AlertChanged::Missing);
    let late = AlertChange { if_revision: Some(changed.revision), ..late };
    assert_eq!(change("chat:5", &late).await, AlertChanged::Done);
    assert!(!get(&*store, id).await.is_open);

    assert!(!store.remove_alert("chat:6", id).await.unwrap());
    assert!(store.remove_alert("chat:5", id).await.unwrap());
    assert!(!store.remove_alert("chat:5", id).await.unwrap());
    assert_eq!(store.alert(id).await.unwrap(), None);
    assert!(add(&*store, "chat:5").await > id, "a number is never used again");
}

pub(crate) async fn an_owner_has_no_more_open_alerts_than_allowed_however_many_ask_at_once(
    place: &dyn Place,
) {
    let (store, other) = (open(place).await, open(place).await);
    let mut adding = tokio::task::JoinSet::new();
    for n in 0..12 {
        let store = if n % 2 == 0 { store.clone() } else { other.clone() };
        adding.spawn(async move { store.add_alert(&alert("chat:5"), 5, at(1)).await.unwrap() });
    }
    let added: Vec<i64> = adding.join_all().await.into_iter().flatten().collect();
    assert_eq!(added.len(), 5);
    assert!(store.add_alert(&alert("chat:6"), 5, at(1)).await.unwrap().is_some());
    // A closed one makes room, and may not be opened again while there is none.
    let open = |is_open| AlertChange { is_open: Some(is_open), ..AlertChange::default() };
    let change =
        async |id, is_open| store.change_alert("chat:5", id, &open(is_open), 5, at(1)).await.unwrap();
    assert_eq!(change(added[0], false).await, AlertChanged::Done);
    assert!(store.add_alert(&alert("chat:5"), 5, at(1)).await.unwrap().is_some());
    assert_eq!(change(added[0], true).await, AlertChanged::Full);
    assert_eq!(change(added[1], true).await, AlertChanged::Done, "open already");
    assert!(store.remove_alert("chat:5", added[1]).await.unwrap());
    assert_eq!(change(added[0], true).await, AlertChanged::Done);
}

pub(crate) async fn alerts_are_read_in_pages(place: &dyn Place) {
    let store = open(place).await;
    place
        .foreign(
            "INSERT INTO alert (owner, target, pair, spec, is_open)
             SELECT 'operator', 'webhook:1', 'BTC-USDT', '{}', TRUE
             FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) AS a,
                  (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) AS b;
             UPDATE alert SET is_open = FALSE WHERE id = 50",
        )
        .await;
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = store.alerts_page(after, true, 30).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        seen.extend(page.iter().map(|row| row.id));
    }
    let expect: Vec<i64> = (1..=100).filter(|id| *id != 50).collect();
    assert_eq!(seen, expect);
    assert_eq!(store.alerts_page(0, false, 1_000).await.unwrap().len(), 100);
}

/// Where an answer is full, what can still fire stands in it, and of the rest the newest.
pub(crate) async fn of_too_many_alerts_the_open_and_the_newest_are_listed(place: &dyn Place) {
    let store = open(place).await;
    let first = add(&*store, "chat:5").await;
    place
        .foreign(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)
             INSERT INTO alert (owner, target, pair, spec, is_open)
             SELECT 'chat:5', 'chat:5', 'BTC-USDT', '{}', FALSE FROM n",
        )
        .await;
    let last = add(&*store, "chat:5").await;
    let listed: Vec<i64> = store.alerts_of("chat:5").await.unwrap().iter().map(|row| row.id).collect();
    assert_eq!(listed.len(), ALERTS_MAX);
    assert_eq!((listed[0], listed[ALERTS_MAX - 1]), (first, last));
    assert!(listed.is_sorted() && listed[1] == last - ALERTS_MAX as i64 + 2, "{}", listed[1]);
}

pub(crate) async fn firing_writes_the_alert_and_its_message_once(place: &dyn Place) {
    let store = open(place).await;
    let ids = [add(&*store, "chat:5").await, add(&*store, "chat:6").await, add(&*store, "chat:7").await];
    let mut rows = Vec::new();
    for id in ids {
        rows.push(get(&*store, id).await);
    }
    let mut fires: Vec<Fire> = rows.iter().map(firing).collect();
    fires[1].is_open = false;
    // Changed since it was read: it does not fire.
    let change = AlertChange { spec: Some("other".into()), ..AlertChange::default() };
    store.change_alert("chat:7", ids[2], &change, MAX, at(2)).await.unwrap();
    // A second firing of the first, in the same call.
    fires.push(Fire { fire_seq: 1, progress: "twice".into(), ..firing(&rows[0]) });
    assert_eq!(store.fire(&fires, at(3)).await.unwrap(), [true, true, false, true]);
    assert_eq!(store.fire(&fires, at(4)).await.unwrap(), [false; 4], "again: nothing");

    let short = |row: &AlertRow| (row.fire_seq, row.progress.clone(), row.is_open, row.changed_at.millis());
    assert_eq!(short(&get(&*store, ids[0]).await), (2, "twice".into(), true, 3));
    assert_eq!(short(&get(&*store, ids[1]).await), (1, "fired".into(), false, 3));
    assert_eq!(short(&get(&*store, ids[2]).await), (0, "{}".into(), true, 2));
    assert_eq!(get(&*store, ids[1]).await.revision, rows[1].revision, "firing is no change of what it is");
    // Closed: it does not fire again, whatever is compared.
    let again = firing(&get(&*store, ids[1]).await);
    assert_eq!(store.fire(&[again], at(5)).await.unwrap(), [false]);

    let mut messages = store.messages(&MessageFilter::default(), 10).await.unwrap();
    messages.reverse();
    let of: Vec<_> = messages.iter().map(|m| (m.alert_id.unwrap(), m.fire_seq.unwrap())).collect();
    assert_eq!(of, [(ids[0], 1), (ids[1], 1), (ids[0], 2)]);
    assert_eq!(messages[0].target, "chat:5");
    assert_eq!((messages[0].state, messages[0].not_before), (MessageState::Pending, at(3)));
    // Of one alert, the newest first, and nobody else's.
    let deliveries = store.deliveries(ids[0], 10).await.unwrap();
    let seqs: Vec<_> = deliveries.iter().map(|one| (one.fire_seq, one.message_id, one.state)).collect();
    assert_eq!(
        seqs,
        [(2, messages[2].id, MessageState::Pending), (1, messages[0].id, MessageState::Pending)]
    );
    assert_eq!(store.deliveries(ids[0], 1).await.unwrap(), deliveries[..1]);
    assert_eq!(store.deliveries(ids[2], 10).await.unwrap(), []);
    // What was given up is shown to its owner, until it is sent once more.
    let taken = store.take_messages("chat", 1, at(6)).await.unwrap();
    let outcome = Outcome::Dead { error: "why".into() };
    store.settle_messages(&[Settlement { id: taken[0].id, attempts: 1, outcome }], at(7)).await.unwrap();
    let undelivered = store.undelivered("chat:5").await.unwrap();
    assert_eq!((undelivered.len(), undelivered[0].alert_id, undelivered[0].fire_seq), (1, ids[0], 1));
    assert_eq!(undelivered[0].last_error.as_deref(), Some("why"));
    assert_eq!(store.undelivered("chat:6").await.unwrap(), []);
    assert!(store.revive_message(taken[0].id, at(8)).await.unwrap());
    assert_eq!(store.undelivered("chat:5").await.unwrap(), []);
}

pub(crate) async fn of_two_engines_that_fire_the_same_alerts_one_fires_each(place: &dyn Place) {
    let (one, two) = (open(place).await, open(place).await);
    let mut rows = Vec::new();
    for _ in 0..20 {
        rows.push(get(&*one, add(&*one, "operator").await).await);
    }
    let fires: Vec<Fire> = rows.iter().map(firing).collect();
    let turned: Vec<Fire> = fires.iter().rev().cloned().collect();
    let mut won = 0;
    for (a, b) in [(&fires, &turned), (&turned, &fires)] {
        let (a, b) = tokio::join!(one.fire(a, at(2)), two.fire(b, at(2)));
        won += a.unwrap().into_iter().chain(b.unwrap()).filter(|fired| *fired).count();
    }
    assert_eq!(won, 20);
    assert_eq!(one.messages(&MessageFilter::default(), 100).await.unwrap().len(), 20);
}

pub(crate) async fn progress_is_kept_only_for_the_alert_that_made_it(place: &dyn Place) {
    let store = open(place).await;
    let id = add(&*store, "chat:5").await;
    let row = get(&*store, id).await;
    let progress = |text: &str| AlertProgress {
        alert_id: id,
        revision: row.revision,
        fire_seq: row.fire_seq,
        progress: text.into(),
    };
    let cursor = store.alert_cursor().await.unwrap();
    store.save_progress(&[progress("one"), AlertProgress { alert_id: 77, ..progress("x") }]).await.unwrap();
    assert_eq!(get(&*store, id).await, AlertRow { progress: "one".into(), ..row.clone() });
    assert_eq!(store.alert_cursor().await.unwrap(), cursor, "progress is no change");
    store.save_progress(&[]).await.unwrap();

    let change = AlertChange { progress: Some("new".into()), ..AlertChange::default() };
    store.change_alert("chat:5", id, &change, MAX, at(2)).await.unwrap();
    store.save_progress(&[progress("late")]).await.unwrap();
    assert_eq!(get(&*store, id).await.progress, "new");
    store.fire(&[firing(&get(&*store, id).await)], at(3)).await.unwrap();
    let revision = get(&*store, id).await.revision;
    store.save_progress(&[AlertProgress { revision, ..progress("late") }]).await.unwrap();
    assert_eq!(get(&*store, id).await.progress, "fired");
    store.save_progress(&[AlertProgress { revision, fire_seq: 1, ..progress("armed") }]).await.unwrap();
    assert_eq!(get(&*store, id).await.progress, "armed");
}

/// Ids that changed since the cursor, and where it is then.
async fn changed(store: &dyn Store, mut cursor: i64) -> (BTreeSet<i64>, i64) {
    let mut ids = BTreeSet::new();
    loop {
        let changes = store.alert_changes(cursor, 2).await.unwrap();
        assert!(!changes.is_all);
        ids.extend(changes.rows.iter().map(|row| row.id));
        ids.extend(changes.gone.iter().map(|id| -id));
        if changes.cursor == cursor {
            return (ids, cursor);
        }
        cursor = changes.cursor;
    }
}

pub(crate) async fn changes_of_alerts_are_told_in_order_and_nothing_else_is(place: &dyn Place) {
    let store = open(place).await;
    assert_eq!(changed(&*store, 0).await, (BTreeSet::new(), 0));
    let (a, b) = (add(&*store, "chat:5").await, add(&*store, "chat:6").await);
    let (ids, cursor) = changed(&*store, 0).await;
    assert_eq!((ids, cursor), (BTreeSet::from([a, b]), store.alert_cursor().await.unwrap()));

    let rows = store.changes();
    let mut notices = store.alert_notices();
    notices.mark_unchanged();
    place.foreign("UPDATE alert SET spec = 'foreign' WHERE id = 1").await;
    timeout(Duration::from_secs(10), notices.changed()).await.expect("a foreign change is told").unwrap();
    let (ids, cursor) = changed(&*store, cursor).await;
    assert_eq!(ids, BTreeSet::from([a]));
    let row = get(&*store, a).await;
    assert_eq!((row.spec.as_str(), row.revision), ("foreign", 2), "and the alert is another one");

    // Firing again and again is no change; its last firing, its delivery, its end are.
    store.fire(&[firing(&row)], at(2)).await.unwrap();
    assert_eq!(changed(&*store, cursor).await, (BTreeSet::new(), cursor));
    let taken = store.take_messages("chat", 10, at(3)).await.unwrap();
    let sent = Settlement { id: taken[0].id, attempts: 1, outcome: Outcome::Sent };
    store.settle_messages(&[sent], at(4)).await.unwrap();
    let (ids, cursor) = changed(&*store, cursor).await;
    assert_eq!(ids, BTreeSet::from([a]));
    assert_eq!(get(&*store, a).await.delivered_at, Some(at(4)));
    assert!(store.remove_alert("chat:5", a).await.unwrap());
    let (ids, cursor) = changed(&*store, cursor).await;
    assert_eq!(ids, BTreeSet::from([-a]));
    place.foreign("DELETE FROM alert").await;
    let (ids, _) = changed(&*store, cursor).await;
    assert_eq!(ids, BTreeSet::from([-b]));
    assert!(!rows.has_changed().unwrap(), "whoever follows rows is not woken by alerts");
}

/// Writers that commit in any order, and a reader who goes on from where it was: it misses none.
pub(crate) async fn a_reader_of_changes_misses_none_of_many_writers(place: &dyn Place) {
    let store = open(place).await;
    let mut writing = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let store = open(place).await;
        writing.spawn(async move {
            for _ in 0..25 {
                add(&*store, &format!("chat:{writer}")).await;
            }
        });
    }
    let (mut seen, mut cursor) = (BTreeSet::new(), 0);
    let reading = async {
        while seen.len() < 100 {
            let (ids, next) = changed(&*store, cursor).await;
            seen.extend(ids);
            cursor = next;
        }
    };
    timeout(Duration::from_secs(60), reading).await.expect("every change is told");
    writing.join_all().await;
    assert_eq!(changed(&*store, cursor).await.0, BTreeSet::new());
}

pub(crate) async fn who_was_away_for_too_long_is_told_to_read_all_again(place: &dyn Place) {
    let store = open(place).await;
    let a = add(&*store, "chat:5").await;
    add(&*store, "chat:5").await;
    place.foreign("DELETE FROM alert_change WHERE seq = 1").await;
    let changes = store.alert_changes(0, 10).await.unwrap();
    assert!(changes.is_all);
    assert_eq!(changes.cursor, store.alert_cursor().await.unwrap());
    // A store from a backup: the cursor is of a time that never was.
    assert!(store.alert_changes(999, 10).await.unwrap().is_all);

    let close = AlertChange { is_open: Some(false), ..AlertChange::default() };
    store.change_alert("chat:5", a, &close, MAX, at(10)).await.unwrap();
    assert_eq!(store.prune_alerts(at(10)).await.unwrap(), 0);
    assert_eq!(store.prune_alerts(at(11)).await.unwrap(), 1);
    assert_eq!(store.alerts_of("chat:5").await.unwrap().len(), 1, "the open one stays");
}

/// Of each alert: how often it fired, and how many messages say so.
pub(crate) async fn told(store: &dyn Store) -> Vec<(i64, usize)> {
    let messages = store.messages(&MessageFilter::default(), 5_000).await.unwrap();
    let alerts = store.alerts_page(0, false, 5_000).await.unwrap();
    let of = |id| messages.iter().filter(|message| message.alert_id == Some(id)).count();
    alerts.iter().map(|alert| (alert.fire_seq, of(alert.id))).collect()
}

/// An engine that ends at any moment leaves alerts that have fired with their message, and others as they were.
pub(crate) async fn firing_given_up_at_any_moment_is_done_or_not_done(place: &dyn Place) {
    let store = open(place).await;
    let mut fires = Vec::new();
    for _ in 0..3 {
        fires.push(firing(&get(&*store, add(&*store, "operator").await).await));
    }
    let (mut polls, mut given_up, mut done) = (0, 0, 0);
    loop {
        polls += 1;
        let mut firing = Box::pin(store.fire(&fires, at(2)));
        let mut left = polls;
        let is_done = std::future::poll_fn(|task| {
            left -= 1;
            match firing.as_mut().poll(task) {
                Poll::Ready(fired) => Poll::Ready(Some(fired)),
                Poll::Pending if left == 0 => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        drop(firing);
        // A commit that is on its way may be done between two reads: what is only half done stays so.
        let is_whole = |told: &[(i64, usize)]| {
            told.iter().all(|(times, messages)| *times == *messages as i64 && *times == told[0].0)
        };
        let whole = async {
            loop {
                let told = told(&*store).await;
                if is_whole(&told) {
                    return told;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let whole = timeout(Duration::from_secs(20), whole).await;
        let told = whole.unwrap_or_else(|_| panic!("half done, given up after {polls} polls"));
        for fire in &mut fires {
            fire.fire_seq = told[0].0;
        }
        match is_done {
            None => given_up += 1,
            Some(_) if given_up > 1 => return,
            // On a busy machine every answer may be there before it is asked for: once more from the first moment.
            Some(_) => {
                (polls, done) = (0, done + 1);
                assert!(done < 100, "firing was never given up");
            }
        }
    }
}

/// A store of the version before alerts is brought up to date, and keeps what it has.
pub(crate) async fn a_store_without_alerts_is_brought_up_to_date(place: &dyn Place) {
    let store = open(place).await;
    store.add_api_key("grafana", "aa", at(1)).await.unwrap();
    store.close().await;
    place
        .foreign(
            "DROP TABLE alert; DROP TABLE alert_change; DROP TABLE outbox; DROP TABLE chat; DROP TABLE subscription;
             DROP TABLE bot_state; DROP TABLE webhook; DELETE FROM _sqlx_migrations WHERE version > 6",
        )
        .await;
    let store = open(place).await;
    assert_eq!(store.api_keys().await.unwrap().len(), 1);
    let row = get(&*store, add(&*store, "chat:5").await).await;
    assert_eq!(store.fire(&[firing(&row)], at(2)).await.unwrap(), [true]);
    assert_eq!(changed(&*store, 0).await.0, BTreeSet::from([row.id]));
}
