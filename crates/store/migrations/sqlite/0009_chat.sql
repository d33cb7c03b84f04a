-- Who talks to the bot. The id is the messenger's; `quiet_from` and `quiet_to` are minutes of the day in the chat's
-- time zone; `paused` says why nothing is sent there; `settings` is JSON of the conversation.
CREATE TABLE chat (
    id         INTEGER PRIMARY KEY NOT NULL,
    kind       TEXT   NOT NULL,
    language   TEXT   NOT NULL,
    time_zone  TEXT   NOT NULL,
    quiet_from INTEGER,
    quiet_to   INTEGER,
    settings   TEXT   NOT NULL DEFAULT '{}',
    paused     TEXT,
    created_at INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)),
    seen_at    INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
);

-- A rate, told at a minute of the day. Bit 0 of `days` is Monday.
CREATE TABLE subscription (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id       INTEGER NOT NULL,
    thread        INTEGER,
    pair          TEXT   NOT NULL,
    minute_of_day INTEGER NOT NULL,
    days          INTEGER NOT NULL DEFAULT 127,
    next_at       INTEGER NOT NULL,
    created_at    INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
);
CREATE INDEX subscription_chat ON subscription (chat_id);
CREATE INDEX subscription_next ON subscription (next_at);

-- Small values that the bot must remember.
CREATE TABLE bot_state (
    name  TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);
