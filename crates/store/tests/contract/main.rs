//! What every store must do, as plain functions over the address of an empty one; the backends are at the end.
//! It must not know any backend but by its address and what a foreign client does to it.

mod alerts;
mod chats;
mod keys;
mod outbox;
mod recorded;

use alerts::*;
use async_trait::async_trait;
use chats::*;
use keys::*;
use market::{Timestamp, VenueId};
use outbox::*;
use recorded::*;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use store::{
    CANDLES_MAX, Candle, CandleKey, CandleRange, Interval, NewTradeRow, Seed, Store, StoreError, TradeRow,
    TradeRowChange, VenueFile,
};
use testkit::servers::Postgres;

/// Where a store may be made, and a SQL client that is not ours.
#[async_trait]
trait Place: Send + Sync {
    fn url(&self) -> String;
    /// Runs statements on a connection of its own.
    async fn foreign(&self, sql: &'static str);
}

fn new_row(venue: &str, currency_pair: &str) -> NewTradeRow {
    NewTradeRow { venue: venue.into(), currency_pair: currency_pair.into(), ..NewTradeRow::default() }
}

fn seed() -> Seed {
    let rows = vec![new_row("alpha", "BTC-USDT"), new_row("beta", "bitcoin,tron-rub,usd")];
    Seed { rows, venues: vec![(VenueId::parse("gamma").unwrap(), "text".into())] }
}

async fn open(place: &dyn Place) -> Arc<dyn Store> {
    store::open(&place.url(), Seed::default()).await.unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// The rows in short: `id venue currency_pair url`.
async fn rows(store: &dyn Store) -> Vec<String> {
    let show = |t: &Option<String>| t.clone().unwrap_or_else(|| "-".into());
    let rows = store.trade_rows().await.unwrap();
    rows.iter()
        .map(|r| format!("{} {} {} {}", r.id, show(&r.venue), show(&r.currency_pair), show(&r.url)))
        .collect()
}

async fn one_row(store: &dyn Store) -> TradeRow {
    let mut rows = store.trade_rows().await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(error @ StoreError::Conflict(_)) => {
            assert!(!error.is_transient());
            error.to_string()
        }
        other => panic!("a conflict was expected, not {other:?}"),
    }
}

async fn policies_are_read_as_they_stand(place: &dyn Place) {
    let store = open(place).await;
    assert_eq!(store.pair_policies().await.unwrap(), []);
    let mut changes = store.changes();
    place
        .foreign(
            "INSERT INTO pair_policy (pair, venues_allowed, venues_excluded, sources_min)
             VALUES ('BTC-USDT', NULL, 'alpha, beta', 2), ('no pair', '', NULL, NULL)",
        )
        .await;
    tokio::time::timeout(Duration::from_secs(5), changes.changed()).await.unwrap().unwrap();
    let text = |t: &str| Some(t.to_owned());
    assert_eq!(
        store.pair_policies().await.unwrap(),
        [
            store::PairPolicyRow {
                pair: text("BTC-USDT"),
                venues_excluded: text("alpha, beta"),
                sources_min: text("2"),
                ..store::PairPolicyRow::default()
            },
            store::PairPolicyRow {
                pair: text("no pair"),
                venues_allowed: text(""),
                ..store::PairPolicyRow::default()
            },
        ]
    );
    store.close().await;
}

async fn holds_are_kept_the_later_time_wins_and_what_is_over_is_forgotten(place: &dyn Place) {
    let hold = |host: &str, ms| store::Hold { host: host.to_owned(), until: at(ms) };
    let store = open(place).await;
    store.put_holds(&[hold("a:443", 1_000), hold("b:80", 2_000)], at(0)).await.unwrap();
    store.put_holds(&[hold("a:443", 500), hold("b:80", 3_000)], at(0)).await.unwrap();
    store.close().await;
    let store = open(place).await;
    assert_eq!(store.holds().await.unwrap(), [hold("a:443", 1_000), hold("b:80", 3_000)]);
    store.put_holds(&[], at(1_000)).await.unwrap();
    assert_eq!(store.holds().await.unwrap(), [hold("b:80", 3_000)]);
    store.close().await;
}

async fn a_new_store_is_seeded_once(place: &dyn Place) {
    let store = store::open(&place.url(), seed()).await.unwrap();
    let seeded = ["1 alpha BTC-USDT -", "2 beta bitcoin,tron-rub,usd -"];
    assert_eq!(rows(&*store).await, seeded);
    assert!(store.trade_rows().await.unwrap().iter().all(|r| r.enabled && r.created_at.is_some()));
    assert_eq!(store.venue_files().await.unwrap(), [VenueFile { name: "gamma".into(), text: "text".into() }]);
    store.close().await;

    let store = store::open(&place.url(), seed()).await.unwrap();
    assert_eq!(rows(&*store).await, seeded);
    for id in [1, 2] {
        assert!(store.remove_trade_row(id).await.unwrap());
    }
    store.close().await;
    let store = store::open(&place.url(), seed()).await.unwrap();
    assert!(rows(&*store).await.is_empty(), "an operator who wants no rows has none");
}

async fn stores_opened_at_once_seed_once(place: &dyn Place) {
    let url = place.url();
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let url = url.clone();
        opening.spawn(async move { store::open(&url, seed()).await.unwrap() });
    }
    let stores = opening.join_all().await;
    for store in stores {
        assert_eq!(rows(&*store).await.len(), 2);
    }
}

async fn a_table_that_was_dropped_is_made_and_seeded_again(place: &dyn Place) {
    let store = store::open(&place.url(), seed()).await.unwrap();
    store.add_api_key("ci", "aa", at(1)).await.unwrap();
    place.foreign("DROP TABLE trade_info").await;
    assert!(matches!(store.trade_rows().await, Err(error) if error.is_transient()));
    assert!(store.ping().await.is_err(), "a store without its main table is not well");
    store.close().await;
    let store = store::open(&place.url(), seed()).await.unwrap();
    assert_eq!(rows(&*store).await.len(), 2);
    assert_eq!(store.api_keys().await.unwrap().len(), 1, "the other tables are as they were");
    let changes = store.changes();
    place.foreign("INSERT INTO trade_info (venue, currency_pair) VALUES ('alpha', 'SOL-USDT')").await;
    seen_within_a_second(changes).await;
}

async fn rows_are_added_changed_and_removed(place: &dyn Place) {
    let store = open(place).await;
    let id = store.add_trade_row(&new_row("alpha", "BTC-USDT"), at(5)).await.unwrap();
    let fresh = TradeRow {
        id,
        venue: Some("alpha".into()),
        currency_pair: Some("BTC-USDT".into()),
        url: None,
        interval_ms: None,
        stale_after_ms: None,
        expire_after_ms: None,
        allow_negative: false,
        enabled: true,
        created_at: Some(at(5)),
        updated_at: Some(at(5)),
    };
    assert_eq!(one_row(&*store).await, fresh);

    let all = TradeRowChange {
        currency_pair: Some("ETH-USDT".into()),
        url: Some(Some("wss://x".into())),
        interval_ms: Some(Some(1_000)),
        stale_after_ms: Some(Some(2_000)),
        expire_after_ms: Some(Some(3_000)),
        allow_negative: Some(true),
        enabled: Some(false),
    };
    assert!(store.change_trade_row(id, &all, at(6)).await.unwrap());
    let changed = TradeRow {
        currency_pair: Some("ETH-USDT".into()),
        url: Some("wss://x".into()),
        interval_ms: Some("1000".into()),
        stale_after_ms: Some("2000".into()),
        expire_after_ms: Some("3000".into()),
        allow_negative: true,
        enabled: false,
        updated_at: Some(at(6)),
        ..fresh
    };
    assert_eq!(one_row(&*store).await, changed);

    assert!(store.change_trade_row(id, &TradeRowChange::default(), at(7)).await.unwrap());
    assert_eq!(one_row(&*store).await, TradeRow { updated_at: Some(at(7)), ..changed.clone() });

    let emptied = TradeRowChange { url: Some(None), interval_ms: Some(None), ..TradeRowChange::default() };
    assert!(store.change_trade_row(id, &emptied, at(8)).await.unwrap());
    let emptied = TradeRow { url: None, interval_ms: None, updated_at: Some(at(8)), ..changed };
    assert_eq!(one_row(&*store).await, emptied);

    assert!(!store.change_trade_row(id + 1, &all, at(9)).await.unwrap());
    assert!(!store.remove_trade_row(id + 1).await.unwrap());
    assert!(store.remove_trade_row(id).await.unwrap());
    assert!(!store.remove_trade_row(id).await.unwrap());
    assert!(store.trade_rows().await.unwrap().is_empty());
    let next = store.add_trade_row(&new_row("alpha", "BTC-USDT"), at(9)).await.unwrap();
    assert!(next > id, "an id is never used again");
}

async fn a_duplicate_is_a_conflict_that_says_so(place: &dyn Place) {
    let store = open(place).await;
    let expect = "this venue already has a row with these pairs";
    store.add_trade_row(&new_row("alpha", "BTC-USDT"), at(1)).await.unwrap();
    assert_eq!(conflict(store.add_trade_row(&new_row("alpha", "BTC-USDT"), at(2)).await), expect);

    let elsewhere = NewTradeRow { url: Some("wss://x".into()), ..new_row("alpha", "BTC-USDT") };
    let id = store.add_trade_row(&elsewhere, at(1)).await.unwrap();
    assert_eq!(conflict(store.add_trade_row(&elsewhere, at(2)).await), expect);
    let no_url = TradeRowChange { url: Some(None), ..TradeRowChange::default() };
    assert_eq!(conflict(store.change_trade_row(id, &no_url, at(2)).await), expect);
    store.add_trade_row(&new_row("beta", "BTC-USDT"), at(1)).await.unwrap();
    // A refused row may have used up a number.
    let without_id = |row: &String| row.split_once(' ').unwrap().1.to_owned();
    let rows: Vec<_> = rows(&*store).await.iter().map(without_id).collect();
    assert_eq!(rows, ["alpha BTC-USDT -", "alpha BTC-USDT wss://x", "beta BTC-USDT -"]);
}

async fn what_is_written_comes_back_to_the_letter(place: &dyn Place) {
    let store = open(place).await;
    let megabyte = "x".repeat(1 << 20);
    for (number, text) in ["'; DROP TABLE trade_info; --", "a\r\nb", "𝔹TC-USD", "", " ", "$1 ? :a", &megabyte]
        .iter()
        .enumerate()
    {
        let row = NewTradeRow { url: Some((*text).into()), ..new_row(text, text) };
        let id = store.add_trade_row(&row, at(1)).await.unwrap();
        let back = store.trade_rows().await.unwrap().remove(number);
        assert_eq!((back.id, back.venue.as_deref()), (id, Some(*text)));
        assert_eq!((back.currency_pair.as_deref(), back.url.as_deref()), (Some(*text), Some(*text)));
    }
}

async fn a_foreign_row_needs_two_columns(place: &dyn Place) {
    let store = open(place).await;
    place.foreign("INSERT INTO trade_info(venue, currency_pair) VALUES ('alpha', 'BTC-USDT')").await;
    let row = one_row(&*store).await;
    assert!(row.enabled && !row.allow_negative);
    // After the day this was written, and not in microseconds.
    let sane = at(1_763_000_000_000)..at(100_000_000_000_000);
    assert!(row.created_at.is_some_and(|t| sane.contains(&t)), "{row:?}");
    assert!(row.updated_at.is_some_and(|t| sane.contains(&t)), "{row:?}");
}

async fn foreign_rows_may_be_empty_or_disabled(place: &dyn Place) {
    let store = open(place).await;
    place
        .foreign(
            "INSERT INTO trade_info(venue, currency_pair, enabled) VALUES (NULL, NULL, NULL), ('', '', FALSE);
             INSERT INTO trade_info(venue, currency_pair) VALUES ('alpha', 'BTC-USDT');
             INSERT INTO trade_info(interval_ms, created_at, updated_at) VALUES (-1, NULL, NULL)",
        )
        .await;
    assert_eq!(rows(&*store).await, ["1 - - -", "2   -", "3 alpha BTC-USDT -", "4 - - -"]);
    let rows = store.trade_rows().await.unwrap();
    assert_eq!(rows.iter().map(|r| r.enabled).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!((rows[3].interval_ms.as_deref(), rows[3].created_at), (Some("-1"), None));
    assert!(
        store
            .change_trade_row(1, &TradeRowChange { enabled: Some(true), ..TradeRowChange::default() }, at(1))
            .await
            .unwrap()
    );
}

async fn seen_within_a_second(mut changes: tokio::sync::watch::Receiver<u64>) {
    let change = tokio::time::timeout(Duration::from_secs(1), changes.changed());
    change.await.expect("no word of the change within 1 s").expect("the store has gone");
}

async fn changes_by_anybody_are_seen_within_a_second(place: &dyn Place) {
    let store = open(place).await;
    for sql in [
        "INSERT INTO trade_info(venue, currency_pair) VALUES ('alpha', 'BTC-USDT')",
        "UPDATE trade_info SET enabled = FALSE",
        "DELETE FROM trade_info",
        "INSERT INTO venue(name, text) VALUES ('gamma', 'text')",
        "DELETE FROM venue",
        "INSERT INTO pair_policy(pair, sources_min) VALUES ('BTC-USD', 2)",
    ] {
        let changes = store.changes();
        place.foreign(sql).await;
        seen_within_a_second(changes).await;
    }
    let changes = store.changes();
    let id = store.add_trade_row(&new_row("alpha", "BTC-USDT"), at(1)).await.unwrap();
    seen_within_a_second(changes).await;
    let changes = store.changes();
    store.remove_trade_row(id).await.unwrap();
    seen_within_a_second(changes).await;

    // Whoever asks for it: in another process, too, and though nothing has changed.
    let other = open(place).await;
    for asked in [&store, &other] {
        let changes = store.changes();
        asked.read_again().await.unwrap();
        seen_within_a_second(changes).await;
    }
    let changes = store.changes();
    other.put_venue_file(&VenueFile { name: "gamma".into(), text: "text".into() }, at(1)).await.unwrap();
    seen_within_a_second(changes).await;
}

async fn what_is_not_followed_is_no_change(place: &dyn Place) {
    let store = open(place).await;
    let mut changes = store.changes();
    store.add_api_key("ci", "aa", at(1)).await.unwrap();
    place.foreign("CREATE TABLE elsewhere (x INTEGER); INSERT INTO elsewhere VALUES (1)").await;
    // Three looks pass without a word of it; the next change is told.
    let nothing = tokio::time::timeout(Duration::from_millis(800), changes.changed()).await;
    assert!(nothing.is_err(), "a key is no reason to read all rows again");
    store.add_trade_row(&new_row("alpha", "BTC-USDT"), at(1)).await.unwrap();
    seen_within_a_second(changes).await;
}

async fn ten_thousand_rows_are_one_change_and_one_read(place: &dyn Place) {
    let store = open(place).await;
    let changes = store.changes();
    let (before, count) = (*changes.borrow(), changes.clone());
    place
        .foreign(
            "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 10000)
             INSERT INTO trade_info (venue, currency_pair) SELECT 'alpha', 'A' || n || '-USD' FROM number",
        )
        .await;
    seen_within_a_second(changes).await;
    assert_eq!(*count.borrow(), before + 1);
    let rows = store.trade_rows().await.unwrap();
    assert_eq!(rows.len(), 10_000);
    assert!(rows.is_sorted_by_key(|r| r.id));
}

async fn venue_files_are_put_replaced_and_removed(place: &dyn Place) {
    let store = open(place).await;
    let file = |name: &str, text: &str| VenueFile { name: name.into(), text: text.into() };
    for file in [file("beta", "1"), file("alpha", "2"), file("beta", "3\nb = \"ü\"")] {
        store.put_venue_file(&file, at(1)).await.unwrap();
    }
    assert_eq!(store.venue_files().await.unwrap(), [file("alpha", "2"), file("beta", "3\nb = \"ü\"")]);
    assert!(store.remove_venue_file("alpha").await.unwrap());
    assert!(!store.remove_venue_file("alpha").await.unwrap());
    assert_eq!(store.venue_files().await.unwrap().len(), 1);
}

async fn a_newer_schema_is_refused_and_left_alone(place: &dyn Place) {
    open(place).await.close().await;
    place.foreign(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'later', TRUE, '', 0)",
    ).await;
    match store::open(&place.url(), seed()).await.map(drop) {
        Err(error @ StoreError::NewerSchema { found: 999, known, .. }) => {
            assert!(!error.is_transient());
            let said = error.to_string();
            let expect = format!("is version 999, this program knows {known}; use a newer program");
            assert!(known < 999 && said.ends_with(&expect), "{said}");
        }
        other => panic!("{other:?}"),
    }
    place.foreign("DELETE FROM _sqlx_migrations WHERE version = 999").await;
    assert!(rows(&*open(place).await).await.is_empty(), "nothing was seeded");
}

async fn a_step_that_was_edited_is_refused(place: &dyn Place) {
    open(place).await.close().await;
    place.foreign("UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = 2").await;
    match store::open(&place.url(), Seed::default()).await.map(drop) {
        Err(error @ StoreError::Unusable { .. }) => {
            assert!(error.to_string().contains("migration 2"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

async fn a_closed_store_answers_with_an_error(place: &dyn Place) {
    let store = open(place).await;
    store.ping().await.unwrap();
    store.close().await;
    store.close().await;
    assert!(store.ping().await.is_err());
    assert!(matches!(store.trade_rows().await, Err(StoreError::Unavailable(_))));
    assert!(store.add_trade_row(&new_row("alpha", "BTC-USDT"), at(1)).await.is_err());
}

#[tokio::test]
async fn what_is_no_store_is_refused_without_its_password() {
    for (url, expect) in [
        (
            "mysql://u:hunter2@h/db",
            "mysql:…: not a store address; write sqlite://FILE or postgres://USER@HOST/NAME",
        ),
        ("rates.db", "rates.db:…: not a store address; write sqlite://FILE or postgres://USER@HOST/NAME"),
        ("sqlite", "sqlite:…: not a store address; write sqlite://FILE or postgres://USER@HOST/NAME"),
        ("", ":…: not a store address; write sqlite://FILE or postgres://USER@HOST/NAME"),
    ] {
        let error = store::open(url, Seed::default()).await.map(drop).unwrap_err();
        assert_eq!(error.to_string(), expect, "{url}");
        assert!(!error.is_transient());
    }
}

/// A SQLite file in a folder of its own; the foreign client is a plain connection.
struct SqliteFile(tempfile::TempDir);

impl SqliteFile {
    fn new() -> SqliteFile {
        SqliteFile(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl Place for SqliteFile {
    fn url(&self) -> String {
        format!("sqlite://{}", self.0.path().join("rates.db").display())
    }

    async fn foreign(&self, sql: &'static str) {
        use sqlx::{ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions};
        let options = SqliteConnectOptions::new().filename(self.0.path().join("rates.db"));
        let mut connection = options.connect().await.unwrap();
        connection.execute(sql).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// A database of its own on a server that all tests share; the foreign client is `psql`.
struct PostgresDatabase(String);

static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());

impl PostgresDatabase {
    fn new() -> PostgresDatabase {
        PostgresDatabase(POSTGRES.database().unwrap())
    }
}

#[async_trait]
impl Place for PostgresDatabase {
    fn url(&self) -> String {
        self.0.clone()
    }

    async fn foreign(&self, sql: &'static str) {
        let url = self.0.clone();
        tokio::task::spawn_blocking(move || POSTGRES.sql(&url, sql)).await.unwrap().unwrap();
    }
}

/// The whole suite for one backend: an empty place for every test.
macro_rules! contract {
    ($backend:ident, $place:expr; $($test:ident)*) => {
        mod $backend {
            use super::*;
            $(#[tokio::test]
            async fn $test() {
                super::$test(&$place).await;
            })*
        }
    };
    ($($backend:ident: $place:expr),* $(,)?) => {$(
        contract! { $backend, $place;
            policies_are_read_as_they_stand
            holds_are_kept_the_later_time_wins_and_what_is_over_is_forgotten
            a_new_store_is_seeded_once
            stores_opened_at_once_seed_once
            a_table_that_was_dropped_is_made_and_seeded_again
            rows_are_added_changed_and_removed
            a_duplicate_is_a_conflict_that_says_so
            what_is_written_comes_back_to_the_letter
            a_foreign_row_needs_two_columns
            foreign_rows_may_be_empty_or_disabled
            changes_by_anybody_are_seen_within_a_second
            what_is_not_followed_is_no_change
            ten_thousand_rows_are_one_change_and_one_read
            venue_files_are_put_replaced_and_removed
            keys_are_added_found_and_revoked
            a_newer_schema_is_refused_and_left_alone
            a_step_that_was_edited_is_refused
            a_closed_store_answers_with_an_error
            candles_are_kept_to_the_digit_and_found_by_range
            candles_merge_to_the_same_in_any_order_and_number
            several_recorders_write_the_same_candle_at_once
            old_candles_are_removed_by_their_length
            a_spoilt_candle_is_left_out_and_written_anew
            a_lease_has_one_holder_until_it_is_given_back
            a_lease_that_has_run_out_is_anybodys
            of_many_who_want_a_lease_one_gets_it
            alerts_are_added_listed_changed_and_removed_by_their_owner
            of_too_many_alerts_the_open_and_the_newest_are_listed
            an_owner_has_no_more_open_alerts_than_allowed_however_many_ask_at_once
            a_key_that_is_revoked_leaves_no_alert_that_can_fire
            a_key_that_is_revoked_while_it_adds_leaves_nothing_open
            alerts_are_read_in_pages
            firing_writes_the_alert_and_its_message_once
            of_two_engines_that_fire_the_same_alerts_one_fires_each
            progress_is_kept_only_for_the_alert_that_made_it
            changes_of_alerts_are_told_in_order_and_nothing_else_is
            a_reader_of_changes_misses_none_of_many_writers
            who_was_away_for_too_long_is_told_to_read_all_again
            firing_given_up_at_any_moment_is_done_or_not_done
            a_store_without_alerts_is_brought_up_to_date
            messages_are_taken_when_due_in_order_and_once
            what_is_due_is_counted_by_priority
            a_message_that_waits_holds_up_its_own_target_only
            order_is_kept_by_more_than_is_taken_at_a_time
            held_messages_wait_together_and_hold_up_nobody
            what_may_have_arrived_is_taken_again_and_says_so
            delivery_is_written_to_the_alert_with_the_message
            two_senders_never_take_the_same_message
            messages_are_written_with_how_far_the_writer_is
            old_messages_are_forgotten_once_they_are_settled
            an_alert_that_is_removed_has_told_what_it_fired
            chats_are_kept_paused_resumed_and_paged
            what_waited_for_a_paused_chat_is_due_when_it_is_resumed
            a_chat_that_is_forgotten_leaves_nothing
            a_chat_with_a_new_number_keeps_everything
            subscriptions_are_due_and_advance_with_their_message
            small_values_are_kept_by_name
            a_webhook_that_was_asked_for_again_is_kept
            webhooks_are_one_per_owner_and_address_and_keep_their_secret
        }
    )*};
}

contract! {
    sqlite: SqliteFile::new(),
    postgres: PostgresDatabase::new(),
}
