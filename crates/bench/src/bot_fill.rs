//! What stands in the bot's store before it starts: a past to draw, and as many chats as a large bot has.
//! It must not know what is asked for.

use anyhow::Context;
use market::{Pair, Price, Timestamp};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use store::{Candle, CandleKey, Interval, Seed};

/// How many chats there are; their numbers begin with 1, the even ones read English, the odd ones Russian.
pub const CHATS: i64 = 100_000;

/// A day of minutes, a week of hours and a month of days for each of these pairs, and the chats.
pub async fn fill(url: &str, pairs: &[&str]) -> anyhow::Result<()> {
    let store = Box::pin(store::open(url, Seed::default())).await?;
    let now = clock::Clock::system().now();
    for pair in pairs {
        let pair: Pair = pair.parse()?;
        for (interval, count) in [(Interval::Minute, 1_440), (Interval::Hour, 168), (Interval::Day, 30)] {
            store.put_candles(&past(&pair, interval, count, now)?).await?;
        }
    }
    store.close().await;

    // One by one, through the store, it would take minutes.
    let mut connection = url.parse::<SqliteConnectOptions>()?.connect().await?;
    let put = sqlx::query(PUT_CHATS).bind(CHATS).execute(&mut connection).await?;
    anyhow::ensure!(i64::try_from(put.rows_affected())? == CHATS, "not every chat was written");
    connection.close().await?;
    Ok(())
}

const PUT_CHATS: &str = "
    INSERT INTO chat (id, kind, language, time_zone)
    WITH RECURSIVE number (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM number WHERE id < $1)
    SELECT id, 'private', CASE WHEN id % 2 = 0 THEN 'en' ELSE 'ru' END, 'UTC' FROM number";

/// Candles up to now, each of a price that moves by some per cent.
fn past(pair: &Pair, interval: Interval, count: i64, now: Timestamp) -> anyhow::Result<Vec<Candle>> {
    let price = |whole: i64| Price::parse(&format!("{whole}.25")).context("a price");
    let candle = |back: i64| {
        let start = interval.start_of(now.plus_millis(-back * interval.millis()));
        let key = CandleKey { venue: None, pair: pair.clone(), interval, start };
        let open = 49_000 + back * 37 % 1_900;
        let candle = Candle::of(key, price(open)?, start);
        Ok(Candle { high: price(open + 90)?, low: price(open - 80)?, close: price(open + 37)?, ..candle })
    };
    (0..count).map(candle).collect()
}
