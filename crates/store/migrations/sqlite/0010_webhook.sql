-- Addresses that are told of alerts, and what signs what they are told.
CREATE TABLE webhook (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      TEXT   NOT NULL,
    url        TEXT   NOT NULL,
    secret     TEXT   NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
);
CREATE UNIQUE INDEX webhook_owner ON webhook (owner, url);
