-- Venue files added at run time: the same text as a file.
CREATE TABLE IF NOT EXISTS venue (
    name       TEXT PRIMARY KEY NOT NULL,
    text       TEXT,
    created_at INTEGER DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)),
    updated_at INTEGER DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
);

-- Which venues may make the rate of a pair (lists of names, separated by commas), and how many it takes.
CREATE TABLE IF NOT EXISTS pair_policy (
    pair            TEXT PRIMARY KEY NOT NULL,
    venues_allowed  TEXT,
    venues_excluded TEXT,
    sources_min     INTEGER
);

CREATE TRIGGER IF NOT EXISTS change_count_venue_insert AFTER INSERT ON venue
BEGIN UPDATE change_count SET changes = changes + 1; END;
CREATE TRIGGER IF NOT EXISTS change_count_venue_update AFTER UPDATE ON venue
BEGIN UPDATE change_count SET changes = changes + 1; END;
CREATE TRIGGER IF NOT EXISTS change_count_venue_delete AFTER DELETE ON venue
BEGIN UPDATE change_count SET changes = changes + 1; END;

CREATE TRIGGER IF NOT EXISTS change_count_pair_policy_insert AFTER INSERT ON pair_policy
BEGIN UPDATE change_count SET changes = changes + 1; END;
CREATE TRIGGER IF NOT EXISTS change_count_pair_policy_update AFTER UPDATE ON pair_policy
BEGIN UPDATE change_count SET changes = changes + 1; END;
CREATE TRIGGER IF NOT EXISTS change_count_pair_policy_delete AFTER DELETE ON pair_policy
BEGIN UPDATE change_count SET changes = changes + 1; END;
