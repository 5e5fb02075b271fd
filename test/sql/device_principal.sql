-- A device that was turned away gets in by no way: not by an old token, another name, another learner or by itself.
BEGIN;
SELECT no_plan();

-- Who reads is asked for at the first row, or by an index: VACUUM may have told the planner that a table is empty.
SET LOCAL enable_seqscan = off;

CREATE ROLE test_learner;
CREATE ROLE test_service;
CREATE ROLE test_admin;
SELECT learnsync.grant_access('test_learner', 'learner'), learnsync.grant_access('test_service', 'service'),
    learnsync.grant_access('test_admin', 'admin');

-- What a statement gives a role whose token has these claims: its first value, or the error and its detail.
CREATE FUNCTION pg_temp.ask(statement text, claims jsonb, role name DEFAULT 'test_learner') RETURNS text
    LANGUAGE plpgsql AS $$
DECLARE
    result text;
    detail text;
BEGIN
    PERFORM set_config('request.jwt.claims', COALESCE(claims::text, ''), true);
    EXECUTE format('SET LOCAL ROLE %I', role);
    EXECUTE statement INTO result;
    RESET ROLE;
    PERFORM set_config('request.jwt.claims', '', true);
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''));
END $$;
CREATE FUNCTION pg_temp.token(learner text, device text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('sub', learner, 'device', device)) $$;
CREATE FUNCTION pg_temp.lesson(id text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
        'data', jsonb_build_object('lessonId', id), 'clientTimestamp', '2026-01-08T10:00:00Z') $$;
CREATE FUNCTION pg_temp.push(learner text, device text, item jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    RETURN learnsync.sync_push(learner, jsonb_build_object('deviceId', device,
            'items', CASE WHEN item IS NULL THEN '[]' ELSE jsonb_build_array(item) END))
        #>> '{results,0,status}';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), CASE WHEN SQLSTATE = 'PT429' THEN hint END);
END $$;
CREATE FUNCTION pg_temp.known(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(device_id || CASE WHEN is_active THEN '' ELSE ' off' END, ', ' ORDER BY device_id)
    FROM learnsync_data.device d WHERE d.learner_id = learner $$;

-- Whatever a client can call, and what it sends there. Those that carry no device are found out by the token alone.
CREATE TEMP TABLE call (statement text, carries boolean);
INSERT INTO call
VALUES
    ('SELECT learnsync_api.sync_push(''{"deviceId": "d", "items": []}'') ->> ''syncVersion''', true),
    ('SELECT learnsync_api.sync_push(''{"deviceId": "d", "items": [], "dryRun": true}'') ->> ''syncVersion''', true),
    ('SELECT learnsync_api.sync_pull(''{"deviceId": "d"}'') ->> ''syncVersion''', true),
    ('SELECT learnsync_api.progress_put(''{"deviceId": "d", "events": []}'') ->> ''ok''', true),
    ('SELECT learnsync_api.progress_put(''{"events": []}'') ->> ''ok''', false),
    ('SELECT learnsync_api.progress_get() ->> ''ok''', false),
    ('SELECT jsonb_typeof(learnsync_api.sync_status() -> ''devices'')', false),
    ('SELECT jsonb_typeof(learnsync_api.sync_devices() -> ''devices'')', false),
    ('SELECT count(*) >= 0 FROM learnsync_api.xapi_export()', false),
    ('SELECT learnsync_api.sync_progress(''{"events": [{}]}'') ->> ''success''', false),
    ('SELECT learnsync_api.sync_completions(''{"events": [{}]}'') ->> ''success''', false),
    ('SELECT learnsync_api.progress_batch(''{"profile_id": "ann", "items": []}'') ->> ''results''', false),
    ('SELECT learnsync_api.sync_deactivate_device(''{"deviceId": "other"}'') ->> ''message''', false),
    ('SELECT learnsync_api.sync_resolve(''{"conflictId": "00000000-0000-0000-0000-000000000000",
        "resolution": "use_server"}'') ->> ''message''', false);
INSERT INTO call
SELECT format('SELECT count(*) >= 0 FROM %s', c.oid::regclass), false
FROM pg_class c
WHERE c.relnamespace = 'learnsync_api'::regnamespace AND c.relkind = 'v' AND c.relname <> 'audit';
SELECT learnsync.add_profile('kid', 'ann');
SELECT pg_temp.push('ann', 'd', pg_temp.lesson('l')), pg_temp.push('ann', 'other', pg_temp.lesson('l')),
    pg_temp.push('bob', 'd', pg_temp.lesson('l')), pg_temp.push('kid', 'd', pg_temp.lesson('k'));

-- Turning away, without claims of devices: the calls that say which device they are.
SELECT is(pg_temp.ask('SELECT learnsync_api.sync_deactivate_device(''{"deviceId": "d"}'') ->> ''message''',
        pg_temp.token('ann', NULL)), 'Device deactivated successfully', 'learners turn away a device of theirs');
SELECT is(pg_temp.ask(statement, pg_temp.token('ann', NULL)), 'PT403 | this device is deactivated',
    'a device that was turned away is told PT403: ' || statement)
FROM call
WHERE carries;
SELECT is(pg_temp.ask(replace(statement, '{"deviceId"', '{"learnerId": "kid", "deviceId"'), pg_temp.token('ann', NULL)),
    'PT403 | this device is deactivated', 'so it is as the device of a profile''s owner: ' || statement)
FROM call
WHERE carries;
SELECT is(pg_temp.ask('SELECT learnsync_api.sync_push(''{"deviceId": "d", "items": []}'') ->> ''syncVersion''',
        pg_temp.token('bob', NULL)), '1', 'another learner''s device of that name is another');
SELECT is(left(pg_temp.ask('SELECT learnsync_api.sync_activate_device(''{"deviceId": "d"}'')',
    pg_temp.token('ann', NULL)), 23),
    '42501 | permission deni', 'learners let no device in again');
SELECT is(pg_temp.ask('SELECT learnsync.sync_activate_device(''ann'', ''{"deviceId": "d"}'')',
    pg_temp.token('ann', NULL)),
    '42501 | permission denied for schema learnsync', 'nor by the function for backends');
SELECT is(pg_temp.known('ann'), 'd off, other', 'it is still turned away');
SELECT is(pg_temp.ask(
        'SELECT learnsync.sync_activate_device(''ann'', ''{"deviceId": "d"}'') ->> ''message''', NULL, role),
    'Device activated successfully', role || ' lets it in again')
FROM unnest(ARRAY['test_service', 'test_admin']) role;
SELECT is(pg_temp.ask('SELECT learnsync_api.sync_activate_device(''{"deviceId": "d"}'') ->> ''message''',
        pg_temp.token('ann', NULL), 'test_service'), 'Device activated successfully',
    'a service that has a token does, too');

-- Wiping: asked for at deactivation, told with each refusal, noted when the device says so.
CREATE FUNCTION pg_temp.wipe() RETURNS text LANGUAGE sql AS $$
    SELECT jsonb_path_query_first(learnsync.sync_status('ann', 'd'), '$.devices[0].wipe') - 'askedAt' $$;
SELECT is(pg_temp.wipe(), NULL, 'nobody asked for a wipe');
SELECT learnsync.sync_deactivate_device('ann', '{"deviceId": "d"}');
SELECT is(pg_temp.push('ann', 'd'), 'PT403 | this device is deactivated',
    'a device that is turned away is not told to wipe');
SELECT learnsync.sync_deactivate_device('ann', '{"deviceId": "d", "wiped": true}');
SELECT is(pg_temp.wipe(), NULL, 'a wipe that nobody asked for is not noted');
SELECT learnsync.sync_deactivate_device('ann', '{"deviceId": "d", "wipe": true}');
SELECT is(pg_temp.push('ann', 'd'), 'PT403 | this device is deactivated | {"wipe": true}', 'a push is told to wipe');
SELECT is(pg_temp.ask('SELECT learnsync_api.sync_pull(''{"deviceId": "d"}'')', pg_temp.token('ann', NULL)),
    'PT403 | this device is deactivated | {"wipe": true}', 'a pull is told to wipe');
SELECT is(pg_temp.wipe(), '{"doneAt": null}', 'a wipe that was asked for');
SELECT is(pg_temp.ask(
        'SELECT learnsync_api.sync_deactivate_device(''{"deviceId": "d", "wiped": true}'') ->> ''message''',
        pg_temp.token('ann', NULL)), 'Device wiped itself', 'the device says that it has');
SELECT isnt(pg_temp.wipe(), '{"doneAt": null}', 'the time of which is shown');
SELECT is(pg_temp.push('ann', 'd'), 'PT403 | this device is deactivated | {"wipe": true}', 'it stays turned away');
SELECT is(pg_temp.ask(format('SELECT learnsync_api.sync_deactivate_device(%L)', request),
    pg_temp.token('ann', NULL)), error,
    'refused: ' || request)
FROM (VALUES
    ('{"deviceId": "d", "wipe": true, "wiped": true}',
        '22023 | wiped does not go with wipe | The request is malformed at "wiped".'),
    ('{"deviceId": "d", "wipe": "yes"}', '22023 | wipe must be true or false | The request is malformed at "wipe".'),
    ('{"deviceId": "x", "wiped": true}', 'PT404 | device not found | There is no device "x".')) v (request, error);
SELECT learnsync.sync_activate_device('ann', '{"deviceId": "d"}');
SELECT is(pg_temp.wipe(), NULL, 'a device that is let in again has nothing to wipe');
SELECT learnsync.sync_deactivate_device('ann', '{"deviceId": "d", "wiped": true}');
SELECT is(pg_temp.push('ann', 'd', pg_temp.lesson('l')), 'synced', 'what it said late of a wipe turns it away no more');

-- Where tokens name devices the claim decides, of calls that carry none, too.
SET learnsync.device_claim = 'device';
SELECT is(pg_temp.ask(statement, pg_temp.token('ann', 'other')), CASE WHEN carries
        THEN '42501 | the request is another device''s | deviceId is "d", which the token does not name.' END,
    'a token goes with the queue of no other device: ' || statement)
FROM call
WHERE carries;
SELECT is(left(pg_temp.ask(statement, claims), 33), '28000 | the token names no device',
    format('no device in %s: %s', claims, statement))
FROM call, (VALUES ('{"sub": "ann"}'::jsonb), ('{"sub": "ann", "device": ""}'), ('{"sub": "ann", "device": 5}'),
    ('{"sub": "ann", "device": null}'), ('{"sub": "ann", "Device": "d"}')) v (claims);
SELECT ok(pg_temp.ask(statement, pg_temp.token('ann', 'd')) !~ '^(28000|PT403|42501)',
    'its own is let in: ' || statement)
FROM call;
SELECT is(pg_temp.ask(replace(statement, '"deviceId": "d", ', ''), pg_temp.token('ann', 'd')),
    pg_temp.ask(statement, pg_temp.token('ann', 'd')), 'deviceId may be left out: ' || statement)
FROM call
WHERE carries AND statement LIKE '%, %';
SELECT is(pg_temp.push('ann', 'third', pg_temp.lesson('l')), 'synced',
    'a backend without a token says which device it is');
SELECT learnsync.sync_deactivate_device('ann', '{"deviceId": "d", "wipe": true}');
SELECT is(pg_temp.ask(statement, pg_temp.token('ann', 'd')), 'PT403 | this device is deactivated | {"wipe": true}',
    'a token of a device that was turned away opens nothing: ' || statement)
FROM call;
SELECT is(pg_temp.ask(replace(statement, '{"', '{"learnerId": "kid", "'), pg_temp.token('ann', 'd')),
    'PT403 | this device is deactivated | {"wipe": true}', 'nor as a profile''s owner: ' || statement)
FROM call
WHERE statement LIKE '%{"%';
SELECT is(pg_temp.ask('SELECT learnsync_api.sync_deactivate_device(''{"deviceId": "other", "wiped": true}'')',
        pg_temp.token('ann', 'd')), 'PT403 | this device is deactivated | {"wipe": true}',
    'it says nothing of another device');
SELECT is(pg_temp.ask(
        'SELECT learnsync_api.sync_deactivate_device(''{"deviceId": "d", "wiped": true}'') ->> ''message''',
        pg_temp.token('ann', 'd')), 'Device wiped itself', 'all that it can say is that it has wiped itself');
SELECT ok(pg_temp.ask(statement, pg_temp.token('ann', 'third')) !~ '^(28000|PT403)',
    'another device is let in: ' || statement)
FROM call;

-- Events of modules are of the token's device; their own deviceId says where they come from.
CREATE FUNCTION pg_temp.modules(VARIADIC devices text[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('events', jsonb_agg(jsonb_build_object('idempotencyKey', n, 'deviceId', d,
    'moduleId', 'm' || n,
        'progressPercent', n, 'clientTimestamp', '2026-01-08T10:00:00Z', 'syncVersion', n)))
    FROM unnest(devices) WITH ORDINALITY u (d, n) $$;
SELECT is(pg_temp.ask(format('SELECT learnsync_api.sync_progress(%L) #>> ''{data,results}''', pg_temp.modules('x',
    'd', 'y')),
        pg_temp.token('eve', 'tab')), '[{"status": "applied", "idempotencyKey": "1"}, {"status": "applied", '
        '"idempotencyKey": "2"}, {"status": "applied", "idempotencyKey": "3"}]', 'events of several devices');
SELECT is(pg_temp.known('eve'), 'tab', 'one device sent them');
RESET learnsync.device_claim;

-- A shared tablet that was lost: every learner's, and who they are.
SELECT pg_temp.push(learner, 'tablet', pg_temp.lesson('l')) FROM unnest(ARRAY['dora', 'carl', 'ann']) learner;
SELECT is(pg_temp.ask('SELECT learnsync.deactivate_device(''tablet'')', NULL, role),
    '42501 | permission denied for function deactivate_device', role || ' locks no device of all learners')
FROM unnest(ARRAY['test_service']) role;
SELECT is(pg_temp.ask('SELECT learnsync.deactivate_device(''tablet'', wipe => true)', NULL, 'test_admin'),
    '{"count": 3, "learners": ["ann", "carl", "dora"]}', 'a lost tablet is locked for all its learners');
SELECT is(pg_temp.push(learner, 'tablet', pg_temp.lesson('l')), 'PT403 | this device is deactivated | {"wipe": true}',
    'nobody gets in with it: ' || learner)
FROM unnest(ARRAY['dora', 'carl', 'ann']) learner;
SELECT is(pg_temp.ask('SELECT learnsync.deactivate_device(''nothing'')', NULL, 'test_admin'),
    'PT404 | device not found | No learner has a device "nothing".', 'a device that nobody has');

-- Devices of a learner are a bounded number; those that were turned away stay, or they would be let in.
SET learnsync.max_devices = 3;
CREATE FUNCTION pg_temp.visit(device text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN pg_temp.push('max', device, pg_temp.lesson('l'));
END $$;
SELECT pg_temp.visit('a');
SELECT pg_temp.visit('b');
SELECT pg_temp.visit('c');
SELECT pg_temp.visit('a');
SELECT is(pg_temp.known('max'), 'a, b, c', 'as many as may be');
SELECT pg_temp.visit('e');
SELECT is(pg_temp.known('max'), 'a, c, e', 'beyond, the longest unseen is forgotten');
SELECT learnsync.sync_deactivate_device('max', '{"deviceId": "c"}');
SELECT pg_temp.visit('f');
SELECT pg_temp.visit('g');
SELECT is(pg_temp.known('max'), 'c off, f, g', 'one that was turned away is not forgotten');
SELECT is(pg_temp.visit('c'), 'PT403 | this device is deactivated', 'and not let in, however many come after it');
SELECT learnsync.sync_deactivate_device('max', '{"deviceId": "f"}');
SELECT learnsync.sync_deactivate_device('max', '{"deviceId": "g"}');
SELECT is(pg_temp.visit('h'), 'synced', 'a new one is taken although all others are turned away');
SELECT is(pg_temp.known('max'), 'c off, f off, g off, h', 'and known');
SELECT pg_temp.visit('i');
SELECT is(pg_temp.known('max'), 'c off, f off, g off, i', 'one at a time');
SELECT learnsync.progress_put('max',
    '{"deviceId": "p", "events": [{"eventId": "e", "occurredAt": "2026-01-08T10:00:00Z",
    "clientId": "c", "type": "onboarding.reset", "payload": {}}]}');
SELECT is(pg_temp.known('max'), 'c off, f off, g off, p', 'a put knows new devices in the same way');
RESET learnsync.max_devices;

-- The rate limit of a device: it stops that device, and no other of the learner.
SET learnsync.device_rate_limit = 2;
CREATE FUNCTION pg_temp.burst(device text, count int) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(left(pg_temp.push('rita', device, pg_temp.lesson('l')), 5),
    ' ') FROM generate_series(1, count) $$;
SELECT is(pg_temp.burst('a', 3), 'synce synce PT429', 'two calls a minute of one device');
SELECT is(pg_temp.burst('b', 1), 'synce', 'another device of the learner goes on');
SELECT matches(pg_temp.push('rita', 'a', pg_temp.lesson('l')),
    '^PT429 \| too many calls \| learnsync\.device_rate_limit allows 2 '
    'calls per minute\. \| Try again in (30|[12]?[0-9]) seconds?\.$', 'the error names the setting');
SELECT is(learnsync.sync_pull('rita', '{"deviceId": "a"}')::jsonb ? 'changes', true, 'it may pull');
SELECT is(pg_temp.push('rita', 'a'), NULL, 'what carries no item is not counted');
SELECT is(pg_temp.burst('a', 1), 'PT429', 'and resets nothing');
UPDATE learnsync_data.device SET rate_at = rate_at - interval '31 s' WHERE learner_id = 'rita';
SELECT is(pg_temp.burst('a', 2), 'synce PT429', 'half a minute gives one more');
CREATE FUNCTION pg_temp.put(id text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN learnsync.progress_put('rita', jsonb_build_object('deviceId', 'c', 'events', jsonb_build_array(
        jsonb_build_object('eventId', id, 'occurredAt', '2026-01-08T10:00:00Z', 'clientId', 'c',
            'type', 'onboarding.reset', 'payload', '{}'::jsonb)))) ->> 'ok';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT is(string_agg(pg_temp.put(n::text), ' '), 'true true PT429', 'puts count') FROM generate_series(1, 3) n;
SELECT is(string_agg(pg_temp.put('1'), ' '), 'PT429', 'retries as well');
RESET learnsync.device_rate_limit;
SELECT is(pg_temp.burst('a', 3), 'synce synce synce', 'off, nothing is counted');

SELECT * FROM finish();
ROLLBACK;
