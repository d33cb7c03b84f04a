//! The part of the contract about keys to the interface: how they are known, and what goes with one that is revoked.
//! It must not know any backend.

use crate::alerts::{MAX, add, alert, firing, get};
use crate::{Place, at, conflict, open};
use std::collections::BTreeSet;
use store::{AlertChange, MessageFilter};

pub(crate) async fn keys_are_added_found_and_revoked(place: &dyn Place) {
    let store = open(place).await;
    let first = store.add_api_key("ci", "aa", at(5)).await.unwrap();
    let second = store.add_api_key("ci", "bb", at(6)).await.unwrap();
    assert_eq!(conflict(store.add_api_key("again", "aa", at(7)).await), "this key is already known");
    let key = store.api_key_by_hash("aa").await.unwrap().unwrap();
    assert_eq!((key.id, key.name.as_str(), key.created_at, key.revoked_at), (first, "ci", at(5), None));
    assert!(store.api_key_by_hash("AA").await.unwrap().is_none());
    assert!(store.api_key_by_hash("").await.unwrap().is_none());

    assert_eq!(store.revoke_api_key(first, at(8)).await.unwrap(), Some(0));
    assert_eq!(store.revoke_api_key(first, at(9)).await.unwrap(), None);
    assert_eq!(store.revoke_api_key(second + 1, at(9)).await.unwrap(), None);
    assert!(store.api_key_by_hash("aa").await.unwrap().is_none());
    let keys = store.api_keys().await.unwrap();
    assert_eq!(
        keys.iter().map(|k| (k.id, k.revoked_at)).collect::<Vec<_>>(),
        [(first, Some(at(8))), (second, None)]
    );
}

pub(crate) async fn a_key_that_is_revoked_leaves_no_alert_that_can_fire(place: &dyn Place) {
    let store = open(place).await;
    let first = store.add_api_key("a", "aa", at(1)).await.unwrap();
    let second = store.add_api_key("b", "bb", at(1)).await.unwrap();
    let [owner, other] = [first, second].map(|key| format!("key:{key}"));
    let open_ones = [add(&*store, &owner).await, add(&*store, &owner).await];
    let closed = add(&*store, &owner).await;
    let close = AlertChange { is_open: Some(false), ..AlertChange::default() };
    store.change_alert(&owner, closed, &close, MAX, at(2)).await.unwrap();
    let others = [add(&*store, &other).await, add(&*store, "operator").await];
    let before = get(&*store, open_ones[0]).await;
    let cursor = store.alert_cursor().await.unwrap();

    assert_eq!(store.revoke_api_key(first, at(8)).await.unwrap(), Some(2));
    for id in open_ones {
        let row = get(&*store, id).await;
        assert_eq!((row.is_open, row.changed_at), (false, at(8)), "it is known when, and so why");
    }
    assert_eq!(
        get(&*store, closed).await.changed_at,
        at(2),
        "what was closed before was so for another reason"
    );
    for id in others {
        assert!(get(&*store, id).await.is_open);
    }
    let told = store.alert_changes(cursor, 100).await.unwrap();
    let told: BTreeSet<_> = told.rows.iter().map(|row| (row.id, row.is_open)).collect();
    assert_eq!(told, open_ones.map(|id| (id, false)).into(), "whoever watches hears of it");
    // One that came true in that moment, and one that is asked for by somebody who was let in just before.
    assert_eq!(store.fire(&[firing(&before)], at(9)).await.unwrap(), [false]);
    assert_eq!(store.messages(&MessageFilter::default(), 10).await.unwrap(), []);
    assert_eq!(store.add_alert(&alert(&owner), MAX, at(9)).await.unwrap(), None);
    assert!(store.add_alert(&alert(&other), MAX, at(9)).await.unwrap().is_some());
}

pub(crate) async fn a_key_that_is_revoked_while_it_adds_leaves_nothing_open(place: &dyn Place) {
    let store = open(place).await;
    let other = open(place).await;
    for round in 0..5 {
        let key = store.add_api_key("a", &round.to_string(), at(1)).await.unwrap();
        let owner = format!("key:{key}");
        let mut adding = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (other, new) = (other.clone(), alert(&owner));
            adding.spawn(async move { other.add_alert(&new, MAX, at(2)).await.unwrap() });
        }
        while store.alerts_of(&owner).await.unwrap().is_empty() {}
        let revoked = store.revoke_api_key(key, at(3)).await.unwrap();
        let added = adding.join_all().await.into_iter().flatten().count() as u64;
        assert_eq!(revoked, Some(added), "what was added is closed, and nothing came after");
        assert!(store.alerts_of(&owner).await.unwrap().iter().all(|row| !row.is_open));
    }
}
