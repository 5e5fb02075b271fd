-- What calls came to by what apps say of themselves.

-- Until now: what maintain() took, and what rows of learners and devices hold.
CREATE OR REPLACE FUNCTION learnsync_internal.client_days_as_owner(since date,
    held bytea DEFAULT learnsync_internal.held_counts_as_owner())
    RETURNS TABLE (day date, label text, value text, calls bigint, items bigint, synced bigint, duplicates bigint,
        conflicts bigint, failed bigint, bytes bigint, microseconds bigint)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT c.day, c.label, c.value, sum(c.calls)::bigint, sum(c.items)::bigint, sum(c.synced)::bigint,
            sum(c.duplicates)::bigint, sum(c.conflicts)::bigint, sum(c.failed)::bigint, sum(c.bytes)::bigint,
            sum(c.microseconds)::bigint
        FROM (SELECT d.* FROM learnsync_data.day_client d
              UNION ALL
              SELECT r.* FROM learnsync_internal.client_counts_as_owner(held) r) c
        WHERE since IS NULL OR c.day >= since
        GROUP BY c.day, c.label, c.value;
END
$$;
COMMENT ON FUNCTION learnsync_internal.client_days_as_owner(date, bytea) IS
    'Calls and what became of their items, by day and version, platform and network, up to now.';

-- The twelve most frequent of each within seven days: a series for each that was ever said would never end.
CREATE OR REPLACE FUNCTION learnsync_internal.client_figures_as_owner(held bytea)
    RETURNS TABLE (name text, label text, value numeric)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT u.name || '_of_' || p.label, CASE WHEN p.place <= 12 THEN p.value ELSE 'others' END, sum(u.value)
        FROM (SELECT c.label, c.value, sum(c.calls) AS calls, sum(c.items) AS items, sum(c.failed) AS failed,
                  sum(c.conflicts) AS conflicts,
                  row_number() OVER (PARTITION BY c.label ORDER BY sum(c.calls) DESC, c.value) AS place
              FROM learnsync_internal.client_days_as_owner((clock_timestamp() AT TIME ZONE 'UTC')::date - 6, held) c
              GROUP BY c.label, c.value) p,
            LATERAL (VALUES ('calls', p.calls), ('items', p.items), ('refused', p.failed),
                ('conflicts', p.conflicts)) u (name, value)
        GROUP BY 1, 2;
END
$$;
COMMENT ON FUNCTION learnsync_internal.client_figures_as_owner(bytea) IS
    'What calls of the last seven days came to, by version of the app, platform and network.';

CREATE OR REPLACE FUNCTION learnsync_internal.app_day_list_as_owner(since date) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = on SET enable_bitmapscan = on SET enable_hashjoin = on SET enable_mergejoin = on
    SET enable_memoize = on SET jit = off AS $$
BEGIN
    RETURN (SELECT jsonb_agg(d ORDER BY d.day, d.label, d.calls DESC, d.value)
            FROM learnsync_internal.client_days_as_owner(since) d);
END
$$;
COMMENT ON FUNCTION learnsync_internal.app_day_list_as_owner(date) IS 'What app_days() answers, as JSON.';

CREATE OR REPLACE FUNCTION learnsync_internal.app_day_list(since date) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_app_day_list';
COMMENT ON FUNCTION learnsync_internal.app_day_list(date) IS 'What app_days() answers, as JSON.';

CREATE OR REPLACE FUNCTION learnsync.app_days(since date DEFAULT NULL)
    RETURNS TABLE (day date, label text, value text, calls bigint, items bigint, synced bigint, duplicates bigint,
        conflicts bigint, failed bigint, bytes bigint, microseconds bigint)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.* FROM jsonb_to_recordset(learnsync_internal.app_day_list(since))
        AS d (day date, label text, value text, calls bigint, items bigint, synced bigint, duplicates bigint,
            conflicts bigint, failed bigint, bytes bigint, microseconds bigint)
$$;
COMMENT ON FUNCTION learnsync.app_days(date) IS
    'For administrators: what the pushes that say of what app they are came to, by day (UTC) and label: version, '
    'platform, network, which are appVersion, platform and networkType of metadata. value: as said, where that is a '
    'text of 1 to 64 bytes; not said; others, beyond a hundred a day. since: days from then on.';
