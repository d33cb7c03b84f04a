//! The statements, written so that every SQL backend can run them: `$1`, `ON CONFLICT`, `RETURNING`.
//! It must not know which database runs them.

// Columns of `trade_info` are read as text: a foreign client may have written any type into any of them.
pub(crate) const TRADE_ROWS: &str = "
    SELECT CAST(id AS BIGINT), CAST(venue AS TEXT), CAST(currency_pair AS TEXT), CAST(url AS TEXT), CAST(interval_ms AS TEXT),
           CAST(stale_after_ms AS TEXT), CAST(expire_after_ms AS TEXT), CAST(allow_negative AS TEXT),
           CAST(enabled AS TEXT), CAST(created_at AS TEXT), CAST(updated_at AS TEXT)
    FROM trade_info ORDER BY id";

pub(crate) const ADD_TRADE_ROW: &str = "
    INSERT INTO trade_info (venue, currency_pair, url, interval_ms, stale_after_ms, expire_after_ms,
                            allow_negative, enabled, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING CAST(id AS BIGINT)";

// Seeds are older than any caller's clock: the table's own defaults give their times.
pub(crate) const SEED_TRADE_ROW: &str = "
    INSERT INTO trade_info (venue, currency_pair, url, interval_ms, stale_after_ms, expire_after_ms, allow_negative)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

// Each column has a switch before its value: the statement stays one text, and an untouched column, even one
// that holds nonsense, is left as it is.
pub(crate) const CHANGE_TRADE_ROW: &str = "
    UPDATE trade_info SET
        currency_pair   = CASE WHEN $2 THEN $3 ELSE currency_pair END,
        url             = CASE WHEN $4 THEN $5 ELSE url END,
        interval_ms     = CASE WHEN $6 THEN $7 ELSE interval_ms END,
        stale_after_ms  = CASE WHEN $8 THEN $9 ELSE stale_after_ms END,
        expire_after_ms = CASE WHEN $10 THEN $11 ELSE expire_after_ms END,
        allow_negative  = CASE WHEN $12 THEN $13 ELSE allow_negative END,
        enabled         = CASE WHEN $14 THEN $15 ELSE enabled END,
        updated_at      = $16
    WHERE id = $1";

pub(crate) const REMOVE_TRADE_ROW: &str = "DELETE FROM trade_info WHERE id = $1";

pub(crate) const VENUE_FILES: &str = "SELECT CAST(name AS TEXT), CAST(text AS TEXT) FROM venue ORDER BY name";

pub(crate) const PUT_VENUE_FILE: &str = "
    INSERT INTO venue (name, text, created_at, updated_at) VALUES ($1, $2, $3, $3)
    ON CONFLICT (name) DO UPDATE SET text = excluded.text, updated_at = excluded.updated_at";

pub(crate) const SEED_VENUE_FILE: &str =
    "INSERT INTO venue (name, text) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";

pub(crate) const REMOVE_VENUE_FILE: &str = "DELETE FROM venue WHERE name = $1";

pub(crate) const API_KEYS: &str = "
    SELECT CAST(id AS BIGINT), CAST(name AS TEXT), CAST(hash AS TEXT), CAST(created_at AS TEXT), CAST(revoked_at AS TEXT)
    FROM api_key ORDER BY id";

pub(crate) const ADD_API_KEY: &str =
    "INSERT INTO api_key (name, hash, created_at) VALUES ($1, $2, $3) RETURNING CAST(id AS BIGINT)";

pub(crate) const REVOKE_API_KEY: &str =
    "UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";

pub(crate) const API_KEY_BY_HASH: &str = "
    SELECT CAST(id AS BIGINT), CAST(name AS TEXT), CAST(hash AS TEXT), CAST(created_at AS TEXT), CAST(revoked_at AS TEXT)
    FROM api_key WHERE hash = $1 AND revoked_at IS NULL";

// Fails when the table that matters most is gone, though the database answers.
pub(crate) const PING: &str = "SELECT count(*) FROM (SELECT 1 FROM trade_info LIMIT 1) AS one";

// `t` alone would be the text that is selected.
pub(crate) const CANDLES: &str = "
    SELECT venue, pair, interval, CAST(t AS TEXT), o, h, l, c, CAST(n AS TEXT), CAST(first_at AS TEXT),
           CAST(last_at AS TEXT)
    FROM candle WHERE venue = $1 AND pair = $2 AND interval = $3 AND t >= $4 AND t < $5
    ORDER BY candle.t DESC LIMIT $6";

// The keys follow, and a bracket.
pub(crate) const CANDLES_BY_KEY: &str = "
    SELECT venue, pair, interval, CAST(t AS TEXT), o, h, l, c, CAST(n AS TEXT), CAST(first_at AS TEXT),
           CAST(last_at AS TEXT)
    FROM candle WHERE (venue, pair, interval, t) IN (";

// The rows follow, and `PUT_CANDLES_OVER`.
pub(crate) const PUT_CANDLES: &str =
    "INSERT INTO candle (venue, pair, interval, t, o, h, l, c, n, first_at, last_at) ";

pub(crate) const PUT_CANDLES_OVER: &str = "
    ON CONFLICT (venue, pair, interval, t) DO UPDATE SET
        o = excluded.o, h = excluded.h, l = excluded.l, c = excluded.c, n = excluded.n,
        first_at = excluded.first_at, last_at = excluded.last_at";

// In portions: one that takes longer than a statement may would never end.
pub(crate) const REMOVE_CANDLES_BEFORE: &str = "
    DELETE FROM candle WHERE (venue, pair, interval, t) IN (
        SELECT venue, pair, interval, t FROM candle WHERE interval = $1 AND t < $2 LIMIT $3)";

pub(crate) const RELEASE_LEASE: &str = "DELETE FROM lease WHERE name = $1 AND holder = $2";

// `$now` is the database's own clock, in its own words. Its time is read again once another process's statement on the
// same lease has been waited for.
macro_rules! acquire_lease {
    ($now:literal) => {
        concat!(
            "INSERT INTO lease (name, holder, until) VALUES ($1, $2, ",
            $now,
            " + $3)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
             WHERE lease.holder = excluded.holder OR lease.until <= ",
            $now
        )
    };
}
pub(crate) use acquire_lease;

macro_rules! renew_leases {
    ($now:literal) => {
        concat!(
            "UPDATE lease SET until = ",
            $now,
            " + $2 WHERE holder = $1 AND until > ",
            $now,
            " RETURNING name"
        )
    };
}
pub(crate) use renew_leases;

macro_rules! forget_lease {
    ($now:literal) => {
        concat!("DELETE FROM lease WHERE name = $1 AND until <= ", $now)
    };
}
pub(crate) use forget_lease;

macro_rules! leases {
    ($now:literal) => {
        concat!(
            "SELECT name, holder, CAST(until AS TEXT), CAST(until - ",
            $now,
            " AS TEXT) FROM lease ORDER BY name"
        )
    };
}
pub(crate) use leases;

/// The one row that a writing statement gives back, once the statement has ended. SQLite gives the row before it
/// commits: whoever takes it and goes never hears that the disk was full.
pub(crate) async fn to_its_end<T>(
    rows: impl Future<Output = Result<Vec<T>, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    rows.await?.pop().ok_or(sqlx::Error::RowNotFound)
}
