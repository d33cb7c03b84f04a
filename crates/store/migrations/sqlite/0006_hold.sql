-- Hosts that asked to be left alone (Retry-After), as scheme://host:port, and until when in milliseconds: a restart must
-- not forget it.
CREATE TABLE IF NOT EXISTS hold (
    host  TEXT PRIMARY KEY NOT NULL,
    until INTEGER NOT NULL
);
