-- The figures of the whole installation, from which metrics, alerts and the dashboard are made. None reads resources,
-- receipts or payloads: what calls came to was counted when they were made. Who asks for them has whole tables read,
-- while the store plans for lookups by index alone: metrics, alerts and dashboard set what it has switched off.

-- What was counted until now: what maintain() took, and what rows of learners and devices hold.
CREATE OR REPLACE FUNCTION learnsync_internal.day_counts_as_owner(
    held bytea DEFAULT learnsync_internal.held_counts_as_owner())
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
              SELECT r.* FROM learnsync_internal.count_rows_as_owner(held) r) c
        GROUP BY c.day, c.channel;
END
$$;
COMMENT ON FUNCTION learnsync_internal.day_counts_as_owner(bytea) IS
    'Calls and what became of their items, by day and channel, up to now.';

-- What a device says of itself is the client's, so there may be any number of versions; the most frequent are named.
CREATE OR REPLACE FUNCTION learnsync_internal.version_figures_as_owner()
    RETURNS TABLE (name text, label text, value numeric)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT 'version', CASE WHEN v.place <= 12 THEN v.version ELSE 'others' END, sum(v.devices)
        FROM (SELECT x.version, sum(x.devices) AS devices,
                  row_number() OVER (ORDER BY sum(x.devices) DESC, x.version) AS place
              FROM (SELECT COALESCE(left(NULLIF(d.said, ''), 40), 'not said') AS version, d.devices
                    FROM (SELECT c.metadata ->> 'appVersion' AS said, count(*) AS devices FROM learnsync_data.device c
                          WHERE c.is_active GROUP BY 1) d) x
              GROUP BY x.version) v
        GROUP BY 2;
END
$$;
COMMENT ON FUNCTION learnsync_internal.version_figures_as_owner() IS
    'How many active devices there are, by the version of the app.';

CREATE OR REPLACE FUNCTION learnsync_internal.device_figures_as_owner()
    RETURNS TABLE (name text, label text, value numeric)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE -- what is subtracted in the query is subtracted for each row
    now CONSTANT timestamptz := clock_timestamp();
    day_ago CONSTANT timestamptz := now - interval '1 day';
    week_ago CONSTANT timestamptz := now - interval '7 days';
    month_ago CONSTANT timestamptz := now - interval '30 days';
    quarter_ago CONSTANT timestamptz := now - interval '90 days';
BEGIN
    RETURN QUERY
        SELECT u.name, u.label, u.value::numeric
        FROM (SELECT count(*) AS known, count(*) FILTER (WHERE d.is_active) AS active,
                  count(*) FILTER (WHERE d.is_active AND d.last_sync_at > day_ago) AS day,
                  count(*) FILTER (WHERE d.is_active AND d.last_sync_at > week_ago) AS week,
                  count(*) FILTER (WHERE d.is_active AND d.last_sync_at > month_ago) AS month,
                  count(*) FILTER (WHERE d.is_active AND d.last_sync_at > quarter_ago) AS quarter,
                  count(*) FILTER (WHERE d.is_active AND abs(d.skew_ms) > 5000) AS over_5s,
                  count(*) FILTER (WHERE d.is_active AND abs(d.skew_ms) > 300000) AS over_5min,
                  count(*) FILTER (WHERE d.is_active AND abs(d.skew_ms) > 3600000) AS over_1h,
                  count(*) FILTER (WHERE d.is_active AND abs(d.skew_ms) > 86400000) AS over_1day
              FROM learnsync_data.device d) c,
            LATERAL (VALUES ('active', 'true', c.active), ('active', 'false', c.known - c.active),
                ('seen', 'day', c.day), ('seen', 'week', c.week - c.day), ('seen', 'month', c.month - c.week),
                ('seen', 'quarter', c.quarter - c.month), ('seen', 'longer', c.active - c.quarter),
                ('skew', '5s', c.active - c.over_5s), ('skew', '5min', c.over_5s - c.over_5min),
                ('skew', '1h', c.over_5min - c.over_1h), ('skew', '1day', c.over_1h - c.over_1day),
                ('skew', 'more', c.over_1day)) u (name, label, value)
        WHERE c.known > 0;
    RETURN QUERY SELECT * FROM learnsync_internal.version_figures_as_owner();
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

CREATE OR REPLACE FUNCTION learnsync_internal.outbox_figures_as_owner()
    RETURNS TABLE (name text, waiting numeric, lag numeric, dead numeric)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT o.name, m.waiting::numeric, COALESCE(extract(epoch FROM clock_timestamp() - m.oldest_at), 0),
            (SELECT count(*)::numeric FROM learnsync_data.outbox_dead d WHERE d.outbox = o.name)
        FROM learnsync_data.outbox o CROSS JOIN LATERAL (
            SELECT count(DISTINCT k.learner_id) AS waiting, min(k.marked_at) AS oldest_at
            FROM learnsync_data.outbox_mark k WHERE k.outbox = o.name) m;
END
$$;
COMMENT ON FUNCTION learnsync_internal.outbox_figures_as_owner() IS
    'Of each outbox, of how many learners there is something to hand on, for how many seconds the first has waited, '
    'and how many changes were refused for good.';

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
        SELECT 'anomalies', a.kind, count(*) FROM learnsync_data.anomaly a WHERE a.closed_at IS NULL GROUP BY a.kind
        UNION ALL
        SELECT 'open_conflicts', '', count(*) FROM learnsync_data.conflict c WHERE c.closed_at IS NULL
        UNION ALL
        SELECT u.name, '', u.value FROM learnsync_data.instance i,
            LATERAL (VALUES ('cleaned_at', extract(epoch FROM i.cleaned_at)), ('cleaned_items', i.cleaned_items))
                u (name, value) WHERE u.value IS NOT NULL
        UNION ALL
        SELECT 'log', '', COALESCE(max(p.events), 0)
            / nullif(current_setting('learnsync.max_learner_events')::numeric, 0) FROM learnsync_data.progress p
        UNION ALL
        SELECT u.name, o.name, u.value FROM learnsync_internal.outbox_figures_as_owner() o,
            LATERAL (VALUES ('outbox_waiting', o.waiting), ('outbox_lag', o.lag), ('outbox_dead', o.dead))
                u (name, value);
END
$$;
COMMENT ON FUNCTION learnsync_internal.figures_as_owner() IS
    'Figures of learners, failed items, anomalies, conflicts, cleaning, event logs and outboxes.';
