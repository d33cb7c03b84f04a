-- When a webhook was last asked for, or lost an alert: it is kept for a while from then on, with its secret.
ALTER TABLE webhook ADD COLUMN used_at INTEGER;

CREATE TRIGGER webhook_used AFTER DELETE ON alert WHEN OLD.target LIKE 'webhook:%'
BEGIN
    UPDATE webhook SET used_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)
    WHERE id = CAST(substr(OLD.target, 9) AS INTEGER);
END;
