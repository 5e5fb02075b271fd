-- The figures of the whole installation, from which metrics, alerts and the dashboard are made. None reads resources,
-- receipts or payloads: what calls came to was counted when they were made.

-- What was counted until now: what maintain() took, and what rows of learners and devices hold.
CREATE OR REPLACE FUNCTION learnsync_internal.day_counts_as_owner()
    RETURNS TABLE (day date, channel text, calls bigint, items bigint, synced bigint, duplicates bigint,
        conflicts bigint, failed bigint, bytes bigint, microseconds bigint)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT c.day, c.channel, sum(c.calls)::bigint, sum(c.items)::bigint, sum(c.synced)::bigint,
            sum(c.duplicates)::bigint, sum(c.conflicts)::bigint, sum(c.failed)::bigint, sum(c.bytes)::bigint,
            sum(c.microseconds)::bigint
        FROM (SELECT d.* FROM learnsync_data.day_count d
              UNION ALL
              SELECT r.* FROM learnsync_internal.count_rows_as_owner((
                  SELECT learnsync_internal.counts_as_owner(x.counts)
                  FROM (SELECT l.counts FROM learnsync_data.learner l WHERE l.counts IS NOT NULL
                        UNION ALL
                        SELECT v.counts FROM learnsync_data.device v WHERE v.counts IS NOT NULL) x)) r) c
        GROUP BY c.day, c.channel;
END
$$;
COMMENT ON FUNCTION learnsync_internal.day_counts_as_owner() IS
    'Calls and what became of their items, by day and channel, up to now.';

-- Devices are many: they are read once, for all that is asked of them. What a device says of itself is the client's,
-- so that there may be any number of versions; the most frequent are named.
CREATE OR REPLACE FUNCTION learnsync_internal.device_figures_as_owner()
    RETURNS TABLE (name text, label text, value numeric)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        WITH device AS (
            SELECT d.is_active, count(*) AS devices,
                COALESCE(left(NULLIF(d.metadata ->> 'appVersion', ''), 40), 'not said') AS version,
                CASE WHEN d.last_sync_at > clock_timestamp() - interval '1 day' THEN 'day'
                     WHEN d.last_sync_at > clock_timestamp() - interval '7 days' THEN 'week'
                     WHEN d.last_sync_at > clock_timestamp() - interval '30 days' THEN 'month'
                     WHEN d.last_sync_at > clock_timestamp() - interval '90 days' THEN 'quarter'
                     ELSE 'longer' END AS seen,
                CASE WHEN abs(COALESCE(d.skew_ms, 0)) <= 5000 THEN '5s'
                     WHEN abs(d.skew_ms) <= 300000 THEN '5min'
                     WHEN abs(d.skew_ms) <= 3600000 THEN '1h'
                     WHEN abs(d.skew_ms) <= 86400000 THEN '1day' ELSE 'more' END AS skew
            FROM learnsync_data.device d GROUP BY 1, 3, 4, 5),
        version AS (
            SELECT d.version, sum(d.devices) AS devices,
                row_number() OVER (ORDER BY sum(d.devices) DESC, d.version) AS place
            FROM device d WHERE d.is_active GROUP BY d.version)
        SELECT 'active', d.is_active::text, sum(d.devices) FROM device d GROUP BY 2
        UNION ALL
        SELECT 'seen', d.seen, sum(d.devices) FROM device d WHERE d.is_active GROUP BY 2
        UNION ALL
        SELECT 'skew', d.skew, sum(d.devices) FROM device d WHERE d.is_active GROUP BY 2
        UNION ALL
        SELECT 'version', CASE WHEN v.place <= 12 THEN v.version ELSE 'others' END, sum(v.devices)
        FROM version v GROUP BY 2;
END
$$;
COMMENT ON FUNCTION learnsync_internal.device_figures_as_owner() IS
    'How many devices there are: by whether they are let in, and those that are by when they were last seen, by how '
    'far their clocks are off and by the app''s version.';

-- An item is pending that may still be taken as it is: it can be retried, or waits for a type or content.
CREATE OR REPLACE FUNCTION learnsync_internal.queue_as_owner() RETURNS TABLE (learner_id text, pending bigint)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT f.learner_id, count(*) FROM learnsync_data.failed f
        WHERE f.retryable OR f.waits_for IS NOT NULL GROUP BY f.learner_id;
END
$$;
COMMENT ON FUNCTION learnsync_internal.queue_as_owner() IS 'How many items are pending of each learner of whom any is.';

-- Every other figure; labels of one name are told apart by one value at most.
CREATE OR REPLACE FUNCTION learnsync_internal.figures_as_owner()
    RETURNS TABLE (name text, label text, value numeric)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT 'learners', '', count(*)::numeric FROM learnsync_data.learner
        UNION ALL
        SELECT 'failed', f.code, count(*) FROM learnsync_data.failed f GROUP BY f.code
        UNION ALL
        SELECT 'tries', least(f.retry_count, 4)::text, count(*) FROM learnsync_data.failed f
        WHERE f.retryable OR f.waits_for IS NOT NULL GROUP BY 2
        UNION ALL
        SELECT u.name, '', u.value FROM (SELECT count(*) AS learners, sum(q.pending) AS items, max(q.pending) AS deepest
            FROM learnsync_internal.queue_as_owner() q) q,
            LATERAL (VALUES ('pending', COALESCE(q.items, 0)), ('pending_learners', q.learners),
                ('deepest', COALESCE(q.deepest, 0))) u (name, value)
        UNION ALL
        SELECT 'open_conflicts', '', count(*) FROM learnsync_data.conflict c WHERE c.closed_at IS NULL
        UNION ALL
        SELECT u.name, '', u.value FROM learnsync_data.instance i,
            LATERAL (VALUES ('cleaned_at', extract(epoch FROM i.cleaned_at)), ('cleaned_items', i.cleaned_items))
                u (name, value) WHERE u.value IS NOT NULL
        UNION ALL
        SELECT 'log', '', COALESCE(max(p.events), 0)
            / nullif(current_setting('learnsync.max_learner_events')::numeric, 0) FROM learnsync_data.progress p;
END
$$;
COMMENT ON FUNCTION learnsync_internal.figures_as_owner() IS
    'Figures of learners, failed items, conflicts, cleaning and event logs.';
