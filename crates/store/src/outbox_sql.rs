//! The statements about the outbox, for every SQL backend.
//! It must not know which database runs them.

macro_rules! columns {
    () => {
        "id, alert_id, fire_seq, target, kind, body, priority, state, attempts, is_repeat, not_before, is_held,
         created_at, sent_at, last_error"
    };
}

// The rows follow, and `PUT_OVER`.
pub(crate) const PUT: &str = "
    INSERT INTO outbox (alert_id, fire_seq, channel, target, kind, body, priority, not_before, is_held, created_at) ";
// A firing that has its message has it.
pub(crate) const PUT_OVER: &str = " ON CONFLICT (alert_id, fire_seq) DO NOTHING";

// `state IN (…)` is written as the partial indexes write it: only then are they used. A message waits for one of its target
// that is being sent, and for those before it that are due later than itself, unless they are held: after an outage
// these have a new time, and what was never taken still has its old one. Asked in two parts, each of which a database can
// read off the index: `OR`, or pairs of columns compared, would read all of a target's messages for each of them.
pub(crate) const TAKE: &str = concat!(
    "UPDATE outbox SET state = 'sending', attempts = attempts + 1, taken_at = $2, started_at = NULL,
                       is_repeat = (is_repeat = TRUE OR state = 'ambiguous')
     WHERE id IN (
         SELECT due.id FROM outbox AS due
         WHERE due.channel = $1 AND due.state IN ('pending', 'ambiguous') AND due.not_before <= $2
           AND NOT EXISTS (
               SELECT 1 FROM outbox AS busy WHERE busy.target = due.target AND busy.state = 'sending')
           AND NOT EXISTS (
               SELECT 1 FROM outbox AS earlier
               WHERE earlier.target = due.target AND earlier.state IN ('pending', 'sending', 'ambiguous')
                 AND earlier.priority = due.priority AND earlier.id < due.id
                 AND earlier.not_before > due.not_before AND earlier.is_held = FALSE)
           AND NOT EXISTS (
               SELECT 1 FROM outbox AS urgent
               WHERE urgent.target = due.target AND urgent.state IN ('pending', 'sending', 'ambiguous')
                 AND urgent.priority < due.priority
                 AND urgent.not_before > due.not_before AND urgent.is_held = FALSE)
         ORDER BY due.priority, due.not_before, due.id LIMIT $3)
     RETURNING ",
    columns!()
);

// Pairs of id and attempts follow.
pub(crate) const START: &str = "UPDATE outbox SET started_at = ";
pub(crate) const START_OF: &str = " WHERE state = 'sending' AND (id, attempts) IN (";

pub(crate) const SETTLE: &str = "
    UPDATE outbox SET state = $3, not_before = $4, sent_at = $5, attempts = attempts - $7,
                      last_error = CASE WHEN $3 = 'sent' THEN NULL ELSE coalesce($6, last_error) END
    WHERE id = $1 AND attempts = $2 AND state = 'sending'
    RETURNING alert_id, fire_seq";

// A late settlement of an earlier firing does not turn the clock back.
pub(crate) const DELIVERED: &str = "
    UPDATE alert SET delivered_at = $2 WHERE id = $1 AND (delivered_at IS NULL OR delivered_at < $2)";

// What was never on its way certainly did not arrive, and needs no mark.
pub(crate) const RECLAIM: &str = "
    UPDATE outbox SET state = CASE WHEN started_at IS NULL THEN 'pending' ELSE 'ambiguous' END, not_before = $3,
                      last_error = 'whoever took it ended before the outcome was written'
    WHERE channel = $1 AND state = 'sending' AND state IN ('pending', 'sending', 'ambiguous', 'dead')
      AND taken_at < $2";

// `$1` is the target, `$3` and `$4` what its topics lie between.
pub(crate) const RELEASE: &str = "
    UPDATE outbox SET not_before = $2
    WHERE (target = $1 OR target > $3 AND target < $4) AND is_held = TRUE AND not_before > $2
      AND state IN ('pending', 'sending', 'ambiguous') AND state <> 'sending'";

pub(crate) const SHOW: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM outbox WHERE ($1 = '' OR state = $1) AND ($2 = '' OR target = $2) AND ($3 < 0 OR alert_id = $3)
     ORDER BY id DESC LIMIT $4"
);

pub(crate) const REVIVE: &str = "
    UPDATE outbox SET state = 'ambiguous', not_before = $2, attempts = 0 WHERE id = $1 AND state = 'dead'";

pub(crate) const DEPTH: &str = "
    SELECT channel, state, CAST(count(*) AS BIGINT), min(created_at) FROM outbox
    WHERE state IN ('pending', 'sending', 'ambiguous', 'dead')
    GROUP BY channel, state ORDER BY channel, state";

pub(crate) const DUE: &str = "
    SELECT CAST(count(*) AS BIGINT) FROM outbox
    WHERE channel = $1 AND state IN ('pending', 'ambiguous') AND priority >= $2 AND not_before <= $3";

pub(crate) const PRUNE: &str = "
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM outbox WHERE state IN ('sent', 'dead') AND created_at < $1 ORDER BY created_at LIMIT $2)";

pub(crate) const PUT_STATE: &str = "
    INSERT INTO bot_state (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
