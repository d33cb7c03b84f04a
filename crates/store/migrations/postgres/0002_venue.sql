-- Venue files added at run time: the same text as a file.
CREATE TABLE IF NOT EXISTS venue (
    name       TEXT PRIMARY KEY NOT NULL,
    text       TEXT,
    created_at BIGINT DEFAULT (CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)),
    updated_at BIGINT DEFAULT (CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT))
);

-- Which venues may make the rate of a pair (lists of names, separated by commas), and how many it takes.
CREATE TABLE IF NOT EXISTS pair_policy (
    pair            TEXT PRIMARY KEY NOT NULL,
    venues_allowed  TEXT,
    venues_excluded TEXT,
    sources_min     BIGINT
);

CREATE OR REPLACE TRIGGER rates_tell_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON venue
    FOR EACH STATEMENT EXECUTE FUNCTION rates_tell_change();
CREATE OR REPLACE TRIGGER rates_tell_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON pair_policy
    FOR EACH STATEMENT EXECUTE FUNCTION rates_tell_change();
