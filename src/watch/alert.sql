-- What should not stay as it is. docs/monitoring.md says the thresholds, which stand here and nowhere else.

CREATE OR REPLACE FUNCTION learnsync_internal.conflict_alerts_as_owner()
    RETURNS TABLE (alert text, subject text, value numeric, threshold numeric, message text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    today CONSTANT date := timezone('UTC', clock_timestamp())::date;
BEGIN
    RETURN QUERY
        WITH count AS (
            SELECT c.day, sum(c.conflicts) AS conflicts, sum(c.items - c.duplicates) AS items
            FROM learnsync_internal.day_counts_as_owner() c WHERE c.day >= today - 8 GROUP BY c.day),
        rate AS (
            SELECT d.day, d.conflicts, d.conflicts / NULLIF(d.items, 0) AS of_day,
                3 * greatest(sum(w.conflicts) / NULLIF(sum(w.items), 0), 0.001) AS most, sum(w.items) AS week_items
            FROM count d JOIN count w ON w.day BETWEEN d.day - 7 AND d.day - 1
            WHERE d.day >= today - 1 GROUP BY d.day, d.conflicts, d.items)
        SELECT 'conflict_rate', r.day::text, round(r.of_day, 4), round(r.most, 4),
            format('%s %% of the new items of %s were conflicts, more than three times the rate of the week before.',
                round(r.of_day * 100, 1), r.day)
        FROM rate r WHERE r.conflicts >= 20 AND r.week_items >= 100 AND r.of_day > r.most;
END
$$;
COMMENT ON FUNCTION learnsync_internal.conflict_alerts_as_owner() IS 'The alerts of conflict rates.';

CREATE OR REPLACE FUNCTION learnsync_internal.failure_alerts_as_owner()
    RETURNS TABLE (alert text, subject text, value numeric, threshold numeric, message text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a_day_ago CONSTANT timestamptz := clock_timestamp() - interval '24 hours';
BEGIN
    RETURN QUERY
        SELECT 'failures', f.code, f.new::numeric, round(3 * f.old / 7.0, 1),
            format('%s items failed with %s within a day, more than three times as many as on a day of the week '
                   'before.', f.new, f.code)
        FROM (SELECT x.code, count(*) FILTER (WHERE x.failed_at > a_day_ago) AS new,
                  count(*) FILTER (WHERE x.failed_at <= a_day_ago) AS old
              FROM learnsync_data.failed x WHERE x.failed_at > a_day_ago - interval '7 days' GROUP BY x.code) f
        WHERE f.new >= 20 AND f.new > 3 * f.old / 7.0;
    RETURN QUERY
        SELECT 'refused', left(f.message, 200), count(*)::numeric, 0::numeric,
            format('A trigger or constraint of your own refused %s items within a day.', count(*))
        FROM learnsync_data.failed f WHERE f.code = 'error' AND f.failed_at > a_day_ago
        GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT 20;
END
$$;
COMMENT ON FUNCTION learnsync_internal.failure_alerts_as_owner() IS 'The alerts of items that fail.';

CREATE OR REPLACE FUNCTION learnsync_internal.alerts_as_owner()
    RETURNS TABLE (alert text, subject text, value numeric, threshold numeric, message text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now CONSTANT timestamptz := clock_timestamp();
    quarter_ago CONSTANT timestamptz := now - interval '90 days';
    most_events CONSTANT integer := current_setting('learnsync.max_learner_events');
BEGIN
    RETURN QUERY
        SELECT 'queue_depth', q.learner_id, q.pending::numeric, 100::numeric,
            format('%s items of this learner failed and may still be taken.', q.pending)
        FROM learnsync_internal.queue_as_owner() q WHERE q.pending > 100 ORDER BY q.pending DESC, 2 LIMIT 100;
    RETURN QUERY SELECT * FROM learnsync_internal.conflict_alerts_as_owner();
    RETURN QUERY SELECT * FROM learnsync_internal.failure_alerts_as_owner();
    RETURN QUERY
        SELECT 'cleaning', '', round(extract(epoch FROM now - c.at) / 3600, 1), 24::numeric,
            'maintain() has not ended for more than a day.'
        FROM (SELECT COALESCE(i.cleaned_at, (SELECT min(l.created_at) FROM learnsync_data.learner l)) AS at
              FROM learnsync_data.instance i) c
        WHERE c.at < now - interval '24 hours';
    RETURN QUERY
        SELECT 'event_log', p.learner_id, p.events::numeric, round(most_events * 0.8),
            format('The event log of this learner holds %s of at most %s events.', p.events, most_events)
        FROM learnsync_data.progress p WHERE p.events > most_events * 0.8 ORDER BY p.events DESC, 2 LIMIT 100;
    RETURN QUERY
        SELECT 'device_unseen', '', count(*)::numeric, 0::numeric,
            format('%s active devices have not been seen for 90 days: unseen_devices(90) names them.', count(*))
        FROM learnsync_data.device d WHERE d.is_active AND d.last_sync_at < quarter_ago
        HAVING count(*) > 0;
    RETURN QUERY
        SELECT 'outbox_late', o.name, round(o.lag), 3600::numeric,
            format('Changes of %s learners wait to be handed on, the first for %s minutes.', o.waiting,
                round(o.lag / 60))
        FROM learnsync_internal.outbox_figures_as_owner() o WHERE o.lag > 3600
        UNION ALL
        SELECT 'outbox_dead', o.name, o.dead, 0,
            format('%s changes were refused for good: outbox_dead() names them, outbox_retry() puts them back.', o.dead)
        FROM learnsync_internal.outbox_figures_as_owner() o WHERE o.dead > 0;
END
$$;
COMMENT ON FUNCTION learnsync_internal.alerts_as_owner() IS 'What alerts() answers, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_internal.alert_list_as_owner() RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = on SET enable_bitmapscan = on SET enable_hashjoin = on SET enable_mergejoin = on
    SET enable_memoize = on SET jit = off AS $$
BEGIN
    RETURN (SELECT jsonb_agg(a) FROM learnsync_internal.alerts_as_owner() a);
END
$$;
COMMENT ON FUNCTION learnsync_internal.alert_list_as_owner() IS 'What alerts() answers, as JSON.';

CREATE OR REPLACE FUNCTION learnsync_internal.alert_list() RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_alert_list';
COMMENT ON FUNCTION learnsync_internal.alert_list() IS 'What alerts() answers, as JSON.';

CREATE OR REPLACE FUNCTION learnsync.alerts()
    RETURNS TABLE (alert text, subject text, value numeric, threshold numeric, message text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.* FROM jsonb_to_recordset(learnsync_internal.alert_list())
        AS a (alert text, subject text, value numeric, threshold numeric, message text)
$$;
COMMENT ON FUNCTION learnsync.alerts() IS
    'For administrators: what should not stay as it is, a row each; none where all is well. alert: queue_depth, '
    'conflict_rate, failures, refused (a trigger or constraint of your own), cleaning, event_log, device_unseen, '
    'outbox_late, outbox_dead. subject: the learner, day, code, message or outbox that it is about; value is over '
    'threshold; message says it in words.';
