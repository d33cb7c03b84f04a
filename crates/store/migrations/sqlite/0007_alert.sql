-- What people and programs wait for. `owner` is chat:<id>, key:<id> or operator; `target` is where the message goes:
-- chat:<id>, chat:<id>/<thread> or webhook:<id>. `spec` and `progress` are JSON of whoever watches.
CREATE TABLE alert (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: messages name it
    owner        TEXT    NOT NULL,
    target       TEXT    NOT NULL,
    pair         TEXT    NOT NULL,
    spec         TEXT    NOT NULL,
    progress     TEXT    NOT NULL DEFAULT '',
    is_open      BOOLEAN NOT NULL DEFAULT TRUE,
    fire_seq     INTEGER NOT NULL DEFAULT 0,
    revision     INTEGER NOT NULL DEFAULT 1,
    delivered_at INTEGER,
    created_at   INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)),
    changed_at   INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
);
CREATE INDEX alert_owner ON alert (owner);
CREATE INDEX alert_target ON alert (target);
CREATE INDEX alert_closed ON alert (changed_at) WHERE is_open = FALSE;

-- Which alerts changed, in the order of commits: whoever watches a million of them reads only these again.
CREATE TABLE alert_change (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id INTEGER NOT NULL
);

CREATE TRIGGER alert_change_insert AFTER INSERT ON alert
BEGIN INSERT INTO alert_change (alert_id) VALUES (NEW.id); END;
CREATE TRIGGER alert_change_delete AFTER DELETE ON alert
BEGIN INSERT INTO alert_change (alert_id) VALUES (OLD.id); END;
CREATE TRIGGER alert_change_update AFTER UPDATE OF owner, target, pair, spec, is_open, delivered_at ON alert
WHEN OLD.owner IS NOT NEW.owner OR OLD.target IS NOT NEW.target OR OLD.pair IS NOT NEW.pair OR OLD.spec IS NOT NEW.spec
     OR OLD.is_open IS NOT NEW.is_open OR OLD.delivered_at IS NOT NEW.delivered_at
BEGIN INSERT INTO alert_change (alert_id) VALUES (NEW.id); END;

-- Whoever changes what an alert is gives it another revision, a foreign client too; firing (fire_seq) does not.
CREATE TRIGGER alert_revision AFTER UPDATE OF owner, target, pair, spec, is_open ON alert
WHEN OLD.fire_seq = NEW.fire_seq AND OLD.revision = NEW.revision
     AND (OLD.owner IS NOT NEW.owner OR OLD.target IS NOT NEW.target OR OLD.pair IS NOT NEW.pair
          OR OLD.spec IS NOT NEW.spec OR OLD.is_open IS NOT NEW.is_open)
BEGIN UPDATE alert SET revision = OLD.revision + 1 WHERE id = NEW.id; END;
