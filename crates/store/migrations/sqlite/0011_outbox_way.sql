-- Since when a message that was taken may be on its way: one that is not was certainly not sent.
ALTER TABLE outbox ADD COLUMN started_at INTEGER;
-- What an earlier version left half way may have been sent.
UPDATE outbox SET started_at = taken_at WHERE state = 'sending';

-- To whom something is on its way: nothing else is taken for him meanwhile.
CREATE INDEX outbox_sending ON outbox (target) WHERE state = 'sending';
