//! What only a server can do to us: die, freeze, refuse, be another server, hold odd rows, be shared by many.
//! It must not repeat what every store must do: that is `contract.rs`.

use market::Timestamp;
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;
use store::{Fire, MessageFilter, NewAlert, NewMessage, NewTradeRow, Seed, Store, StoreError};
use testkit::servers::{Postgres, TestCa};
use testkit::{FaultProxy, Line};
use tokio::time::{Instant, timeout};

/// For tests that do it no harm.
static SHARED: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());

const NOW: Timestamp = Timestamp::from_millis(1);
/// A call's own limit, and something for a machine that is busy.
const CALL_MAX: Duration = Duration::from_secs(8);

fn btc(venue: &str) -> NewTradeRow {
    NewTradeRow { venue: venue.into(), currency_pair: "BTC-USDT".into(), ..NewTradeRow::default() }
}

fn seed() -> Seed {
    Seed { rows: vec![btc("alpha"), btc("beta")], venues: vec![] }
}

async fn open(url: &str) -> Arc<dyn Store> {
    store::open(url, Seed::default()).await.unwrap()
}

async fn refused(url: &str) -> StoreError {
    timeout(Duration::from_secs(20), store::open(url, seed())).await.unwrap().map(drop).unwrap_err()
}

/// Everything that an error says, its causes included.
fn said(error: &StoreError) -> String {
    let mut all = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        all = format!("{all}: {error}");
        cause = error.source();
    }
    all
}

async fn seen(mut changes: tokio::sync::watch::Receiver<u64>) {
    timeout(CALL_MAX, changes.changed()).await.expect("no word of the change").unwrap();
}

async fn works_again(store: &dyn Store) {
    let again = async {
        while store.ping().await.is_err() || store.trade_rows().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(15), again).await.expect("the store does not come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_is_a_pause() {
    let server = Postgres::start().unwrap();
    let store = open(&server.database().unwrap()).await;
    store.add_trade_row(&btc("alpha"), NOW).await.unwrap();
    let changes = store.changes();
    for end in [Postgres::kill, Postgres::stop] {
        end(&server);
        for _ in 0..3 {
            let began = Instant::now();
            let error = timeout(CALL_MAX, store.trade_rows()).await.unwrap().unwrap_err();
            assert!(error.is_transient(), "{}", said(&error));
            assert!(timeout(CALL_MAX, store.add_trade_row(&btc("lost"), NOW)).await.unwrap().is_err());
            assert!(store.ping().await.is_err());
            assert!(began.elapsed() < CALL_MAX);
        }
        server.restart_beside().await.unwrap().unwrap();
        works_again(&*store).await;
        assert_eq!(
            store.trade_rows().await.unwrap().len(),
            1,
            "what was acknowledged is there, and nothing else"
        );
    }
    // What happened meanwhile is not known, so it counts as a change; and later ones are seen again.
    seen(changes).await;
    let mut changes = store.changes();
    let url = server.url("test0");
    let is_told = async {
        loop {
            server.sql(&url, "UPDATE trade_info SET enabled = TRUE").unwrap();
            if timeout(Duration::from_millis(200), changes.changed()).await.is_ok() {
                return;
            }
        }
    };
    timeout(Duration::from_secs(15), is_told).await.expect("changes are seen again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_holds_nobody_longer_than_a_calls_limit() {
    let server = Postgres::start().unwrap();
    let store = open(&server.database().unwrap()).await;
    store.add_trade_row(&btc("alpha"), NOW).await.unwrap();
    server.freeze();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        calls.spawn(async move { timeout(CALL_MAX, store.trade_rows()).await.unwrap().unwrap_err() });
    }
    assert!(timeout(Duration::from_secs(2), store.ping()).await.unwrap().is_err());
    assert!(calls.join_all().await.iter().all(StoreError::is_transient));
    assert!(refused(&server.url("test0")).await.is_transient());
    server.resume();
    works_again(&*store).await;
    timeout(CALL_MAX, store.close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_swallows_everything_is_noticed_by_the_listener() {
    let url = SHARED.database().unwrap();
    let proxy = FaultProxy::start(([127, 0, 0, 1], SHARED.port()).into()).await;
    let port = |port: u16| format!(":{port}/");
    let store = open(&url.replace(&port(SHARED.port()), &port(proxy.address().port()))).await;
    let changes = store.changes();
    for line in [Line::Reset, Line::Open] {
        proxy.set(line);
        SHARED.sql(&url, "INSERT INTO trade_info (venue) VALUES ('meanwhile')").unwrap();
    }
    seen(changes).await;
    works_again(&*store).await;
    assert_eq!(store.trade_rows().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_of_others_end_a_call_in_time_and_say_why() {
    let url = SHARED.database().unwrap();
    let store = open(&url).await;
    let holds = url.clone();
    let lock = std::thread::spawn(move || {
        SHARED.sql(&holds, "BEGIN; LOCK TABLE trade_info; SELECT pg_sleep(7); COMMIT")
    });
    let ask = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
               AND relation = to_regclass('trade_info')";
    let is_locked = async {
        while SHARED.sql(&url, ask).unwrap().trim() == "0" {
            tokio::task::yield_now().await;
        }
    };
    timeout(CALL_MAX, is_locked).await.unwrap();
    let error = timeout(CALL_MAX, store.trade_rows()).await.unwrap().unwrap_err();
    assert!(error.is_transient() && said(&error).contains("statement timeout"), "{}", said(&error));
    lock.join().unwrap().unwrap();
    works_again(&*store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_our_server_is_told_so_without_the_password() {
    let good = SHARED.database().unwrap();
    let web = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web_port = web.local_addr().unwrap().port();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = web.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let port = SHARED.port().to_string();
    for (url, is_transient, expect) in [
        (good.replace("secret", "hunter2"), true, "password authentication failed for user \"rates\""),
        (SHARED.url("nowhere"), true, "database \"nowhere\" does not exist"),
        (good.replace(&port, "1"), true, "refused"),
        (good.replace(&port, &web_port.to_string()), true, "does not speak PostgreSQL"),
        ("postgres://rates:hunter2@127.0.0.1:port/x".to_owned(), false, "postgres://… cannot be the store"),
    ] {
        let error = refused(&url).await;
        let said = said(&error);
        assert_eq!(error.is_transient(), is_transient, "{said}");
        assert!(said.contains(expect) && !said.contains("secret") && !said.contains("hunter2"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_do_not_fit_are_refused_with_the_reason() {
    for (sql, reason) in [
        (
            "CREATE TABLE trade_info (exchanger TEXT)",
            "its trade_info has no column `id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY`; \
             rename the table to have a new one made",
        ),
        (
            "CREATE TABLE trade_info (id SERIAL PRIMARY KEY, venue TEXT, currency_pair TEXT);
             INSERT INTO trade_info (venue, currency_pair) VALUES ('alpha', 'BTC-USDT'), ('alpha', 'BTC-USDT')",
            "trade_info holds the same venue, currency_pair and url more than once; remove all but one",
        ),
        ("CREATE TABLE candle (id INTEGER)", "its tables do not fit: relation \"candle\" already exists"),
    ] {
        let url = SHARED.database().unwrap();
        SHARED.sql(&url, sql).unwrap();
        let error = refused(&url).await;
        let shown = url.replace(":secret", "");
        assert_eq!(error.to_string(), format!("{shown} cannot be the store: {reason}"));
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(SHARED.sql(&url, tables).unwrap().trim(), "1", "nothing is left half made");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_made_by_the_operator_is_completed_and_not_seeded() {
    let url = SHARED.database().unwrap();
    let make =
        "CREATE TABLE trade_info (id SERIAL PRIMARY KEY, venue VARCHAR(20), currency_pair TEXT, mine TEXT);
                INSERT INTO trade_info (venue, currency_pair, mine) VALUES ('alpha', 'BTC-USDT', 'x')";
    SHARED.sql(&url, make).unwrap();
    let store = store::open(&url, seed()).await.unwrap();
    let rows = store.trade_rows().await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].enabled && rows[0].url.is_none() && rows[0].created_at.is_none());
    assert!(matches!(store.add_trade_row(&btc("alpha"), NOW).await, Err(StoreError::Conflict(_))));
    store.add_trade_row(&btc("beta"), NOW).await.unwrap();
    assert_eq!(SHARED.sql(&url, "SELECT mine FROM trade_info WHERE id = 1").unwrap().trim(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_rows_of_a_foreign_client_are_read_and_odd_texts_of_ours_refused() {
    let url = SHARED.database().unwrap();
    let store = open(&url).await;
    SHARED
        .sql(
            &url,
            "ALTER TABLE trade_info ALTER COLUMN interval_ms TYPE TEXT, ALTER COLUMN enabled DROP DEFAULT,
                 ALTER COLUMN enabled TYPE TEXT, ALTER COLUMN created_at DROP DEFAULT,
                 ALTER COLUMN created_at TYPE DOUBLE PRECISION;
             INSERT INTO trade_info (venue, currency_pair, interval_ms, enabled, created_at)
             VALUES (E'a\\tb', '', 'soon', 'YES', 'NaN'), (NULL, NULL, '-1', 'nonsense', 7),
                    (repeat('x', 100000), md5('1'), NULL, NULL, NULL)",
        )
        .unwrap();
    let rows = store.trade_rows().await.unwrap();
    let show = |row: &store::TradeRow| {
        (row.venue.as_ref().map(String::len), row.interval_ms.clone(), row.enabled, row.created_at.is_some())
    };
    let shown: Vec<_> = rows.iter().map(show).collect();
    assert_eq!(
        shown,
        [
            (Some(3), Some("soon".into()), true, false),
            (None, Some("-1".into()), false, true),
            (Some(100_000), None, true, false)
        ]
    );
    // No text of this database can hold it: writing it again would not help.
    let error = store.add_api_key("a\0b", "aa", NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)), "{}", said(&error));
}

/// A first start that ends at any moment leaves a database with which the next start works as if it were the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_given_up_at_any_moment_leaves_nothing_half_made() {
    for polls in (1..).step_by(3) {
        let url = SHARED.database().unwrap();
        let mut opening = Box::pin(store::open(&url, seed()));
        let mut left = polls;
        let opened = std::future::poll_fn(|task| {
            left -= 1;
            match opening.as_mut().poll(task) {
                Poll::Ready(opened) => Poll::Ready(Some(opened)),
                Poll::Pending if left == 0 => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        drop(opening);
        let store = store::open(&url, seed()).await.unwrap();
        let venues: Vec<_> = store.trade_rows().await.unwrap().into_iter().filter_map(|r| r.venue).collect();
        assert_eq!(venues, ["alpha", "beta"], "given up after {polls} polls");
        if opened.is_some() {
            assert!(polls > 5, "opening was never given up");
            break;
        }
    }
}

/// A server that is killed while it makes the tables has made all or none of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_mid_migration_is_harmless() {
    let server = Postgres::start().unwrap();
    for round in 0..4_u64 {
        let url = server.database().unwrap();
        let mut opening = Box::pin(store::open(&url, seed()));
        let opened = timeout(Duration::from_millis(5 + 15 * round), &mut opening).await;
        server.kill();
        drop((opening, opened));
        server.restart_beside().await.unwrap().unwrap();
        let store = store::open(&url, seed()).await.unwrap();
        assert_eq!(store.trade_rows().await.unwrap().len(), 2);
        store.close().await;
    }
}

/// A line that breaks at any moment of firing: afterwards each alert has fired and has its message, or neither; fired
/// again, each has fired once.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_while_alerts_fire_leaves_each_whole() {
    let url = SHARED.database().unwrap();
    let direct = open(&url).await;
    let proxy = FaultProxy::start(([127, 0, 0, 1], SHARED.port()).into()).await;
    let port = |port: u16| format!(":{port}/");
    let store = open(&url.replace(&port(SHARED.port()), &port(proxy.address().port()))).await;
    let mut broken = 0;
    for polls in (1..=40).step_by(3) {
        let owner = format!("key:{polls}");
        let mut fires = Vec::new();
        for _ in 0..5 {
            let new = NewAlert { owner: owner.clone(), target: "webhook:1".into(), ..NewAlert::default() };
            let id = direct.add_alert(&new, 9, NOW).await.unwrap().unwrap();
            let message = NewMessage::new("webhook:1", "fired", "{}");
            let progress = String::new();
            let revision = direct.alert(id).await.unwrap().unwrap().revision;
            fires.push(Fire { alert_id: id, revision, fire_seq: 0, progress, is_open: true, message });
        }
        let mut firing = Box::pin(store.fire(&fires, NOW));
        let mut left = polls;
        let fired = std::future::poll_fn(|task| {
            left -= 1;
            if left == 0 {
                proxy.set(Line::Reset);
            }
            firing.as_mut().poll(task)
        });
        let fired = timeout(CALL_MAX, fired).await.expect("a call has its limit");
        broken += usize::from(fired.is_err());
        proxy.set(Line::Open);
        works_again(&*store).await;
        for again in [false, true] {
            if again {
                store.fire(&fires, NOW).await.unwrap();
            }
            for fire in &fires {
                let of = MessageFilter { alert_id: Some(fire.alert_id), ..MessageFilter::default() };
                let messages = direct.messages(&of, 10).await.unwrap().len();
                let times = direct.alert(fire.alert_id).await.unwrap().unwrap().fire_seq;
                assert_eq!(usize::try_from(times).unwrap(), messages, "broken at poll {polls}: {fired:?}");
                assert!(!again || messages == 1, "broken at poll {polls}: {fired:?}");
            }
        }
    }
    assert!(broken > 2, "the line hardly ever broke in time: {broken}");
}

/// A transaction that changes an alert early and commits late: whoever reads the changes meanwhile does not go past it.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_committed_late_is_told_late_and_not_lost() {
    let url = SHARED.database().unwrap();
    let store = open(&url).await;
    let slow = url.clone();
    let late =
        "BEGIN; INSERT INTO alert (owner, target, pair, spec) VALUES ('operator', 'webhook:1', '', '{}');
                SELECT pg_sleep(1.5); COMMIT";
    let late = std::thread::spawn(move || SHARED.sql(&slow, late));
    let is_begun = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND wait_event = 'PgSleep'";
    let begun = async {
        while SHARED.sql(&url, is_begun).unwrap().trim() == "0" {
            tokio::task::yield_now().await;
        }
    };
    timeout(CALL_MAX, begun).await.unwrap();
    let new = NewAlert { owner: "key:1".into(), target: "webhook:1".into(), ..NewAlert::default() };
    let second = store.add_alert(&new, 9, NOW).await.unwrap().unwrap();
    let changes = store.alert_changes(0, 10).await.unwrap();
    assert_eq!(changes.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [second]);
    late.join().unwrap().unwrap();
    let changes = store.alert_changes(changes.cursor, 10).await.unwrap();
    assert_eq!(changes.rows.len(), 1, "{changes:?}");
    assert!(changes.rows[0].id < second);
}

/// A private authority is believed when it is named, and nobody else's word counts; `require` asks for nobody's word,
/// unless one is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_tls_is_believed_if_somebody_known_vouches_for_it() {
    let (ca, stranger) = (TestCa::new().unwrap(), TestCa::new().unwrap());
    let files = [ca.certificate_file(), ca.key_file()].map(|file| file.display().to_string());
    let server =
        Postgres::start_with(&[("ssl", "on"), ("ssl_cert_file", &files[0]), ("ssl_key_file", &files[1])])
            .unwrap();
    let numbered = server.database().unwrap();
    let named = numbered.replace("@127.0.0.1:", "@localhost:");
    for (url, mode, roots, good) in [
        (&named, "verify-full", Some(ca.pem()), true),
        (&named, "require", Some(ca.pem()), true),
        (&numbered, "verify-ca", Some(ca.pem()), true),
        (&numbered, "require", None, true),
        (&numbered, "verify-full", Some(ca.pem()), false),
        (&named, "verify-full", None, false),
        (&named, "verify-full", Some(stranger.pem()), false),
        (&named, "require", Some(stranger.pem()), false),
    ] {
        let options = store::Options { trusted_roots: roots.map(str::to_owned) };
        let opened = store::open_with(&format!("{url}?sslmode={mode}"), Seed::default(), &options).await;
        assert_eq!(opened.is_ok(), good, "{url} {mode} {roots:?}: {:?}", opened.err());
        if let Ok(store) = opened {
            store.ping().await.unwrap();
            let encrypted = "SELECT count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                             WHERE application_name = 'rates' AND ssl";
            assert_eq!(server.sql(&numbered, encrypted).unwrap().trim(), "t", "{mode}");
            store.close().await;
        }
    }
}
