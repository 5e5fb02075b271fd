-- The figures as Prometheus reads them.

-- PostgREST answers with the media type that a function's result is named after.
CREATE DOMAIN learnsync_api."text/plain" AS text;
COMMENT ON DOMAIN learnsync_api."text/plain" IS 'Text that PostgREST sends as such.';

CREATE OR REPLACE FUNCTION learnsync_internal.sample_as_owner(metric text, label text, label_value text, value numeric)
    RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN metric || CASE WHEN label = '' THEN '' ELSE format('{%s="%s"}', label, replace(replace(replace(label_value,
        '\', '\\'), '"', '\"'), E'\n', '\n')) END || ' ' || trim_scale(value);
END
$$;
COMMENT ON FUNCTION learnsync_internal.sample_as_owner(text, text, text, numeric) IS
    'A line of metrics(): one value, under one label at most.';

CREATE OR REPLACE FUNCTION learnsync_internal.metrics_as_owner() RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = on SET enable_bitmapscan = on SET enable_hashjoin = on SET enable_mergejoin = on
    SET enable_memoize = on SET jit = off AS $$
DECLARE
    held CONSTANT bytea := learnsync_internal.held_counts_as_owner();
BEGIN
    RETURN (
        WITH counts AS (
            SELECT c.channel, sum(c.calls) AS calls, sum(c.synced) AS synced, sum(c.duplicates) AS duplicates,
                sum(c.conflicts) AS conflicts, sum(c.failed) AS failed, sum(c.bytes) AS bytes,
                sum(c.microseconds) / 1000000 AS seconds
            FROM learnsync_internal.day_counts_as_owner(held) c GROUP BY c.channel),
        figure AS (
            SELECT u.name, c.channel AS label, u.value FROM counts c, LATERAL (VALUES ('calls', c.calls),
                ('synced', c.synced), ('duplicates', c.duplicates), ('conflicts', c.conflicts),
                ('refused', c.failed), ('bytes', c.bytes), ('seconds', c.seconds)) u (name, value)
            UNION ALL
            SELECT * FROM learnsync_internal.figures_as_owner()
            UNION ALL
            SELECT * FROM learnsync_internal.device_figures_as_owner()
            UNION ALL
            SELECT * FROM learnsync_internal.client_figures_as_owner(held)),
        metric (place, figure, name, kind, label, help) AS (VALUES
            (1, 'calls', 'calls_total', 'counter', 'channel', 'Calls with items, by the function they came through.'),
            (2, 'synced', 'synced_items_total', 'counter', 'channel', 'Items that were taken.'),
            (3, 'conflicts', 'conflict_items_total', 'counter', 'channel', 'Items that were taken as conflicts.'),
            (4, 'duplicates', 'duplicate_items_total', 'counter', 'channel', 'Items that had been taken before.'),
            (5, 'refused', 'refused_items_total', 'counter', 'channel', 'Items that were answered as failed.'),
            (6, 'bytes', 'item_bytes_total', 'counter', 'channel', 'Size of the items, as jsonb.'),
            (7, 'seconds', 'call_seconds_total', 'counter', 'channel', 'Time that the calls took, up to their commit.'),
            (8, 'failed', 'failed_items', 'gauge', 'code', 'Items that are kept as failed, by code.'),
            (9, 'pending', 'pending_items', 'gauge', '', 'Failed items that may still be taken as they are.'),
            (10, 'pending_learners', 'pending_learners', 'gauge', '', 'Learners who have pending items.'),
            (11, 'deepest', 'pending_items_of_one_learner_max', 'gauge', '', 'The most pending items of one learner.'),
            (12, 'tries', 'retried_items', 'gauge', 'tries', 'Pending items, by how often they were tried again.'),
            (13, 'open_conflicts', 'open_conflicts', 'gauge', '', 'Conflicts that wait for a person.'),
            (14, 'anomalies', 'open_anomalies', 'gauge', 'kind', 'Anomalies that nobody has closed, by kind.'),
            (15, 'learners', 'learners', 'gauge', '', 'Learners.'),
            (16, 'active', 'devices', 'gauge', 'active', 'Devices, by whether they are let in.'),
            (17, 'seen', 'devices_seen', 'gauge', 'within', 'Active devices, by when they were last seen.'),
            (18, 'skew', 'devices_skewed', 'gauge', 'up_to', 'Active devices, by how far their clocks are off.'),
            (19, 'version', 'devices_of_version', 'gauge', 'version', 'Active devices, by version of the app.'),
            (20, 'cleaned_at', 'cleaned_timestamp_seconds', 'gauge', '', 'When maintain() last ended.'),
            (21, 'cleaned_items', 'cleaned_items_total', 'counter', '', 'Items whose payloads were removed.'),
            (22, 'log', 'fullest_event_log_ratio', 'gauge', '', 'How full the fullest event log is.'),
            (23, 'outbox_waiting', 'outbox_learners', 'gauge', 'outbox', 'Learners with changes to hand on.'),
            (24, 'outbox_lag', 'outbox_lag_seconds', 'gauge', 'outbox', 'How long the oldest of these has waited.'),
            (25, 'outbox_dead', 'outbox_dead_letters', 'gauge', 'outbox', 'Changes that were refused for good.')
            UNION ALL
            SELECT 26 + 4 * l.place + m.place, m.figure || '_of_' || l.label, m.name || '_of_' || l.label, 'gauge',
                l.label, format('%s, by %s.', m.help, l.words)
            FROM (VALUES (0, 'version', 'version of the app'), (1, 'platform', 'platform'), (2, 'network', 'network'))
                    l (place, label, words),
                (VALUES (0, 'calls', 'calls', 'Pushes of seven days'), (1, 'items', 'items', 'Their items'),
                    (2, 'refused', 'refused_items', 'Those that failed'),
                    (3, 'conflicts', 'conflict_items', 'Those that were conflicts')) m (place, figure, name, help))
        SELECT string_agg(m.text, '' ORDER BY m.place)
        FROM (SELECT x.place,
                  format(E'# HELP learnsync_%s %s\n# TYPE learnsync_%s %s\n', x.name, x.help, x.name, x.kind)
                  || string_agg(learnsync_internal.sample_as_owner('learnsync_' || x.name, x.label, f.label, f.value)
                      || E'\n', '' ORDER BY f.label) AS text
              FROM metric x JOIN figure f ON f.name = x.figure
              GROUP BY x.place, x.name, x.help, x.kind) m);
END
$$;
COMMENT ON FUNCTION learnsync_internal.metrics_as_owner() IS 'What metrics() answers, as the owner of the tables.';

CREATE OR REPLACE FUNCTION learnsync_api.metrics() RETURNS learnsync_api."text/plain"
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'learnsync_metrics';
COMMENT ON FUNCTION learnsync_api.metrics() IS
    'For administrators: the figures of the whole installation as Prometheus reads them; PostgREST sends them as '
    'text/plain. Counters of calls, items, bytes and time by channel; failed and pending items, open conflicts, '
    'learners, devices by version, last sync and clock, pushes of seven days by version, platform and network, '
    'cleaning, event logs, outboxes. Reads no resources '
    'and no receipts.';
