-- What a price did within an interval. The names of the columns are those of the interface; times in milliseconds,
-- prices as exact decimal text, compared by the program. `venue` is '' for our own rate. `first_at` and `last_at` are the
-- times of the ticks that `o` and `c` are from: with them, several accounts of one candle can be merged.
CREATE TABLE candle (
    venue    TEXT   NOT NULL,
    pair     TEXT   NOT NULL,
    interval TEXT   NOT NULL,
    t        INTEGER NOT NULL,
    o        TEXT   NOT NULL,
    h        TEXT   NOT NULL,
    l        TEXT   NOT NULL,
    c        TEXT   NOT NULL,
    n        INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (venue, pair, interval, t)
) WITHOUT ROWID;

-- What is too old is found without reading the rest.
CREATE INDEX candle_age ON candle (interval, t);
