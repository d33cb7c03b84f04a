-- What the collector follows. Every column may be missing or nonsense: a bad row is shown as invalid, not refused,
-- so that a foreign client's mistake stands where it can be seen and mended. Steps whose name begins with
-- `trade_info` are taken again when somebody has dropped the table, and so touch nothing else.
CREATE TABLE IF NOT EXISTS trade_info (
    id              INTEGER PRIMARY KEY AUTOINCREMENT, -- an id is never used again: states are told by it
    venue           TEXT,
    currency_pair   TEXT,
    url             TEXT,
    interval_ms     INTEGER,
    stale_after_ms  INTEGER,
    expire_after_ms INTEGER,
    allow_negative  BOOLEAN DEFAULT FALSE,
    enabled         BOOLEAN DEFAULT TRUE,
    -- The default runs in the writer's own SQLite, which may be an old one: unixepoch('subsec') came with 3.42.
    created_at      INTEGER DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)),
    updated_at      INTEGER DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
);

-- An absent url counts as equal to another absent one; a plain UNIQUE would not.
CREATE UNIQUE INDEX IF NOT EXISTS trade_info_unique ON trade_info (venue, currency_pair, coalesce(url, ''));

-- Counts changes to the tables that others follow, whoever makes them: the triggers run in a foreign client too.
CREATE TABLE IF NOT EXISTS change_count (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    changes INTEGER NOT NULL
);
INSERT INTO change_count (id, changes) VALUES (1, 0) ON CONFLICT DO NOTHING;

CREATE TRIGGER IF NOT EXISTS change_count_trade_info_insert AFTER INSERT ON trade_info
BEGIN UPDATE change_count SET changes = changes + 1; END;
CREATE TRIGGER IF NOT EXISTS change_count_trade_info_update AFTER UPDATE ON trade_info
BEGIN UPDATE change_count SET changes = changes + 1; END;
CREATE TRIGGER IF NOT EXISTS change_count_trade_info_delete AFTER DELETE ON trade_info
BEGIN UPDATE change_count SET changes = changes + 1; END;
