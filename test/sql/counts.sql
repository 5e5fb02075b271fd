-- Counts of calls: by day and channel, in rows that are written anyway, then by day for all; metrics() shows them.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.lesson(id text, seconds text DEFAULT '5') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
        'clientTimestamp', '2026-01-08T10:00:00Z',
        'data', jsonb_build_object('lessonId', 'l', 'timeSpent', seconds::int)) $$;
CREATE FUNCTION pg_temp.push(learner text, more jsonb, VARIADIC items jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT (learnsync.sync_push(learner,
        '{"deviceId": "d"}' || more || jsonb_build_object('items', items))::jsonb ->> 'syncedItems') $$;
-- calls, items, synced, duplicates, conflicts, failed, of all.
CREATE FUNCTION pg_temp.counted(name text DEFAULT 'sync_push') RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', sum(c.calls), sum(c.items), sum(c.synced), sum(c.duplicates), sum(c.conflicts), sum(c.failed))
    FROM learnsync_internal.day_counts_as_owner() c WHERE c.channel = name $$;
CREATE FUNCTION pg_temp.held(name text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (SELECT count(*) FROM learnsync_data.learner WHERE learner_id = name AND counts IS NOT NULL),
        (SELECT count(*) FROM learnsync_data.device WHERE learner_id = name AND counts IS NOT NULL)) $$;
CREATE FUNCTION pg_temp.error(statement text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE statement;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;

-- What is counted.
SELECT pg_temp.push('ada', '{}', pg_temp.lesson('1'), pg_temp.lesson('2'), pg_temp.lesson('1'),
    pg_temp.lesson('x', '-1'));
SELECT is(pg_temp.counted(), '1 4 2 1 0 1', 'a push: a call, its items, what became of each');
SELECT is(pg_temp.held('ada'), '1 0', 'counted where the learner''s row is written anyway');
CREATE TEMP TABLE before AS SELECT ctid AS place FROM learnsync_data.learner l WHERE learner_id = 'ada';
SELECT pg_temp.push('ada', '{}', pg_temp.lesson('1'), pg_temp.lesson('2'));
SELECT is(pg_temp.counted(), '2 6 2 3 0 1', 'a retry counts, too');
SELECT is(pg_temp.held('ada'), '1 1', 'with the device');
SELECT is(
    (SELECT l.ctid FROM learnsync_data.learner l WHERE learner_id = 'ada'), (SELECT place FROM before),
    'as it writes nothing else');
SELECT pg_temp.push('ada', '{"dryRun": true}', pg_temp.lesson('3'));
SELECT pg_temp.push('ada', '{}', VARIADIC '{}');
SELECT is(pg_temp.counted(), '2 6 2 3 0 1', 'dry runs are not counted, nor calls without items');
SAVEPOINT before_abort;
SELECT pg_temp.push('ada', '{}', pg_temp.lesson('4'));
SELECT is(pg_temp.counted(), '3 7 3 3 0 1', 'within its transaction a push is counted');
ROLLBACK TO before_abort;
SELECT is(pg_temp.counted(), '2 6 2 3 0 1', 'what is undone is not');
SELECT pg_temp.push('ada', '{"atomic": true}', pg_temp.lesson('5'), pg_temp.lesson('x', '-1'));
SELECT is(pg_temp.counted(), '3 8 2 3 0 3', 'an atomic push that fails: all its items are answered as failed');
SELECT pg_temp.push('ada', '{}', jsonb_set(pg_temp.lesson('6'), '{clientTimestamp}', '"2025-01-01T00:00:00Z"'));
SELECT is(pg_temp.counted(), '4 9 2 3 1 3', 'a stale item is a conflict');
SELECT learnsync.sync_resolve('ada', jsonb_build_object('conflictId', conflict_id, 'resolution', 'use_server'))
FROM learnsync_data.conflict WHERE closed_at IS NULL;
SELECT learnsync_internal.retry_learner('ada', 'out_of_range', false);
SELECT is(pg_temp.counted(), '4 9 2 3 1 3', 'decisions and second tries are no calls of a device');
SELECT ok(bool_and(bytes BETWEEN 100 * items AND 300 * items AND microseconds BETWEEN 1 AND 600000000),
    'bytes of items and the time of calls are counted') FROM learnsync_internal.day_counts_as_owner();
SET learnsync.rate_limit = 100;
SELECT pg_temp.push('ada', '{}', pg_temp.lesson('1'));
RESET learnsync.rate_limit;
SELECT is(pg_temp.counted(), '5 10 2 4 1 3', 'a retry that is charged to the learner counts once');

-- Every channel.
SELECT learnsync.progress_put('bob', '{"events": [{"eventId": "e", "clientId": "c", "type": "onboarding.reset",
    "occurredAt": "2026-01-08T10:00:00.000Z", "payload": {}}]}')
FROM generate_series(1, 2);
SELECT is(pg_temp.counted('progress_put'), '2 2 1 1 0 0', 'events, and a retry by nobody''s device');
SELECT is(pg_temp.held('bob'), '1 0', 'which the learner''s row holds');
SELECT learnsync.register_content('{"contents": [{"contentId": "m", "kind": "module"}]}');
CREATE FUNCTION pg_temp.module(id text, device text, more jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT more || jsonb_build_object('idempotencyKey', id, 'deviceId', device, 'moduleId', 'm',
        'clientTimestamp', '2026-01-08T10:00:00Z') $$;
SELECT learnsync.sync_progress('bob', jsonb_build_object('events', jsonb_build_array(
    pg_temp.module('1', 'a', '{"progressPercent": 5, "syncVersion": 2}'),
    pg_temp.module('2', 'b', '{"progressPercent": 6, "syncVersion": 1}'), pg_temp.module('3', 'b', '{}'))));
SELECT is(pg_temp.counted('sync_progress'), '1 3 1 0 1 1', 'a request of two devices is one call');
SELECT learnsync.sync_completions('bob', jsonb_build_object('events',
    jsonb_build_array(pg_temp.module('1', 'a', '{"score": 5}'))));
SELECT is(pg_temp.counted('sync_completions'), '1 1 1 0 0 0', 'completions');
SELECT learnsync.progress_batch('bob', '{"items": [{"idempotency_key": "k", "activity_type": "a", "content_id": "c"}]}')
FROM generate_series(1, 3);
SELECT is(pg_temp.counted('progress_batch'), '3 3 1 2 0 0', 'activities');

-- Taken, kept, never lost.
CREATE TEMP TABLE total AS SELECT c.* FROM learnsync_internal.day_counts_as_owner() c;
CREATE FUNCTION pg_temp.same() RETURNS boolean LANGUAGE sql AS $$
    SELECT NOT EXISTS (SELECT * FROM learnsync_internal.day_counts_as_owner() EXCEPT SELECT * FROM total)
        AND (SELECT count(*) FROM learnsync_internal.day_counts_as_owner()) = (SELECT count(*) FROM total) $$;
SELECT learnsync.drop_devices(0) > 0 AS dropped;
SELECT ok(pg_temp.same() AND (SELECT count(*) FROM learnsync_data.day_count) > 0,
    'devices that are dropped leave their counts');
SELECT learnsync.forget_learner('bob') > 0 AS erased;
SELECT ok(pg_temp.same(), 'learners who are erased do, as nobody''s');
SELECT learnsync_internal.take_counts_as_owner(source, '(0,0)', '(4294967295,0)')
FROM unnest('{learner,device,learner}'::text[]) source;
SELECT is(pg_temp.held('ada'), '0 0', 'maintain() takes what rows hold');
SELECT ok(pg_temp.same(), 'and keeps it by day');
SET learnsync.max_devices = 1;
SELECT pg_temp.push('ada', '{"deviceId": "first"}', pg_temp.lesson('7'));
SELECT pg_temp.push('ada', '{"deviceId": "first"}', pg_temp.lesson('7'));
SELECT pg_temp.push('ada', '{"deviceId": "second"}', pg_temp.lesson('8'));
RESET learnsync.max_devices;
SELECT is(pg_temp.counted(), '8 13 4 5 1 3', 'a device that is forgotten as one of too many leaves its counts');
SELECT is(items, synced + duplicates + conflicts + failed, 'each item counts once: ' || channel)
FROM learnsync_internal.day_counts_as_owner() ORDER BY channel;

-- Who asks for figures reads them once.
SET LOCAL track_functions = 'pl';
CREATE FUNCTION pg_temp.readings(call text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before CONSTANT bigint := COALESCE((SELECT sum(calls) FROM pg_stat_xact_user_functions
                                        WHERE funcname = 'held_counts_as_owner'), 0);
BEGIN
    EXECUTE call;
    RETURN (SELECT sum(calls) FROM pg_stat_xact_user_functions WHERE funcname = 'held_counts_as_owner') - before;
END $$;
SELECT is(pg_temp.readings('SELECT learnsync_api.metrics()'), 1::bigint, 'metrics() reads what rows hold once');
SELECT is(pg_temp.readings('SELECT * FROM learnsync.app_days()'), 1::bigint, 'and so does app_days()');

-- The row stays small where maintain() is never called.
CREATE FUNCTION pg_temp.days(count int) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    held bytea;
BEGIN
    FOR day IN 1..count LOOP
        held := learnsync_internal.add_counts_as_owner('ada', 'd', held,
            ('\x' || lpad(to_hex(day % 3), 2, '0') || lpad(to_hex(day), 2, '0') || '0101010000000101')::bytea);
    END LOOP;
    RETURN held;
END $$;
SELECT is(length(pg_temp.days(100)), 160, 'a row holds 16 days and channels');
SELECT is(sum(calls), 100::numeric, 'and all that was counted')
FROM learnsync_internal.count_rows_as_owner(pg_temp.days(100));
SELECT is(
    pg_temp.error($$ SELECT learnsync_internal.count_rows_as_owner('\x0001ff') $$), 'XX001',
    'what is no count is damage');

-- What somebody else wrote into a row.
CREATE FUNCTION pg_temp.damage(call text, a_table text, learner text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE format('UPDATE learnsync_data.%I SET counts = %L WHERE learner_id = %L', a_table, '\xff', learner);
    EXECUTE call;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE, substring(detail FROM 'learnsync_data\.\w+'), substring(detail FROM '\(.*\)'));
END $$;
SELECT learnsync.sync_push(l.id, jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(pg_temp.lesson('1'))))
    IS NULL FROM (VALUES ('eve'), ('eve')) l (id);
SELECT is(pg_temp.damage(c.call, 'learner', 'eve'), 'XX001 learnsync_data.learner ("eve")',
    'counts of a learner that somebody else wrote are named: ' || c.what)
FROM (VALUES
    ('a push', $$ SELECT pg_temp.push('eve', '{}', pg_temp.lesson('9')) $$),
    ('metrics()', 'SELECT learnsync_api.metrics()'),
    ('app_days()', 'SELECT learnsync_internal.client_days_as_owner(NULL)'),
    ('maintain()', $$ SELECT learnsync_internal.take_counts_as_owner('learner', '(0,0)', '(4294967295,0)') $$),
    ('forget_learner()', $$ SELECT learnsync.forget_learner('eve') $$)) c (what, call);
SELECT is(pg_temp.damage(c.call, 'device', 'eve'), 'XX001 learnsync_data.device ("eve", "d")',
    'and those of a device: ' || c.what)
FROM (VALUES
    ('a retry', $$ SELECT pg_temp.push('eve', '{}', pg_temp.lesson('1')) $$),
    ('a new device in the place of the oldest', $$ SELECT set_config('learnsync.max_devices', '1', true),
        learnsync.sync_push('eve', '{"deviceId": "new", "items": []}')::jsonb $$),
    ('metrics()', 'SELECT learnsync_api.metrics()'),
    ('app_days()', 'SELECT learnsync_internal.client_days_as_owner(NULL)'),
    ('maintain()', $$ SELECT learnsync_internal.take_counts_as_owner('device', '(0,0)', '(4294967295,0)') $$),
    ('drop_devices()', 'SELECT learnsync.drop_devices(0)'),
    ('forget_learner()', $$ SELECT learnsync.forget_learner('eve') $$)) c (what, call);

-- What apps say of themselves: counted with the same calls, and in the same rows.
CREATE FUNCTION pg_temp.said(version text, platform text, network text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('metadata', jsonb_strip_nulls(jsonb_build_object('appVersion', version,
        'platform', platform, 'networkType', network))) $$;
-- calls, items, synced, duplicates, conflicts, failed of each value.
CREATE FUNCTION pg_temp.apps(of_label text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', a.value || ':', a.calls, a.items, a.synced, a.duplicates, a.conflicts, a.failed),
        ', ' ORDER BY a.value COLLATE "C")
    FROM (SELECT d.value, sum(d.calls) AS calls, sum(d.items) AS items, sum(d.synced) AS synced,
              sum(d.duplicates) AS duplicates, sum(d.conflicts) AS conflicts, sum(d.failed) AS failed
          FROM learnsync.app_days() d WHERE d.label = of_label GROUP BY d.value) a $$;
SAVEPOINT apps;
DELETE FROM learnsync_data.day_client;
SELECT is(pg_temp.apps('version'), NULL, 'what says nothing of its app is no app''s');
SELECT pg_temp.push('cleo', pg_temp.said('2.0', 'ios', 'wifi'), pg_temp.lesson('1'), pg_temp.lesson('x', '-1'));
SELECT pg_temp.push('cleo', pg_temp.said('2.0', 'ios', 'cellular'), pg_temp.lesson('1'));
SELECT pg_temp.push('dan', pg_temp.said('2.1', NULL, NULL), pg_temp.lesson('1'), pg_temp.lesson('2'));
SELECT pg_temp.push('dan', pg_temp.said('2.1', NULL, NULL) || '{"dryRun": true}', pg_temp.lesson('3'));
SELECT pg_temp.push('dan', pg_temp.said('2.1', NULL, NULL), VARIADIC '{}');
SELECT is(pg_temp.apps('version'), '2.0: 2 3 1 1 0 1, 2.1: 1 2 2 0 0 0', 'by version');
SELECT is(pg_temp.apps('platform'), 'ios: 2 3 1 1 0 1, not said: 1 2 2 0 0 0', 'by platform, where it is said');
SELECT is(
    pg_temp.apps('network'), 'cellular: 1 1 0 1 0 0, not said: 1 2 2 0 0 0, wifi: 1 2 1 0 0 1', 'and by network');
SELECT pg_temp.push('eva', jsonb_build_object('metadata', said), pg_temp.lesson('1'))
FROM unnest(ARRAY['{"appVersion": 7}', '{"appVersion": ""}', '{"appVersion": null, "platform": ["ios"]}',
    '{"os": "ios"}', jsonb_build_object('appVersion', repeat('x', 65)), '{}']::jsonb[]) said;
SELECT is(pg_temp.apps('version'), '2.0: 2 3 1 1 0 1, 2.1: 1 2 2 0 0 0', 'only texts of 1 to 64 bytes are said');
CREATE TEMP TABLE apps_before AS
SELECT label, pg_temp.apps(label) AS apps FROM unnest('{version,platform,network}'::text[]) label;
SELECT learnsync_internal.take_counts_as_owner(source, '(0,0)', '(4294967295,0)')
FROM unnest('{learner,device,learner}'::text[]) source;
SELECT is((SELECT count(*) FROM learnsync_data.day_client), 7::bigint, 'maintain() takes them by day');
SELECT is(pg_temp.apps(label), apps, 'and loses none of ' || label) FROM apps_before;
SELECT pg_temp.push('cleo', pg_temp.said('2.0', 'ios', 'wifi'), pg_temp.lesson('5'));
SELECT learnsync.forget_learner('cleo') > 0 AS erased;
SELECT is(pg_temp.apps('platform'), 'ios: 3 4 2 1 0 1, not said: 1 2 2 0 0 0', 'learners who are erased leave theirs');
SELECT is((SELECT count(*) FROM learnsync.app_days(CURRENT_DATE + 2)), 0::bigint, 'since a day');
SELECT ok(learnsync_api.metrics() LIKE ALL (ARRAY['%learnsync_calls_of_version{version="2.0"} 3' || chr(10) || '%',
    '%learnsync_refused_items_of_platform{platform="ios"} 1' || chr(10) || '%']), 'metrics() has those of seven days');
UPDATE learnsync_data.day_client SET day = day - 8;
SELECT ok(learnsync_api.metrics() NOT LIKE '%learnsync_calls_of_version%', 'and no older ones');

-- Whoever says something else each time fills no table, nor a row.
DELETE FROM learnsync_data.day_client;
SELECT pg_temp.push('mal', pg_temp.said(repeat('v', 60) || n, 'p' || n, 'n' || n), pg_temp.lesson('m' || n))
FROM generate_series(1, 50) n;
SELECT cmp_ok((SELECT length(counts) FROM learnsync_data.learner WHERE learner_id = 'mal'), '<', 1000,
    'a row has room for eight kinds of apps');
SELECT is(
    (SELECT concat_ws(' ', count(*), sum(calls), sum(calls) FILTER (WHERE value = 'others'))
     FROM learnsync.app_days() WHERE label = 'version'),
    '9 50 42',
    'the rest are others, and counted');
SELECT pg_temp.push('mal-' || n, pg_temp.said('a' || n, 'p', NULL), pg_temp.lesson('1')) FROM generate_series(1, 300) n;
SELECT learnsync_internal.take_counts_as_owner('learner', '(0,0)', '(4294967295,0)');
SELECT pg_temp.push('mal-' || n, pg_temp.said('b' || n, 'p', NULL), pg_temp.lesson('2')) FROM generate_series(1, 300) n;
SELECT learnsync_internal.take_counts_as_owner('learner', '(0,0)', '(4294967295,0)');
SELECT is(
    (SELECT concat_ws(' ', count(*) <= 101, sum(calls)) FROM learnsync_data.day_client WHERE label = 'version'),
    't 650',
    'a day has a hundred values, and others');
SELECT cmp_ok(
    (SELECT sum(calls) FROM learnsync_data.day_client WHERE label = 'platform' AND value = 'p'), '>=', 300::numeric,
    'what most say is among them');
SELECT is(
    (SELECT concat_ws(' ', count(*), sum(split_part(line, '} ', 2)::int))
     FROM regexp_split_to_table(learnsync_api.metrics(), '\n') line WHERE line LIKE 'learnsync_calls_of_version{%'),
    '12 650',
    'metrics() has twelve of them, of which the others are one');
ROLLBACK TO apps;
-- Days of one kind are joined before it loses its name.
CREATE FUNCTION pg_temp.days_of_one(count int) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    held bytea;
BEGIN
    FOR day IN 1..count LOOP
        held := learnsync_internal.add_counts_as_owner('ada', 'd', held,
            ('\x7f' || lpad(to_hex(day), 2, '0') || '04410000000101010000000101')::bytea);
    END LOOP;
    RETURN held;
END $$;
SELECT is(
    (SELECT string_agg(concat_ws(' ', r.day, r.app_version, r.calls), ', ' ORDER BY r.day)
     FROM learnsync_internal.client_rows_as_owner(pg_temp.days_of_one(12)) r),
    '2000-01-06 A 5, 2000-01-07 A 1, 2000-01-08 A 1, 2000-01-09 A 1, 2000-01-10 A 1, 2000-01-11 A 1, 2000-01-12 A 1, '
    '2000-01-13 A 1',
    'a row without maintain() keeps eight days of one kind, the oldest joined');
SELECT is(pg_temp.error(format($$ SELECT learnsync_internal.client_rows_as_owner(%L) $$, damaged)), 'XX001', damaged)
FROM unnest('{\\x7f01,\\x7f0105aa,\\x7f01ffffffffffffffffff01,\\x7f01ff01}'::text[]) damaged;

-- What Prometheus reads.
SELECT pg_temp.push('ada', '{"metadata": {"appVersion": "1\"\\\n2"}}', pg_temp.lesson('1'));
SELECT ok(learnsync_api.metrics() LIKE format('%%learnsync_synced_items_total{channel="sync_push"} %s%s%%',
    split_part(pg_temp.counted(), ' ', 3), chr(10)), 'metrics() has the counts');
SELECT ok(learnsync_api.metrics() LIKE '%learnsync_devices_of_version{version="1\\"\\\\\\n2"} 1' || chr(10) || '%',
    'what clients say is quoted');
SELECT ok(bool_and(line ~ '^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="([^"\\]|\\.)*"\})? [0-9.]+|)$'),
    'each line is one of the format')
FROM regexp_split_to_table(learnsync_api.metrics(), E'\n') line;
SELECT is(
    pg_typeof(learnsync_api.metrics())::text, 'learnsync_api."text/plain"',
    'in a domain that PostgREST sends as text');
CREATE TEMP TABLE read AS SELECT relname, seq_scan + COALESCE(idx_scan, 0) AS scans FROM pg_stat_xact_user_tables;
SELECT ok(length(learnsync_api.metrics()) > 1000, 'it answers');
SELECT is_empty(
    $$ SELECT s.relname FROM pg_stat_xact_user_tables s JOIN read r USING (relname)
       WHERE s.schemaname = 'learnsync_data' AND s.seq_scan + COALESCE(s.idx_scan, 0) > r.scans
           AND s.relname !~ '^(learner|device|failed|conflict|anomaly|instance|progress|outbox.*)$'
           AND s.relname NOT IN ('day_count', 'day_client') $$,
    'and reads no resources, receipts, payloads or events');
SELECT ok(EXISTS (
    SELECT FROM pg_stat_xact_user_tables s JOIN read r USING (relname)
    WHERE s.relname = 'device' AND s.seq_scan + COALESCE(s.idx_scan, 0) > r.scans), 'which that would show');
CREATE ROLE test_service;
CREATE ROLE test_admin;
SELECT learnsync.grant_access('test_' || kind, kind) FROM unnest('{service,admin}'::text[]) kind;
SET ROLE test_service;
SELECT is(pg_temp.error('SELECT learnsync_api.metrics()'), '42501', 'a service does not read them');
SET ROLE test_admin;
SELECT is(pg_temp.error('SELECT learnsync_api.metrics()'), NULL, 'an administrator does');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
