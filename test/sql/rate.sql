-- The rate limit: calls per minute and learner that write, through whatever function; off by default.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.push(learner text, id text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
    detail text;
BEGIN
    RETURN learnsync.sync_push(learner, '{"deviceId": "d"}' || more || jsonb_build_object('items', jsonb_build_array(
            jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'mastery', 'resourceId', 'r',
                'clientTimestamp', '2026-01-08T10:00:00Z', 'data', '{}'::jsonb)))) #>> '{results,0,status}';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, detail, hint);
END $$;
CREATE FUNCTION pg_temp.burst(learner text, count int)
    RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(left(pg_temp.push(learner, clock_timestamp()::text), 5), ' ') FROM generate_series(1, count) $$;
CREATE FUNCTION pg_temp.wait(who text, seconds numeric)
    RETURNS void LANGUAGE sql AS $$
    UPDATE learnsync_data.learner SET rate_at = rate_at - seconds * interval '1 s' WHERE learner_id = who $$;

SELECT is(pg_temp.burst('ann', 5), 'synce synce synce synce synce', 'no limit');
SELECT is((SELECT rate_at FROM learnsync_data.learner WHERE learner_id = 'ann'), NULL, 'nothing is counted then');
SET learnsync.rate_limit = 3;
SELECT is(pg_temp.burst('ann', 5), 'synce synce synce PT429 PT429', 'three, then no more');
SELECT is(
    pg_temp.push('ann', 'x'),
    'PT429 | too many calls | learnsync.rate_limit allows 3 calls per minute. | Try again in 20 seconds.',
    'the error');
SELECT is(pg_temp.burst('bob', 1), 'synce', 'another learner is not concerned');
SELECT is(
    (SELECT count(*) FROM learnsync_data.ledger WHERE learner_id = 'ann'),
    8::bigint,
    'what is refused leaves nothing');
SELECT ok(
    learnsync.sync_pull('ann', '{"deviceId": "d"}')::jsonb ? 'changes' AND learnsync.sync_status('ann') ? 'devices',
    'readers are not limited');
SELECT is(pg_temp.push('ann', 'x', '{"dryRun": true}'), 'synced', 'nor are dry runs');
SELECT pg_temp.wait('ann', 19.5);
SELECT is(
    pg_temp.push('ann', 'x') ,
    'PT429 | too many calls | learnsync.rate_limit allows 3 calls per minute. | Try again in 1 seconds.',
    'a little early');
SELECT pg_temp.wait('ann', 1);
SELECT is(pg_temp.burst('ann', 2), 'synce PT429', 'a third of a minute gives one more');
SELECT pg_temp.wait('ann', 1000);
SELECT is(pg_temp.burst('ann', 4), 'synce synce synce PT429', 'more than a minute''s worth is not saved up');
UPDATE learnsync_data.learner SET rate_at = now() + interval '1 year' WHERE learner_id = 'ann';
SELECT is(right(pg_temp.push('ann', 'x'), 11), '20 seconds.', 'a clock that was set back locks nobody out');
-- Retries count, so that a client in a loop is stopped, too.
SELECT is(string_agg(left(pg_temp.push('cat', 'same'), 5), ' '), 'synce synce synce PT429', 'retries count')
FROM generate_series(1, 4);
SELECT is(
    string_agg(left(pg_temp.push('dan', 'bad', '{"deviceName": "x"}'), 5), ' '),
    'synce synce synce PT429',
    'so does every push')
FROM generate_series(1, 4);

-- Under PostgREST the error says how to answer.
SELECT set_config('request.method', 'POST', true);
SELECT is(
    array_to_string((string_to_array(pg_temp.push('dan', 'x'), ' | '))[:3], ' | '),
    'PGRST | {"code": "PT429", "message": "too many calls", "details": "learnsync.rate_limit allows 3 calls per '
    'minute.", "hint": "Try again in 20 seconds."} | {"status": 429, "headers": {"Retry-After": "20"}}',
    'over HTTP');
SELECT is(
    (string_to_array(pg_temp.push('dan', 'x'), ' | '))[2]::jsonb ->> 'code'
        || ((string_to_array(pg_temp.push('dan', 'x'), ' | '))[3]::jsonb ->> 'status'),
    'PT429429',
    'in JSON');
SELECT set_config('request.method', '', true);
SELECT is(left(pg_temp.push('dan', 'x'), 5), 'PT429', 'a connection that carries an empty setting is no HTTP');

-- The server's own retries are not held up.
ALTER TABLE learnsync_data.resource ADD CONSTRAINT team CHECK (resource_id <> 'r' OR learner_id <> 'eve');
SELECT is(string_agg(left(pg_temp.push('eve', n::text), 5), ' '), 'faile faile faile PT429', 'failed pushes count')
FROM generate_series(1, 4) n;
ALTER TABLE learnsync_data.resource DROP CONSTRAINT team;
UPDATE learnsync_data.failed SET failed_at = failed_at - interval '1 minute';
SELECT learnsync_internal.retry_learner('eve', NULL, false);
SELECT is(
    (SELECT string_agg(verdict::text, '' ORDER BY verdict DESC) FROM learnsync_data.ledger WHERE learner_id = 'eve'),
    'sss',
    'retries go through');
SELECT is(left(pg_temp.push('eve', '4'), 5), 'PT429', 'the learner still waits');
SET learnsync.rate_limit = 0;
SELECT is(pg_temp.burst('eve', 3), 'synce synce synce', 'off again');

-- Every function that writes for a learner is charged once for a call that commits, and by nothing else.
CREATE FUNCTION pg_temp.item(id text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT '{"operation": "create", "resourceType": "quiz_attempt", "clientTimestamp": "2026-01-08T10:00:00Z",
        "data": {"quizId": "q", "attemptNumber": 1}}'
        || jsonb_build_object('id', id) || more $$;
CREATE FUNCTION pg_temp.request(channel text, who text, n text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT CASE channel
        WHEN 'sync_push' THEN jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(pg_temp.item(n), '1'))
        WHEN 'progress_put' THEN jsonb_build_object('events', jsonb_build_array(jsonb_build_object('eventId', n,
                    'clientId', 'c', 'type', 'progress.reset', 'occurredAt', '2026-01-08T10:00:00Z',
                    'payload', '{}'::jsonb),
                '1'))
        WHEN 'progress_batch' THEN jsonb_build_object('profile_id', who,
            'items', jsonb_build_array(jsonb_build_object('idempotency_key', n, 'activity_type', 'a',
                'content_id', 'c')))
        WHEN 'sync_resolve' THEN jsonb_build_object('conflictId', (
                SELECT COALESCE(min(conflict_id::text), 'none') FROM learnsync_data.conflict c
                WHERE c.learner_id = who AND closed_at IS NULL),
            'resolution', CASE n WHEN '2' THEN 'use_client' ELSE 'use_server' END, 'force', true)
        WHEN 'sync_correct' THEN jsonb_build_object('resourceType', 'quiz_attempt', 'resourceId', '["q",1]',
            'data', jsonb_build_object('n', n), 'by', 'b', 'reason', 'r')
        WHEN 'sync_uncorrect' THEN jsonb_build_object('resourceType', 'quiz_attempt', 'resourceId', '["q",1]',
            'by', 'b', 'reason', 'r')
        WHEN 'sync_activate_device' THEN '{"deviceId": "d"}'
        WHEN 'sync_deactivate_device' THEN '{"deviceId": "d"}'
        WHEN 'set_learner' THEN '{"dayStarts": "04:00"}'
        ELSE jsonb_build_object('events', (SELECT jsonb_agg(jsonb_build_object('idempotencyKey', n || device,
                                               'deviceId', device, 'moduleId', 'm', 'progressPercent', 1, 'score', 1,
                                               'clientTimestamp', '2026-01-08T10:00:00Z', 'syncVersion', 1))
                                           FROM unnest('{x,y,x}'::text[]) AS device))
    END $$;
CREATE FUNCTION pg_temp.ask(schema text, channel text, who text, request jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('learnsync.learner_id', who, true);
    EXECUTE format('SELECT %s.%s(%s $1)', schema, channel,
        CASE schema WHEN 'learnsync' THEN quote_literal(who) || ', ' END) USING request;
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
CREATE TEMPORARY TABLE channel AS SELECT p.proname AS name, n.nspname AS schema, n.nspname || '.' || p.proname AS who
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('learnsync', 'learnsync_api') AND p.provolatile = 'v'
        AND pg_get_function_identity_arguments(p.oid) ~ '^(learner_id text, request )?jsonb$'
        AND p.proname !~ '^(sync_(pull|cleanup)|(register|validate)_content|digest|dashboard)$';
SELECT is(
    array_agg(DISTINCT name::text ORDER BY name::text),
    '{progress_batch,progress_put,set_learner,sync_activate_device,sync_completions,sync_correct,'
    'sync_deactivate_device,sync_progress,sync_push,sync_resolve,sync_uncorrect}',
    'the functions that write for a learner')
FROM channel;
SELECT pg_temp.ask('learnsync', 'sync_push', who, jsonb_build_object('deviceId', 'd',
    'items', (SELECT jsonb_agg(pg_temp.item(n::text, jsonb_build_object(
                  'data', jsonb_build_object('quizId', 'q', 'attemptNumber', 1, 'n', n))))
              FROM generate_series(1, 5) n)))
FROM channel;
SELECT pg_temp.ask(schema, 'sync_correct', who, pg_temp.request('sync_correct', who, n::text))
FROM channel, generate_series(1, 6) n WHERE name = 'sync_uncorrect';
SET learnsync.rate_limit = 3;
SELECT is(
    (SELECT string_agg(pg_temp.ask(schema, name, who, pg_temp.request(name, who, n::text)), ' ' ORDER BY n)
     FROM generate_series(1, 4) n),
    'taken taken taken PT429',
    who || ' is charged once a call')
FROM channel ORDER BY who;
SELECT is(left(pg_temp.push(who, 'x'), 5), 'PT429', who || ' and a push draw on the same') FROM channel ORDER BY who;
UPDATE learnsync_data.learner SET rate_at = NULL;
SELECT is(
    (SELECT string_agg(pg_temp.ask(schema, name, who, pg_temp.request(name, who, 'again')), ' ' ORDER BY n)
     FROM generate_series(1, 4) n),
    CASE name WHEN 'sync_resolve' THEN 'taken PT404 PT404 PT404' ELSE 'taken taken taken PT429' END,
    who || ', retried, is charged as well')
FROM channel ORDER BY who;
UPDATE learnsync_data.learner SET rate_at = NULL;
SELECT is(
    string_agg(DISTINCT pg_temp.ask(c.schema, c.name, c.who, e.request), ' '),
    e.answer,
    'empty, refused or dry is not charged: ' || e.name)
FROM channel c
    JOIN (VALUES
        ('sync_push', '{"deviceId": "d", "items": []}'::jsonb, 'taken'),
        ('sync_push',
            jsonb_build_object('deviceId', 'd', 'dryRun', true, 'items', jsonb_build_array(pg_temp.item('dry'))),
            'taken'),
        ('sync_push', '{"items": []}', '22023'),
        ('progress_put', '{"events": []}', 'taken'),
        ('progress_put', '{"events": 1}', '22023'),
        ('sync_progress', '{"events": []}', '22023'),
        ('sync_completions', '{}', '22023'),
        ('sync_activate_device', '{"deviceId": "none"}', 'PT404'),
        ('sync_deactivate_device', '{"deviceId": "none"}', 'PT404'),
        ('sync_correct', '{"resourceType": "mastery", "resourceId": "m", "data": {}, "by": "b", "reason": "r"}',
            'PT404'),
        ('sync_uncorrect', '{"resourceType": "mastery", "resourceId": "m", "by": "b", "reason": "r"}', 'PT404'),
        ('sync_resolve', '{"conflictId": "x", "resolution": "use_server"}',
            'PT404')) AS e (name, request, answer) ON e.name = c.name,
    generate_series(1, 5) GROUP BY e.name, e.request, e.answer ORDER BY e.name, e.request;
SELECT is(count(rate_at), 0::bigint, 'nothing was charged for that') FROM learnsync_data.learner
WHERE learner_id IN (SELECT who FROM channel);

-- Paused: every call of an app is told to come again, readers and views too; administrators go on.
SET learnsync.rate_limit = 0;
SET learnsync.enabled = off;
SELECT is(pg_temp.ask(schema, name, who, pg_temp.request(name, who, 'paused')), 'PT503', who || ' while paused')
FROM channel ORDER BY who;
SELECT is(pg_temp.ask(schema, name, 'ann', '{"deviceId": "d"}'), 'PT503', schema || '.' || name || ' while paused')
    FROM (VALUES ('sync_pull')) AS f (name), (VALUES ('learnsync'), ('learnsync_api')) AS s (schema);
SELECT throws_ok(call, 'PT503', 'learnsync is paused', call || ' while paused')
FROM unnest(ARRAY['learnsync.sync_devices(''ann'')', 'learnsync_api.sync_devices()', 'learnsync.sync_status(''ann'')',
    'learnsync_api.sync_status()', 'learnsync.progress_get(''ann'')', 'learnsync_api.progress_get()',
    'learnsync.xapi_export(''ann'', NULL)', 'learnsync_api.xapi_export(NULL)', 'learnsync.current_learner()',
    'learnsync.current_learners()', 'learnsync.current_days()', 'count(*) FROM learnsync_api.lesson_progress',
    'count(*) FROM learnsync_api.learner_stats']) AS c,
    LATERAL (SELECT 'SELECT ' || c) AS q (call);
SELECT lives_ok('SELECT ' || call, call || ' while paused')
FROM unnest(ARRAY['learnsync_internal.retry_learner(''ann'', NULL, false)', 'learnsync.unseen_devices()',
    'learnsync.forget_learner(''ann'')', 'learnsync.setup()']) AS c (call);
SELECT set_config('request.method', 'POST', true);
SELECT throws_like(
    'SELECT learnsync.sync_devices(''ann'')',
    '{"code": "PT503", "message": "learnsync is paused", "details": "learnsync.enabled is off.", "hint": "Try again '
    'in % seconds."}',
    'over HTTP');
CREATE FUNCTION pg_temp.detail(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE call;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN detail;
END $$;
SELECT matches(
    pg_temp.detail('SELECT learnsync.sync_devices(''ann'')'),
    '^{"status": 429, "headers": {"Retry-After": "([1-5][0-9]|60)"}}$',
    'with a status that PostgREST does not take for a lost database');
SELECT set_config('request.method', '', true);
SET learnsync.enabled = on;
SELECT is(pg_temp.burst('bob', 1), 'synce', 'and on again');

SELECT * FROM finish();
ROLLBACK;
