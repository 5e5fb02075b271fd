-- Envelopes: for whom a call is, members that mean nothing, and those that nobody may overlook.
BEGIN;
SELECT no_plan();

CREATE ROLE test_learner;
CREATE ROLE test_admin;
SELECT learnsync.grant_access('test_learner', 'learner'), learnsync.grant_access('test_admin', 'admin');

-- What a call answers, or its error.
CREATE FUNCTION pg_temp.call(name text, learner text, request jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
    detail text;
BEGIN
    EXECUTE format('SELECT learnsync.%I($1, $2)', name) INTO answer USING learner, request;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN jsonb_build_object('error', SQLSTATE || ' ' || SQLERRM, 'detail', detail);
END $$;
-- The same through learnsync_api, by a role that may do nothing else.
CREATE FUNCTION pg_temp.ask(name text, learner text, request jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
BEGIN
    PERFORM set_config('request.jwt.claims', jsonb_build_object('sub', learner)::text, true);
    SET LOCAL ROLE test_learner;
    EXECUTE format('SELECT learnsync_api.%I($1)', name) INTO answer USING request;
    RESET ROLE;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    RETURN jsonb_build_object('error', SQLSTATE || ' ' || SQLERRM);
END $$;
CREATE FUNCTION pg_temp.lesson(id text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('id', id, 'operation', 'update', 'resourceType', 'lesson_progress',
        'data', jsonb_build_object('lessonId', id), 'clientTimestamp', '2026-01-08T10:00:00Z') $$;

-- An envelope for each call: the least that it takes.
CREATE TEMP TABLE envelope (name text, writes boolean, request jsonb);
INSERT INTO envelope
VALUES
    ('sync_push', true, jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(pg_temp.lesson('l')))),
    ('sync_pull', false, '{"deviceId": "d"}'),
    ('progress_put', true, '{"events": [{"eventId": "e", "occurredAt": "2026-01-08T10:00:00Z", "clientId": "c",
        "type": "onboarding.reset", "payload": {}}]}'),
    ('sync_progress', true, '{"events": [{"idempotencyKey": "k", "deviceId": "d", "moduleId": "m",
        "progressPercent": 5, "clientTimestamp": "2026-01-08T10:00:00Z", "syncVersion": 1}]}'),
    ('sync_completions', true, '{"events": [{"idempotencyKey": "k", "deviceId": "d", "moduleId": "m",
        "score": 5, "clientTimestamp": "2026-01-08T10:00:00Z"}]}'),
    ('progress_batch', true, '{"items": [{"idempotency_key": "k", "activity_type": "t", "content_id": "c"}]}'),
    ('sync_deactivate_device', true, '{"deviceId": "d"}'),
    ('sync_activate_device', true, '{"deviceId": "d"}'),
    ('sync_resolve', true, '{"conflictId": "00000000-0000-0000-0000-000000000000", "resolution": "use_server"}');
SELECT learnsync.add_profile('kid', 'mum'), learnsync.add_profile('sis', 'mum');

-- A queue of somebody else is refused whole, before anything is written.
SELECT is(pg_temp.call(name, 'bob', request || '{"learnerId": "ada"}') ->> 'error',
    '42501 the request is another learner''s', 'somebody else''s envelope is refused: ' || name)
FROM envelope;
SELECT is((SELECT count(*) FROM learnsync_data.learner WHERE learner_id IN ('bob', 'ada')), 0::bigint,
    'a refused envelope writes nothing, of neither learner');
SELECT is(pg_temp.call('sync_push', caller, request || jsonb_build_object('learnerId', learner)) ->> 'error',
    '42501 the request is another learner''s', format('%s does not act for %s', caller, learner))
FROM envelope,
    (VALUES ('kid', 'mum'), ('kid', 'sis'), ('mum', 'nobody'), ('mum', 'KID'), ('dad', 'kid')) v (caller, learner)
WHERE name = 'sync_push';
SELECT is(pg_temp.call(name, 'bob', request || jsonb_build_object('learnerId', bad)) ->> 'error',
    '22023 learnerId must be a string of 1 to 200 characters', format('%s: learnerId %s is no learner', name, bad))
FROM envelope, jsonb_array_elements('["", 5, {}, ["bob"], true]') bad;
SELECT is(
    (SELECT count(*) FROM learnsync_data.learner WHERE learner_id = 'bob'),
    0::bigint,
    'nothing of that is written');
SELECT is(
    pg_temp.call('sync_push', 'eve', request || jsonb_build_object('learnerId', learner)) #>> '{results,0,status}',
    'synced',
    'the caller may be named: ' || COALESCE(learner, 'NULL'))
FROM envelope, (VALUES ('eve'), (NULL)) v (learner)
WHERE name = 'sync_push';

-- A parent's phone acts for a profile that the parent owns.
SELECT is(pg_temp.ask(name, 'mum', request || '{"learnerId": "kid", "profile_id": "kid"}') ->> 'error', NULL,
    'the owner acts for a profile: ' || name)
FROM envelope WHERE name NOT IN ('sync_resolve', 'sync_activate_device', 'sync_deactivate_device');
SELECT is((SELECT string_agg(DISTINCT learner_id, ',') FROM learnsync_data.resource
    WHERE learner_id IN ('mum', 'kid')), 'kid', 'what the owner pushes for a profile is the profile''s');
SELECT is((SELECT string_agg(learner_id, ',') FROM learnsync_data.event WHERE learner_id IN ('mum', 'kid')), 'kid',
    'what the owner puts for a profile is the profile''s');
SELECT is(
    jsonb_array_length(pg_temp.ask('sync_pull', 'mum', '{"deviceId": "d", "learnerId": "kid"}') -> 'changes'),
    (SELECT count(*)::int FROM learnsync_data.resource WHERE learner_id = 'kid'),
    'the owner pulls what is the profile''s');
SELECT is(jsonb_array_length(pg_temp.ask('sync_pull', 'mum', '{"deviceId": "d"}') -> 'changes'), 0,
    'without learnerId the owner''s own');
SELECT is(pg_temp.ask('sync_push', 'mum', request || '{"learnerId": "kid"}') #>> '{results,0,duplicate}', 'true',
    'the same item from the owner''s phone, once more, counts once')
FROM envelope WHERE name = 'sync_push';
SELECT is(pg_temp.ask('progress_batch', 'mum', '{"learnerId": "kid", "profile_id": "sis"}') ->> 'error',
    'PT404 profile not found', 'who acts for a profile has not the owner''s other profiles');
SELECT learnsync.remove_profile('sis');
SELECT is(pg_temp.ask('sync_push', 'mum', '{"deviceId": "d", "items": [], "learnerId": "sis"}') ->> 'error',
    '42501 the request is another learner''s', 'a profile that was taken from its owner is acted for no more');

-- Members that nobody knows are named, with the right spelling where there is one.
SELECT is(pg_temp.call(name, 'ann', request || '{"foo": {"deep": [1]}, "learner_id": "x"}') - (
        SELECT array_agg(key) FROM jsonb_object_keys(pg_temp.call(name, 'ann', request)) key),
    '{"ignored": ["foo", "learner_id"], "meant": {"learner_id": "learnerId"}}', 'what is ignored is named: ' || name)
FROM envelope WHERE name <> 'sync_resolve';
SELECT is(
    jsonb_path_query_array(pg_temp.call(name, 'ann', request), '$.ignored'),
    '[]',
    'nothing is, nothing is named: ' || name)
FROM envelope;
SELECT is(pg_temp.call('sync_push', 'ann', request || jsonb_build_object(sent, 1)) #>> ARRAY['meant', sent], meant,
    format('%s means %s', sent, COALESCE(meant, 'nothing')))
FROM envelope,
    (VALUES ('device_id', 'deviceId'), ('DeviceID', 'deviceId'), ('deviceid', 'deviceId'), ('devceId', 'deviceId'),
        ('devcieId', 'deviceId'), ('deviceIds', 'deviceId'), ('device-name', 'deviceName'), ('metaData', 'metadata'),
        ('last_sync_version', 'lastSyncVersion'), ('cursors', 'cursor'), ('device', NULL), ('x', NULL), ('', NULL),
        ('userId', NULL), ('émetadata', NULL)) v (sent, meant)
WHERE name = 'sync_push';
SELECT is(pg_temp.call('sync_pull', 'ann', '{"deviceId": "d", "Limit": 1}') -> 'changes' IS NOT NULL, true,
    'an answer that names what it ignored is whole');
SELECT is(format('%s names of %s bytes', jsonb_array_length(answer -> 'ignored'),
        (SELECT max(octet_length(i)) FROM jsonb_array_elements_text(answer -> 'ignored') i)), '20 names of 64 bytes',
    'a request of a thousand long members gets a short answer')
FROM pg_temp.call('sync_pull', 'ann', '{"deviceId": "d"}' || (
        SELECT jsonb_object_agg(lpad(n::text, 10000, 'é'), n) FROM generate_series(1, 1000) n)) answer;

-- To overlook one of these would write what was only to be tried.
SELECT is(pg_temp.call(name, 'cat', request || jsonb_build_object(sent, true)) ->> 'error',
    format('22023 "%s" is no member of this request', sent), format('%s does not overlook %s', name, sent))
FROM envelope, (VALUES ('dry_run'), ('dryrun'), ('DryRun'), ('dry-run'), ('dryRn'), ('dryRuns'), ('ATOMIC'), ('atomc'),
    ('atmoic'), ('_atomic')) v (sent)
WHERE writes;
SELECT is(pg_temp.call(name, 'cat', request || jsonb_build_object(sent, true)) ->> 'error',
    format('22023 "%s" is no member of this request', sent), format('%s has no %s', name, sent))
FROM envelope, (VALUES ('dryRun'), ('atomic')) v (sent)
WHERE writes AND name <> 'sync_push';
SELECT is(
    (SELECT count(*) FROM learnsync_data.learner WHERE learner_id = 'cat'),
    0::bigint,
    'nothing of that is written');
SELECT is(
    pg_temp.call('sync_push', 'cat', request || '{"dryRun": true, "atomic": true}') #>> '{results,0,status}',
    'synced',
    'spelt rightly they are taken')
FROM envelope WHERE name = 'sync_push';
SELECT is(pg_temp.call('sync_pull', 'cat', '{"deviceId": "d", "dry_run": true}') -> 'ignored', '["dry_run"]',
    'a call that writes nothing may overlook them');

-- Cleaning up is for all learners.
CREATE FUNCTION pg_temp.cleanup(request jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN learnsync_api.sync_cleanup(request) -> 'ignored';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT is(pg_temp.cleanup(request), answer, 'cleanup of ' || request::text)
FROM (VALUES
    ('{"daysOld": 30}'::jsonb, NULL),
    ('{"days_old": 30}', '["days_old"]'),
    ('{"dry_run": true}', '22023 "dry_run" is no member of this request'),
    ('{"dryRun": true}', '22023 "dryRun" is no member of this request'),
    ('{"learnerId": "ann"}', '22023 learnerId has no place in a call for all learners')) v (request, answer);

SELECT * FROM finish();
ROLLBACK;
