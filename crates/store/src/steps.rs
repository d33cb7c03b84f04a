//! What the schemas of all backends have in common: steps in order, each taken once.
//! It must not know any step.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, name and text of a step. A step that was released is never edited; a new one is a new file and a line.
pub(crate) type Step = (i64, &'static str, &'static str);

/// The steps of one backend, included as text, so that the compiler itself sees a change.
macro_rules! steps {
    ($backend:literal) => {
        &[
            (1, "trade_info", include_str!(concat!("../migrations/", $backend, "/0001_trade_info.sql"))),
            (2, "venue", include_str!(concat!("../migrations/", $backend, "/0002_venue.sql"))),
            (3, "api_key", include_str!(concat!("../migrations/", $backend, "/0003_api_key.sql"))),
            (4, "candle", include_str!(concat!("../migrations/", $backend, "/0004_candle.sql"))),
            (5, "lease", include_str!(concat!("../migrations/", $backend, "/0005_lease.sql"))),
            (6, "hold", include_str!(concat!("../migrations/", $backend, "/0006_hold.sql"))),
            (7, "alert", include_str!(concat!("../migrations/", $backend, "/0007_alert.sql"))),
            (8, "outbox", include_str!(concat!("../migrations/", $backend, "/0008_outbox.sql"))),
            (9, "chat", include_str!(concat!("../migrations/", $backend, "/0009_chat.sql"))),
            (10, "webhook", include_str!(concat!("../migrations/", $backend, "/0010_webhook.sql"))),
            (11, "outbox_way", include_str!(concat!("../migrations/", $backend, "/0011_outbox_way.sql"))),
            (12, "webhook_used", include_str!(concat!("../migrations/", $backend, "/0012_webhook_used.sql"))),
        ]
    };
}
pub(crate) use steps;

/// The newest version that this program knows.
pub(crate) fn known(steps: &[Step]) -> i64 {
    steps.iter().map(|(version, ..)| *version).max().unwrap_or_default()
}

/// Takes steps that were not taken yet. The caller sees to it that nobody else does meanwhile.
pub(crate) fn migrator(steps: &[Step]) -> Migrator {
    let step = |(version, name, text): &Step| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, (*text).into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(steps.iter().map(step).collect());
    migrator.set_locking(false);
    migrator
}
