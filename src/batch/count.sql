-- What the calls of devices came to: as learner and device rows hold it, and by day.

CREATE OR REPLACE FUNCTION learnsync_internal.add_counts_as_owner(learner_id text, device_id text, stored bytea,
    added bytea) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_add_counts';
COMMENT ON FUNCTION learnsync_internal.add_counts_as_owner(text, text, bytea, bytea) IS
    'What a device''s row is to hold in counts that held so much; stored and added may be NULL.';

CREATE OR REPLACE FUNCTION learnsync_internal.counts_add(so_far internal, learner_id text, device_id text,
    counts bytea) RETURNS internal
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_counts_add';
COMMENT ON FUNCTION learnsync_internal.counts_add(internal, text, text, bytea) IS 'A step of counts_as_owner().';

CREATE OR REPLACE FUNCTION learnsync_internal.counts_end(so_far internal) RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_counts_end';
COMMENT ON FUNCTION learnsync_internal.counts_end(internal) IS 'The end of counts_as_owner().';

CREATE OR REPLACE AGGREGATE learnsync_internal.counts_as_owner(text, text, bytea) (
    SFUNC = learnsync_internal.counts_add,
    STYPE = internal,
    FINALFUNC = learnsync_internal.counts_end,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE learnsync_internal.counts_as_owner(text, text, bytea) IS
    'The counts of many rows together, of learners (then device_id is NULL) and devices.';

CREATE OR REPLACE FUNCTION learnsync_internal.held_counts_as_owner() RETURNS bytea
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT learnsync_internal.counts_as_owner(x.learner_id, x.device_id, x.counts)
            FROM (SELECT l.learner_id, NULL::text AS device_id, l.counts FROM learnsync_data.learner l
                  WHERE l.counts IS NOT NULL
                  UNION ALL
                  SELECT d.learner_id, d.device_id, d.counts FROM learnsync_data.device d
                  WHERE d.counts IS NOT NULL) x);
END
$$;
COMMENT ON FUNCTION learnsync_internal.held_counts_as_owner() IS
    'The counts that rows of learners and devices hold, as maintain() has not taken them yet.';

CREATE OR REPLACE FUNCTION learnsync_internal.count_rows_as_owner(counts bytea)
    RETURNS TABLE (day date, channel text, calls bigint, items bigint, synced bigint, duplicates bigint,
        conflicts bigint, failed bigint, bytes bigint, microseconds bigint)
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_count_rows';
COMMENT ON FUNCTION learnsync_internal.count_rows_as_owner(bytea) IS 'What counts say, by day and channel.';

CREATE OR REPLACE FUNCTION learnsync_internal.client_rows_as_owner(counts bytea)
    RETURNS TABLE (day date, app_version text, platform text, network text, calls bigint, items bigint, synced bigint,
        duplicates bigint, conflicts bigint, failed bigint, bytes bigint, microseconds bigint)
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'learnsync_client_rows';
COMMENT ON FUNCTION learnsync_internal.client_rows_as_owner(bytea) IS
    'What counts say, by day and what apps said of themselves; NULL for others than are named, empty for what is not '
    'said.';

CREATE OR REPLACE FUNCTION learnsync_internal.client_counts_as_owner(counts bytea)
    RETURNS TABLE (day date, label text, value text, calls bigint, items bigint, synced bigint, duplicates bigint,
        conflicts bigint, failed bigint, bytes bigint, microseconds bigint)
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT r.day, u.label, COALESCE(NULLIF(u.value, ''), CASE WHEN u.value = '' THEN 'not said' ELSE 'others' END),
            sum(r.calls)::bigint, sum(r.items)::bigint, sum(r.synced)::bigint, sum(r.duplicates)::bigint,
            sum(r.conflicts)::bigint, sum(r.failed)::bigint, sum(r.bytes)::bigint, sum(r.microseconds)::bigint
        FROM learnsync_internal.client_rows_as_owner(counts) r
        CROSS JOIN LATERAL (VALUES ('version', r.app_version), ('platform', r.platform), ('network', r.network))
            u (label, value)
        GROUP BY 1, 2, 3;
END
$$;
COMMENT ON FUNCTION learnsync_internal.client_counts_as_owner(bytea) IS
    'The same by day and each of version, platform and network.';

-- What apps say is theirs: a day has a hundred values of each, the most frequent of those that come first, and others.
CREATE OR REPLACE FUNCTION learnsync_internal.keep_client_counts_as_owner(counts bytea) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO learnsync_data.day_client AS d (day, label, value, calls, items, synced, duplicates, conflicts, failed,
        bytes, microseconds)
    SELECT n.day, n.label, n.value, sum(n.calls), sum(n.items), sum(n.synced), sum(n.duplicates), sum(n.conflicts),
        sum(n.failed), sum(n.bytes), sum(n.microseconds)
    FROM (SELECT c.day, c.label, c.calls, c.items, c.synced, c.duplicates, c.conflicts, c.failed, c.bytes,
              c.microseconds,
              CASE WHEN row_number() OVER (PARTITION BY c.day, c.label, k.value IS NULL ORDER BY c.calls DESC, c.value)
                  + k.others <= 100 OR k.value IS NOT NULL THEN c.value ELSE 'others' END AS value
          FROM learnsync_internal.client_counts_as_owner(counts) c
          CROSS JOIN LATERAL (
              SELECT count(*) AS others, max(x.value) FILTER (WHERE x.value = c.value) AS value
              FROM learnsync_data.day_client x WHERE x.day = c.day AND x.label = c.label) k) n
    GROUP BY n.day, n.label, n.value
    ORDER BY n.day, n.label, n.value
    ON CONFLICT (day, label, value) DO UPDATE SET calls = d.calls + EXCLUDED.calls, items = d.items + EXCLUDED.items,
        synced = d.synced + EXCLUDED.synced, duplicates = d.duplicates + EXCLUDED.duplicates,
        conflicts = d.conflicts + EXCLUDED.conflicts, failed = d.failed + EXCLUDED.failed,
        bytes = d.bytes + EXCLUDED.bytes, microseconds = d.microseconds + EXCLUDED.microseconds;
END
$$;
COMMENT ON FUNCTION learnsync_internal.keep_client_counts_as_owner(bytea) IS
    'Adds what counts say of apps to that of their days. Part of keep_counts_as_owner().';

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
    PERFORM learnsync_internal.keep_client_counts_as_owner(counts);
END
$$;
COMMENT ON FUNCTION learnsync_internal.keep_counts_as_owner(bytea) IS 'Adds counts to those of their days.';
