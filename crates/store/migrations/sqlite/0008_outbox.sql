-- Messages that must arrive at least once. `state`: pending, sending, sent, ambiguous (may have arrived; is sent once
-- more), dead. `channel` is what stands before the colon of `target`.
CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: receivers know repeats by it
    alert_id   INTEGER,
    fire_seq   INTEGER,
    channel    TEXT    NOT NULL,
    target     TEXT NOT NULL,
    kind       TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    priority   INTEGER NOT NULL DEFAULT 5,
    state      TEXT    NOT NULL DEFAULT 'pending',
    attempts   INTEGER NOT NULL DEFAULT 0,
    is_repeat  BOOLEAN NOT NULL DEFAULT FALSE,
    not_before INTEGER NOT NULL DEFAULT 0,
    is_held    BOOLEAN NOT NULL DEFAULT FALSE,
    created_at INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)),
    taken_at   INTEGER,
    sent_at    INTEGER,
    last_error TEXT
);
-- Of one firing there is one message.
CREATE UNIQUE INDEX outbox_firing ON outbox (alert_id, fire_seq);
-- What is due, what stands before it, what waits, what is old, what is somebody's.
CREATE INDEX outbox_due ON outbox (channel, priority, not_before, id) WHERE state IN ('pending', 'ambiguous');
CREATE INDEX outbox_before ON outbox (target, priority, id) WHERE state IN ('pending', 'sending', 'ambiguous');
CREATE INDEX outbox_depth ON outbox (channel, state, created_at)
    WHERE state IN ('pending', 'sending', 'ambiguous', 'dead');
CREATE INDEX outbox_age ON outbox (created_at) WHERE state IN ('sent', 'dead');
CREATE INDEX outbox_target ON outbox (target);
