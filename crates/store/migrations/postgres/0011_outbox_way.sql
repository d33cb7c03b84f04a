-- To whom something is on its way: nothing else is taken for him meanwhile.
CREATE INDEX outbox_sending ON outbox (target) WHERE state = 'sending';
