//! The statements about alerts, for every SQL backend.
//! It must not know which database runs them.

macro_rules! columns {
    () => {
        "id, owner, target, pair, spec, progress, is_open, fire_seq, revision, delivered_at, created_at, changed_at"
    };
}

pub(crate) const ADD: &str = "
    INSERT INTO alert (owner, target, pair, spec, progress, created_at, changed_at)
    SELECT $1, $2, $3, $4, $5, $6, $6
    WHERE (SELECT count(*) FROM alert WHERE owner = $1 AND is_open = TRUE) < $7
      AND NOT EXISTS (
          SELECT 1 FROM api_key WHERE revoked_at IS NOT NULL AND 'key:' || CAST(id AS TEXT) = $1)
    RETURNING id";

// Nobody can manage them any more. By `changed_at` it is known why: it is that of the revocation.
pub(crate) const CLOSE_ALL: &str = "
    UPDATE alert SET is_open = FALSE, revision = revision + 1, changed_at = $2
    WHERE owner = $1 AND is_open = TRUE";

pub(crate) const ONE: &str = concat!("SELECT ", columns!(), " FROM alert WHERE id = $1");
// Of one alert and by its firings, as the index has it; a statement that fits other questions as well reads all messages.
pub(crate) const DELIVERIES: &str = "
    SELECT id, fire_seq, state, attempts, created_at, sent_at, last_error, alert_id FROM outbox
    WHERE alert_id = $1 ORDER BY fire_seq DESC LIMIT $2";
pub(crate) const UNDELIVERED: &str = "
    SELECT m.id, m.fire_seq, m.state, m.attempts, m.created_at, m.sent_at, m.last_error, m.alert_id
    FROM alert JOIN outbox AS m ON m.alert_id = alert.id
    WHERE alert.owner = $1 AND m.state = 'dead' ORDER BY m.id DESC LIMIT $2";
// What can still fire comes first: the limits on open alerts are no higher than that of an answer.
pub(crate) const OF_OWNER: &str =
    concat!("SELECT ", columns!(), " FROM alert WHERE owner = $1 ORDER BY is_open DESC, id DESC LIMIT $2");
pub(crate) const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM alert WHERE id > $1 AND (is_open = TRUE OR $2 = FALSE) ORDER BY id LIMIT $3"
);
// The ids follow, and a bracket.
pub(crate) const BY_ID: &str = concat!("SELECT ", columns!(), " FROM alert WHERE id IN (");

pub(crate) const OPEN_OTHERS: &str =
    "SELECT count(*) FROM alert WHERE owner = $1 AND is_open = TRUE AND id <> $2";

// Each column has a switch before its value, so that the statement stays one text.
pub(crate) const CHANGE: &str = "
    UPDATE alert SET
        target     = CASE WHEN $4 THEN $5 ELSE target END,
        pair       = CASE WHEN $6 THEN $7 ELSE pair END,
        spec       = CASE WHEN $8 THEN $9 ELSE spec END,
        progress   = CASE WHEN $10 THEN $11 ELSE progress END,
        is_open    = CASE WHEN $12 THEN $13 ELSE is_open END,
        revision   = revision + 1,
        changed_at = $14
    WHERE owner = $1 AND id = $2 AND (revision = $3 OR $3 < 0)";

pub(crate) const REMOVE: &str = "DELETE FROM alert WHERE owner = $1 AND id = $2";

// Rows of (id, revision, fire_seq, progress) follow, and `SAVE_OVER`.
pub(crate) const SAVE: &str = "UPDATE alert SET progress = new.column4 FROM (";
pub(crate) const SAVE_OVER: &str = ") AS new
    WHERE alert.id = new.column1 AND alert.revision = new.column2 AND alert.fire_seq = new.column3";

// Rows of (id, revision, fire_seq, progress, is_open, changed_at) follow, and `FIRE_OVER`.
pub(crate) const FIRE: &str = "
    UPDATE alert SET fire_seq = alert.fire_seq + 1, progress = new.column4, is_open = new.column5,
                     changed_at = new.column6
    FROM (";
pub(crate) const FIRE_OVER: &str = ") AS new
    WHERE alert.id = new.column1 AND alert.revision = new.column2 AND alert.fire_seq = new.column3
      AND alert.is_open = TRUE
    RETURNING alert.id";

pub(crate) const CURSOR: &str = "SELECT coalesce(max(seq), 0) FROM alert_change";
pub(crate) const LOG_ENDS: &str = "SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) FROM alert_change";
pub(crate) const LOG: &str = "SELECT seq, alert_id FROM alert_change WHERE seq > $1 ORDER BY seq LIMIT $2";

pub(crate) const PRUNE: &str = "
    DELETE FROM alert WHERE id IN (
        SELECT id FROM alert WHERE is_open = FALSE AND changed_at < $1 ORDER BY changed_at LIMIT $2)";
// The newest changes stay, however many at a time are forgotten: a reader who stopped for long must see that some are
// missing.
pub(crate) const PRUNE_LOG: &str = "
    DELETE FROM alert_change WHERE seq IN (
        SELECT seq FROM alert_change WHERE seq <= (SELECT max(seq) FROM alert_change) - $1 ORDER BY seq LIMIT $2)";
