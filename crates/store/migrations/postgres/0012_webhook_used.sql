-- When a webhook was last asked for, or lost an alert: it is kept for a while from then on, with its secret.
ALTER TABLE webhook ADD COLUMN used_at BIGINT;

CREATE OR REPLACE FUNCTION rates_webhook_used() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE webhook SET used_at = CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)
    WHERE 'webhook:' || CAST(id AS TEXT) IN (SELECT target FROM gone);
    RETURN NULL;
END $$;
CREATE TRIGGER rates_webhook_used AFTER DELETE ON alert REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION rates_webhook_used();
