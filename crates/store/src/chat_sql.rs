//! The statements about chats, subscriptions, webhooks and the bot's values, for every SQL backend.
//! It must not know which database runs them.

pub(crate) const CHAT: &str = "
    SELECT id, kind, language, time_zone, quiet_from, quiet_to, settings, paused, created_at, seen_at
    FROM chat WHERE id = $1";

pub(crate) const CHATS: &str = "
    SELECT id, kind, language, time_zone, quiet_from, quiet_to, settings, paused, created_at, seen_at
    FROM chat WHERE id > $1 AND (paused IS NULL OR $2 = FALSE) ORDER BY id LIMIT $3";

pub(crate) const PUT_CHAT: &str = "
    INSERT INTO chat (id, kind, language, time_zone, quiet_from, quiet_to, settings, paused, created_at, seen_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (id) DO UPDATE SET
        kind = excluded.kind, language = excluded.language, time_zone = excluded.time_zone,
        quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to, settings = excluded.settings,
        seen_at = excluded.seen_at";

pub(crate) const PAUSE_CHAT: &str = "UPDATE chat SET paused = $2 WHERE id = $1";
pub(crate) const RESUME_CHAT: &str = "UPDATE chat SET paused = NULL WHERE id = $1 AND paused IS NOT NULL";
// `$1` to `$3` as below, `$4` is now. `state IN (…)` is written as the partial indexes write it. What is held for quiet
// hours is due as well: whoever sends it knows them as they are by now.
pub(crate) const RESUME_MESSAGES: &str = "
    UPDATE outbox SET not_before = $4
    WHERE (target = $1 OR target > $2 AND target < $3) AND not_before > $4
      AND state IN ('pending', 'sending', 'ambiguous') AND state <> 'sending'";
pub(crate) const COUNT_CHATS: &str =
    "SELECT CAST(count(*) - count(paused) AS BIGINT), CAST(count(paused) AS BIGINT) FROM chat";

// `$1` is the chat's number, `$2` its owner and target, `$3` and `$4` what its topics lie between.
pub(crate) const FORGET_CHAT: &str = "DELETE FROM chat WHERE id = $1";
pub(crate) const FORGET_SUBSCRIPTIONS: &str = "DELETE FROM subscription WHERE chat_id = $1";
pub(crate) const FORGET_ALERTS: &str = "
    DELETE FROM alert WHERE owner = $1 OR target = $1 OR target > $2 AND target < $3";
pub(crate) const FORGET_MESSAGES: &str = "
    DELETE FROM outbox WHERE target = $1 OR target > $2 AND target < $3";

pub(crate) const IS_CHAT: &str = "SELECT count(*) FROM chat WHERE id = $1";
pub(crate) const MIGRATE_CHAT: &str = "UPDATE chat SET id = $2 WHERE id = $1";
pub(crate) const MIGRATE_SUBSCRIPTIONS: &str = "UPDATE subscription SET chat_id = $2 WHERE chat_id = $1";
pub(crate) const MIGRATE_OWNER: &str = "UPDATE alert SET owner = $2 WHERE owner = $1";
// `$1` and `$2` are the old and the new target, `$3` and `$4` what the old one's topics lie between.
pub(crate) const MIGRATE_TARGET: &str = "
    UPDATE alert SET target = $2 || substr(target, length($1) + 1)
    WHERE target = $1 OR target > $3 AND target < $4";
pub(crate) const MIGRATE_MESSAGES: &str = "
    UPDATE outbox SET target = $2 || substr(target, length($1) + 1)
    WHERE target = $1 OR target > $3 AND target < $4";

pub(crate) const BOT_VALUE: &str = "SELECT value FROM bot_state WHERE name = $1";
pub(crate) const REMOVE_BOT_VALUE: &str = "DELETE FROM bot_state WHERE name = $1";

pub(crate) const ADD_SUBSCRIPTION: &str = "
    INSERT INTO subscription (chat_id, thread, pair, minute_of_day, days, next_at, created_at)
    SELECT $1, $2, $3, $4, $5, $6, $7
    WHERE (SELECT count(*) FROM subscription WHERE chat_id = $1) < $8
    RETURNING id";
pub(crate) const SUBSCRIPTIONS_OF: &str = "
    SELECT id, chat_id, thread, pair, minute_of_day, days, next_at, created_at
    FROM subscription WHERE chat_id = $1 ORDER BY id";
pub(crate) const REMOVE_SUBSCRIPTION: &str = "DELETE FROM subscription WHERE chat_id = $1 AND id = $2";
pub(crate) const SUBSCRIPTIONS_DUE: &str = "
    SELECT id, chat_id, thread, pair, minute_of_day, days, next_at, created_at
    FROM subscription
    WHERE next_at <= $1
      AND NOT EXISTS (SELECT 1 FROM chat WHERE chat.id = subscription.chat_id AND chat.paused IS NOT NULL)
    ORDER BY next_at, id LIMIT $2";
pub(crate) const ADVANCE_SUBSCRIPTION: &str =
    "UPDATE subscription SET next_at = $3 WHERE id = $1 AND next_at = $2";

pub(crate) const WEBHOOK_OF: &str =
    "SELECT id, owner, url, secret, created_at FROM webhook WHERE owner = $1 AND url = $2";
pub(crate) const COUNT_WEBHOOKS: &str = "SELECT count(*) FROM webhook WHERE owner = $1";
pub(crate) const ADD_WEBHOOK: &str = "
    INSERT INTO webhook (owner, url, secret, created_at) VALUES ($1, $2, $3, $4)
    RETURNING id, owner, url, secret, created_at";
pub(crate) const CHANGE_WEBHOOK: &str =
    "UPDATE webhook SET secret = coalesce($2, secret), used_at = $3 WHERE id = $1";
pub(crate) const WEBHOOK: &str = "SELECT id, owner, url, secret, created_at FROM webhook WHERE id = $1";
pub(crate) const WEBHOOKS_OF: &str =
    "SELECT id, owner, url, secret, created_at FROM webhook WHERE owner = $1 ORDER BY id";
pub(crate) const PRUNE_WEBHOOKS: &str = "
    DELETE FROM webhook
    WHERE created_at < $1 AND (used_at IS NULL OR used_at < $1)
      AND NOT EXISTS (SELECT 1 FROM alert WHERE alert.target = 'webhook:' || CAST(webhook.id AS TEXT))
      AND NOT EXISTS (
          SELECT 1 FROM outbox
          WHERE outbox.target = 'webhook:' || CAST(webhook.id AS TEXT)
            AND outbox.state IN ('pending', 'sending', 'ambiguous'))";
