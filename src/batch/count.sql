-- What the calls of devices came to: as learner and device rows hold it, and by day.

CREATE OR REPLACE FUNCTION learnsync_internal.add_counts_as_owner(stored bytea, added bytea) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_add_counts';
COMMENT ON FUNCTION learnsync_internal.add_counts_as_owner(bytea, bytea) IS
    'What a row is to hold in counts that held so much; either may be NULL.';

CREATE OR REPLACE FUNCTION learnsync_internal.counts_add(so_far internal, counts bytea) RETURNS internal
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_counts_add';
COMMENT ON FUNCTION learnsync_internal.counts_add(internal, bytea) IS 'A step of counts_as_owner().';

CREATE OR REPLACE FUNCTION learnsync_internal.counts_end(so_far internal) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_counts_end';
COMMENT ON FUNCTION learnsync_internal.counts_end(internal) IS 'The end of counts_as_owner().';

CREATE OR REPLACE AGGREGATE learnsync_internal.counts_as_owner(bytea) (
    SFUNC = learnsync_internal.counts_add,
    STYPE = internal,
    FINALFUNC = learnsync_internal.counts_end,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE learnsync_internal.counts_as_owner(bytea) IS 'The counts of many rows together.';

CREATE OR REPLACE FUNCTION learnsync_internal.count_rows_as_owner(counts bytea)
    RETURNS TABLE (day date, channel text, calls bigint, items bigint, synced bigint, duplicates bigint,
        conflicts bigint, failed bigint, bytes bigint, microseconds bigint)
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_count_rows';
COMMENT ON FUNCTION learnsync_internal.count_rows_as_owner(bytea) IS 'What counts say, by day and channel.';

-- Whoever takes counts from a row gives them to the days in the same transaction. In one order, so that two cannot wait
-- for each other.
CREATE OR REPLACE FUNCTION learnsync_internal.keep_counts_as_owner(counts bytea) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO learnsync_data.day_count AS d (day, channel, calls, items, synced, duplicates, conflicts, failed,
        bytes, microseconds)
    SELECT c.* FROM learnsync_internal.count_rows_as_owner(counts) c ORDER BY c.day, c.channel
    ON CONFLICT (day, channel) DO UPDATE SET calls = d.calls + EXCLUDED.calls, items = d.items + EXCLUDED.items,
        synced = d.synced + EXCLUDED.synced, duplicates = d.duplicates + EXCLUDED.duplicates,
        conflicts = d.conflicts + EXCLUDED.conflicts, failed = d.failed + EXCLUDED.failed,
        bytes = d.bytes + EXCLUDED.bytes, microseconds = d.microseconds + EXCLUDED.microseconds;
END
$$;
COMMENT ON FUNCTION learnsync_internal.keep_counts_as_owner(bytea) IS 'Adds counts to those of their days.';
